"""`analyse`: bounds on machines as they are, with real platforms, switch costs, denials and handlers."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coprocsim.hypervisor import domains
from coprocsim.model import Charge, Sharing
from coprocsim.parameters import Scope, Value
from coprocsim.platforms import PLATFORMS
from coprocsim.schedulers import ALGORITHMS
from coprocsim.toolstack.analyse import analysed, shared_of
from tests.machines import MS, US, Machine, S, described_for, settings_of


@st.composite
def workloads(draw: st.DrawFn, cuttable: bool) -> str:
    """Draw a workload of jobs that come often: mostly periodic ones."""
    kind = draw(st.sampled_from(("periodic", "periodic", "periodic", "poisson", "backlog", "trace")))
    period = draw(st.integers(300, 5000))
    work = draw(st.integers(20, period // 2))
    law = draw(st.sampled_from((f"{work}us", f"uniform:{work // 2}us-{work}us")))
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
    offset, jitter = draw(st.integers(0, 2000)), draw(st.sampled_from((0, 0, period // 5)))
    due = draw(st.sampled_from(("0", f"{period // 2}us", f"{period}us", f"{2 * period}us")))
    return f"kind=periodic,period={period}us,offset={offset}us,jitter={jitter}us,deadline={due},work={law}{more}"


@st.composite
def sharings(draw: st.DrawFn) -> Sharing:
    """Draw how a coproc is shared."""
    return Sharing(
        switch_timeout_ps=draw(st.sampled_from((0, 150 * US, 40 * MS))),
        retry_floor_ps=draw(st.sampled_from((1 * US, 10 * US, 200 * US))),
        charge=draw(st.sampled_from(Charge)),
        charge_factor=draw(st.sampled_from((1, 33))),
    )


def machine_with(
    platform: str, algorithm: str, slice_ps: int, wanted: list[tuple[str, int]], sharing: Sharing
) -> Machine:
    """Return a machine whose coproc has a vcoproc for each (workload, priority)."""
    machine = Machine()
    scheduler = ALGORITHMS[algorithm]
    values: dict[str, Value] = {"slice": slice_ps} if algorithm == "rrobin" else {}
    described = described_for(PLATFORMS[platform], "gpu0", 600_000_000)
    coproc = machine.coproc(
        "gpu0", PLATFORMS[platform], scheduler, settings=values, sharing=sharing, described=described
    )
    for number, (workload, priority) in enumerate(wanted, start=1):
        own = scheduler.defaults(Scope.VCOPROC) | ({"priority": priority} if algorithm == "priority" else {})
        plan = domains.VcoprocPlan("gpu0", coproc.spec.regions, own, settings_of(workload))
        domains.create(machine.board, domains.DomainPlan(f"guest{number}", 64, 64, 1, (plan,)))
    return machine


@settings(max_examples=150)
@given(
    st.sampled_from(("generic", "reference", "crypto", "xxc", "gsx", "dsp")),
    st.sampled_from(("rrobin", "priority", "edf")),
    st.data(),
)
def test_nothing_is_ever_measured_beyond_its_bound(platform, algorithm, data):
    cuttable = platform != "dsp"
    wanted = data.draw(st.lists(st.tuples(workloads(cuttable), st.integers(0, 3)), min_size=1, max_size=4))
    slice_ps = data.draw(st.sampled_from((700 * US, 2 * MS)))
    machine = machine_with(platform, algorithm, slice_ps, wanted, data.draw(sharings()))
    coproc = machine.board.coprocs["gpu0"]
    found = analysed(coproc, shared_of(coproc))
    assume(any(each.bound.response_ps is not None for each in found))
    machine.run(S // 4)
    for each in found:
        counters = each.vcoproc.counters
        if each.bound.response_ps is not None:
            assert counters.latency_ps_max <= each.bound.response_ps, each
        if each.bound.verdict == "met":
            assert counters.missed == 0
