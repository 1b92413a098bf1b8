"""`edf` against processor demand and Jeffay's condition: cases EDF-1, EDF-2 and NPEDF-1, -2."""

from coprocsim.schedulers.edf import EarliestDeadline
from tests.theory.stage import periodic, play


def test_edf_1_buttazzo_meets_all_deadlines_that_rate_monotonic_misses():
    played = play(EarliestDeadline, [periodic(2, 5), periodic(4, 7)], 350)
    assert [played.missed(which) for which in range(2)] == [0, 0]
    assert played.worst() == [4, 6]


def test_edf_2_buttazzo_processor_demand():
    # The source lets of equal deadlines the older job run; ours the lowest id. The figures are those of ids in reverse.
    tasks = [periodic(2, 6, 4), periodic(2, 8, 5), periodic(3, 9, 7)]
    played = play(EarliestDeadline, tasks[::-1], 720)
    assert [played.missed(which) for which in range(3)] == [0, 0, 0]
    assert played.worst()[::-1] == [4, 5, 7]


def test_npedf_1_jeffay_1991_schedulable_without_preemption():
    tasks = [
        periodic(1, 3, offset_ms=1, more=",uncuttable=all"),
        periodic(2, 6, offset_ms=1, more=",uncuttable=all"),
        periodic(3, 12, more=",uncuttable=all"),
    ]
    played = play(EarliestDeadline, tasks, 120)
    assert [played.missed(which) for which in range(3)] == [0, 0, 0]
    assert played.worst() == [3, 6, 3]


def test_npedf_2_jeffay_1991_not_schedulable_at_three_quarters_of_the_load():
    tasks = [periodic(1, 2, offset_ms=1, more=",uncuttable=all"), periodic(3, 12, more=",uncuttable=all")]
    played = play(EarliestDeadline, tasks, 120)
    assert played.responses(0)[:8] == [3, 2, 1, 1, 1, 1, 3, 2]
    assert played.missed(0) == 10  # one in each 12 ms
