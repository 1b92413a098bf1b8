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
from tests.theory.stage import Played, Task, backlog, costing, jobs, periodic, play, reserved

# Many draws have no bound, and are drawn again.
EXAMPLES = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
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
    played = play(ALGORITHMS[algorithm], tasks, 400, values=values, hz=HZ)
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


def test_tdma_1_the_bound_is_23_and_with_a_switch_of_a_tenth_24_6():
    # A unit is 5 ms: slots of 2 units are of 100 Hz.
    others: list[tuple[int, Task]] = [(0, backlog(slots=1))] * 3
    own: tuple[Demand, dict[str, Value]] = (demand(5 * 5, 1000), {"slots": 1})
    assert bound_ms(shared("fixed", frequency=100), own, others) == 23 * 5
    # The case has 24.2, with slots of 2.1 less the switch: beside others that have work all the time. Here one may wake
    # as its slot ends, and be switched in during the first tenth of each of the three slots; and the job itself may
    # come in the last tenth of a slot.
    slot_ps = 10 * MS
    unit_ps = Fraction(slot_ps, 1) / Fraction("2.1")
    costly = Shared("fixed", {"frequency": 100}, cycle_ps=0, switch_ps=round(unit_ps / 10))
    found = bound_ms(costly, (demand(float(5 * unit_ps / MS), 1000), {"slots": 1}), others)
    assert found == pytest.approx(float(Fraction("24.2") + 3 * Fraction("0.1") + Fraction("0.1")) * float(unit_ps / MS))


def test_fixed_beside_one_that_wakes_as_its_slot_ends_the_bound_is_nearly_reached():
    # Slots of 10 ms in turn, a switch of 0.5: a job of 17 has 9 of the slot from 20 on, if the other one wakes just
    # before it, and 8 of the next: it has come 0.5 before the end of its first one, which was just enough to enter.
    costly = Shared("fixed", {"frequency": 100}, cycle_ps=0, switch_ps=MS // 2)
    bound = bound_ms(costly, (demand(17, 1000), {"slots": 1}), [(0, jobs((0, 1), slots=1))])
    assert bound == 17 + 2 * 11 + 0.5
    late = jobs((9.5, 17), slots=1)
    wakes = jobs((19.99, 0.1), (39.99, 0.1), slots=1)
    (response,) = play(
        ALGORITHMS["fixed"], [late, wakes], 80, platform=costing(MS // 2), hz=HZ, frequency=100
    ).responses(0)
    assert response == pytest.approx(bound, abs=0.03)
    assert response <= bound


def test_res_1_a_budget_that_comes_as_late_as_it_can_twice_is_waited_for_as_long_as_the_bound_says():
    # P = 10, B = 4: a job that comes as the other one's 6 begin has a gap of 12, the 6 of the next period included.
    other: tuple[int, Task] = (0, reserved(jobs((4, 100)), 6, 10))
    own: dict[str, Value] = {"budget": 4 * MS, "period": 10 * MS, "extratime": 0}
    assert bound_ms(shared("rtds"), (demand(4, 1000), own), [other]) == 16
    assert play(ALGORITHMS["rtds"], [other[1], Task("kind=trace,at=4ms:4ms", own)], 40).responses(1) == [16]
    # A little more than a budget has another gap of 6.
    assert bound_ms(shared("rtds"), (demand(4.01, 1000), own), [other]) == pytest.approx(22.01)
    longer = Task("kind=trace,at=4ms:4010us", own)
    assert play(ALGORITHMS["rtds"], [other[1], longer], 40).responses(1) == [pytest.approx(22.01)]


def test_rtds_beside_one_that_defers_counts_on_what_two_budgets_in_a_row_leave():
    # (2, 4) may take 2 + 2 + 2 of any 10, so that of (5, 10) only 4 are sure: 6 need two periods, and 6 of each go.
    other = reserved(jobs((10, 100)), 2, 4)
    own: dict[str, Value] = {"budget": 5 * MS, "period": 10 * MS, "extratime": 0}
    assert bound_ms(shared("rtds"), (demand(6, 1000), own), [(0, other)]) == 6 + 3 * 6


def test_rtds_one_with_a_short_period_waits_no_longer_than_that_for_a_long_budget():
    # (5, 12) is before (2, 4) only in the 4 before its own period ends, and those it may have as a whole.
    other = reserved(jobs((7, 100)), 5, 12)
    own: dict[str, Value] = {"budget": 2 * MS, "period": 4 * MS, "extratime": 0}
    assert bound_ms(shared("rtds"), (demand(2, 1000), own), [(0, other)]) == 4 + 2
    assert play(ALGORITHMS["rtds"], [other, Task("kind=trace,at=8ms:2ms", own)], 40).responses(1) == [6]
    # As much as it has in each period it may find used up when more comes: then nothing is sure.
    assert bound_ms(shared("rtds"), (demand(3, 1000), own), [(0, other)]) is None


def test_cbs_1_the_aperiodic_jobs_end_by_their_servers_deadlines():
    # Q = 3, T = 8: a job of 4 has a deadline 16 after it comes, and of those 4 of 7 are the other's; it takes 9 in the
    # paper.
    hard: dict[str, Value] = {"budget": 4 * MS, "period": 7 * MS}
    own: dict[str, Value] = {"budget": 3 * MS, "period": 8 * MS}
    found = bound_ms(shared("cbs"), (demand(4, 1000), own), [(0, Task("", hard))])
    assert found == pytest.approx(4 + 16 * 4 / 7)
    # A task within its bandwidth is done before its period ends, however long it goes on.
    assert bound_ms(shared("cbs"), (demand(4, 7), hard), [(0, Task("", own))]) == 4 + 7 * 3 / 8
    # 3/8 and 5/7 are more than there is.
    assert bound_ms(shared("cbs"), (demand(4, 1000), own), [(0, Task("", {**hard, "budget": 5 * MS}))]) is None


def test_cbs_a_job_that_is_less_than_its_budget_waits_for_the_others_parts_of_its_period():
    # (5, 8) before (3, 8), with the same deadline: 5, then the 2 of the job. One of 3 ends as late as its deadline.
    other: tuple[int, Task] = (0, reserved(backlog(5), 5, 8))
    own: dict[str, Value] = {"budget": 3 * MS, "period": 8 * MS}
    for work_ms in (2, 3):
        assert bound_ms(shared("cbs"), (demand(work_ms, 1000), own), [other]) == 5 + work_ms
        assert play(ALGORITHMS["cbs"], [other[1], Task(f"kind=trace,at=0ms:{work_ms}ms", own)], 20).responses(1) == [
            5 + work_ms
        ]


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


def test_credit_the_last_of_those_that_come_at_once_takes_as_long_as_its_bound():
    # A slice of 30 of the one, 10 of the other, and the last 20.
    own: dict[str, Value] = {"weight": 256, "cap": 0}
    users = [User("own", demand(50, 200), own), User("other", demand(10, 200), own)]
    found = bounds(shared("credit", slice=30 * MS), users)
    assert [each.response_ps for each in found] == [60 * MS, 60 * MS]
    assert play(ALGORITHMS["credit"], [periodic(50, 200), periodic(10, 200)], 100, hz=HZ).responses(0) == [60]


def test_timebased_a_job_that_begins_as_the_tick_ends_holds_the_others_up_to_its_own_end():
    values: dict[str, Value] = {"period": 100 * MS, "tick": MS, "new-first": 0}
    # A tick of 1 ms, a job of 0.999 that ends in it, and one of 3 that goes on.
    own: dict[str, Value] = {"weight": 256}
    job_of_3 = User("other", replace(demand(3, 100), period_ps=None), own)
    found = bounds(shared("timebased", **values), [User("own", demand(2, 100), own), job_of_3])
    assert found[0].response_ps == (1 + 3 + 2) * MS
    # The one that was created last comes first.
    tasks = [jobs((0.001, 2)), jobs((0, 0.999), (0, 3))]
    (response,) = play(ALGORITHMS["timebased"], tasks, 20, values=values, hz=HZ).responses(0)
    assert response == pytest.approx(0.999 + 3 + 2 - 0.001, abs=CYCLES_MS)
