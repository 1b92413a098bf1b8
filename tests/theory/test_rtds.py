"""`rtds` against the supply bound of periodic reservations: case RES-1, and what each server may and will have."""

from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coprocsim.hypervisor import tuning
from coprocsim.model import Charge, Payer, Sharing, VcoprocId
from coprocsim.schedulers.base import Idle, Ran, Run
from coprocsim.schedulers.rtds import DeferrableServer
from tests.machines import MS
from tests.theory.stage import Played, Task, backlog, costing, jobs, play, reserved


def least_supply_ms(played: Played, which: int, window_ms: int, until_ms: int) -> float:
    """Return the least that a task had in any window of that length: it begins or ends where something changes."""
    edges = {0.0, *(edge for stretch in played.stretches(which) for edge in stretch)}
    begins = {begin for edge in edges for begin in (edge, edge - window_ms) if 0 <= begin <= until_ms - window_ms}
    return min(played.supplied_ms(which, begin, begin + window_ms) for begin in begins)


def supply_bound_ms(budget_ms: int, period_ms: int, window_ms: int) -> int:
    """Return the least that a reservation gives in a window (Shin and Lee 2003)."""
    gap_ms = period_ms - budget_ms
    periods, rest_ms = divmod(max(0, window_ms - gap_ms), period_ms)
    return periods * budget_ms + max(0, rest_ms - gap_ms)


def test_res_1_the_supply_bound_is_kept_and_reached():
    # The other one comes when the budget of the first period is used up, and first in all later ones.
    played = play(DeferrableServer, [reserved(jobs((4, 1_000)), 6, 10), reserved(backlog(1_000), 4, 10)], 200)
    bound = {12: 0, 14: 2, 16: 4, 22: 4, 26: 8, 36: 12}
    assert {window: least_supply_ms(played, 1, window, 200) for window in bound} == bound
    # The longest gap is 12 ms; any window longer than that gets something.
    assert played.stretches(1)[:2] == [(0, 4), (16, 20)]
    assert least_supply_ms(played, 1, 13, 200) == 1


def test_out_of_budget_the_coproc_stays_idle_until_the_next_period():
    played = play(DeferrableServer, [reserved(backlog(), 4, 10)], 30)
    assert played.stretches(0) == [(0, 4), (10, 14), (20, 24)]


def test_work_that_comes_late_in_a_period_finds_its_budget():
    played = play(DeferrableServer, [reserved(jobs((9, 3)), 4, 10)], 30)
    assert played.finishes(0) == [12]


def test_with_extratime_one_takes_what_nobody_with_budget_wants():
    tasks = [reserved(backlog(), 2, 10, extratime=1), reserved(backlog(), 4, 10), reserved(backlog(), 3, 10)]
    played = play(DeferrableServer, tasks, 100)
    assert [played.ran_ms(which) for which in range(3)] == [30, 40, 30]
    assert played.stretches(1)[0] == (2, 6)


def test_those_with_extratime_share_what_is_left_by_their_budgets():
    tasks = [reserved(backlog(), 1, 10, extratime=1), reserved(backlog(), 3, 10, extratime=1)]
    played = play(DeferrableServer, tasks, 100)
    # In 10 ms each level gives 1 and 3: 4 + 4, then 1 and the first of 3.
    assert [played.ran_ms(which) for which in range(2)] == [30, 70]


def test_one_that_denies_pays_with_the_budgets_of_later_periods():
    # 12 ms that cannot be cut, 4 in each 10: it has them each third period.
    played = play(
        DeferrableServer, [reserved(backlog(12, more=",uncuttable=all"), 4, 10), reserved(backlog(), 4, 10)], 3_000
    )
    assert played.stretches(0)[:3] == [(0, 12), (30, 42), (60, 72)]
    assert played.ran_ms(0) == 4 * 300


def test_the_earliest_deadline_runs_and_preempts_as_soon_as_its_budget_is_filled():
    # The last is due at 5, 10, 15, 20, the third at 10 and 20, the second at 20, the first at 40.
    servers = [(5, 40), (7, 20), (1, 10), (1, 5)]
    played = play(DeferrableServer, [reserved(backlog(100), *server) for server in servers], 19)
    assert [played.stretches(which) for which in range(4)] == [
        [(12, 15), (16, 18)],
        [(2, 5), (6, 10)],
        [(1, 2), (11, 12)],
        [(0, 1), (5, 6), (10, 11), (15, 16)],
    ]


def test_one_that_denies_for_whole_periods_owes_them_but_for_its_budgets():
    # 25 ms are six budgets of 4 and 1 ms of the seventh, which is that of [60, 70).
    scheduler, vcoproc = DeferrableServer({}), VcoprocId(1, 0)
    scheduler.add(vcoproc, {"budget": 4 * MS, "period": 10 * MS, "extratime": 0}, 0)
    scheduler.wake(vcoproc, 0)
    scheduler.ran(Ran(vcoproc, 0, 25 * MS, 21 * MS, 0, 25 * MS))
    assert scheduler.pick(30 * MS, None) == Idle(40 * MS)
    assert scheduler.pick(59 * MS, None) == Idle(60 * MS)
    assert scheduler.pick(60 * MS, None) == Run(vcoproc, 3 * MS, 70 * MS)


def test_a_debt_is_paid_by_each_period_that_passes_asleep_or_not():
    # 12 ms in one with 4 in each 10: the debt of 8 is 4 at 20, and nothing from 30 on.
    for woken_ms, answer in ((15, Idle(20 * MS)), (25, Idle(30 * MS)), (35, Run(VcoprocId(1, 0), 4 * MS, 40 * MS))):
        scheduler, vcoproc = DeferrableServer({}), VcoprocId(1, 0)
        scheduler.add(vcoproc, {"budget": 4 * MS, "period": 10 * MS, "extratime": 0}, 0)
        scheduler.wake(vcoproc, 0)
        scheduler.ran(Ran(vcoproc, 0, 12 * MS, 8 * MS, 0, 12 * MS))
        scheduler.sleep(vcoproc, 12 * MS)
        scheduler.wake(vcoproc, woken_ms * MS)
        assert scheduler.pick(woken_ms * MS, None) == answer


def test_with_extratime_only_what_one_ran_while_it_denied_is_a_debt():
    busy = reserved(jobs((0, 9), (0, 50), more=",uncuttable=9ms"), 4, 10, extratime=1)
    played = play(DeferrableServer, [busy, reserved(backlog(), 6, 10)], 20)
    # It has denied from 4 to 9. Of these 5 ms, 4 are its next budget, so that it comes last in the second period.
    assert played.stretches(1) == [(9, 16)]
    assert played.stretches(0) == [(0, 9), (16, 20)]


def test_a_switch_is_paid_for_out_of_the_budget_where_the_vcoproc_pays():
    pays = Sharing(switch_timeout_ps=0, charge=Charge.NONE, payer=Payer.ENTERING)
    played = play(DeferrableServer, [reserved(backlog(), 4, 10)], 10_000, platform=costing(MS), sharing=pays)
    assert 3 * 1_000 <= played.ran_ms(0) <= 3 * 1_000 + 4


def test_new_parameters_hold_from_the_next_period():
    played = play(DeferrableServer, [reserved(backlog(), 4, 10)], 2)
    machine, (vcoproc,) = played.machine, played.vcoprocs
    tuning.set_vcoproc_parameters(machine.board, vcoproc, {"budget": 6 * MS, "period": 20 * MS})
    machine.run(60 * MS)
    assert played.stretches(0) == [(0, 4), (10, 16), (30, 36), (50, 56)]


def test_a_server_that_defers_may_have_more_than_its_budget_in_a_window_of_its_period():
    # All of 2 ms at the end of [8, 12), then those of [12, 16) and [16, 20): 11 of 10 ms are wanted by 20.
    played = play(DeferrableServer, [reserved(jobs((10, 100)), 2, 4), reserved(backlog(100), 5, 10)], 40)
    assert played.supplied_ms(0, 10, 14) == 4
    assert played.supplied_ms(0, 10, 20) + played.supplied_ms(1, 10, 20) == 10


SERVERS = st.lists(
    st.integers(2, 20).flatmap(lambda period: st.tuples(st.integers(1, period), st.just(period))),
    min_size=1,
    max_size=4,
)
WORKLOADS = ("kind=backlog,work=3ms", "kind=periodic,work=2ms,period=7ms", "kind=poisson,rate=150,work=exp:3ms")


@settings(max_examples=30, deadline=None)
@given(SERVERS)
def test_who_always_has_work_gets_no_less_than_the_supply_bound(servers: list[tuple[int, int]]):
    assume(sum(budget / period for budget, period in servers) <= 1)
    played = play(DeferrableServer, [reserved(backlog(3), *server) for server in servers], 200)
    for which, window_ms in product(range(len(servers)), (5, 13, 20, 41)):
        bound_ms = supply_bound_ms(*servers[which], window_ms)
        assert least_supply_ms(played, which, window_ms, 200) >= bound_ms - 1e-6


@settings(max_examples=30, deadline=None)
@given(SERVERS, st.lists(st.sampled_from(WORKLOADS), min_size=4, max_size=4))
def test_nobody_gets_more_than_its_budget_in_a_period(servers: list[tuple[int, int]], workloads: list[str]):
    tasks = [reserved(Task(work), *server) for work, server in zip(workloads, servers, strict=False)]
    played = play(DeferrableServer, tasks, 200)
    for which, (budget_ms, period_ms) in enumerate(servers):
        for begin_ms in range(0, 200, period_ms):
            assert played.supplied_ms(which, begin_ms, begin_ms + period_ms) <= budget_ms + 1e-6
