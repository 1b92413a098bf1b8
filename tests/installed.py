"""Programs that not every machine has."""

import os
import shutil

import pytest


def needs(present: object, what: str) -> None:
    """Skip a test whose tool is missing; where all tools must be there, fail."""
    if not present:
        assert os.environ.get("CI") != "true", f"{what} is missing"
        pytest.skip(f"{what} is not installed")


def needs_dtc() -> None:
    """Skip a test where the device tree compiler is missing."""
    needs(shutil.which("dtc"), "dtc (Debian package device-tree-compiler)")
