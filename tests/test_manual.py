"""The manual pages: one for each command, which a reader of manual pages formats without a complaint."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coprocsim.cli.root import COMMANDS


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages by name, made as `make man` makes them."""
    folder = tmp_path_factory.mktemp("man1")
    command = [sys.executable, "-W", "ignore", "-m", "coprocsim.cli.manual", str(folder)]
    subprocess.run(command, cwd=Path(__file__).parents[1], timeout=60, check=True)
    return {each.name: each for each in sorted(folder.iterdir())}


def test_each_command_has_a_page_with_its_options(pages):
    assert {"coprocsim.1", *(f"coprocsim-{name}.1" for name in COMMANDS)} <= pages.keys()
    assert "coprocsim-domain-create.1" in pages
    run = pages["coprocsim-run.1"].read_text()
    assert "\\-\\-cycles" in run
    assert "Let time pass" in run
    main = pages["coprocsim.1"].read_text()
    assert all(name.replace("-", "\\-") in main or name in main for name in COMMANDS)


def test_every_page_says_whole_what_the_command_is_for(pages):
    assert len(pages) > len(COMMANDS)
    # In a synopsis `KEY=VALUE...` and `[FILE]...` may be given more than once.
    cut = re.compile(r"[^],A-Z]\.\.\.$", re.MULTILINE)
    assert [name for name, page in pages.items() if cut.search(page.read_text())] == []
    domain = pages["coprocsim-domain.1"].read_text()
    assert "coprocsim\\-domain \\- Create, destroy, pause, unpause and show domains.\n" in domain
    assert "  Create a domain and its vcoprocs from an xl config, or nothing.\n" in domain


# That of `compare` is being written.
def test_every_page_has_the_examples_of_the_help(pages):
    without = [name for name, page in pages.items() if ".SH EXAMPLES\n.nf\n.fi" in page.read_text()]
    assert without in ([], ["coprocsim-compare.1"])
    assert ".SH EXAMPLES\n.nf\ncoprocsim run 2.5s\ncoprocsim run \\-\\-cycles" in pages["coprocsim-run.1"].read_text()


def test_what_the_help_does_not_wrap_is_not_wrapped_in_a_page(pages):
    fault = pages["coprocsim-fault.1"].read_text()
    assert "\b" not in fault
    assert ".nf\ndeny               its driver refuses to leave, for a time\nhang " in fault


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man (Debian: man-db)")
def test_man_formats_each_page(pages):
    for page in pages.values():
        command = ["man", "--warnings=w", "-l", "-P", "cat", str(page)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert (done.stderr, "NAME" in done.stdout) == ("", True)
