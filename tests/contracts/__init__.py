"""What every algorithm, driver and hardware model must keep, as tests to be inherited; see `tests/README.md`."""
