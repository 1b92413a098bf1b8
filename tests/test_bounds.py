"""`analysis/bounds.py`: what is charged beside the theory, by hand, and what has no bound."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from coprocsim.analysis.bounds import Bound, Verdict, bounds
from coprocsim.analysis.loads import Shared, User
from coprocsim.guests.base import NOTHING, Demand
from coprocsim.parameters import Value

FREE = Shared("priority", {}, cycle_ps=0, switch_ps=0)
TURNS = replace(FREE, algorithm="rrobin", settings={"slice": 2, "wake": "tail"})


def job(work: int, period: int | None, **more: Any) -> Demand:
    """Return a demand whose deadline is its period, and of which all can be cut."""
    return replace(Demand(work, 0, period, deadline_ps=period, places=2), **more)


def ranked(*demands: Demand) -> list[User]:
    """Return vcoprocs `a`, `b`, …, the first of the highest priority."""
    return [
        User(name, demand, {"priority": len(demands) - number})
        for number, (name, demand) in enumerate(zip("abcdef", demands, strict=False))
    ]


def responses(shared: Shared, users: Sequence[User]) -> list[int | None]:
    """Return the bounds alone."""
    return [each.response_ps for each in bounds(shared, users)]


SET_D = ranked(job(3, 7), job(3, 12), job(5, 20))


def test_where_nothing_costs_it_is_the_theory():
    assert responses(FREE, SET_D) == [3, 6, 20]
    assert {each.verdict for each in bounds(FREE, SET_D)} == {Verdict.MET}
    # EDF-2, and RR-3's first: 5 and three turns of 2 of each of three others.
    by_deadline = [User(name, job(*task, deadline_ps=due), {}) for name, task, due in _EDF_2]
    assert responses(replace(FREE, algorithm="edf"), by_deadline) == [4, 5, 7]
    others = [User(name, job(work, 1000), {}) for name, work in (("a", 5), ("b", 50), ("c", 60), ("d", 70))]
    assert responses(TURNS, others)[0] == 5 + 3 * 3 * 2


_EDF_2 = (("a", (2, 6), 4), ("b", (2, 8), 5), ("c", (3, 9), 7))


def test_a_job_pays_for_two_changes_and_meets_one_under_way():
    # A change is 10 of a switch, a step of 4 that the floor makes 5, and two cycles of 1: 17.
    shared = replace(FREE, switch_ps=10, stop_steps_ps=(4,), retry_floor_ps=5, cycle_ps=1)
    first, second = ranked(job(100, 1000), job(200, 1000))
    assert responses(shared, [first, second]) == [17 + 134, 17 + 134 + 234]
    handled = replace(first.demand, reaction_ps=7)
    assert responses(shared, [replace(first, demand=handled), second])[0] == 17 + 134 + 7


def test_who_is_below_holds_up_for_what_cannot_be_cut_as_long_as_the_timeout_lets_it():
    high, low = job(10, 1000), job(300, 1000, uncuttable_ps=200)
    assert responses(FREE, ranked(high, low))[0] == 10 + 200
    forced = replace(FREE, timeout_ps=50, reset_ps=20)
    first, second = bounds(forced, ranked(high, low))
    assert first == Bound(Verdict.MET, 10 + 50 + 20)
    assert second.verdict is Verdict.MISSED
    assert second.why == "its jobs may deny for longer than the switch timeout, and are lost then"
    assert bounds(forced, ranked(low)) == [Bound(Verdict.MET, 300)]  # nobody is there to have it reset
    for_ever = Demand(uncuttable_ps=None)
    assert bounds(FREE, ranked(high, for_ever))[0] == Bound(
        Verdict.NO_BOUND, None, "nobody can say how long `b` denies"
    )


def test_jobs_in_any_number_harm_those_below_and_not_those_above():
    random, regular = job(3, None), job(3, 10)
    assert bounds(FREE, ranked(random, regular))[1].why == "the jobs of `a` come in any number"
    assert bounds(FREE, ranked(regular, random))[0] == Bound(Verdict.MET, 3)
    assert bounds(FREE, ranked(NOTHING, regular)) == [Bound(Verdict.NO_JOBS), Bound(Verdict.MET, 3)]


def test_more_than_there_is_can_be_missed():
    assert [each.verdict for each in bounds(FREE, ranked(job(6, 10), job(5, 10)))] == [Verdict.MET, Verdict.MISSED]


def test_a_third_open_job_waits_for_its_driver_and_has_no_bound():
    # Lehoczky's: 118 of a period of 100, so that three are never open; with a handler of 90 they may be.
    high, low = job(26, 70), job(62, 100, deadline_ps=200)
    assert bounds(FREE, ranked(high, replace(low, reaction_ps=80)))[1] == Bound(Verdict.MET, 118 + 80)
    late = bounds(FREE, ranked(high, replace(low, reaction_ps=90)))[1]
    assert (late.verdict, late.response_ps) == (Verdict.MISSED, None)
    assert late.why == "more than 2 jobs of `b` may be open: they wait for their driver"


def test_what_no_theory_here_covers_says_so():
    alike = [User(name, job(1, 10), {}) for name in "ab"]
    at_head = replace(TURNS, settings={"slice": 2, "wake": "head"})
    for shared, why in (
        (replace(FREE, algorithm="lottery"), "there is no analysis of `lottery` here"),
        (replace(FREE, polled=True), "without an interrupt line its driver only looks from time to time"),
        (at_head, "with `wake=head` any number of turns may come before its own"),
    ):
        assert bounds(shared, alike) == [Bound(Verdict.NO_BOUND, None, why)] * 2
    assert bounds(TURNS, [User("a", job(3, 20), {}), User("b", job(1, None), {})])[0] == Bound(Verdict.MET, 3 + 2 * 2)


# ---------------------------------------------------------------- reservations

COSTLY = replace(FREE, switch_ps=1)
IMPATIENT = replace(FREE, timeout_ps=20, reset_ps=1)
BUDGETS: dict[str, Value] = {"budget": 40, "period": 100, "extratime": 0}


def reserved(algorithm: str, *users: tuple[Demand, dict[str, Value]], shared: Shared = FREE) -> list[Bound]:
    """Return the bounds of vcoprocs `a`, `b`, …; a slot of `fixed` is 10 ms long."""
    named = [User(name, *user) for name, user in zip("abcdef", users, strict=False)]
    return bounds(replace(shared, algorithm=algorithm, settings={"frequency": 100}), named)


def test_a_budget_that_is_used_up_waits_for_the_next_one():
    many = (job(1, None), BUDGETS)
    # A gap of 60 before each of two budgets, and one more.
    assert reserved("rtds", (job(50, 1000), BUDGETS), many)[0] == Bound(Verdict.MET, 50 + 3 * 60)
    # One that never uses it up waits for 40 of the other one at the end of a period, and 40 of the next.
    assert reserved("rtds", (job(10, 1000), BUDGETS), many)[0] == Bound(Verdict.MET, 10 + 40 + 40)
    # By its deadline of 100 it has waited for the other one's part of that.
    assert reserved("cbs", (job(10, 1000), BUDGETS), many)[0] == Bound(Verdict.MET, 10 + 40)


def test_budgets_pay_for_the_switches_that_others_may_cause():
    mine, other = (job(45, 1000), BUDGETS), (job(10, 1000), BUDGETS)
    # In a period of 100 each of the two has up to two new budgets and two jobs, of two changes, and one is under way:
    # 17, which leaves 23 of 40. The job has two of those, after three gaps of 77.
    assert reserved("rtds", mine, other, shared=COSTLY)[0] == Bound(Verdict.MET, 45 + 3 * 77)
    # Its 10 and 16 of eight such have the first period, and 40 of that are the other one's; and 9 late: each may bring
    # a budget and a job at once, and one change is under way.
    mine, other = (job(10, 1000), BUDGETS), (job(300, 1000), BUDGETS)
    assert reserved("cbs", mine, other, shared=COSTLY)[0] == Bound(Verdict.MET, 10 + 16 + 40 + 9)
    # Where switches are free it does not matter how many there are; where not, nobody can say.
    for algorithm in ("rtds", "cbs"):
        why = "the jobs of `b` come in any number"
        found = reserved(algorithm, mine, (job(1, None), BUDGETS), shared=COSTLY)
        assert found[0] == Bound(Verdict.NO_BOUND, None, why)


def test_where_no_budget_is_used_up_no_job_takes_longer_than_all_of_them_together():
    # Two jobs of 10 and their own two changes each, one change under way; and two for each budget, one of which had
    # begun before.
    mine = (job(10, 1000), BUDGETS)
    for algorithm in ("rtds", "cbs"):
        assert reserved(algorithm, mine, mine, shared=COSTLY)[0] == Bound(Verdict.MET, 24 + 1 + 4 + 4)


def test_a_denial_of_another_comes_on_top():
    holding = (job(30, None, uncuttable_ps=30), BUDGETS)
    # rtds: 100 less 40 and 30 are 30 sure. cbs: as much later.
    assert reserved("rtds", (job(10, 1000), BUDGETS), holding)[0] == Bound(Verdict.MET, 10 + 2 * 70)
    assert reserved("cbs", (job(10, 1000), BUDGETS), holding)[0] == Bound(Verdict.MET, 10 + 40 + 30)
    # fixed: 4 of each slot of 10 may be denied; 12 take two of the 6 that are left of a cycle of 20.
    one: dict[str, Value] = {"slots": 1}
    ms = 10**9
    mine, other = job(12 * ms, 1000 * ms), job(5 * ms, 1000 * ms, uncuttable_ps=4 * ms)
    first, second = reserved("fixed", (mine, one), (other, one))
    assert first == Bound(Verdict.MET, (12 + 2 * 14) * ms)
    # The other one may have to pay for 4 that it took before: 9 of its slots of 10.
    assert second == Bound(Verdict.MET, (9 + 10) * ms)


def test_slots_belong_also_to_those_that_have_no_jobs():
    slot_ps = 10**10
    one: dict[str, Value] = {"slots": 1}
    found = reserved("fixed", (job(15 * 10**9, 10**12), one), (NOTHING, {"slots": 2}), (job(1, None), one))
    # Three of four slots are others': 15 ms are two slots' gaps of 30 ms, and 15.
    assert found[0] == Bound(Verdict.MET, 2 * 3 * slot_ps + 15 * 10**9)


def test_one_alone_is_stopped_at_the_end_of_its_budget_under_rtds_and_lost_if_it_does_not_let_go():
    alone = (job(50, 1000, uncuttable_ps=50), BUDGETS)
    assert reserved("cbs", alone, shared=IMPATIENT) == [Bound(Verdict.MET, 50)]
    assert reserved("rtds", alone, shared=IMPATIENT)[0].verdict is Verdict.MISSED


def test_work_that_is_more_than_what_is_reserved_can_be_late():
    for algorithm in ("rtds", "cbs"):
        assert reserved(algorithm, (job(50, 100), BUDGETS), (job(1, None), BUDGETS))[0].verdict is Verdict.MISSED


# ---------------------------------------------------------------- shares


def shares(*users: tuple[Demand, int], shared: Shared = FREE) -> list[Bound]:
    """Return the bounds of vcoprocs `a`, `b`, …, (demand, weight), under `fair` with requests of 1000."""
    named = [User(name, wants, {"weight": weight}) for name, (wants, weight) in zip("abcdef", users, strict=False)]
    return bounds(replace(shared, algorithm="fair", settings={"slice": 1000}), named)


def test_a_share_is_a_rate_after_a_request_of_each_other():
    mine, any_number = (job(500, 100_000), 1), job(1, None)
    # Two thirds are others': 500 take 1500, after a request of each that is as long as its weight against one's own, or
    # 1000 if that is more, and 3 of what is rounded up.
    assert shares(mine, (any_number, 2))[0] == Bound(Verdict.MET, 1500 + 2000 + 3)
    assert shares((mine[0], 2), (any_number, 1), (any_number, 1))[0] == Bound(Verdict.MET, 1000 + 2 * 1000 + 2)
    # What cannot be cut makes a request longer.
    assert shares(mine, (replace(any_number, uncuttable_ps=70), 2))[0] == Bound(Verdict.MET, 1500 + 2070 + 3)
    # Three at once, due to jitter: the third has waited for 100 at least.
    late = (job(500, 100_000, jitter_ps=199_900), 1)
    assert shares(late, (any_number, 2))[0].response_ps == 3 * 1500 + 2000 + 3 - 100
    assert shares((job(500, 1400), 1), (any_number, 2))[0].why == "its share may be too small for its work"


def test_who_asks_for_little_takes_no_more_than_that():
    # All that is asked for is 500 and 100, though a share of a half might have to wait for a request of 1000.
    assert shares((job(500, 2000), 1), (job(100, 2000), 1))[0] == Bound(Verdict.MET, 600)


def test_switches_that_nobody_pays_for_have_a_bound_where_jobs_are_counted():
    mine, other = (job(10, 10**6), 1), (job(1, None), 1)
    assert shares(mine, other, shared=COSTLY)[0].why == (
        "the jobs of `b` come in any number, and each may cost a switch"
    )


# ---------------------------------------------------------------- credits


def credited(*users: tuple[Demand, int], shared: Shared = FREE) -> list[Bound]:
    """Return the bounds of vcoprocs `a`, `b`, …, (demand, cap), under `credit` with slices of 1000."""
    named = [
        User(name, wants, {"weight": 256, "cap": cap}) for name, (wants, cap) in zip("abcdef", users, strict=False)
    ]
    return bounds(replace(shared, algorithm="credit", settings={"slice": 1000, "ratelimit": 100}), named)


def test_credits_have_the_bound_of_all_that_is_asked_for_at_once():
    mine, other = (job(500, 2000), 0), (job(100, 2000), 0)
    assert credited(mine, other) == [Bound(Verdict.MET, 600)] * 2
    # Changes of 1: as each of two jobs comes and ends and as up to two turns of each are over, one under way, and as
    # two periods end.
    assert credited(mine, other, shared=COSTLY) == [Bound(Verdict.MET, 600 + 2 * 4 + 1 + 2)] * 2
    # 1200 and 1000 of 2000, though the one is below its share of a half.
    over = credited((job(1000, 2000), 0), (job(1200, 2000), 0))[0]
    assert over == Bound(Verdict.NO_BOUND, None, "jobs may pile up, and `credit` keeps shares in the long run only")


def test_credits_bound_nothing_where_work_comes_in_any_number_or_is_parked():
    mine, any_number = (job(500, 2000), 0), (job(1, None), 0)
    assert credited(mine, any_number)[0].why == (
        "the jobs of `b` come in any number, and `credit` keeps shares in the long run only"
    )
    for_ever = (job(500, 2000, uncuttable_ps=None), 0)
    assert credited(mine, for_ever)[0].why == (
        "nobody can say how long `b` denies, and `credit` keeps shares in the long run only"
    )
    for bound in credited(mine, (job(100, 2000), 20)):
        assert bound.why == "`b` has a cap: its work may wait while nobody else has any"
    assert credited(mine, (NOTHING, 20))[0] == Bound(Verdict.MET, 500)


# ---------------------------------------------------------------- turns that end with a job


def turns(*users: tuple[Demand, int], shared: Shared = FREE, idle: int = 0, new_first: int = 0) -> list[Bound]:
    """Return the bounds of vcoprocs `a`, `b`, …, (demand, weight), with turns of 10 and 1000 to share in a period."""
    named = [User(name, wants, {"weight": weight}) for name, (wants, weight) in zip("abcdef", users, strict=False)]
    named += [User("idle", NOTHING, {"weight": idle})] * (idle > 0)
    shared = replace(shared, algorithm="timebased", settings={"tick": 10, "period": 1000, "new-first": new_first})
    return bounds(shared, named)[: len(users)]


def test_a_turn_ends_with_the_job_that_goes_on_as_its_tick_is_over():
    mine, any_number = (job(50, 1000), 1), job(70, None)
    assert turns(mine, (any_number, 1))[0] == Bound(Verdict.MET, 10 + 70 + 50)
    # Its end is known 5 later, and the next one cannot be cut for 30.
    slow = replace(any_number, reaction_ps=5, uncuttable_ps=30)
    assert turns(mine, (slow, 1), (any_number, 1))[0] == Bound(Verdict.MET, 10 + 70 + 5 + 30 + 10 + 70 + 50)
    # Where the next job may come before one's own handler knows of the last, that may end its turn: two turns of each.
    handled = job(50, 1000, reaction_ps=3)
    assert turns((handled, 1), (any_number, 1))[0] == Bound(Verdict.MET, 10 + 70 + 50 + 3)
    early = turns((replace(handled, jitter_ps=950), 1), (any_number, 1))[0]
    assert early == Bound(Verdict.MET, 2 * (2 * (10 + 70) + 50) - (1000 - 950) + 3)
    # Four changes of 1: one under way, two of the others' turns, one of its own.
    assert turns(mine, (any_number, 1), (any_number, 1), shared=COSTLY)[0] == Bound(Verdict.MET, 2 * (10 + 70) + 50 + 4)
    # For the first seconds of a vcoproc there is no bound for the others.
    first, second = turns(mine, mine, new_first=2000)
    why = "the bound holds once nobody is new: for `new-first` one that is created comes before all others"
    assert first.why == second.why == why
    assert turns(mine, new_first=2000)[0].why is None
    endless = turns(mine, (Demand(None, 0, None), 1))[0]
    assert endless.why == "the jobs of `b` may be of any length, and are not preempted"


def test_a_budget_must_do_for_a_period_and_for_what_waited_before_it():
    # With a response of 90, 11 jobs may want to be done in a period, and one more: 600. Half of a period is less, also
    # if the other half belongs to one that has no jobs.
    mine, other = job(50, 100), job(30, None)
    assert turns((mine, 3), (other, 1))[0] == Bound(Verdict.MET, 10 + 30 + 50)
    why = "its budget may be used up: then it waits for the next period"
    assert turns((mine, 1), (other, 1))[0] == Bound(Verdict.MISSED, None, why)
    assert turns((mine, 3), (other, 1), idle=4)[0].why == why
    assert turns((mine, 3), (job(50, None), 1))[0].why == "its turns may be too few for its work"
