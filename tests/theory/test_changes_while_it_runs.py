"""Run-time setup: parameters and algorithms change while one runs and others wait; nothing is lost or done twice."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.model import Setting
from coprocsim.options.build import Build
from coprocsim.parameters import Scope
from coprocsim.schedulers import ALGORITHMS
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.toolstack import schedule
from tests.machines import MS, US
from tests.theory.stage import Task, jobs, play

SHARERS = [name for name in ALGORITHMS if ALGORITHMS.is_ours(name) and name != "null"]
CHANGES = (
    *SHARERS,
    "slice=2ms",
    "slice=7ms",
    "weight=512",
    "weight=64",
    "priority=3",
    "cap=50",
    "budget=3ms",
    "slots=2",
    "charge=debt",
)
LOADS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=6)


def task(load: list[tuple[int, int]], uncuttable: str) -> Task:
    """Return a task with a job for each (gap, work) in ms."""
    release, arrivals = 0, []
    for gap_ms, work_ms in load:
        release += gap_ms
        arrivals.append((float(release), float(work_ms)))
    return jobs(*arrivals, more=f",uncuttable={uncuttable},deadline=50ms")


@settings(max_examples=40)
@given(
    st.lists(st.tuples(LOADS, st.sampled_from(["0", "2ms", "all"])), min_size=3, max_size=3),
    st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from(CHANGES), st.integers(0, 2)), max_size=12),
)
def test_every_job_is_done_once_whatever_changes_meanwhile(loads, changes):
    """The coproc works as long as the jobs take; each release has one end; no rule of isolation is broken."""
    played = play(RoundRobin, [task(load, uncuttable) for load, uncuttable in loads], 0)
    machine, coproc = played.machine, played.vcoprocs[0].coproc
    for gap_us, change, which in changes:
        machine.run(machine.board.now_ps + gap_us * US)
        apply(machine.board, coproc, played.vcoprocs[which], change)
        machine.hypervisor.settle()
    # An algorithm with budgets or slots may leave the coproc idle: a third of it for each is the least.
    machine.run(machine.board.now_ps + 3_000 * MS)
    machine.check_time()
    for which, (load, _) in enumerate(loads):
        ends = [row for row in machine.rows("job_end") if row[3] == played.vcoprocs[which].who]
        assert [row[4] for row in ends] == ["done"] * len(load)
        assert [row[5] for row in ends] == sorted(row[5] for row in ends)
        assert not played.vcoprocs[which].open_jobs
    work_ms = sum(work for load, _ in loads for _, work in load)
    cut = machine.board.coprocs["gpu0"].counters.switches
    # What is preempted in the middle of a cycle of 1 ns does that cycle again.
    assert (
        0
        <= Fraction(coproc.counters.run_ps, MS) - work_ms
        <= Fraction(cut + len(changes), 1_000_000) + Fraction(1, 1_000)
    )
    assert coproc.counters.findings == 0


def apply(board, coproc, vcoproc, change: str) -> None:
    """Do what `sched set` would; leave out what the present algorithm does not have."""
    name, equals, value = change.partition("=")
    if not equals:
        schedule.set_coproc(board, coproc, name, (), Build())
        return
    known = {each.name: each.scope for each in coproc.scheduler.parameters}
    if name == "charge" or known.get(name) is Scope.COPROC:
        schedule.set_coproc(board, coproc, None, (Setting(name, value),), Build())
    elif name in known:
        schedule.set_vcoproc(board, vcoproc, (Setting(name, value),))


def test_a_change_stands_in_the_trace_at_its_instant():
    played = play(RoundRobin, [jobs((0, 9)), jobs((0, 9))], 5)
    board, coproc = played.machine.board, played.vcoprocs[0].coproc
    schedule.set_coproc(board, coproc, "fair", (Setting("slice", "2ms"),), Build())
    schedule.set_vcoproc(board, played.vcoprocs[1], (Setting("weight", "512"),))
    played.machine.hypervisor.settle()
    changes = [row for row in played.machine.rows("algorithm", "setting") if row[0] == 5 * MS]
    assert [row[2:] for row in changes] == [("algorithm", "fair"), ("setting", "d2v0", "weight", 512, "512")]
