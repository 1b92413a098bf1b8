"""Settings that are wrong together, and budgets that a switch uses up, are refused wherever they are set.

The generic platform leaves in 25 us and enters in 25 us; the trees name no IOMMU, which would add to that.
"""

from pathlib import Path

import pytest

from tests.devicetree_blobs import NodeDict, blob, gpu, machine
from tests.homes import Home

TOGETHER = "`budget` = 12ms is longer than `period` = 10ms"
TOGETHER_HINT = " hint: there is no more than the whole coproc: make `budget` shorter or `period` longer\n"
SHORT = "a budget of 50 us on `gpu0` is no longer than a context switch, which takes up to 50 us"
SHORT_HINT = " hint: no useful time would be left; make the budget longer\n"


@pytest.fixture(params=["rtds", "cbs"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    home = Home(tmp_path)
    described(home, {"coproc-sched": request.param})
    assert "error" not in said_by(home, "boot own.dtb")
    return home


def said_by(home: Home, line: str) -> str:
    """Return what a command says, whether it fails or not."""
    return home.quickly(line).removesuffix("[exit 1]\n")


def described(home: Home, shared: NodeDict) -> None:
    device = gpu(compatible="coprocsim,generic", reg=[0x1000, 0x1000], interrupts=[0, 20, 4])
    (home.folder / "own.dtb").write_bytes(blob(machine(device, shared)))


def config(home: Home, options: str) -> None:
    (home.folder / "own.cfg").write_text(f'name = "own"\nmemory = 64\ncoproc = [ "gpu0{options}" ]\n')


def test_in_the_device_tree(home: Home):
    subnode = {"compatible": "xen,vcoproc", "domain": "own", "coproc-sched-budget-us": 12_000}
    place = " --> own.dtb: /chosen/scf-0/own: coproc-sched-budget-us\n"
    described(home, {"coproc-sched": "rtds", "own": subnode})
    assert said_by(home, "boot own.dtb --force") == f"error: {TOGETHER}\n{place}{TOGETHER_HINT}"
    described(home, {"coproc-sched": "cbs", "own": {**subnode, "coproc-sched-budget-us": 50}})
    assert said_by(home, "boot own.dtb --force") == f"error: {SHORT}\n{place}{SHORT_HINT}"


def test_in_a_domain_s_config(home: Home):
    config(home, ",budget=12ms")
    said = said_by(home, "domain create own.cfg")
    assert said.startswith(f"error: {TOGETHER}\n --> own.cfg:3:18\n")
    assert said.endswith(TOGETHER_HINT)
    config(home, ",budget=50us")
    said = said_by(home, "domain create own.cfg")
    assert said.startswith(f"error: {SHORT}\n --> own.cfg:3:18\n")
    assert said.endswith(SHORT_HINT)
    config(home, ",budget=12ms,period=20ms")
    assert "error" not in said_by(home, "domain create own.cfg")


def test_of_a_vcoproc_that_runs(home: Home):
    config(home, "")
    said_by(home, "domain create own.cfg")
    assert said_by(home, "sched set gpu0 -d own budget=12ms") == f"error: {TOGETHER}\n{TOGETHER_HINT}"
    assert said_by(home, "sched set gpu0 -d own budget=50") == f"error: {SHORT}\n{SHORT_HINT}"
    assert "error" not in said_by(home, "sched set gpu0 -d own budget=51")
    # What was refused has changed nothing: 51 us of the usual 10 ms.
    assert "budget=51us" in said_by(home, "sched gpu0")
    assert "period=10ms" in said_by(home, "sched gpu0")


def test_another_algorithm_gives_each_vcoproc_its_defaults_if_these_fit(tmp_path: Path):
    home = Home(tmp_path)
    described(home, {"coproc-sched": "rrobin"})
    (home.folder / "slow.py").write_text(SLOW)
    home.environment["PYTHONPATH"] += f":{home.folder}"
    metadata = home.folder / "slow-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[coprocsim.platforms]\nslow = slow:Slow\n")
    assert home.run("boot", "own.dtb", "--platform", "gpu0=slow")[0] == 0
    # As long as nobody is there, nobody has such a budget.
    assert home.run("sched", "set", "gpu0", "--algorithm", "rtds")[0] == 0
    assert home.run("sched", "set", "gpu0", "--algorithm", "rrobin")[0] == 0
    config(home, "")
    assert home.run("domain", "create", "own.cfg")[0] == 0
    _, _, said = home.run("sched", "set", "gpu0", "--algorithm", "rtds")
    what = "a budget of 4 ms on `gpu0` is no longer than a context switch, which takes up to 5.025 ms"
    assert said == f"error: {what}\n{SHORT_HINT}"


SLOW = """
from coprocsim.platforms.generic import GenericPlatform

class Slow(GenericPlatform):
    name = "slow"
    summary = "takes 5 ms to enter"
    compatible = ("test,slow",)
    enter_cost_ps = 5 * 10**9
"""
