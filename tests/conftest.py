"""What many tests begin with; and Hypothesis on a machine that others use too: no example is too slow."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.homes import Home

settings.register_profile("coprocsim", deadline=None)
settings.load_profile("coprocsim")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a user's folder, in which no machine is up."""
    return Home(tmp_path)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a folder with a machine that is only looked at."""
    home = Home(tmp_path_factory.mktemp("looked_at"))
    home.busy()
    home.quickly("run 60ms")
    return home
