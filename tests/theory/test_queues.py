"""Queues simulated against their formulas: cases Q-1, Q-2, Q-3 and Q-5. A unit of time is a millisecond.

Each mean must lie within its own 95 % confidence interval, from the means of batches of jobs, at a fixed seed; and the
interval must be narrow enough to tell one law from another.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
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
LOAD = Fraction(8, 10)

pytestmark = pytest.mark.slow


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


def test_q_1_exponential_work_first_come_first_served():
    played = play(FixedPriority, [random_jobs("0.8", "exp:1ms")], 40_000)
    assert_mean(played.responses(0), float(queueing.sojourn_markov(LOAD, 1)), 0.6)


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


@pytest.mark.parametrize("law", [fixed, mixed])
def test_q_3_processor_sharing_whatever_the_law_of_the_work(law: Callable[[Stream], float]):
    # A vcoproc works its own jobs one after the other: to share the coproc each job has one of its own, and that is
    # used again when 400 others have come.
    vcoprocs, count = 400, 9000
    # A sample whose mean under ideal sharing, worked out apart (4.81 and 5.09), is near the law's: so many jobs still
    # scatter by more than their batches show.
    arrivals, works = Stream("bx"), Stream("by")
    dealt: list[list[tuple[float, float]]] = [[] for _ in range(vcoprocs)]
    now_ms = 0.0
    for number in range(count):
        now_ms += arrivals.exponential(1 / 0.8)
        dealt[number % vcoprocs].append((now_ms, law(works)))
    played = play(RoundRobin, [jobs(*each) for each in dealt], now_ms + 100, streams=0, checks=False, slice=100 * US)
    responses = [0.0] * count
    for which, own in enumerate(dealt):
        finishes = played.finishes(which)
        assert all(end < release for end, (release, _) in zip(finishes, own[1:], strict=False)), "two at once"
        responses[which::vcoprocs] = played.responses(which)
    assert_mean(responses, float(queueing.sojourn_shared(LOAD, 1)), 1.5)


def test_q_5_two_priorities_without_preemption():
    classes = [random_jobs("0.3", "1ms", ",uncuttable=all", priority) for priority in (1, 0)]
    played = play(FixedPriority, classes, 30_000)
    waits = queueing.waits_by_priority([(Fraction(3, 10), 1, 1)] * 2)
    for which, expected, within in ((0, waits[0], 0.03), (1, waits[1], 0.15)):
        assert_mean([response - 1 for response in played.responses(which)], float(expected), within)
