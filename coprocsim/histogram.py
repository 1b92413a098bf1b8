"""How times are spread: a histogram that keeps each to three digits, however long and many they are.

A High Dynamic Range histogram, encoded as its other implementations read it. Whoever records waits for nothing: what is
new is counted by value, and goes into the histogram when there is much of it, or when somebody wants to have it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coprocsim.errors import StateError
from coprocsim.units import TIMELINE_END_PS

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

# As exact as a time that is read off a screen: a value counts for those less than 0.1 % above it.
_DIGITS = 3
_FRESH_MAX = 4096


class Histogram:
    """Times in ps, 0 and up to the end of the timeline."""

    __slots__ = ("_encoded", "_fresh")

    def __init__(self, encoded: str = "") -> None:
        self._encoded = encoded
        self._fresh: dict[int, int] = {}

    def record(self, time_ps: int) -> None:
        """Count one time."""
        fresh = self._fresh
        fresh[time_ps] = fresh.get(time_ps, 0) + 1
        if len(fresh) >= _FRESH_MAX:
            self._fold()

    def encoded(self) -> str:
        """Return all that was counted as base64, the same whenever it was counted and asked for; empty if nothing."""
        if self._fresh:
            self._fold()
        return self._encoded

    def _fold(self) -> None:
        from hdrh.histogram import HdrHistogram  # noqa: PLC0415 - a command in which no time passes does not wait for it

        histogram = HdrHistogram(1, TIMELINE_END_PS, _DIGITS)
        if self._encoded:
            histogram.add(_decoded(self._encoded))
        for time_ps, count in self._fresh.items():
            histogram.record_value(time_ps, count)
        self._encoded = histogram.encode().decode("ascii")
        self._fresh = {}


def percentiles(encoded: str, wanted: Sequence[float]) -> tuple[int, list[int]]:
    """Return how many times there are, and those in ps that so many percent of them do not exceed.

    A percentile is one of the times (nearest rank), rounded up by less than 0.1 %.
    """
    histogram = _decoded(encoded)
    found = histogram.get_percentile_to_value_dict(wanted)
    return histogram.get_total_count(), [found[each] for each in wanted]


def _decoded(encoded: str) -> "HdrHistogram":
    """Return the histogram that was encoded; StateError if nobody has encoded that."""
    import zlib  # noqa: PLC0415 - as above

    from hdrh.codec import HdrCookieException, HdrLengthException  # noqa: PLC0415 - as above
    from hdrh.histogram import HdrHistogram  # noqa: PLC0415 - as above

    try:
        return HdrHistogram.decode(encoded)
    except (zlib.error, HdrCookieException, HdrLengthException, ValueError, IndexError) as error:
        raise StateError(
            "the machine's file is damaged",
            why=f"how times are spread cannot be read: {error}",
            hint="nothing was changed; put a good copy of it back, or boot anew with `boot --force`",
        ) from error
