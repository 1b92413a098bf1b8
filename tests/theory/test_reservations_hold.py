"""The bounds of those that promise a part: kept whatever the others do, and reached in the cases of the field."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from coprocsim.analysis.bounds import bounds
from coprocsim.analysis.loads import Shared, User
from coprocsim.analysis.supply import reservation_supply, slot_supply
from coprocsim.guests.base import Demand
from coprocsim.parameters import Value
from coprocsim.schedulers import ALGORITHMS
from tests.machines import MS
from tests.theory.stage import Played, Task, backlog, jobs, periodic, play, play_with, reserved

# Many draws have no bound, and are drawn again.
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
# Of work that is cut a cycle is done again, and a wait is rounded up to one.
HZ = 10**12
CYCLES_MS = 1e-6

# What the others do: (workload, how much of a job in ms cannot be cut).
OTHERS = (
    ("kind=backlog,work=3ms", 0),
    ("kind=backlog,work=5ms,uncuttable=2ms", 2),
    ("kind=periodic,work=2ms,period=7ms,offset=3ms", 0),
    ("kind=periodic,work=4ms,period=23ms,offset=9ms,uncuttable=all", 4),
    ("kind=poisson,rate=150,work=exp:3ms", 0),
    # Late, and then for long: one that defers.
    ("kind=trace,at=13ms:40ms;99ms:60ms", 0),
)


def shared(algorithm: str, **values: Value) -> Shared:
    """Return a coproc that is shared at no cost."""
    return Shared(algorithm, values, cycle_ps=0, switch_ps=0)


def demand(work_ms: float, period_ms: float) -> Demand:
    """Return what `periodic` asks for."""
    return Demand(round(work_ms * MS), 0, round(period_ms * MS), places=2)


def bound_ms(shared: Shared, own: tuple[Demand, dict[str, Value]], others: Sequence[tuple[int, Task]]) -> float | None:
    """Return the bound of one beside others of which is known only for how many ms they may deny."""
    users = [User(f"other{n}", Demand(uncuttable_ps=uncut * MS), task.own) for n, (uncut, task) in enumerate(others)]
    response_ps = bounds(shared, [User("own", *own), *users])[0].response_ps
    return None if response_ps is None else response_ps / MS


@st.composite
def reservations(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Draw (budget, period) of two to four in ms; together they may be more than there is."""
    periods = draw(st.lists(st.sampled_from((4, 6, 10, 12, 20, 30)), min_size=2, max_size=4))
    return [(draw(st.integers(1, max(1, 2 * period // len(periods)))), period) for period in periods]


@st.composite
def places(draw: st.DrawFn, count: int) -> tuple[int, list[tuple[str, int]]]:
    """Draw which one of `count` is held to its bound, and what the others do."""
    return draw(st.integers(0, count - 1)), [draw(st.sampled_from(OTHERS)) for _ in range(count - 1)]


def assert_kept(
    algorithm: str,
    own_of: Sequence[dict[str, Value]],
    drawn: tuple[int, list[tuple[str, int]]],
    job: tuple[float, float, int],
    **values: Value,
) -> None:
    """Assert that a periodic task, (work, period, offset) in ms, keeps to its bound, if it has one."""
    place, workloads = drawn
    owns = [own for each, own in enumerate(own_of) if each != place]
    others = [(uncut, Task(work, own)) for (work, uncut), own in zip(workloads, owns, strict=True)]
    work_ms, period_ms, offset_ms = job
    # Not quite as much as a budget, so that a cycle done again does not ask for another one.
    work_ms -= 0.01
    bound = bound_ms(shared(algorithm, **values), (demand(work_ms, period_ms), own_of[place]), others)
    assume(bound is not None)
    assert bound is not None
    tasks = [task for _, task in others]
    tasks.insert(place, replace(periodic(work_ms, period_ms, offset_ms=offset_ms), own=own_of[place]))
    played = play_with(values, ALGORITHMS[algorithm], tasks, 400, hz=HZ)
    assert max(played.responses(place)) <= bound + CYCLES_MS
    waiting_ms = 400 - offset_ms - period_ms * len(played.responses(place))
    assert waiting_ms <= bound, "one that has not ended has no response yet"


JOBS = st.tuples(st.integers(1, 9), st.integers(5, 120), st.integers(0, 30))


@EXAMPLES
@given(st.lists(st.integers(1, 3), min_size=2, max_size=4), JOBS, st.data())
def test_fixed_no_response_is_beyond_the_bound(slots, job, data):
    drawn = data.draw(places(len(slots)))
    assert_kept("fixed", [{"slots": each} for each in slots], drawn, job, frequency=100)


@pytest.mark.parametrize("algorithm", ["rtds", "cbs"])
@EXAMPLES
@given(reservations(), JOBS, st.data())
def test_budgets_no_response_is_beyond_the_bound(algorithm, servers, job, data):
    drawn = data.draw(places(len(servers)))
    more: dict[str, Value] = {"extratime": data.draw(st.integers(0, 1))} if algorithm == "rtds" else {}
    own_of = [{"budget": budget * MS, "period": period * MS, **more} for budget, period in servers]
    assert_kept(algorithm, own_of, drawn, job)


@EXAMPLES
@given(st.lists(st.sampled_from((100, 256, 300, 1024)), min_size=2, max_size=4), JOBS, st.data())
def test_fair_no_response_is_beyond_the_bound(weights, job, data):
    drawn = data.draw(places(len(weights)))
    assert_kept("fair", [{"weight": each} for each in weights], drawn, job, slice=3 * MS)


# ---------------------------------------------------------------- supply


def least_ms(played: Played, which: int, window_ms: int, until_ms: int) -> float:
    """Return the least that one had in any window of that length: one of its ends is where something changes."""
    edges = {0.0, *(edge for stretch in played.stretches(which) for edge in stretch)}
    begins = {begin for edge in edges for begin in (edge, edge - window_ms) if 0 <= begin <= until_ms - window_ms}
    return min(played.supplied_ms(which, begin, begin + window_ms) for begin in begins)


WINDOWS = st.lists(st.integers(1, 90), min_size=3, max_size=3)


@EXAMPLES
@given(st.lists(st.integers(1, 3), min_size=2, max_size=4), WINDOWS, st.data())
def test_fixed_supplies_no_less_than_its_bound(slots, windows, data):
    place, workloads = data.draw(places(len(slots)))
    denied_ms = max(uncut for _, uncut in workloads)
    tasks = [Task(work) for work, _ in workloads]
    tasks.insert(place, backlog(3))
    tasks = [replace(task, own={"slots": each}) for task, each in zip(tasks, slots, strict=True)]
    played = play(ALGORITHMS["fixed"], tasks, 300, hz=HZ, frequency=100)
    for window_ms in windows:
        bound = slot_supply(window_ms, 10 * sum(slots), 10 * slots[place] - denied_ms)
        assert least_ms(played, place, window_ms, 300) >= bound - CYCLES_MS


@EXAMPLES
@given(reservations(), WINDOWS, st.data())
def test_rtds_supplies_no_less_than_its_bound_beside_servers_that_defer(servers, windows, data):
    place, workloads = data.draw(places(len(servers)))
    budget_ms, period_ms = servers.pop(place)
    sure_ms = period_ms
    for (budget, period), (_, uncut) in zip(servers, workloads, strict=True):
        # Whole periods, a rest in which one budget more is used up, and a denial.
        sure_ms -= period_ms // period * budget + min(budget, period_ms % period) + uncut
    sure_ms = min(sure_ms, budget_ms)
    assume(sure_ms > 0)
    tasks = [reserved(Task(work), *server) for (work, _), server in zip(workloads, servers, strict=True)]
    tasks.insert(place, reserved(backlog(3), budget_ms, period_ms))
    played = play(ALGORITHMS["rtds"], tasks, 300, hz=HZ)
    for window_ms in windows:
        bound = reservation_supply(window_ms, period_ms, sure_ms)
        assert least_ms(played, place, window_ms, 300) >= bound - CYCLES_MS


# ---------------------------------------------------------------- the cases of the field


def test_tdma_1_the_bound_is_23_and_with_a_switch_of_a_tenth_no_less_than_24_2():
    # A unit is 5 ms: slots of 2 units are of 100 Hz.
    others: list[tuple[int, Task]] = [(0, backlog(slots=1))] * 3
    own: tuple[Demand, dict[str, Value]] = (demand(5 * 5, 1000), {"slots": 1})
    coproc = shared("fixed", frequency=100)
    assert bound_ms(coproc, own, others) == 23 * 5
    # It adds the switch of one that wakes as its slot ends to that of each slot, and those of the job's own coming and
    # going: slots of 2.1 less 2 * 0.1, and 5.2 to do.
    units = 3 * (Fraction("8.4") - Fraction("1.9")) + Fraction("5.2")
    slot = Fraction(21, 10)
    unit_ps = Fraction(10 * MS) / slot
    costly = Shared("fixed", {"frequency": 100}, cycle_ps=0, switch_ps=round(unit_ps / 10))
    work_ms = float(5 * unit_ps / MS)
    found = bound_ms(costly, (demand(work_ms, 1000), {"slots": 1}), others)
    assert found == pytest.approx(float(units * unit_ps / MS), abs=1e-6)
    assert units >= Fraction("24.2")


def test_res_1_the_bound_of_a_job_that_comes_as_the_budget_is_used_up_is_reached():
    # P = 10, B = 4: 4 of work after a gap of 12; the one before it, over by then, has used up the budget.
    other = reserved(jobs((4, 1_000)), 6, 10)
    own: dict[str, Value] = {"budget": 4 * MS, "period": 10 * MS, "extratime": 0}
    late = Task("kind=trace,at=0ms:4ms;4ms:4ms", own)
    assert bound_ms(shared("rtds"), (demand(4, 1000), own), [(0, other)]) == 16
    assert play(ALGORITHMS["rtds"], [other, late], 40).responses(1) == [4, 16]


def test_rtds_beside_one_that_defers_counts_on_what_two_budgets_in_a_row_leave():
    # (2, 4) may take 2 + 2 + 2 of any 10, so that of (5, 10) only 4 are sure: 5 need two periods, and 6 of each go.
    other = reserved(jobs((10, 100)), 2, 4)
    own: dict[str, Value] = {"budget": 5 * MS, "period": 10 * MS, "extratime": 0}
    assert bound_ms(shared("rtds"), (demand(5, 1000), own), [(0, other)]) == 5 + 3 * 6
    # Of the other's 4 nothing is sure: 4 of a budget of 5 may come at the end of a period of 10.
    assert bound_ms(shared("rtds"), (demand(2, 1000), dict(other.own)), [(0, Task("kind=idle", own))]) is None


def test_cbs_1_the_aperiodic_jobs_end_by_their_servers_deadlines():
    # Q = 3, T = 8: a job of 4 is done by the second deadline, 16 after it comes; it takes 9 in the paper.
    hard: dict[str, Value] = {"budget": 4 * MS, "period": 7 * MS}
    own: dict[str, Value] = {"budget": 3 * MS, "period": 8 * MS}
    assert bound_ms(shared("cbs"), (demand(4, 1000), own), [(0, Task("", hard))]) == 16
    # A task within its bandwidth has its period, however long it goes on.
    assert bound_ms(shared("cbs"), (demand(4, 7), hard), [(0, Task("", own))]) == 7
    # 3/8 and 5/7 are more than there is.
    assert bound_ms(shared("cbs"), (demand(4, 1000), own), [(0, Task("", {**hard, "budget": 5 * MS}))]) is None


@pytest.mark.parametrize("vcoprocs", [2, 3, 4])
def test_fair_a_job_that_needs_a_little_more_than_one_request_takes_nearly_as_long_as_its_bound(vcoprocs):
    # All others have one request of 3 ms before its first, and one before its second: to the share of the 3.01 that it
    # needs, n * 3.01, comes a request of each other.
    others: list[tuple[int, Task]] = [(0, backlog(weight=256))] * (vcoprocs - 1)
    own: dict[str, Value] = {"weight": 256}
    bound = bound_ms(shared("fair", slice=3 * MS), (demand(3.01, 1000), own), others)
    assert bound == pytest.approx(vcoprocs * 3.01 + (vcoprocs - 1) * 3, abs=1e-6)
    tasks = [*(task for _, task in others), jobs((0.001, 3.01))]
    (response,) = play(ALGORITHMS["fair"], tasks, 60, hz=HZ, slice=3 * MS).responses(vcoprocs - 1)
    assert response == pytest.approx(2 * (vcoprocs - 1) * 3 + 3.01 - 0.001, abs=CYCLES_MS)
    assert bound is not None
    assert 0.99 * bound < response <= bound


def test_timebased_a_job_that_begins_as_the_tick_ends_holds_the_others_up_to_its_own_end():
    # A tick of 1 ms, a job of 0.999 that ends in it, and one of 3 that goes on.
    own: dict[str, Value] = {"weight": 256}
    job_of_3 = User("other", replace(demand(3, 100), period_ps=None), own)
    found = bounds(shared("timebased", period=100 * MS, tick=MS), [User("own", demand(2, 100), own), job_of_3])
    assert found[0].response_ps == (1 + 3 + 2) * MS
    # The one that was created last comes first.
    tasks = [jobs((0.001, 2)), jobs((0, 0.999), (0, 3))]
    values: dict[str, Value] = {"period": 100 * MS, "tick": MS, "new-first": 0}
    (response,) = play_with(values, ALGORITHMS["timebased"], tasks, 20, hz=HZ).responses(0)
    assert response == pytest.approx(0.999 + 3 + 2 - 0.001, abs=CYCLES_MS)
