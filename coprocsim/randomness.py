"""Chance that can be repeated: one stream of draws per purpose, each draw computed from its number.

A stream is named after (machine seed, domain, coproc, purpose), so that a change in one place leaves every other
arrival where it was; and since a draw depends on nothing but its number, a stream's state is that number.
"""

import math
from hashlib import blake2b
from statistics import NormalDist

_NORMAL = NormalDist()


class Stream:
    """The draws of one purpose; `drawn` counts them and is all the state there is."""

    def __init__(self, name: str, drawn: int = 0) -> None:
        self._key = blake2b(name.encode(), digest_size=32).digest()
        self.drawn = drawn

    def _bits(self) -> int:
        """Return 53 even bits."""
        digest = blake2b(self.drawn.to_bytes(8, "little"), key=self._key, digest_size=8).digest()
        self.drawn += 1
        return int.from_bytes(digest, "little") >> 11

    def uniform(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + (self._bits() * (high - low + 1) >> 53)

    def exponential(self, mean: float) -> float:
        """Return a draw of the exponential law."""
        return -math.log1p(-self._bits() / 2**53) * mean

    def lognormal(self, mean: float, sigma: float) -> float:
        """Return a draw of the lognormal law with that mean, whose logarithm has the standard deviation `sigma`."""
        # Of 53 bits and a half, the largest would be rounded to 1, where the law has no value.
        standard = _NORMAL.inv_cdf(((self._bits() >> 1) + 0.5) / 2**52)
        return mean * math.exp(sigma * standard - sigma * sigma / 2)
