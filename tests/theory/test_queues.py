"""Queues simulated against their formulas: cases Q-1, Q-2, Q-3 and Q-5. A unit of time is a millisecond.

Each mean must lie within its own 95 % confidence interval, from the means of batches of jobs, at a fixed seed; and the
interval must be narrow enough to tell one law from another. Q-3 is in two steps: an ideal processor against the law,
and the machine against the ideal processor.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from statistics import fmean, stdev

import pytest

from coprocsim.analysis import queueing
from coprocsim.randomness import Stream
from coprocsim.schedulers.priority import FixedPriority
from coprocsim.schedulers.rrobin import RoundRobin
from tests.machines import US
from tests.theory.stage import Task, jobs, play

BATCHES = 20
# Student's t with 19 degrees of freedom: 95 % lie within so many standard errors.
T_19 = 2.093
T_19_OF_999 = 3.883
LOAD = Fraction(8, 10)


def assert_mean(found: Sequence[float], expected: float, within: float) -> None:
    """Assert that the mean is `expected`, as far as chance allows, and that chance allows no more than `within`."""
    settled = found[len(found) // BATCHES :]
    size = len(settled) // BATCHES
    means = [fmean(settled[n * size : (n + 1) * size]) for n in range(BATCHES)]
    half_width = T_19 * stdev(means) / math.sqrt(BATCHES)
    assert half_width < within
    assert fmean(means) == pytest.approx(expected, abs=half_width)


def random_jobs(rate: str, work: str, more: str = "", priority: int = 0) -> Task:
    """Return a task with jobs at random, so many per ms."""
    return Task(f"kind=poisson,rate={float(rate) * 1000:g},work={work},queue=1000000{more}", {"priority": priority})


@pytest.mark.slow
def test_q_1_exponential_work_first_come_first_served():
    played = play(FixedPriority, [random_jobs("0.8", "exp:1ms")], 40_000)
    assert_mean(played.responses(0), float(queueing.sojourn_markov(LOAD, 1)), 0.6)


@pytest.mark.slow
def test_q_2_fixed_work_first_come_first_served():
    played = play(FixedPriority, [random_jobs("0.8", "1ms")], 30_000)
    assert_mean(played.responses(0), float(queueing.sojourn_fixed(LOAD, 1)), 0.4)


def fixed(draws: Stream) -> float:
    """Return a work that is always the mean."""
    del draws
    return 1.0


def mixed(draws: Stream) -> float:
    """Return a work of an exponential law, mostly a small one; of 1 in the mean."""
    return draws.exponential(0.5 if draws.uniform(1, 6) < 6 else 3.5)


def shared_ideally(arrivals: Sequence[float], works: Sequence[float]) -> list[float]:
    """Return when each job ends if all that are there are worked on at once, each at an equal part of the speed."""
    finishes = [0.0] * len(arrivals)
    # What each job has had that has been there since the processor was last idle; who is there, by what that must be.
    now, had, present = 0.0, 0.0, list[tuple[float, int]]()
    for number, arrival in [*enumerate(arrivals), (len(arrivals), math.inf)]:
        while present and now + (present[0][0] - had) * len(present) <= arrival:
            now += (present[0][0] - had) * len(present)
            had, ended = heapq.heappop(present)
            finishes[ended] = now
        if not present:
            had = 0.0
        elif number < len(arrivals):
            had += (arrival - now) / len(present)
        now = arrival
        if number < len(arrivals):
            heapq.heappush(present, (had + works[number], number))
    return finishes


def sample(law: Callable[[Stream], float], count: int, seed: int) -> tuple[list[float], list[float]]:
    """Return when so many jobs arrive, 0.8 per ms, and their works."""
    gaps, draws = Stream(f"arrivals {seed}"), Stream(f"works {seed}")
    return list(accumulate(gaps.exponential(1 / 0.8) for _ in range(count))), [law(draws) for _ in range(count)]


LAWS = pytest.mark.parametrize("law", [fixed, mixed])


@pytest.mark.slow
@LAWS
def test_q_3_ideal_processor_sharing_whatever_the_law_of_the_work(law: Callable[[Stream], float]):
    # Twenty runs apart from each other, with the seeds 1 to 20: the mean of all is in its 99.9 % interval, so that of a
    # thousand such choices of seeds one would fail by chance.
    means = []
    for seed in range(1, 21):
        arrivals, works = sample(law, 20_000, seed)
        responses = [end - begin for begin, end in zip(arrivals, shared_ideally(arrivals, works), strict=True)]
        means.append(fmean(responses[1000:]))
    half_width = T_19_OF_999 * stdev(means) / math.sqrt(20)
    assert half_width < 0.5
    assert fmean(means) == pytest.approx(float(queueing.sojourn_shared(LOAD, 1)), abs=half_width)


@pytest.mark.parametrize("seed", [1, 2])
@LAWS
def test_q_3_the_machine_shares_like_the_ideal_processor_but_for_its_slices(law: Callable[[Stream], float], seed: int):
    # A vcoproc works its own jobs one after the other: to share the coproc each job has one of its own.
    slice_ms, count = 0.002, 25
    arrivals, works = ([round(at, 9) for at in drawn] for drawn in sample(law, count, seed))
    ideal = shared_ideally(arrivals, works)
    tasks = [jobs(each) for each in zip(arrivals, works, strict=True)]
    played = play(RoundRobin, tasks, max(ideal) + 1, hz=10**12, streams=0, checks=False, slice=2 * US)
    found = [played.finishes(which)[0] for which in range(count)]
    for begin, end in busy_periods(arrivals, ideal):
        among = range(begin, end)
        most = max(
            sum(arrivals[other] <= arrivals[each] < ends[other] for other in among)
            for ends in (ideal, found)
            for each in among
        )
        # Let n be the most jobs that are there at once, N those of a busy period, q the slice. Between two events (one
        # comes, one ends) turns give no two jobs more than q apart, so that in all no more than n q / 4 goes to others
        # than an ideal processor would give it to. Such a difference never grows by itself: what is left of a job here
        # that has ended there is then spread over the rest, and the sums of both are the same as nobody idles. So after
        # at most 2 N events no job is behind or ahead by more than N n q / 2, which takes n times as long, and a turn
        # of each.
        bound_ms = (len(among) * most / 2 + 1) * most * slice_ms
        assert bound_ms < 5
        for which in among:
            assert abs(found[which] - ideal[which]) <= bound_ms


def busy_periods(arrivals: Sequence[float], finishes: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Yield the jobs, from and until which, between any two instants at which there is nothing to do."""
    begin, busy_until = 0, finishes[0]
    for number, (arrival, finish) in enumerate(zip(arrivals, finishes, strict=True)):
        if arrival > busy_until:
            yield begin, number
            begin = number
        busy_until = max(busy_until, finish)
    yield begin, len(arrivals)


@pytest.mark.slow
def test_q_5_two_priorities_without_preemption():
    classes = [random_jobs("0.3", "1ms", ",uncuttable=all", priority) for priority in (1, 0)]
    played = play(FixedPriority, classes, 30_000)
    waits = queueing.waits_by_priority([(Fraction(3, 10), 1, 1)] * 2)
    for which, expected, within in ((0, waits[0], 0.03), (1, waits[1], 0.15)):
        assert_mean([response - 1 for response in played.responses(which)], float(expected), within)
