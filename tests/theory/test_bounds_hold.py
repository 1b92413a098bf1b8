"""What `coprocsim/analysis` bounds, simulated: no response is beyond its bound, and the worst case reaches it."""

from collections.abc import Iterator, Sequence

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coprocsim.analysis import edf, fixed_priority
from coprocsim.analysis.tasks import Task, busy_period, utilization
from coprocsim.schedulers.edf import EarliestDeadline
from coprocsim.schedulers.priority import FixedPriority
from tests.machines import MS
from tests.theory import stage

EXAMPLES = settings(max_examples=60, deadline=None)
# A cycle is a picosecond, so that nothing waits for a clock's edge.
HZ = 10**12
PS = 1 / MS


def in_ps(tasks: Sequence[Task]) -> list[Task]:
    """Return tasks in ms as tasks in ps."""
    return [
        Task(each.work * MS, each.period * MS, None if each.deadline is None else each.deadline * MS) for each in tasks
    ]


@st.composite
def task_sets(draw: st.DrawFn) -> list[Task]:
    """Draw two to four tasks, in ms, that fit together; deadlines are anything up to twice the period."""
    tasks = []
    for _ in range(draw(st.integers(2, 4))):
        period = draw(st.integers(2, 12))
        tasks.append(Task(draw(st.integers(1, max(1, period // 2))), period, draw(st.integers(1, 2 * period))))
    assume(utilization(tasks) <= 1)
    return tasks


def ranked(tasks: Sequence[Task], offsets_ms: Sequence[float], more: str = "") -> Iterator[stage.Task]:
    """Yield tasks with priorities, the first the highest."""
    for rank, (task, offset_ms) in enumerate(zip(tasks, offsets_ms, strict=True)):
        yield stage.periodic(
            float(task.work), float(task.period), offset_ms=offset_ms, more=more, priority=len(tasks) - rank
        )


def responses_ps(played: stage.Played, which: int) -> list[int]:
    """Return how long each job of a task took."""
    return [round(response * MS) for response in played.responses(which)]


def busy_ms(tasks: Sequence[Task]) -> int:
    """Return how long `tasks` are busy with what comes at once."""
    length = busy_period(tasks)
    assert length is not None
    return int(length)


# ---------------------------------------------------------------- fixed priorities


@EXAMPLES
@given(task_sets())
def test_from_the_critical_instant_each_response_is_what_analysis_says(tasks):
    played = stage.play(FixedPriority, list(ranked(tasks, [0] * len(tasks))), busy_ms(tasks), hz=HZ)
    for rank, task in enumerate(in_ps(tasks)):
        expected = fixed_priority.preemptive(task, in_ps(tasks)[:rank])
        assert expected is not None
        assert responses_ps(played, rank)[: len(expected)] == expected


@EXAMPLES
@given(task_sets(), st.lists(st.integers(0, 12), min_size=4, max_size=4))
def test_from_any_other_instant_no_response_is_beyond_the_bound(tasks, offsets):
    tasks_of_stage = list(ranked(tasks, offsets[: len(tasks)]))
    played = stage.play(FixedPriority, tasks_of_stage, 2 * busy_ms(tasks) + 12, hz=HZ)
    for rank, task in enumerate(in_ps(tasks)):
        bound = fixed_priority.preemptive(task, in_ps(tasks)[:rank])
        assert bound is not None
        assert max(responses_ps(played, rank), default=0) <= max(bound)


@EXAMPLES
@given(task_sets(), st.data())
def test_without_preemption_the_worst_case_begins_just_after_the_longest_lower_job(tasks, data):
    rank = data.draw(st.integers(0, len(tasks) - 2), "whose response")
    below = range(rank + 1, len(tasks))
    longest = max(below, key=lambda each: tasks[each].work)
    # A picosecond is the least by which that job can be before the others.
    offsets_ms = [0 if each == longest else PS for each in range(len(tasks))]
    blocking_ps = int(tasks[longest].work) * MS - 1
    expected = fixed_priority.non_preemptive(in_ps(tasks)[rank], in_ps(tasks)[:rank], blocking_ps)
    assume(expected is not None)
    assert expected is not None
    until_ms = busy_ms(tasks) + sum(int(task.work) for task in tasks) + 2 * len(expected) * int(tasks[rank].period)
    played = stage.play(FixedPriority, list(ranked(tasks, offsets_ms, ",uncuttable=all")), until_ms, hz=HZ)
    assert responses_ps(played, rank)[: len(expected)] == expected


@EXAMPLES
@given(task_sets(), st.lists(st.integers(0, 12), min_size=4, max_size=4))
def test_without_preemption_no_response_is_beyond_the_bound(tasks, offsets):
    tasks_of_stage = list(ranked(tasks, offsets[: len(tasks)], ",uncuttable=all"))
    played = stage.play(FixedPriority, tasks_of_stage, 2 * busy_ms(tasks) + 12, hz=HZ)
    for rank, task in enumerate(in_ps(tasks)):
        blocking_ps = max((int(each.work) for each in in_ps(tasks)[rank + 1 :]), default=0)
        bound = fixed_priority.non_preemptive(task, in_ps(tasks)[:rank], blocking_ps)
        if bound is not None:  # there is none where the coproc has no time at all to spare
            assert max(responses_ps(played, rank), default=0) <= max(bound)


# ---------------------------------------------------------------- earliest deadline first


def with_deadlines(
    tasks: Sequence[Task], offsets_ms: Sequence[float], whole: Sequence[bool] = (False,) * 4
) -> Iterator[stage.Task]:
    """Yield tasks due at their deadlines; those that are `whole` cannot be cut."""
    for task, offset_ms, uncuttable in zip(tasks, offsets_ms, whole, strict=False):
        assert task.deadline is not None
        more = ",uncuttable=all" if uncuttable else ""
        yield stage.periodic(float(task.work), float(task.period), float(task.deadline), offset_ms, more)


@EXAMPLES
@given(task_sets())
def test_a_deadline_is_missed_in_the_first_busy_period_exactly_if_demand_does_not_fit(tasks):
    played = stage.play(EarliestDeadline, list(with_deadlines(tasks, [0] * len(tasks))), busy_ms(tasks), hz=HZ)
    missed = any(played.missed(which) for which in range(len(tasks)))
    assert missed == (edf.overdemand(tasks) is not None)


@EXAMPLES
@given(
    task_sets(),
    st.lists(st.integers(0, 12), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_by_deadlines_no_response_is_beyond_the_bound(tasks, offsets, whole):
    played = stage.play(EarliestDeadline, list(with_deadlines(tasks, offsets, whole)), 2 * busy_ms(tasks) + 12, hz=HZ)
    blockers = [(task.deadline, task.work) for task, uncut in zip(tasks, whole, strict=False) if uncut]
    for which, task in enumerate(tasks):
        bound = edf.response(task, tasks, blockers)
        if bound is not None:
            assert max(responses_ps(played, which), default=0) <= bound * MS


@EXAMPLES
@given(task_sets())
def test_jobs_that_cannot_be_cut_miss_exactly_where_jeffays_condition_says(tasks):
    tasks = [Task(each.work, each.period, each.period) for each in tasks]
    missed = False
    for first in range(len(tasks)):
        # One begins, and all others come a unit of time later.
        offsets_ms = [0 if each == first else 1 for each in range(len(tasks))]
        players = list(with_deadlines(tasks, offsets_ms, [True] * len(tasks)))
        played = stage.play(EarliestDeadline, players, 2 * busy_ms(tasks) + 12, hz=HZ)
        missed = missed or any(played.missed(each) for each in range(len(tasks)))
    assert missed == (edf.jeffay(tasks) is not None)
