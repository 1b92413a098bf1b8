"""`fair` against Stoica and Abdel-Wahab (TR-95-22): cases EEVDF-1 and EEVDF-2, and the bound on the lag."""

from fractions import Fraction

from coprocsim.model import VcoprocId
from coprocsim.parameters import Scope
from coprocsim.schedulers.base import Ran, Run, Turn
from coprocsim.schedulers.fair import Fair
from tests.machines import MS
from tests.theory.stage import Played, backlog, play


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


def test_one_that_gives_way_is_measured_against_those_that_are_left():
    # The third has slept while it was behind. Without it the second, which is ahead of it, is the one to give way to.
    fair, ids = Fair(Fair.defaults(Scope.COPROC)), [VcoprocId(each, 0) for each in (1, 2, 3)]
    first, second, third = ids
    for vcoproc in ids:
        fair.add(vcoproc, {"weight": 1}, 0)
        fair.wake(vcoproc, 0)
    fair.ran(Ran(second, 0, 3 * MS, 0, 0, 3 * MS))
    fair.sleep(third, 4 * MS)
    fair.yield_(first, 4 * MS)
    turn = Turn(first, 3 * MS, 6 * MS)
    assert fair.account(4 * MS, turn).lag_ps(second) == 0
    assert fair.pick(4 * MS, turn) == Run(second, 3 * MS)
