"""What many tests begin with; and Hypothesis on a machine that others use too: no example is too slow."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.homes import Home

settings.register_profile("coprocsim", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("coprocsim")

# What a user has set for the commands that he types is not for those that tests start.
for name in [*os.environ]:
    if name.startswith("COPROCSIM_") or name in {"COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "TTY_COMPATIBLE"}:
        del os.environ[name]
# In the background of a script Ctrl-C is ignored, and would be by the commands that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Yield a user's folder, in which no machine is up."""
    home = Home(tmp_path)
    yield home
    home.end()


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a folder with a machine that is only looked at."""
    home = Home(tmp_path_factory.mktemp("looked_at"))
    home.busy()
    home.quickly("run 60ms")
    return home
