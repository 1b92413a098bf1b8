"""`priority` against response-time analysis: cases FP-1 to FP-4 and NP-1, from the sources that each names."""

import pytest

from coprocsim.schedulers.priority import FixedPriority
from tests.theory.stage import Task, periodic, play


def by_rank(*tasks: Task) -> list[Task]:
    """Return tasks with priorities, the first the highest."""
    return [Task(task.workload, {"priority": len(tasks) - rank}) for rank, task in enumerate(tasks)]


def test_fp_1_burns_and_wellings_process_set_d():
    played = play(FixedPriority, by_rank(periodic(3, 7), periodic(3, 12), periodic(5, 20)), 420)
    assert played.worst() == [3, 6, 20]
    assert played.responses(2)[:8] == [20, 14, 15, 17, 11, 16, 19, 14]
    assert [played.missed(which) for which in range(3)] == [0, 0, 0]


def test_fp_2_burns_and_wellings_deadline_monotonic():
    tasks = by_rank(periodic(3, 20, 5), periodic(3, 15, 7), periodic(4, 10, 10), periodic(3, 20, 20))
    assert play(FixedPriority, tasks, 60).worst() == [3, 6, 10, 20]


def test_fp_3_lehoczky_1990_deadlines_beyond_the_period():
    played = play(FixedPriority, by_rank(periodic(26, 70), periodic(62, 100, 200)), 700)
    assert played.responses(1)[:7] == [114, 102, 116, 104, 118, 106, 94]
    # The busy period is the first stretch without idle time: 694 ms from the critical instant.
    assert next(row[0] for row in played.machine.rows("idle")) == 694 * 10**9


def test_fp_4_buttazzo_rate_monotonic_overload():
    played = play(FixedPriority, by_rank(periodic(2, 5), periodic(4, 7)), 350)
    assert played.worst()[1] == 8
    assert played.missed(1) == 10


@pytest.mark.parametrize("scale", [4])
def test_np_1_davis_burns_bril_and_lukkien_2007_can_refuted(scale: int):
    # (C, T, D) times 4, so that all are whole; a job that has begun cannot be cut.
    tasks = by_rank(
        *(periodic(4, period, due, more=",uncuttable=all") for period, due in ((10, 10), (14, 13), (14, 13)))
    )
    played = play(FixedPriority, tasks, 70 * scale)
    in_units = [response / scale for response in played.responses(2)]
    assert in_units[:8] == [3.0, 3.5, 3.0, 2.5, 3.0, 3.0, 3.5, 3.0]
    assert played.missed(2) > 0
