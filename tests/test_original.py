"""What the original framework does badly, row by row of the table in which that was written down.

Each test is named after its row; its docstring has what the original did when it was run, and what is done here.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coprocsim import names
from coprocsim.devicetree import loads
from coprocsim.errors import CoprocsimError, DeviceTreeError, LookupFailed
from coprocsim.hypervisor import domains, tuning
from coprocsim.model import Charge, Setting, Sharing, VcoprocState
from coprocsim.options.build import Build
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.toolstack import control, domain
from coprocsim.toolstack.boot import BootOptions, boot, power_on
from tests.devicetree_blobs import blob
from tests.machines import MS, US, Machine, S, deny, driver, driver_of, scripted, spec, state, turns
from tests.packages import COMPLETE, Site
from tests.scripted import ScriptedPlatform

NO_TIMEOUT = Sharing(switch_timeout_ps=0)
DTS = Path(__file__).parent.parent / "dts"
MINIMAL, SYSTEM = DTS / "minimal.dtb", DTS / "system.dtb"


def test_wake_while_asked_to_sleep():
    """The original loses it: the vcoproc sleeps on for ever. Here it cancels the sleep: the same turn, to its end."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=NO_TIMEOUT)
    deny(a, 2 * MS)
    machine.wake(a)
    machine.at(3 * MS)
    machine.sleep(a)
    assert state(a) == "ASKED_TO_SLEEP"
    machine.at(4 * MS)
    machine.wake(a)
    assert state(a) == "RUNNING"
    machine.at(6 * MS)
    machine.wake(b)
    machine.run(11 * MS)
    assert machine.story("resume", "switch_to")[1:] == ["4000 resume d1v0", "10000 switch_to d2v0 entered 0"]


def test_denial_without_end():
    """The original: in 1 s one runs 1000 ms after 1,999 denials, all others 0. Here 10 ms and the timeout of 40 ms."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    deny(a, *[MS // 2] * 1_999)
    machine.wake(a, b)
    machine.run(S)
    assert turns(machine.rows(), S) == {"d1v0": 50 * MS, "d2v0": 950 * MS}
    assert machine.story("timeout", "reset") == ["50000 timeout d1v0", "50000 reset d1v0 the switch timed out"]
    assert (a.state, a.counters.resets) == (VcoprocState.SLEEPING, 1)
    assert (b.counters.suffered, b.counters.suffered_ps) == (1, 40 * MS)


@pytest.mark.parametrize(
    ("workload", "told"),
    [
        ("kind=idle", None),
        ("kind=backlog,work=60ms,uncuttable=41ms", "41 ms"),
        ("kind=periodic,period=1s,work=uniform:1ms-70ms,uncuttable=all", "70 ms"),
        ("kind=trace,at=1ms:1ms;2ms:50ms,uncuttable=all", "50 ms"),
        ("kind=backlog,work=60ms,uncuttable=40ms", None),
        ("kind=backlog,work=60ms", None),
        ("kind=fuzz,rate=10", None),
    ],
)
def test_denial_without_end_is_warned_of_where_it_can_be_known(tmp_path: Path, workload: str, told: str | None):
    """The original says nothing. Here whoever creates the domain is told, if a job can deny longer than the 40 ms."""
    boot(tmp_path / "machine", str(MINIMAL), BootOptions({}, seed=1))
    config = tmp_path / "guest.cfg"
    config.write_text(f'name = "guest"\ncoproc = ["xxx0"]\nmemory = 64\ncoproc_workload = ["xxx0,{workload}"]\n')
    created = domain.create(tmp_path / "machine", str(config), (), paused=False, dry_run=False)
    warned = (
        f"a job of `guest` keeps `xxx0` from switching for up to {told}, and the switch timeout is 40 ms: "
        "who is to be next may have it reset, and the job is lost"
    )
    assert created.warnings == (() if told is None else (warned,))
    control.set_schedule(tmp_path / "machine", "xxx0", None, None, [Setting("switch-timeout", "0ms")])
    options = [Setting(name, value) for name, _, value in (each.partition("=") for each in workload.split(","))]
    assert control.set_workload(tmp_path / "machine", "guest", "xxx0", options, tmp_path).warnings == ()


def shared_ms(charge: Charge) -> dict[str, float]:
    """Return who ran for how long in 233 ms, while `a` denies the end of each of its turns for 3.3 ms."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=Sharing(charge=charge))
    deny(a, *[3_300 * US, 0] * 50)
    machine.wake(a, b)
    machine.run(233 * MS)
    return {who: ran_ps / MS for who, ran_ps in turns(machine.rows(), 233 * MS).items()}


def test_denial_charged_to_nobody():
    """The original: shares shift to whoever denies longest, here ten times 13.3 ms to 10 ms. Here it is debt.

    All turns of `a` but the first are 6.7 ms long and overrun by 3.3, so both have 10 ms each time: in 233 ms there are
    the first two turns (13.3 + 10), ten times two turns (10 + 10), and 9.7 ms of the next one of `a`.
    """
    assert shared_ms(Charge.NONE) == {"d1v0": 133.0, "d2v0": 100.0}
    assert shared_ms(Charge.DEBT) == {"d1v0": 13.3 + 10 * 10 + 9.7, "d2v0": 110.0}


def test_denial_charged_to_nobody_names_who_denied_who_waited_and_how_long():
    """The original: nothing. Here: from 10 ms on `b` is to be next, from 12 ms on `c`, until `a` leaves at 15 ms."""
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS, wake="head", min_run=0)
    deny(a, 5 * MS)
    machine.wake(b, a)
    machine.at(12 * MS)
    machine.wake(c)
    machine.run(20 * MS)
    assert (b.counters.suffered, b.counters.suffered_ps) == (1, 2 * MS)
    assert (c.counters.suffered, c.counters.suffered_ps) == (1, 3 * MS)
    assert a.coproc.suffered == {(a.who, b.who): (1, 2 * MS), (a.who, c.who): (1, 3 * MS)}


def test_wait_of_1_ns_from_a_driver():
    """The original: 1,500 retries in 1.5 µs. Here: one each 10 µs, the floor."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    deny(a, *[1000] * 1_500)
    machine.wake(a, b)
    machine.run(10 * MS + 95 * US)
    assert [at_ps for at_ps, *_ in machine.rows("switch_from")] == [10 * MS + n * 10 * US for n in range(10)]


def test_wait_of_1_ns_from_a_driver_with_another_floor():
    """The floor is a setting of the coproc: with one of 50 µs, which changes while it runs to 20."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=Sharing(retry_floor_ps=50 * US))
    deny(a, *[1000] * 1_500)
    machine.wake(a, b)
    machine.run(10 * MS + 140 * US)
    tuning.set_sharing(machine.board, a.coproc, {"retry-floor": 20 * US})
    machine.run(10 * MS + 200 * US)
    retries_us = [(at_ps - 10 * MS) // US for at_ps, *_ in machine.rows("switch_from")]
    assert retries_us == [0, 50, 100, 150, 170, 190]


def test_a_third_domain_s_wake_during_a_denial():
    """The original retries early, and pushes the promised retry out. Here the promised one stands: 10 + 5 ms."""
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS)
    deny(a, 5 * MS)
    machine.wake(a, b)
    machine.at(12 * MS)
    machine.wake(c)
    machine.at(13 * MS)
    machine.sleep(c)
    machine.run(20 * MS)
    assert machine.story("switch_from") == ["10000 switch_from d1v0 busy 5000000000", "15000 switch_from d1v0 left 0"]


def shares_while_one_toggles_ms(wake: str, min_run: int) -> list[int]:
    """Return who ran for how long in 100 ms, while the first one sleeps for 1 ns every 0.9 slices."""
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS, wake=wake, min_run=min_run)
    machine.wake(c, b, a) if wake == "head" else machine.wake(a, b, c)
    for at_ps in range(9 * MS, 100 * MS, 9 * MS):
        machine.at(at_ps)
        machine.sleep(a)
        machine.at(at_ps + 1000)
        machine.wake(a)
    machine.run(100 * MS)
    ran = turns(machine.rows(), 100 * MS)
    return [round(ran.get(str(each.vcoproc_id), 0) / MS) for each in (a, b, c)]


def test_waking_domains_inserted_at_the_head_preempting_at_once():
    """The original, which `wake = head` still is: 100 ms : 0 : 0. Here who toggles only loses its own place.

    It has its first 9 ms; then the two others take turns of 10 ms, and it is behind them again each time it wakes.
    """
    assert shares_while_one_toggles_ms("head", 0) == [100, 0, 0]
    assert shares_while_one_toggles_ms("tail", MS) == [9, 50, 41]


def test_next_goes_away_during_a_denial():
    """The original: the stopped hardware is never started again. Here `resume` is called, and a new turn begins."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    deny(a, 5 * MS)
    machine.wake(a, b)
    machine.at(12 * MS)
    machine.sleep(b)
    platform = a.coproc.platform
    assert isinstance(platform, ScriptedPlatform)
    assert platform.resumed == [a.vcoproc_id]
    machine.at(13 * MS)
    machine.wake(b)
    machine.run(30 * MS)
    assert machine.story("switch_from", "resume") == [
        "10000 switch_from d1v0 busy 5000000000",
        "12000 resume d1v0",
        "22000 switch_from d1v0 left 0",
    ]
    assert (a.counters.denied_ps, a.counters.overrun_ps, a.owed_ps) == (2 * MS, 0, 0)


@pytest.mark.parametrize("hook", ["switch_to", "switch_from"])
def test_switch_to_or_switch_from_fails(hook: str):
    """The original: the whole host panics. Here: a reset of 100 µs on that coproc, nothing on the other."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=driver(reset_ps=100 * US))
    machine.coproc("dsp0", driver())
    other = machine.vcoproc("c", "dsp0")
    machine.wake(a, b, other)
    driver_of(a).broken = {hook}
    machine.run(10 * MS)
    driver_of(a).broken = set()
    machine.run(11 * MS)
    broken, whole = (b, a) if hook == "switch_to" else (a, b)
    assert [row[2:4] for row in machine.rows("reset")] == [("reset", str(broken.vcoproc_id))]
    assert (broken.state, whole.state) == (VcoprocState.SLEEPING, VcoprocState.RUNNING)
    assert machine.running("dsp0") == other.vcoproc_id
    machine.book()
    assert (a.coproc.counters.failed_ps, other.coproc.counters.run_ps) == (100 * US, 11 * MS)


def test_iommu_fails():
    """The original: the whole host panics. Here: one reset. Two coprocs were given one stream by mistake."""
    machine = Machine()
    machine.coproc("gpu0", driver())
    machine.coproc("dsp0", driver(), described=replace(spec("dsp0"), streams=spec("gpu0").streams))
    a, b = machine.vcoproc("a", "gpu0"), machine.vcoproc("b", "dsp0")
    machine.wake(a, b)
    assert machine.running("gpu0") == a.vcoproc_id
    assert b.state is VcoprocState.SLEEPING
    (row,) = machine.rows("reset")
    assert row[3:] == ("d2v0", f"stream {a.coproc.spec.streams[0]} is still attached to d1v0")


def test_destroy_while_the_driver_denies():
    """The original: -EBUSY for ever. Here it is dying, and gone at 5 + 40 ms, when the switch timeout has passed."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    deny(a, *[MS] * 1_000)
    machine.wake(a, b)
    machine.at(5 * MS)
    domains.destroy(machine.board, a.domain)
    machine.hypervisor.settle()
    machine.run(44 * MS)
    assert (a.domain.dying, a.state, list(machine.board.domains)) == (True, VcoprocState.ASKED_TO_SLEEP, [1, 2])
    machine.run(46 * MS)
    assert (a.state, list(machine.board.domains), machine.running()) == (VcoprocState.UNKNOWN, [2], b.vcoproc_id)
    assert a.vcoproc_id not in a.coproc.vcoprocs


def test_slice_no_longer_than_the_cost_of_a_switch(tmp_path: Path):
    """The original: zero useful time, silently. Here refused at configuration, with the two figures.

    The reference platform reads 27 registers (7 staged, 4 more, 2 places of 8) and 3 more to leave, writes 27 and 1 to
    enter, each in 100 ns: 3 + 2.8 = 5.8 µs.
    """
    short = tmp_path / "short.dtb"
    short.write_bytes(MINIMAL.read_bytes().replace((5000).to_bytes(4, "big"), (5).to_bytes(4, "big")))
    what = "a turn of 5 us on `xxx0` is no longer than a context switch, which takes up to 5.8 us"
    with pytest.raises(DeviceTreeError) as refused:
        boot(tmp_path / "machine", str(short), BootOptions({}, seed=1))
    assert str(refused.value) == what
    boot(tmp_path / "machine", str(MINIMAL), BootOptions({}, seed=1))
    with pytest.raises(CoprocsimError) as refused_later:
        control.set_schedule(tmp_path / "machine", "xxx0", None, None, [Setting("slice", "5us")])
    assert str(refused_later.value) == what
    control.set_schedule(tmp_path / "machine", "xxx0", None, None, [Setting("slice", "6us")])


def test_path_lookup_by_prefix():
    """The original: `/soc/gpu` finds `/soc/gpu1`, the wrong device. Here exact; the error names the nearest."""
    tree = loads(blob({"soc": {"gpu1": {}}})).tree
    assert tree.resolve("/soc/gpu") is None
    with pytest.raises(LookupFailed) as unknown:
        names.coproc_id("/soc/gpu", {"graphics": "/soc/gpu1", "dsp": "/soc/dsp1"}, {})
    assert str(unknown.value) == "no shared coproc `/soc/gpu`"
    assert unknown.value.hint is not None
    assert unknown.value.hint.endswith("did you mean `/soc/gpu1`?")


def test_algorithm_and_slice_one_for_the_whole_system():
    """The original: fixed when it is compiled. Here: per coproc, 40 ms in turns of 10 ms and of 1 ms."""
    machine = Machine()
    machine.coproc("gpu0", driver(), settings={"slice": 10 * MS})
    machine.coproc("dsp0", driver(), settings={"slice": MS})
    for name in ("a", "b"):
        machine.wake(*machine.domain(name, "gpu0", "dsp0").vcoprocs)
    machine.run(40 * MS - 1)
    assert [coproc.counters.switches for coproc in machine.board.coprocs.values()] == [4, 40]


def test_algorithm_and_slice_from_the_device_tree():
    """The original takes neither from there. Here each node names its own: see `dts/system.dts`."""
    board, _ = power_on(loads(SYSTEM.read_bytes()).machine, BootOptions({}), Build())
    assert {name: (coproc.scheduler.name, coproc.settings["slice"]) for name, coproc in board.coprocs.items()} == {
        "gpu0": ("rrobin", 10 * MS),
        "xxx0": ("rrobin", 5 * MS),
        "xxc0": ("rrobin", 5 * MS),
    }


def test_an_algorithm_named_in_the_device_tree_is_the_one_that_shares(tmp_path: Path):
    """One node asks for another algorithm than the rest, which is that of another package."""
    Site(tmp_path).install("acme-one", COMPLETE.replace("mine", "fifo-x"), "one = acme_one:Mine")
    data = SYSTEM.read_bytes()
    at = data.index(b"rrobin\0")
    (tmp_path / "two.dtb").write_bytes(data[:at] + b"fifo-x\0" + data[at + 7 :])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment["COPROCSIM_STATE_DIR"] = str(tmp_path)
    command = [sys.executable, "-m", "coprocsim", "boot", "two.dtb", "--json"]
    booted = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert [each["scheduler"] for each in json.loads(booted.stdout)["coprocs"]] == ["fifo-x", "rrobin", "rrobin"]


def test_algorithm_and_slice_fixed_when_compiled():
    """The original: so. Here both change while it runs: turns of 10 ms, from 20 ms on of 5, from 30 ms on of 2."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    machine.wake(a, b)
    machine.at(20 * MS)
    tuning.set_parameters(machine.board, a.coproc, {"slice": 5 * MS})
    machine.at(30 * MS)

    class Another(RoundRobin):
        name = "another"

    tuning.set_algorithm(machine.board, a.coproc, Another, {"slice": 2 * MS, "wake": "tail", "min-run": 0}, {})
    machine.run(34 * MS)
    assert [row[0] // MS for row in machine.rows("switch_from")] == [10, 20, 25, 30, 32, 34]
    assert machine.story("setting", "algorithm") == ["20000 setting - slice 5000000000 5ms", "30000 algorithm another"]
