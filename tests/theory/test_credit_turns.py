"""The turns that `credit` grants, one call after the other: what is paid, handed out and saved up, by hand.

All have equal weights and wake at 0, boosted until they have had a turn; a period is 30 ms.
"""

import pytest

from coprocsim.model import VcoprocId
from coprocsim.parameters import Scope
from coprocsim.schedulers.base import Idle, Ran, Run, Turn
from coprocsim.schedulers.credit import Credit
from tests.machines import MS

SLICE_MS = 30


def awake(*caps: int) -> tuple[Credit, list[VcoprocId]]:
    """Return the algorithm with one for each cap, all of equal weight, that have work from 0 on."""
    credit, ids = Credit(Credit.defaults(Scope.COPROC)), [VcoprocId(each, 0) for each in range(1, len(caps) + 1)]
    for vcoproc, cap in zip(ids, caps, strict=True):
        credit.add(vcoproc, {**Credit.defaults(Scope.VCOPROC), "cap": cap}, 0)
        credit.wake(vcoproc, 0)
    return credit, ids


def closed(vcoproc: VcoprocId, since_ms: int, until_ms: int, switch_ms: int = 0) -> Ran:
    """Return a turn that is over, without denial."""
    return Ran(vcoproc, since_ms * MS, (until_ms - since_ms) * MS, 0, switch_ms * MS, (until_ms + switch_ms) * MS)


def test_a_switch_is_paid_for_by_whoever_is_charged_for_it():
    # 20 ms and a switch of 10 ms, of which each earns 15 at 30; of these the other one has 3 left at 42.
    credit, (first, second) = awake(0, 0)
    credit.ran(closed(first, 0, 20, switch_ms=10))
    assert credit.pick(42 * MS, Turn(second, 30 * MS, 42 * MS)) == Run(second, SLICE_MS * MS)


def test_one_that_gives_way_does_so_to_those_without_credits_too():
    # At 30 the first is at -15.
    credit, (first, second) = awake(0, 0)
    credit.ran(closed(first, 0, 30))
    credit.yield_(second, 31 * MS)
    assert credit.pick(31 * MS, Turn(second, 30 * MS, 60 * MS)) == Run(first, SLICE_MS * MS)


def test_one_without_credits_is_preempted_when_another_is_given_some():
    # What was paid is handed out at 30 and 60: (-50, 0) + 25 each, (-25, -1) + 13 each. So at 89 both are below 0, and
    # the longest unserved runs. At 90 each is given half of 13: -6 and 5.
    credit, (first, second) = awake(0, 0)
    credit.ran(closed(first, 0, 50))
    credit.ran(closed(second, 50, 76))
    credit.ran(closed(second, 76, 89))
    granted = credit.pick(89 * MS, None)
    assert granted == Run(first, SLICE_MS * MS)
    assert credit.pick(90 * MS, Turn(first, 89 * MS, 119 * MS)) == Run(second, SLICE_MS * MS)


def test_among_those_with_credits_left_it_goes_round():
    # At 30 the first has paid for all four. The others give way one after the other, at first boosted.
    credit, (first, *others) = awake(0, 0, 0, 0)
    credit.ran(closed(first, 0, 30))
    for at_ms, (leaving, following) in enumerate(2 * list(zip(others, [*others[1:], others[0]], strict=True)), 31):
        credit.yield_(leaving, at_ms * MS)
        answer = credit.pick(at_ms * MS, Turn(leaving, (at_ms - 1) * MS, (at_ms + 29) * MS))
        assert answer == Run(following, SLICE_MS * MS)
        credit.ran(closed(leaving, at_ms - 1, at_ms))


# ---------------------------------------------------------------- what is handed out


@pytest.mark.parametrize(("wakes_ms", "goes_on"), [(30, True), (31, False)])
def test_what_is_handed_out_is_for_those_that_have_work_as_the_period_ends(wakes_ms: int, goes_on: bool):
    # Of the 30 that the first has paid, one that wakes as the period ends has 10: it has had 5 of them. Later it has
    # none, and both are OVER.
    credit, (first, second, third) = awake(0, 0, 0)
    credit.sleep(third, 0)
    credit.ran(closed(first, 0, 30))
    credit.wake(third, wakes_ms * MS)
    credit.ran(closed(third, wakes_ms, wakes_ms + 5))
    credit.sleep(second, 36 * MS)
    assert credit.pick(36 * MS, None) == Run(third if goes_on else first, SLICE_MS * MS)


def test_one_that_goes_to_sleep_after_the_end_of_a_period_has_its_part_of_it():
    # 15 at 30, of which it has 5 left.
    credit, (first, second) = awake(0, 0)
    credit.ran(closed(first, 0, 30))
    credit.sleep(second, 31 * MS)
    credit.wake(second, 32 * MS)
    credit.ran(closed(second, 32, 42))
    assert credit.pick(42 * MS, None) == Run(second, SLICE_MS * MS)


def test_one_that_begins_as_a_period_ends_pays_at_the_end_of_the_next():
    # 30 of its 70 at 60, of which the other has 15: it has had 10 of them.
    credit, (first, second) = awake(0, 0)
    credit.ran(closed(first, 30, 100))
    credit.ran(closed(second, 100, 110))
    assert credit.pick(110 * MS, None) == Run(second, SLICE_MS * MS)


def test_nothing_is_handed_out_before_the_period_ends():
    # As it ends they are at -20, -1 and -9, and the first is the longest unserved; then each has 10 more.
    credit, (first, second, third) = awake(0, 0, 0)
    credit.ran(closed(first, 0, 20))
    credit.ran(closed(second, 20, 20))
    credit.ran(closed(third, 20, 29))
    almost_ps = SLICE_MS * MS - 1
    assert credit.pick(almost_ps, Turn(second, 29 * MS, almost_ps)) == Run(first, SLICE_MS * MS)
    assert credit.pick(almost_ps + 1, Turn(second, 29 * MS, almost_ps + 1)) == Run(third, SLICE_MS * MS)


def test_what_comes_back_with_one_that_slept_is_taken_off_from_all():
    # At 30 the second has 15 and sleeps; at 60 the first, alone, has 0 again. With the other's 14 that are left at 62
    # there are 14 too many: at 90 the first is at -7, and preempted.
    credit, (first, second) = awake(0, 0)
    credit.ran(closed(first, 0, 30))
    credit.sleep(second, 31 * MS)
    credit.wake(second, 61 * MS)
    credit.ran(closed(second, 61, 62))
    assert credit.pick(90 * MS, Turn(first, 62 * MS, 92 * MS)) == Run(second, SLICE_MS * MS)


def test_one_that_slept_has_no_more_credits_than_a_slice():
    # Of 100 that cannot be cut each earns 15 at 30 and 35 at 120: -50 and 50, of which 30 are left. 28 are had at 150,
    # 24 earned there, of all 48 that are owed, and 28 had by 178: -2.
    credit, (first, second) = awake(0, 0)
    credit.ran(closed(first, 0, 100))
    credit.sleep(second, 121 * MS)
    credit.wake(second, 122 * MS)
    credit.ran(closed(second, 122, 178))
    assert credit.pick(178 * MS, None) == Run(first, SLICE_MS * MS)


def test_what_a_cap_keeps_one_from_using_is_handed_out_period_by_period_also_where_nothing_happens():
    # Of 30 that the second owes the first may have no more than its 6. At 60 the other 9 are handed out, and so on,
    # so that by 301 the second owes 6. The third owes 2 and earns a third of that at 330; of 15 it would earn enough.
    credit, (first, second, third) = awake(20, 0, 0)
    credit.sleep(third, 0)
    credit.ran(closed(second, 0, 30))
    credit.wake(third, 301 * MS)
    credit.ran(closed(third, 301, 303))
    credit.sleep(first, 331 * MS)
    assert credit.pick(331 * MS, None) == Run(second, SLICE_MS * MS)


# ---------------------------------------------------------------- who is next


def test_one_that_has_neither_credits_nor_debt_comes_before_one_in_debt():
    credit, (first, second) = awake(0, 0)
    credit.ran(closed(first, 0, 10))
    credit.ran(closed(second, 10, 10))
    assert credit.pick(10 * MS, None) == Run(second, SLICE_MS * MS)


def test_one_that_was_told_to_leave_gives_way_although_it_was_boosted():
    # At 30 the third has paid for all; the second has had a turn, and with it its boost.
    credit, (first, second, third) = awake(0, 0, 0)
    credit.ran(closed(third, 0, 30))
    credit.ran(closed(second, 30, 30))
    turn = Turn(first, 30 * MS, 60 * MS)
    assert credit.pick(31 * MS, turn) == Run(first, SLICE_MS * MS)
    denied = Turn(first, 30 * MS, 60 * MS, denied=True)
    assert credit.pick(31 * MS, denied) == Run(second, SLICE_MS * MS)


def test_one_is_not_preempted_by_others_that_have_credits_too():
    # At 29: -5, 0 and -24; at 30 each is given 9.67, so that the first, which comes before the second, has some, too.
    credit, (first, second, third) = awake(0, 0, 0)
    credit.ran(closed(first, 0, 5))
    credit.ran(closed(third, 5, 29))
    credit.ran(closed(second, 29, 29))
    assert credit.pick(29 * MS, None) == Run(second, SLICE_MS * MS)
    assert credit.pick(31 * MS, Turn(second, 29 * MS, 59 * MS)) == Run(second, SLICE_MS * MS)


def test_a_boost_outlasts_a_rest():
    # At 30 both others have credits, too, but have had their turn.
    credit, (first, second, third) = awake(0, 0, 0)
    credit.ran(closed(first, 0, 30))
    credit.ran(closed(second, 30, 31))
    rested, _ = awake(0, 0, 0)
    rested.restore(credit.save())
    turn = Turn(second, 31 * MS, 61 * MS)
    assert credit.pick(33 * MS, turn) == rested.pick(33 * MS, turn) == Run(third, SLICE_MS * MS)


# ---------------------------------------------------------------- caps


def test_while_somebody_is_parked_a_turn_ends_with_the_period_though_the_ratelimit_would_let_it_go_on():
    # 6 of 30 are the third's cap. The first wakes boosted, a little before the period ends.
    credit, (first, second, third) = awake(0, 0, 20)
    credit.sleep(first, 0)
    credit.ran(closed(third, 0, 6))
    until_ps = SLICE_MS * MS
    assert credit.pick(6 * MS, None) == Run(second, SLICE_MS * MS, until_ps)
    credit.ran(closed(second, 6, 6))
    turn = Turn(second, until_ps - MS // 2, until_ps)
    credit.wake(first, until_ps - MS // 4)
    assert credit.pick(until_ps - MS // 4, turn) == Run(second, SLICE_MS * MS, until_ps)


def test_a_turn_is_no_shorter_than_the_ratelimit_though_less_of_the_cap_is_left():
    # 0.6 of 30 are 2 %: the least that no preemption cuts is 1 ms.
    credit, (first,) = awake(2)
    assert credit.pick(0, None) == Run(first, MS)


def test_one_whose_cap_is_lowered_below_what_it_has_had_leaves_at_once():
    # 3 of its 6; of 5 % it may have 1.5. Neither has credits.
    credit, (first, second) = awake(20, 0)
    credit.ran(closed(first, 0, 3))
    credit.ran(closed(second, 3, 4))
    credit.add(first, {**Credit.defaults(Scope.VCOPROC), "cap": 5}, 5 * MS)
    assert credit.pick(5 * MS, Turn(first, 4 * MS, 7 * MS)) == Run(second, SLICE_MS * MS, SLICE_MS * MS)


def test_one_that_is_removed_leaves_nothing_that_it_has_used_of_its_cap():
    credit, (first,) = awake(20)
    credit.ran(closed(first, 0, 6))
    assert credit.pick(6 * MS, None) == Idle(SLICE_MS * MS)
    credit.remove(first, 6 * MS)
    credit.add(first, {**Credit.defaults(Scope.VCOPROC), "cap": 20}, 7 * MS)
    credit.wake(first, 7 * MS)
    assert credit.pick(7 * MS, None) == Run(first, 6 * MS, None)
