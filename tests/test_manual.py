"""The manual pages: one for each command, which a reader of manual pages formats without a complaint."""

import shutil
import subprocess

import pytest

from coprocsim.cli import manual
from coprocsim.cli.root import COMMANDS

# What the generator calls of click is click's and its own business.
pytestmark = pytest.mark.filterwarnings("ignore:.*make_default_short_help")


def test_each_command_has_a_page_with_its_options(tmp_path):
    manual.write(tmp_path)
    pages = {each.name for each in tmp_path.iterdir()}
    assert {"coprocsim.1", *(f"coprocsim-{name}.1" for name in COMMANDS)} <= pages
    assert "coprocsim-domain-create.1" in pages
    run = (tmp_path / "coprocsim-run.1").read_text()
    assert "\\-\\-cycles" in run
    assert "Let time pass" in run
    main = (tmp_path / "coprocsim.1").read_text()
    assert all(name.replace("-", "\\-") in main or name in main for name in COMMANDS)


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man (Debian: man-db)")
def test_man_formats_each_page(tmp_path):
    manual.write(tmp_path)
    for page in sorted(tmp_path.iterdir()):
        command = ["man", "--warnings=w", "-l", "-P", "cat", str(page)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert (done.stderr, "NAME" in done.stdout) == ("", True)
