"""The schedule between two instants, from the trace: who had each coproc, who denied, when it switched."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.store import MachineFile

UNKNOWN = "unknown"


class Stretch(NamedTuple):
    """A stretch of time in which one thing goes on.

    On a coproc: run, deny (runs, though told to leave), switch, idle, reset, failed, share (by itself). Of a vcoproc:
    run, deny, switch (it leaves or enters), wait, sleep, reset, gone. Either: unknown, where the trace was too long to
    be kept from its beginning. `vcoproc` is who runs, denies, leaves, enters or is reset.
    """

    from_ps: int
    to_ps: int
    what: str
    vcoproc: str | None


Draw: TypeAlias = Callable[[Stretch], None]
"""Takes the stretches of a lane, one after the other, without gaps."""


class Lane(NamedTuple):
    """What went on from one instant to the other, without gaps: on a coproc, or of a vcoproc on its coproc."""

    coproc: str
    vcoproc: str | None
    stretches: tuple[Stretch, ...]


class _Pen:
    """Draws one lane: what goes on is known, since when is noted. A stretch is `drawn` when another thing goes on."""

    def __init__(self, now: tuple[str, str | None], from_ps: int, to_ps: int, drawn: Draw) -> None:
        self._now = now
        self._from_ps, self._to_ps = from_ps, to_ps
        self._since_ps = from_ps
        self._held: Stretch | None = None
        self._drawn = drawn

    def turn(self, at_ps: int, what: str, vcoproc: str | None) -> None:
        """From `at_ps` on, `what` goes on; what lies outside of the lane is left out."""
        if (what, vcoproc) == self._now:
            return
        self._finish(min(max(at_ps, self._from_ps), self._to_ps))
        self._now = (what, vcoproc)

    def _finish(self, at_ps: int) -> None:
        if at_ps > self._since_ps:
            # What was interrupted for no time at all goes on.
            if self._held is not None and self._held[2:] == self._now:
                self._held = self._held._replace(to_ps=at_ps)
            else:
                self._draw_held()
                self._held = Stretch(self._since_ps, at_ps, *self._now)
            self._since_ps = at_ps

    def _draw_held(self) -> None:
        if self._held is not None:
            self._drawn(self._held)

    def end(self) -> None:
        """Let the lane end."""
        self._finish(self._to_ps)
        self._draw_held()


class CoprocPens:
    """Draws what goes on on coprocs, as their counters have it: run + switch + idle + failed is all of the time.

    Takes the rows of the trace from its beginning on, one by one; of each coproc it is given who takes its stretches.
    """

    def __init__(self, coprocs: Mapping[str, Draw], from_ps: int, to_ps: int, *, whole: bool) -> None:
        begins = ("idle" if whole else UNKNOWN, None)
        self._pens = {coproc: _Pen(begins, from_ps, to_ps, drawn) for coproc, drawn in coprocs.items()}

    def take(self, row: "TraceRow") -> None:
        """Draw what follows from a row."""
        pen = self._pens.get(row[1])
        change = None if pen is None else coproc_does(row)
        if pen is not None and change is not None:
            pen.turn(row[0], *change)

    def end(self) -> None:
        """Draw the last stretches: no more rows come."""
        for pen in self._pens.values():
            pen.end()


def coproc_lanes(file: "MachineFile", coprocs: Iterable[str], from_ps: int, to_ps: int) -> list[Lane]:
    """Return what went on on each coproc, in memory."""
    drawn: dict[str, list[Stretch]] = {coproc: [] for coproc in coprocs}
    takers = {coproc: stretches.append for coproc, stretches in drawn.items()}
    pens = CoprocPens(takers, from_ps, to_ps, whole=file.trace_begins_ps == 0)
    for row in file.trace(0, to_ps):
        pens.take(row)
    pens.end()
    return [Lane(coproc, None, tuple(stretches)) for coproc, stretches in drawn.items()]


# Most rows are of jobs and interrupts, and are quickly seen to change nothing.
_CHANGES = {"state", "resume", "switch_from", "switch_to", "reset", "idle", "failed"}


def coproc_does(row: "TraceRow") -> tuple[str, str | None] | None:
    """Return what goes on on a coproc from this row on; None if it changes nothing."""
    if row[2] not in _CHANGES:
        return None
    match row[2:]:
        case ("state", str(who), "WAITING", "RUNNING") | ("resume", str(who)):
            return "run", who
        case ("switch_from", str(who), "busy", _):
            return "deny", who
        case ("switch_from", str(who), "left", _) | ("switch_to", str(who), "entered", _):
            return "switch", who
        case ("reset", str(who), _):
            return "reset", who
        case ("state", str(), "SLEEPING", "RUNNING"):
            return "share", None
        case ("idle",):
            return "idle", None
        case ("failed", _):
            return "failed", None
    return None


def vcoproc_lanes(file: "MachineFile", vcoprocs: Iterable[tuple[str, str]], from_ps: int, to_ps: int) -> list[Lane]:
    """Return what became of each vcoproc, given with its coproc; those that are gone by now are added."""
    begins = "gone" if file.trace_begins_ps == 0 else UNKNOWN
    pens: dict[str, _Pen] = {}
    drawn: dict[str, tuple[str, list[Stretch]]] = {}

    def add(who: str, coproc: str) -> None:
        drawn[who] = (coproc, [])
        pens[who] = _Pen((begins, who), from_ps, to_ps, drawn[who][1].append)

    for who, coproc in vcoprocs:
        add(who, coproc)
    for row in file.trace(0, to_ps):
        for who, what in vcoproc_does(row):
            if who not in pens:
                add(who, row[1])
            pens[who].turn(row[0], what, who)
    for pen in pens.values():
        pen.end()
    lanes = [Lane(coproc, who, tuple(stretches)) for who, (coproc, stretches) in drawn.items()]
    return [lane for lane in lanes if any(stretch.what != "gone" for stretch in lane.stretches)]


STATES = {
    "UNKNOWN": "gone",
    "SLEEPING": "sleep",
    "WAITING": "wait",
    "RUNNING": "run",
    "ASKED_TO_SLEEP": "run",
}


def vcoproc_does(row: "TraceRow") -> Iterator[tuple[str, str]]:
    """Yield which vcoproc does what from this row on."""
    match row[2:]:
        case ("state", str(who), old, new) if {old, new} != {"RUNNING", "ASKED_TO_SLEEP"}:
            yield who, STATES[str(new)]
        case ("switch_from", str(who), "busy", _):
            yield who, "deny"
        case ("switch_from", str(who), "left", _) | ("switch_to", str(who), "entered", _):
            yield who, "switch"
        case ("reset", str(who), _):
            yield who, "reset"
        case ("resume", str(who)):
            yield who, "run"
