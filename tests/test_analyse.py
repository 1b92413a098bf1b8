"""`analyse`: bounds on machines as they are, with real platforms, switch costs, denials and handlers."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from coprocsim.analysis.bounds import Verdict
from coprocsim.hypervisor import domains
from coprocsim.model import Charge, Payer, Sharing
from coprocsim.parameters import Scope, Value
from coprocsim.platforms import PLATFORMS
from coprocsim.schedulers import ALGORITHMS
from coprocsim.store import read
from coprocsim.toolstack.analyse import Analysed, analysed, shared_of
from tests.cli import golden
from tests.machines import MS, US, Machine, described_for, settings_of

# Of what is drawn much has no bound, most of all where a denial is long; what has one is still there to be looked at.
FILTERED = [HealthCheck.filter_too_much]
KINDS = ("periodic", "periodic", "periodic", "poisson", "backlog", "trace")


@st.composite
def workloads(draw: st.DrawFn, cuttable: bool, kinds: Sequence[str], rarer: int) -> str:
    """Draw a workload of one of `kinds` whose jobs come often, or `rarer` times less."""
    kind = draw(st.sampled_from(kinds))
    period = draw(st.integers(300, 5000))
    work = draw(st.integers(20, period // 2))
    law = draw(st.sampled_from((f"{work}us", f"uniform:{work // 2}us-{work}us")))
    period *= rarer
    reaction = draw(st.sampled_from((0, 5, 300)))
    more = f",reaction={reaction}us,queue=1000"
    if cuttable:
        more += f",uncuttable={draw(st.sampled_from(('0', 'all', '7us', '400us')))}"
    if kind == "backlog":
        return f"kind=backlog,work={law}{more}"
    if kind == "poisson":
        return f"kind=poisson,rate={1_000_000 // (2 * period)},work={law},deadline={2 * period}us{more}"
    if kind == "trace":
        at = ";".join(f"{n * period}us:{work}us" for n in range(8))
        return f"kind=trace,at={at}{more},deadline={period}us"
    offset, jitter = draw(st.sampled_from((0, 0, 100, 1234))), draw(st.sampled_from((0, 0, period // 5)))
    due = draw(st.sampled_from(("0", f"{period // 2}us", f"{period}us", f"{2 * period}us")))
    return f"kind=periodic,period={period}us,offset={offset}us,jitter={jitter}us,deadline={due},work={law}{more}"


@st.composite
def sharings(draw: st.DrawFn) -> Sharing:
    """Draw how a coproc is shared."""
    return Sharing(
        switch_timeout_ps=draw(st.sampled_from((0, 150 * US, 40 * MS))),
        retry_floor_ps=draw(st.sampled_from((1 * US, 10 * US, 200 * US))),
        charge=draw(st.sampled_from(Charge)),
        payer=draw(st.sampled_from(Payer)),
        charge_factor=draw(st.sampled_from((1, 33))),
    )


def own_of(algorithm: str, rank: int) -> dict[str, Value]:
    """Return what a vcoproc of that rank, from 0 to 3, has of an algorithm: more with each."""
    match algorithm:
        case "priority":
            return {"priority": rank}
        case "fixed":
            return {"slots": 1 + rank}
        case "credit" | "fair" | "timebased":
            return {"weight": (100, 200, 256, 1024)[rank]}
        case "rtds" | "cbs":
            more = {"extratime": int(rank == 2)} if algorithm == "rtds" else {}
            return {"budget": (5 + 3 * rank) * MS, "period": (40, 60, 80, 120)[rank] * MS, **more}
        case _:
            return {}


def machine_with(
    platform: str, algorithm: str, slice_ps: int, wanted: list[tuple[str, int]], sharing: Sharing
) -> Machine:
    """Return a machine whose coproc has a vcoproc for each (workload, rank)."""
    machine = Machine()
    scheduler = ALGORITHMS[algorithm]
    # Nobody is new.
    more = {name: {"slice": slice_ps} for name in ("rrobin", "credit", "fair")} | {"timebased": {"new-first": 0}}
    values = scheduler.defaults(Scope.COPROC) | more.get(algorithm, {})
    described = described_for(PLATFORMS[platform], "gpu0", 600_000_000)
    coproc = machine.coproc(
        "gpu0", PLATFORMS[platform], scheduler, settings=values, sharing=sharing, described=described
    )
    for number, (workload, priority) in enumerate(wanted, start=1):
        own = scheduler.defaults(Scope.VCOPROC) | own_of(algorithm, priority)
        plan = domains.VcoprocPlan("gpu0", coproc.spec.regions, own, settings_of(workload))
        domains.create(machine.board, domains.DomainPlan(f"guest{number}", 64, 64, 1, (plan,)))
    return machine


def assert_bounds_hold(platforms: Sequence[str], algorithm: str, data: st.DataObject) -> None:
    """Assert that on a drawn machine nothing takes longer, or is later, than analysis says of it."""
    platform = data.draw(st.sampled_from(platforms))
    # What is reserved for one is little of the coproc; and beside jobs in any number there is often no bound.
    rarer = {"fixed": 20, "rtds": 20, "cbs": 20, "timebased": 20, "credit": 2}.get(algorithm, 1)
    regular = algorithm in ("rtds", "cbs", "credit") and data.draw(st.sampled_from((True, True, False)))
    kinds = ("periodic",) if regular else KINDS
    guests = st.tuples(workloads(platform != "dsp", kinds, rarer), st.integers(0, 3))
    wanted = data.draw(st.lists(guests, min_size=1, max_size=4))
    slice_ps = data.draw(st.sampled_from((700 * US, 2 * MS)))
    machine = machine_with(platform, algorithm, slice_ps, wanted, data.draw(sharings()))
    coproc = machine.board.coprocs["gpu0"]
    found = analysed(coproc, shared_of(coproc))
    assume(any(each.bound.response_ps is not None for each in found))
    machine.run(60 * rarer * MS)
    for each in found:
        counters = each.vcoproc.counters
        if each.bound.response_ps is not None:
            assert counters.latency_ps_max <= each.bound.response_ps, each
        if each.bound.verdict is Verdict.MET:
            assert counters.late + counters.abandoned == 0


@pytest.mark.parametrize(
    "algorithm", ["rrobin", "fixed", "priority", "edf", "rtds", "cbs", "credit", "fair", "timebased"]
)
@settings(max_examples=8, suppress_health_check=FILTERED)
@given(st.data())
def test_nothing_is_ever_measured_beyond_its_bound(algorithm, data):
    assert_bounds_hold(("reference", "generic"), algorithm, data)


@pytest.mark.slow
@pytest.mark.parametrize(
    "algorithm", ["rrobin", "fixed", "priority", "edf", "rtds", "cbs", "credit", "fair", "timebased"]
)
@settings(max_examples=80, suppress_health_check=FILTERED)
@given(st.data())
def test_nothing_is_ever_measured_beyond_its_bound_on_any_platform(algorithm, data):
    assert_bounds_hold(("reference", "generic", "crypto", "xxc", "gsx", "dsp"), algorithm, data)


@pytest.mark.parametrize("algorithm", ["rtds", "cbs"])
@pytest.mark.parametrize("platform", ["reference", "generic"])
def test_a_reservation_holds_beside_jobs_in_any_number_each_of_which_has_some_work(algorithm: str, platform: str):
    def of(crowd: str, rank: int) -> list[Analysed]:
        wanted = [("kind=periodic,period=100ms,work=2ms,deadline=100ms", 0), (crowd, rank)]
        machine = machine_with(platform, algorithm, MS, wanted, Sharing())
        found = analysed(machine.board.coprocs["gpu0"], shared_of(machine.board.coprocs["gpu0"]))
        machine.run(1_500 * MS)
        return found

    for crowd in ("kind=backlog,work=1ms,queue=1,uncuttable=all", "kind=poisson,rate=2000,work=uniform:500us-2ms"):
        regular, any_number = of(crowd, 1)
        assert any_number.bound.why == "the jobs of `guest2` come in any number"
        assert regular.bound.response_ps is not None
        assert 2 * MS < regular.vcoproc.counters.latency_ps_max <= regular.bound.response_ps
    # Of any length, of no work to speak of, or beyond the budget, they may cause any number of switches.
    for crowd, rank in (
        ("kind=backlog,work=exp:1ms", 1),
        ("kind=poisson,rate=2000,work=1ms,deadline=2ms,on_miss=abandon", 1),
        *([("kind=backlog,work=1ms,queue=1", 2)] if algorithm == "rtds" else []),
    ):
        assert of(crowd, rank)[0].bound.response_ps is None


# ---------------------------------------------------------------- the commands


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the examples, and a machine whose `xxx0` gives turns of 5 ms."""
    golden.prepare(tmp_path)
    golden.run("coprocsim boot dts/minimal.dtb", tmp_path)
    return tmp_path


def test_a_deadline_that_can_be_missed_is_warned_of_with_figures_and_a_cure(folder):
    assert "warning" not in golden.run("coprocsim domain create polite.cfg", folder)
    # The other's turn of 5 ms, 4 ms of work, 5 us of the handler, and three changes: one under way, the other in, and
    # itself in, each of 58 register accesses of 100 ns and two cycles.
    output = golden.run("coprocsim domain create frames.cfg", folder)
    assert output.splitlines()[1:] == [
        "warning: on `xxx0` deadlines can be missed: `frames` is due after 8 ms, and a job may take 9.022 ms",
        " hint: `coprocsim sched set xxx0 --algorithm edf` lets all be met",
    ]
    golden.run("coprocsim sched set xxx0 --algorithm edf", folder)
    assert "warning" not in golden.run("coprocsim domain create polite.cfg name=\\'another\\'", folder)


@pytest.mark.parametrize(
    ("algorithm", "figure", "cure"),
    [
        # All is done in two jobs of 4 ms, of 5 changes each: it comes, it ends, and after its turns; one change is
        # under way, and the handler is 5 us late. A change takes 5.804 us.
        ("fair slice=3ms", "8.069 ms", "more `weight`, "),
        # A tick of 1 ms, the other's job and its handler, 4 ms, 3 changes, the handler.
        ("timebased", "9.027 ms", ""),
    ],
)
def test_shares_by_weight_are_warned_of_like_the_others(folder, algorithm, figure, cure):
    golden.run(f"coprocsim sched set xxx0 --algorithm {algorithm}", folder)
    assert "warning" not in golden.run("coprocsim domain create frames.cfg", folder)
    output = golden.run("coprocsim domain create frames.cfg name=\\'another\\'", folder)
    late = "; ".join(f"`{name}` is due after 8 ms, and a job may take {figure}" for name in ("frames", "another"))
    cures = f"{cure}less work, longer periods or fewer domains help"
    assert output.splitlines()[1:] == [
        f"warning: on `xxx0` deadlines can be missed: {late}",
        f" hint: `coprocsim analyse --coproc xxx0` shows the figures; {cures}",
    ]


def test_credit_has_no_bound_beside_jobs_in_any_number_and_says_why(folder):
    golden.run("coprocsim sched set xxx0 --algorithm credit", folder)
    for name in ("polite", "frames"):
        golden.run(f"coprocsim domain create {name}.cfg", folder)
    output = golden.run("coprocsim analyse --coproc xxx0", folder)
    assert output.splitlines()[-1] == (
        "frames: no bound: the jobs of `polite` come in any number, and `credit` keeps shares in the long run only"
    )


def test_the_cure_is_one(folder):
    for name in ("polite", "frames"):
        golden.run(f"coprocsim domain create {name}.cfg", folder)
    golden.run("coprocsim sched set xxx0 --algorithm edf", folder)
    golden.run("coprocsim run 2s", folder)
    polite, frames = json.loads(golden.run("coprocsim analyse --coproc xxx0 --json", folder))["coprocs"][0]["vcoprocs"]
    assert (polite["verdict"], polite["why"]) == ("no bound", "the jobs of `polite` come in any number")
    assert frames["verdict"] == "met"
    assert 4 * MS < frames["latency_ps_max"] <= frames["bound_ps"] <= frames["deadline_ps"]


def test_looking_at_bounds_changes_nothing(folder):
    golden.run("coprocsim domain create frames.cfg", folder)
    with read(folder / "state/default.sqlite") as file:
        before = file.dump()
    assert "frames" in golden.run("coprocsim analyse", folder)
    with read(folder / "state/default.sqlite") as file:
        assert file.dump() == before
