"""`fair` against Stoica and Abdel-Wahab (TR-95-22): cases EEVDF-1 and EEVDF-2, and the bound on the lag."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from coprocsim.model import VcoprocId
from coprocsim.parameters import Scope
from coprocsim.schedulers.base import Ran, Run, Turn
from coprocsim.schedulers.fair import Fair
from coprocsim.schedulers.virtualtime import Account
from tests.machines import MS
from tests.theory.stage import Played, backlog, jobs, play


def lags(played: Played, weights: list[int]) -> list[Fraction]:
    """Return how far each is behind its share of what all have had, in ms."""
    had = [Fraction(played.ran_ms(which)) for which in range(len(weights))]
    return [sum(had, Fraction()) * weight / sum(weights) - own for weight, own in zip(weights, had, strict=True)]


def test_eevdf_1_three_equal_clients_with_requests_of_30_ms():
    after = [play(Fair, [backlog(1)] * 3, 30 * requests, slice=30 * MS) for requests in (1, 2, 3)]
    assert [lags(played, [1, 1, 1]) for played in after] == [[-20, 10, 10], [-10, -10, 20], [0, 0, 0]]


def test_eevdf_2_weights_3_2_1_are_served_in_the_order_of_their_virtual_deadlines():
    tasks = [backlog(1, weight=weight) for weight in (3, 2, 1)]
    played = play(Fair, tasks, 12, slice=MS)
    order = {at_ms: "ABC"[which] for at_ms, which in played.order()}
    running, seen = "", []
    for at_ms in range(12):
        running = order.get(at_ms, running)
        seen.append(running)
    assert " ".join(seen) == "A B A B A C A B A B A C"


def test_eevdf_2_the_lag_stays_below_one_request():
    tasks = [backlog(1, weight=weight) for weight in (3, 2, 1)]
    found = [lags(play(Fair, tasks, after, slice=MS), [3, 2, 1]) for after in range(1, 13)]
    assert max(abs(lag) for each in found for lag in each) == Fraction(5, 6)


def test_one_whose_jobs_cannot_be_cut_is_ahead_by_no_more_than_one_of_them():
    # A job of 20 ms against requests of 3 ms: never more than 20 ms ahead of its half, whenever one looks.
    tasks = [backlog(20, ",uncuttable=all"), backlog(1)]
    for until_ms in (1000, 1010, 1020, 1030, 1040):
        hog, other = lags(play(Fair, tasks, until_ms), [1, 1])
        assert hog + other == 0
        assert abs(hog) <= 20


def test_of_those_that_may_be_served_the_first_due_is_however_much_it_has_had_before():
    # The hog is ahead until long after. The others join together; requests of 1 ms are due half a unit of virtual time
    # apart for weight 2, one apart for weight 1, so at 1/2, 1 | 1 | 3/2, 2 | 2 | …; of equals the first one's.
    hog = jobs((0, 20), more=",uncuttable=all", weight=1)
    played = play(Fair, [hog, jobs((1, 100), weight=2), jobs((1, 100), weight=1)], 32, slice=MS)
    assert played.stretches(1) == [(20, 22), (23, 25), (26, 28), (29, 31)]
    assert played.stretches(2) == [(22, 23), (25, 26), (28, 29), (31, 32)]


def test_one_that_sleeps_while_it_is_ahead_is_still_ahead_when_it_wakes():
    # It has had 20 ms in one, and is asleep for one. The other has had as much at 40, and its request ends at 41.
    played = play(Fair, [jobs((0, 20), (21, 2), more=",uncuttable=all"), backlog(1)], 60)
    assert played.finishes(0) == [20, 43]


def awake(*weights: int) -> tuple[Fair, list[VcoprocId]]:
    """Return the algorithm with so many that have work from 0 on."""
    fair, ids = Fair(Fair.defaults(Scope.COPROC)), [VcoprocId(each, 0) for each in range(1, len(weights) + 1)]
    for vcoproc, weight in zip(ids, weights, strict=True):
        fair.add(vcoproc, {"weight": weight}, 0)
        fair.wake(vcoproc, 0)
    return fair, ids


def test_a_switch_counts_as_had_by_whoever_is_charged_for_it():
    # 3 ms and a switch of 1 ms of one of two: half of 4 ms is due to it.
    fair, (first, _) = awake(1, 1)
    fair.ran(Ran(first, 0, 3 * MS, 0, MS, 4 * MS))
    assert fair.account(4 * MS, None).lag_ps(first) == (2 - 4) * MS


def test_another_weight_leaves_the_lag_as_it_is():
    fair, (first, second) = awake(1, 1)
    fair.ran(Ran(first, 0, 4 * MS, 0, 0, 4 * MS))
    fair.add(first, {"weight": 3}, 4 * MS)
    account = fair.account(4 * MS, None)
    assert [account.lag_ps(each) for each in (first, second)] == [(2 - 4) * MS, 2 * MS]


def test_one_that_sleeps_and_wakes_within_its_turn_is_charged_for_all_of_it():
    fair, (first, _) = awake(1, 1)
    fair.sleep(first, MS)
    fair.wake(first, 2 * MS)
    fair.ran(Ran(first, 0, 3 * MS, 0, 0, 3 * MS))
    assert fair.account(3 * MS, None).lag_ps(first) == (Fraction(3, 2) - 3) * MS


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(-99, 99)), min_size=1, max_size=4), st.integers(1, 9))
def test_who_joins_has_no_claim_and_is_ahead_by_less_than_a_picosecond(others: list[tuple[int, int]], weight: int):
    ids = [VcoprocId(number, 0) for number in range(len(others) + 1)]
    account = Account()
    for vcoproc, own_weight in zip(ids, [each for each, _ in others] + [weight], strict=True):
        account.weigh(vcoproc, own_weight)
    account.resume({vcoproc: own_ps for vcoproc, (_, own_ps) in zip(ids, others, strict=False)})
    account.join(ids[-1], ids)
    assert -1 < account.lag_ps(ids[-1]) <= 0


def test_one_that_gives_way_is_measured_against_those_that_are_left():
    # The third has slept while it was behind. Without it the second, which is ahead of it, is the one to give way to.
    fair, (first, second, third) = awake(1, 1, 1)
    fair.ran(Ran(second, 0, 3 * MS, 0, 0, 3 * MS))
    fair.sleep(third, 4 * MS)
    fair.yield_(first, 4 * MS)
    turn = Turn(first, 3 * MS, 6 * MS)
    assert fair.account(4 * MS, turn).lag_ps(second) == 0
    assert fair.pick(4 * MS, turn) == Run(second, 3 * MS)
