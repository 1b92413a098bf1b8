"""A third party's package, installed by pip into a folder of its own, and used as its user would."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coprocsim.devicetree import compile_source
from tests.installed import needs_dtc

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "tests/thirdparty"


def test_the_committed_blob_is_what_dtc_makes_of_its_source():
    needs_dtc()
    assert compile_source(str(PACKAGE / "board.dts")) == (PACKAGE / "board.dtb").read_bytes()


class User:
    """Somebody at a terminal with acme-blinker installed."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        shutil.copytree(site, self.site)

    def __call__(self, line: str, status: int = 0) -> str:
        """Run a command; return both of its streams."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COPROCSIM_")}
        environment |= {
            "COPROCSIM_STATE_DIR": str(self.folder / "state"),
            "PYTHONPATH": f"{self.site}{os.pathsep}{PROJECT}",
            "COLUMNS": "80",
        }
        done = subprocess.run(
            [sys.executable, "-m", "coprocsim", *line.split()],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def break_part(self, module: str, old: str, new: str) -> None:
        """Change the installed package."""
        path = self.site / "acme_blinker" / f"{module}.py"
        source = path.read_text()
        assert old in source
        path.write_text(source.replace(old, new))

    def uninstall(self) -> None:
        shutil.rmtree(self.site)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thirdparty") / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", folder, PACKAGE], check=True)
    return folder


@pytest.fixture
def user(site: Path, tmp_path: Path) -> User:
    return User(tmp_path, site)


def test_a_package_adds_its_parts_to_all_commands_and_a_machine_says_when_it_is_gone(user: User):
    assert "lamps0  blinker   shares     100 MHz" in user(f"boot {PACKAGE}/board.dtb")
    user(f"domain create {PACKAGE}/lamps.cfg")
    # Every 25 ms 16 steps of 2000 cycles of 100 MHz, 320 us each: the fourth is done at 75.3 ms.
    assert "4 jobs done" in user("run 100ms")
    assert "blinker    acme,blinker" in user("list platforms")
    assert "shares     share" in user("list schedulers")
    user("sched set lamps0 quantum=1ms")
    user("sched set lamps0 -d lamps share=5")
    shown = json.loads(user("sched lamps0 --json"))
    assert [each["value"] for each in shown["settings"]] == ["1ms"]
    assert [each["value"] for each in shown["vcoprocs"][0]["settings"]] == ["5"]
    figures = json.loads(user("stats --json"))
    assert (figures["vcoprocs"][0]["done"], figures["vcoprocs"][0]["run_ps"]) == (4, 4 * 320_000_000)

    user.break_part("platform", "self._write_host(reg.HALT, 1)", "raise LookupError('no halt')")
    failed = user("run 100ms", 70)
    assert "LookupError: no halt" in failed
    assert "error: `acme_blinker.platform` of package `acme-blinker` has failed; the machine is as it was" in failed
    assert "it is no bug of coprocsim" in failed
    user.break_part("platform", "raise LookupError('no halt')", "self._write_host(reg.HALT, 1)")
    user("run 100ms")

    user.uninstall()
    assert "lamps0  switching  shares" in user("list coprocs")
    assert user("run 1ms", 1) == (
        "error: the workload `blink` is not installed\n"
        " why: d1v0 of this machine has it\n"
        " hint: install it again, or boot anew\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("entry", ["blinker --kind platform", "blinker --kind hardware", "shares", "blink"])
def test_its_parts_keep_the_rules(user: User, entry: str):
    checks = json.loads(user(f"conformance {entry} --examples 10 --json"))
    assert checks["passed"]
    # Its coproc has no DMA, and is switched; all other checks are about something.
    left_out = {each["check"] for each in checks["checks"] if each["outcome"] == "left out"}
    assert left_out <= {
        "what its dma reaches is memory of the domain that runs",
        "of hardware that shares itself each has its own part",
    }
    assert not (user.folder / ".hypothesis").exists()
