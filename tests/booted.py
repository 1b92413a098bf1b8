"""A machine in its file, with a domain for each workload that is wanted."""

from pathlib import Path

from coprocsim.toolstack import domain
from coprocsim.toolstack.boot import BootOptions, boot

TREE = str(Path(__file__).parent.parent / "dts/minimal.dtb")


def go_on(*_: int) -> bool:
    """Let a run go on to its end."""
    return True


def booted(folder: Path, workloads: list[str], trace_limit_bytes: int = 2**20) -> Path:
    """Return a machine with a domain for each workload."""
    machine = folder / "machine.sqlite"
    boot(machine, TREE, BootOptions({}, seed=3, trace_limit_bytes=trace_limit_bytes, force=True))
    for number, workload in enumerate(workloads, start=1):
        path = folder / f"{number}.cfg"
        path.write_text(
            f'name = "dom{number}"\nmemory = 16\ncoproc = [ "xxx0" ]\ncoproc_workload = [ "xxx0,{workload}" ]\n'
        )
        domain.create(machine, str(path), (), paused=False, dry_run=False)
    return machine
