"""The schedule as data for a picture that is drawn elsewhere: slices, and what happened in them, as packed columns.

A column is an array of little-endian integers, deflated, in base64: a hundred thousand slices are a few hundred KiB,
and instants are exact, which the floating-point numbers of JSON are not beyond two and a half hours in ps.
"""

import base64
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from coprocsim.errors import CoprocsimError
from coprocsim.observe.timeline import Lane, coproc_lanes
from coprocsim.observe.trace import Names
from coprocsim.units import show_instant

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.view import View
    from coprocsim.store import MachineFile

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


def picture(file: "MachineFile", view: "View", coprocs: Sequence[str], from_ps: int, to_ps: int) -> Picture:
    """Return the picture; CoprocsimError if nobody could look at so many slices at once."""
    lanes = coproc_lanes(file, coprocs, from_ps, to_ps)
    _refuse_too_many(lanes)
    names = Names(view)
    happened: dict[str, list[tuple[int, str, str, int]]] = {coproc: [] for coproc in coprocs}
    for row in file.trace(0, to_ps):
        names.learn(row)
        found = _happening(row) if row[0] >= from_ps and row[1] in happened else None
        if found is not None:
            happened[row[1]].append((row[0], *found))
    strips = (
        _strip(lane, view.coprocs[lane.coproc].algorithm, happened[lane.coproc], names, from_ps) for lane in lanes
    )
    return Picture(str(from_ps), str(to_ps), HAPPENINGS, tuple(strips))


def _refuse_too_many(lanes: Sequence[Lane]) -> None:
    slices = sum(len(lane.stretches) for lane in lanes)
    if slices > SLICES_MAX:
        fewer = SLICES_MAX // len(lanes)
        begins_ps = max(lane.stretches[-fewer].from_ps for lane in lanes if len(lane.stretches) >= fewer)
        raise CoprocsimError(
            f"the picture would have {slices:,} slices; {SLICES_MAX:,} can be looked at",
            hint=f"`--from {show_instant(begins_ps)}s` shows the last ones; `--coproc` shows those of one coproc",
        )


def _happening(row: "TraceRow") -> tuple[str, str, int] | None:
    """Return what happened by this row, to whom, and the time that belongs to it; None if that is no happening."""
    match row[2:]:
        case ("job_end", str(who), "done", int(release_ps), int(latency_ps), int(deadline_ps)):
            return "late" if -1 < deadline_ps < release_ps + latency_ps else "done", who, latency_ps
        case ("job_end", str(who), str(how), _, int(latency_ps), _):
            return _LOST[how], who, latency_ps
        case ("job_dropped", str(who), _):
            return "dropped", who, 0
        case ("switch_from", str(who), "busy", int(retry_ps)):
            return "refused", who, retry_ps
        case ("timeout", str(who)):
            return "timeout", who, 0
    return None


def _strip(
    lane: Lane, algorithm: str, happened: Sequence[tuple[int, str, str, int]], names: Names, from_ps: int
) -> Strip:
    looks = {(each.what, each.vcoproc): 0 for each in lane.stretches}
    looks = {look: place for place, look in enumerate(sorted(looks, key=_order))}
    vcoprocs = {who: place for place, who in enumerate(sorted({who for _, _, who, _ in happened}))}
    instants = [from_ps, *(each[0] for each in happened)]
    return Strip(
        lane.coproc,
        algorithm,
        tuple(_look(what, who, names) for what, who in looks),
        len(lane.stretches),
        _packed("q", (each.to_ps - each.from_ps for each in lane.stretches)),
        _packed("H", (looks[each.what, each.vcoproc] for each in lane.stretches)),
        tuple(vcoprocs),
        _packed("q", (after - before for before, after in pairwise(instants))),
        _packed("B", (HAPPENINGS.index(each[1]) for each in happened)),
        _packed("H", (vcoprocs[each[2]] for each in happened)),
        _packed("q", (each[3] for each in happened)),
    )


def _order(look: tuple[str, str | None]) -> tuple[bool, int, int, str]:
    """Return where slices of a kind stand when several share a pixel: who runs above, by domain, nobody below."""
    what, who = look
    domain_id, _, number = (who or "d0v0")[1:].partition("v")
    runs = what in {"run", "deny"}
    return (not runs, int(domain_id), int(number), what) if runs else (True, 0, 0, what)


def _look(what: str, who: str | None, names: Names) -> Look:
    if who is None:
        return Look(what, None, None, None)
    domain_id = int(who[1:].partition("v")[0])
    return Look(what, who, names.of(domain_id), domain_id)


def _packed(code: str, numbers: Iterable[int]) -> str:
    column = array(code, numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return base64.b64encode(zlib.compress(column.tobytes(), 9)).decode("ascii")
