"""Mean times of queues: what a simulation of random arrivals must come to. Rates are per unit of time.

`rate` is of the arrivals, `work` the mean service, `square` the mean of its square; a sojourn is wait and service.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

Number: TypeAlias = int | Fraction


def wait_first_come(rate: Number, work: Number, square: Number) -> Fraction:
    """Return the mean wait in an M/G/1 queue, first come first served (Pollaczek 1930, Khinchine 1932)."""
    return Fraction(rate * square) / (2 * (1 - rate * work))


def sojourn_markov(rate: Number, work: Number) -> Fraction:
    """Return the mean sojourn in an M/M/1 queue: the mean square of an exponential service is twice its mean's."""
    return wait_first_come(rate, work, 2 * work * work) + work


def sojourn_fixed(rate: Number, work: Number) -> Fraction:
    """Return the mean sojourn in an M/D/1 queue."""
    return wait_first_come(rate, work, work * work) + work


def sojourn_shared(rate: Number, work: Number) -> Fraction:
    """Return the mean sojourn under processor sharing, M/G/1-PS, whatever the law of the service (Kleinrock 1967)."""
    return Fraction(work) / (1 - rate * work)


def waits_by_priority(classes: Sequence[tuple[Number, Number, Number]]) -> list[Fraction]:
    """Return the mean wait of each class, the highest first, if no service is interrupted (Cobham 1954).

    A class is (rate, work, square).
    """
    residual = sum((Fraction(rate * square) for rate, _, square in classes), Fraction(0)) / 2
    waits = []
    load_above = Fraction(0)
    for rate, work, _ in classes:
        load = load_above + rate * work
        waits.append(residual / ((1 - load_above) * (1 - load)))
        load_above = load
    return waits


class Polling:
    """Equal queues that a server visits in a fixed order, also the empty ones, at a fixed cost of each walk.

    The mean waits are those of Takagi 1986, "Analysis of Polling Systems": `rate` is of one queue.
    """

    def __init__(self, queues: int, rate: Number, work: Number, square: Number, walk: Number) -> None:
        self._arriving = Fraction(queues * rate * square)
        self._load = Fraction(queues * rate * work)
        self._walking = Fraction(queues * rate * walk)
        self._queues, self._walk = queues, Fraction(walk)

    def exhaustive(self) -> Fraction:
        """Return the mean wait if a queue is served until it is empty."""
        return (self._arriving + self._walk * (self._queues - self._load)) / (2 * (1 - self._load))

    def gated(self) -> Fraction:
        """Return the mean wait if those are served who were there when the server came."""
        return (self._arriving + self._walk * (self._queues + self._load)) / (2 * (1 - self._load))

    def limited(self) -> Fraction:
        """Return the mean wait if one is served at each visit."""
        return (self._arriving + self._walk * (self._queues + self._load)) / (2 * (1 - self._load - self._walking))
