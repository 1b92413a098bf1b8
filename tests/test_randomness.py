"""Chance that can be repeated: streams that know nothing of each other, and laws that are what they say."""

import math
from statistics import NormalDist, fmean, stdev

from hypothesis import given
from hypothesis import strategies as st

from coprocsim.randomness import Stream

DRAWS = 20_000
CONFIDENCE = NormalDist().inv_cdf(1 - 0.001 / 2)


def is_mean(draws: list[float], mean: float) -> bool:
    """Return whether `mean` lies within the 99.9 % confidence interval; the seed is fixed, so this is no gamble."""
    return abs(fmean(draws) - mean) <= CONFIDENCE * stdev(draws) / math.sqrt(len(draws))


def test_the_same_name_gives_the_same_draws_for_ever():
    first, again = Stream("1/a/gpu0/work"), Stream("1/a/gpu0/work")
    assert [first.uniform(0, 99) for _ in range(8)] == [again.uniform(0, 99) for _ in range(8)]
    assert [Stream("1/a/gpu0/work", n).uniform(0, 99) for n in range(8)] == [60, 50, 24, 28, 70, 15, 60, 14]


@given(st.text(), st.integers(0, 1000), st.integers(1, 50))
def test_a_stream_s_state_is_how_often_it_was_drawn_from(name: str, drawn: int, more: int):
    stream = Stream(name, drawn)
    draws = [stream.uniform(0, 10**9) for _ in range(more)]
    assert stream.drawn == drawn + more
    assert Stream(name, drawn + more - 1).uniform(0, 10**9) == draws[-1]


def test_streams_of_different_names_are_independent():
    draws = [[Stream(f"1/{who}/gpu0/work", n).uniform(0, 10**6) for n in range(DRAWS // 4)] for who in ("a", "b")]
    left, right = ([value - fmean(each) for value in each] for each in draws)
    correlation = fmean(a * b for a, b in zip(left, right, strict=True)) / (stdev(left) * stdev(right))
    assert abs(correlation) < CONFIDENCE / math.sqrt(DRAWS // 4)


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), st.integers(0, 100))
def test_a_uniform_draw_stays_between_its_ends(low: int, span: int, drawn: int):
    assert low <= Stream("x", drawn).uniform(low, low + span) <= low + span


def test_a_uniform_draw_reaches_both_ends_evenly():
    stream = Stream("dice")
    counts = [0] * 6
    for _ in range(DRAWS):
        counts[stream.uniform(1, 6) - 1] += 1
    chi_squared = sum((count - DRAWS / 6) ** 2 / (DRAWS / 6) for count in counts)
    assert chi_squared < 20.5  # 99.9 % for 5 degrees of freedom


def test_an_exponential_draw_has_its_mean_and_forgets():
    stream = Stream("exp")
    draws = [stream.exponential(5.0) for _ in range(DRAWS)]
    assert min(draws) >= 0
    assert is_mean(draws, 5.0)
    assert is_mean([draw - 3.0 for draw in draws if draw > 3.0], 5.0)


def test_a_lognormal_draw_has_its_mean_whatever_its_sigma():
    for sigma in (0.0, 0.3, 1.0):
        stream = Stream(f"log/{sigma}")
        draws = [stream.lognormal(7.0, sigma) for _ in range(DRAWS)]
        assert is_mean(draws, 7.0) if sigma else all(math.isclose(draw, 7.0) for draw in draws)


class Extreme(Stream):
    """A stream whose bits are all ones or all zeros."""

    def __init__(self, bits: int) -> None:
        super().__init__("extreme")
        self.bits = bits

    def _bits(self) -> int:
        return self.bits


def test_the_rarest_draws_are_finite_too():
    for bits in (0, 2**53 - 1):
        stream = Extreme(bits)
        assert stream.uniform(3, 9) in {3, 9}
        assert 0 <= stream.exponential(1.0) < 40
        assert 0 < stream.lognormal(1.0, 1.0) < 10**6
