"""`timebased` against a model of GVT-g's sched_policy.c: cases GVT-1 and GVT-2.

The model's vcoprocs have been there for more than 2 s; ours are new, so `new-first` is 0, or what is measured begins
when they are new no more.
"""

from coprocsim.model import VcoprocId
from coprocsim.parameters import Scope
from coprocsim.schedulers.base import Run
from coprocsim.schedulers.timebased import TimeBased
from tests.machines import MS
from tests.theory.stage import Task, backlog, play


def test_gvt_1_weights_8_and_4_share_three_seconds():
    # 334 jobs fit into 10 budgets of 33.33 ms, since the last begins with some of it left.
    played = play(TimeBased, [backlog(1, weight=8), backlog(1, weight=4)], 3000, new_first=0)
    assert [played.ran_ms(which) for which in range(2)] == [1998, 1002]


def test_gvt_1_new_ones_take_turns_first_and_share_by_weight_thereafter():
    tasks = [backlog(1, weight=8), backlog(1, weight=4)]
    until_2_s, until_5_s = play(TimeBased, tasks, 2000), play(TimeBased, tasks, 5000)
    assert [until_2_s.ran_ms(which) for which in range(2)] == [1000, 1000]
    assert [until_5_s.ran_ms(which) - until_2_s.ran_ms(which) for which in range(2)] == [1998, 1002]


def test_gvt_2_a_weight_is_a_cap_although_the_other_is_idle():
    played = play(TimeBased, [backlog(1, weight=4), Task("kind=idle", {"weight": 4})], 3000, new_first=0)
    assert played.ran_ms(0) == 1500
    assert played.machine.board.coprocs["gpu0"].counters.idle_ps == 1500 * MS


def test_a_running_job_is_never_preempted():
    played = play(TimeBased, [backlog(7), backlog(2.5)], 100, new_first=0)
    ends = {0.0, *played.finishes(0), *played.finishes(1)}
    assert {at_ms for at_ms, _ in played.order()} <= ends
    assert len(played.order()) > 10


def test_one_whose_jobs_are_longer_than_its_budget_does_not_gain():
    # Ten budgets of 50 ms, and what the last job of a window overruns: jobs of 70 ms, and 8 of them in a second.
    played = play(TimeBased, [backlog(70, ",uncuttable=all"), backlog(1)], 10_000, new_first=0)
    assert played.ran_ms(0) <= 10 * (10 * 50 + 70)
    assert played.ran_ms(1) >= 10_000 - 10 * (10 * 50 + 70)


def test_a_job_longer_than_ten_periods_is_paid_for():
    # 3 s at a time, of which each wipe forgives one budget of 50 ms of 1 s: at most 55 % in the long run, and one job.
    played = play(TimeBased, [backlog(3000, ",uncuttable=all"), backlog(1)], 60_000, new_first=0)
    assert played.ran_ms(0) <= 0.55 * 60_000 + 3000


def test_those_with_a_budget_take_turns_of_a_tick():
    played = play(TimeBased, [backlog(1)] * 3, 30, new_first=0)
    order = [which for _, which in played.order()]
    assert len(order) >= 30
    assert all({*order[at : at + 3]} == {0, 1, 2} for at in range(len(order) - 2))


def test_of_new_ones_the_newest_runs_first():
    timebased, older, newer = TimeBased(TimeBased.defaults(Scope.COPROC)), VcoprocId(1, 0), VcoprocId(2, 0)
    for at_ms, vcoproc in ((0, older), (500, newer)):
        timebased.add(vcoproc, {"weight": 1}, at_ms * MS)
        timebased.wake(vcoproc, at_ms * MS)
    assert timebased.pick(600 * MS, None) == Run(newer, MS)
