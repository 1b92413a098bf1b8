"""The formulas of `coprocsim/analysis` against figures that their sources, or other programs, give."""

from fractions import Fraction

import pytest

from coprocsim.analysis import edf, fixed_priority, queueing, round_robin, supply
from coprocsim.analysis.tasks import Task, busy_period


def tasks(*triples: tuple[int, ...]) -> list[Task]:
    """Return tasks from (C, T) or (C, T, D)."""
    return [Task(work, period, deadline[0] if deadline else period) for work, period, *deadline in triples]


def preemptive(ranked: list[Task], blocking: tuple[int, ...] = ()) -> list[object]:
    """Return the worst response time of each task, the highest first."""
    blocking = blocking or (0,) * len(ranked)
    responses = [fixed_priority.preemptive(each, ranked[:n], blocking[n]) for n, each in enumerate(ranked)]
    return [None if each is None else max(each) for each in responses]


# ---------------------------------------------------------------- fixed priorities


def test_fp_1_burns_and_wellings_process_set_d():
    assert preemptive(tasks((3, 7), (3, 12), (5, 20))) == [3, 6, 20]


def test_fp_2_burns_and_wellings_deadline_monotonic():
    assert preemptive(tasks((3, 20, 5), (3, 15, 7), (4, 10, 10), (3, 20, 20))) == [3, 6, 10, 20]


def test_fp_3_lehoczky_1990_each_job_of_the_busy_period():
    high, low = tasks((26, 70), (62, 100))
    assert fixed_priority.preemptive(low, [high]) == [114, 102, 116, 104, 118, 106, 94]
    assert busy_period([high, low]) == 694


def test_fp_4_buttazzo_rate_monotonic_overload():
    assert preemptive(tasks((2, 5), (4, 7)))[1] == 8


def test_fp_5_blocking():
    assert preemptive(tasks((4, 10), (3, 12), (4, 20)), (5, 3, 0)) == [9, 10, 18]


def test_np_1_davis_burns_bril_and_lukkien_2007_can_refuted():
    period = Fraction(7, 2)
    ranked = [Task(1, Fraction(5, 2)), Task(1, period), Task(1, period)]
    responses = [fixed_priority.non_preemptive(each, ranked[:n], int(n < 2)) for n, each in enumerate(ranked)]
    assert responses[2] == [3, Fraction(7, 2)]  # the second job, not the first, misses its deadline of 3.25
    assert [max(each) for each in responses if each is not None] == [2, 3, Fraction(7, 2)]


def test_who_asks_for_more_than_there_is_has_no_bound():
    assert preemptive(tasks((3, 5), (4, 7), (1, 100))) == [3, None, None]  # 3/5 + 4/7 > 1


def test_jitter_brings_releases_together():
    # Audsley et al. 1993: it meets the higher one at 0, and again at 7 - 2 = 5: 4 + 2 * 3 instead of 4 + 3.
    low = Task(4, 20)
    assert fixed_priority.preemptive(low, [Task(3, 7)]) == [7]
    assert fixed_priority.preemptive(low, [Task(3, 7, jitter=2)]) == [10]


# ---------------------------------------------------------------- earliest deadline first


def test_edf_1_buttazzo_meets_what_rate_monotonic_misses():
    both = tasks((2, 5), (4, 7))
    assert edf.overdemand(both) is None
    assert [edf.response(each, both) for each in both] == [4, 6]  # what SimSo observes


def test_edf_2_buttazzo_demand_bound_function():
    three = tasks((2, 6, 4), (2, 8, 5), (3, 9, 7))
    assert edf.testing_interval(three) == 25
    points = edf.testing_points(three, 25)
    assert points is not None
    table = {4: 2, 5: 4, 7: 7, 10: 9, 13: 11, 16: 16, 21: 18, 22: 20, 25: 23}
    assert {point: edf.demand(three, point) for point in points} == table
    assert edf.overdemand(three) is None
    assert [edf.response(each, three) for each in three] == [4, 5, 7]


def test_demand_beyond_what_fits_is_found_where_it_is_first():
    # (2, 6, 4) and (3, 8, 4): 5 within 4.
    assert edf.overdemand(tasks((2, 6, 4), (3, 8, 4))) == (4, 5)


def test_npedf_1_jeffay_1991_fits():
    assert edf.jeffay(tasks((1, 3), (2, 6), (3, 12))) is None


def test_npedf_2_jeffay_1991_does_not_fit_at_three_quarters_of_the_load():
    assert edf.jeffay(tasks((1, 2), (3, 12))) == (3, 4)


# ---------------------------------------------------------------- reservations


def test_res_1_shin_and_lee_2003_supply_of_a_periodic_reservation():
    table = {12: 0, 14: 2, 16: 4, 22: 4, 26: 8, 36: 12}
    assert {length: supply.reservation_supply(length, 10, 4) for length in table} == table


@pytest.mark.parametrize(("period", "budget"), [(10, 4), (7, 7), (5, 1)])
def test_within_the_response_time_the_work_is_supplied_and_not_before(period: int, budget: int):
    for work in range(1, 40):
        within = supply.reservation_response(work, period, budget)
        assert supply.reservation_supply(within, period, budget) == work
        assert supply.reservation_supply(within - 1, period, budget) == work - 1
        within = supply.slot_response(work, period, budget)
        assert supply.slot_supply(within, period, budget) == work
        assert supply.slot_supply(within - 1, period, budget) == work - 1


def test_tdma_1_four_slots():
    sigma = Fraction(1, 10)
    assert supply.slot_response(5, 4 * 2, 2) == 23
    assert supply.slot_response(5, 4 * (2 + sigma), 2) == Fraction("24.2")


def test_cbs_1_each_job_is_done_by_its_servers_deadlines():
    # Q = 3, T = 8; jobs (r, C) = (3, 4) and (13, 3): deadlines 11, 19 and 27, ends 12 and 20.
    assert 3 + supply.bandwidth_response(4, 8, 3, fresh=True) == 19
    assert 13 + supply.bandwidth_response(3, 8, 3) >= 27


def test_a_server_that_defers_may_use_two_budgets_in_a_row():
    # Of 2 in each 4: the end of one period, all of the next, and so on; of 5 in each 10 as much as fits, then 5.
    assert [supply.deferred_demand(length, 4, 2) for length in (1, 2, 4, 5, 6, 8, 10)] == [1, 2, 2, 3, 4, 4, 6]
    assert [supply.deferred_demand(length, 10, 5) for length in (4, 10, 12, 15)] == [4, 5, 7, 10]


def test_rr_3_pycpa_round_robin():
    works = (5, 10, 3, 4)
    bounds = [
        round_robin.response(work, 2, [(2, other) for m, other in enumerate(works) if m != n])
        for n, work in enumerate(works)
    ]
    assert bounds == [18, 22, 15, 15]


# ---------------------------------------------------------------- queues


def test_q_1_to_3_mean_sojourns():
    rate = Fraction(8, 10)
    assert queueing.sojourn_markov(rate, 1) == 5
    assert queueing.sojourn_fixed(rate, 1) == 3
    assert queueing.sojourn_shared(rate, 1) == 5


def test_q_4_takagi_symmetric_polling():
    polling = queueing.Polling(4, Fraction("0.15"), 1, 1, Fraction("0.1"))
    assert polling.exhaustive() == Fraction("1.175")
    assert polling.gated() == Fraction("1.325")
    assert round(float(polling.limited()), 6) == 1.558824


def test_q_5_cobham_non_preemptive_priority():
    rate = Fraction(3, 10)
    waits = queueing.waits_by_priority([(rate, 1, 1), (rate, 1, 1)])
    assert [round(float(wait), 6) for wait in waits] == [0.428571, 1.071429]
