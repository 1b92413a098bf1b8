"""The schedule as data for a picture that is drawn elsewhere: slices, and what happened in them, as packed columns.

A column is an array of little-endian integers, deflated, in base64: a hundred thousand slices are a few hundred KiB,
and instants are exact, which the floating-point numbers of JSON are not beyond two and a half hours in ps.
"""

import base64
import sys
import zlib
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from coprocsim.errors import CoprocsimError
from coprocsim.observe.timeline import CoprocPens, Stretch
from coprocsim.observe.trace import is_missed
from coprocsim.units import show_instant

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.view import View

SLICES_MAX = 2_000_000
"""More than a browser draws without a pause."""

HAPPENINGS = ("done", "late", "given up", "lost", "dropped", "refused", "timeout")
"""What may happen at an instant: a job ends in one of four ways or finds no room; a driver refuses to let go."""
_LOST = {"abandoned": "given up", "error": "lost"}


class Look(NamedTuple):
    """What slices of one kind are: what goes on (see `timeline.Stretch`), and whose they are, if anybody's."""

    what: str
    vcoproc: str | None
    domain: str | None
    domain_id: int | None


class Strip(NamedTuple):
    """A coproc's slices from the picture's first instant to its last, without gaps.

    Columns: `lengths` in ps, `kinds` as places in `looks`. Of each happening: `at` in ps since the one before,
    `happenings` as places in `HAPPENINGS`, `whose` as places in `vcoprocs`, and `time`: a job's latency, or after what
    time a driver that refuses is asked again.
    """

    coproc: str
    algorithm: str
    looks: tuple[Look, ...]
    slices: int
    lengths: str
    kinds: str
    vcoprocs: tuple[str, ...]
    at: str
    happenings: str
    whose: str
    time: str


class Picture(NamedTuple):
    """The schedule of some coprocs between two instants, which are decimal text: they may be too large for JSON."""

    from_ps: str
    to_ps: str
    happenings: tuple[str, ...]
    strips: tuple[Strip, ...]


class Drawing:
    """Takes the rows of the trace from its beginning on, one by one, and makes a picture of some coprocs from them."""

    def __init__(self, view: "View", coprocs: Iterable[str], from_ps: int, to_ps: int, *, whole: bool) -> None:
        self._view = view
        self._from_ps, self._to_ps = from_ps, to_ps
        self._drafts = {coproc: _Draft(from_ps) for coproc in coprocs}
        slices = {coproc: draft.add_slice for coproc, draft in self._drafts.items()}
        self._pens = CoprocPens(slices, from_ps, to_ps, whole=whole)

    def take(self, row: "TraceRow") -> None:
        """Draw what follows from a row; nothing, if that is after the picture's end."""
        if row[0] > self._to_ps:
            return
        self._pens.take(row)
        draft = self._drafts.get(row[1])
        found = _happening(row) if draft is not None and row[0] >= self._from_ps else None
        if draft is not None and found is not None:
            draft.add_happening(row[0], *found)

    def picture(self) -> Picture:
        """Return the picture, no more rows being to come; CoprocsimError if nobody could look at so many slices."""
        self._pens.end()
        self._refuse_too_many()
        strips = tuple(draft.strip(coproc, self._view) for coproc, draft in self._drafts.items())
        return Picture(str(self._from_ps), str(self._to_ps), HAPPENINGS, strips)

    def _refuse_too_many(self) -> None:
        lengths = [draft.lengths for draft in self._drafts.values()]
        slices = sum(map(len, lengths))
        if slices > SLICES_MAX:
            fewer = SLICES_MAX // len(lengths)
            begins_ps = self._to_ps - min(sum(each[-fewer:]) for each in lengths if len(each) >= fewer)
            raise CoprocsimError(
                f"the picture would have {slices:,} slices; {SLICES_MAX:,} can be looked at",
                hint=f"`--from {show_instant(begins_ps)}s` shows the last ones; `--coproc` shows those of one coproc",
            )


class _Draft:
    """A strip as it grows: columns of integers, so that a million slices are ten million bytes."""

    def __init__(self, from_ps: int) -> None:
        self.lengths = array("q")
        self._kinds = array("H")
        self._looks: dict[tuple[str, str | None], int] = {}
        self._last_ps = from_ps
        self._at, self._happenings, self._whose, self._time = array("q"), array("B"), array("H"), array("q")
        self._vcoprocs: dict[str, int] = {}

    def add_slice(self, stretch: Stretch) -> None:
        self.lengths.append(stretch.to_ps - stretch.from_ps)
        self._kinds.append(self._looks.setdefault((stretch.what, stretch.vcoproc), len(self._looks)))

    def add_happening(self, at_ps: int, what: str, who: str, time_ps: int) -> None:
        self._at.append(at_ps - self._last_ps)
        self._last_ps = at_ps
        self._happenings.append(HAPPENINGS.index(what))
        self._whose.append(self._vcoprocs.setdefault(who, len(self._vcoprocs)))
        self._time.append(time_ps)

    def strip(self, coproc: str, seen: "View") -> Strip:
        looks = sorted(self._looks, key=_order)
        places = {self._looks[look]: place for place, look in enumerate(looks)}
        return Strip(
            coproc,
            seen.coprocs[coproc].algorithm,
            tuple(_look(what, who, seen) for what, who in looks),
            len(self.lengths),
            _packed(self.lengths),
            _packed(array("H", (places[kind] for kind in self._kinds))),
            tuple(self._vcoprocs),
            _packed(self._at),
            _packed(self._happenings),
            _packed(self._whose),
            _packed(self._time),
        )


def _happening(row: "TraceRow") -> tuple[str, str, int] | None:
    """Return what happened by this row, to whom, and the time that belongs to it; None if that is no happening."""
    match row[2:]:
        case ("job_end", str(who), "done", _, int(latency_ps), _):
            return "late" if is_missed(row) else "done", who, latency_ps
        case ("job_end", str(who), str(how), _, int(latency_ps), _):
            return _LOST[how], who, latency_ps
        case ("job_dropped", str(who), _):
            return "dropped", who, 0
        case ("switch_from", str(who), "busy", int(retry_ps)):
            return "refused", who, retry_ps
        case ("timeout", str(who)):
            return "timeout", who, 0
    return None


def _order(look: tuple[str, str | None]) -> tuple[bool, int, int, str]:
    """Return where slices of a kind stand when several share a pixel: who runs above, by domain, nobody below."""
    what, who = look
    domain_id, _, number = (who or "d0v0")[1:].partition("v")
    runs = what in {"run", "deny"}
    return (not runs, int(domain_id), int(number), what) if runs else (True, 0, 0, what)


def _look(what: str, who: str | None, seen: "View") -> Look:
    if who is None:
        return Look(what, None, None, None)
    domain_id = int(who[1:].partition("v")[0])
    return Look(what, who, seen.name_of(domain_id), domain_id)


def _packed(column: "array[int]") -> str:
    """Return a column that is complete as text."""
    if sys.byteorder == "big":
        column.byteswap()
    return base64.b64encode(zlib.compress(column, 9)).decode("ascii")
