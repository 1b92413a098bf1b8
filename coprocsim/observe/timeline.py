"""The schedule between two instants, from the trace: who had each coproc, who denied, when it switched."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from coprocsim.observe.trace import Watch

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


def coproc_lanes(
    file: "MachineFile", coprocs: Iterable[str], from_ps: int, to_ps: int, watch: Watch = iter
) -> list[Lane]:
    """Return what went on on each coproc, in memory; the trace is read through `watch`."""
    drawn: dict[str, list[Stretch]] = {coproc: [] for coproc in coprocs}
    takers = {coproc: stretches.append for coproc, stretches in drawn.items()}
    pens = CoprocPens(takers, from_ps, to_ps, whole=file.trace_begins_ps == 0)
    for row in watch(file.trace(0, to_ps)):
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


class VcoprocPens:
    """Draws what becomes of vcoprocs; takes rows as `CoprocPens` does.

    `added` is asked, with its coproc, who takes the stretches of one that was not named; if it is None, nobody does.
    """

    def __init__(
        self,
        vcoprocs: Mapping[str, Draw],
        from_ps: int,
        to_ps: int,
        *,
        whole: bool,
        added: Callable[[str, str], Draw] | None = None,
    ) -> None:
        self._begins = "gone" if whole else UNKNOWN
        self._from_ps, self._to_ps = from_ps, to_ps
        self._added = added
        self._pens = {who: self._pen(who, drawn) for who, drawn in vcoprocs.items()}

    def _pen(self, who: str, drawn: Draw) -> _Pen:
        return _Pen((self._begins, who), self._from_ps, self._to_ps, drawn)

    def take(self, row: "TraceRow") -> None:
        """Draw what follows from a row."""
        change = vcoproc_does(row)
        if change is None:
            return
        who, what = change
        if who not in self._pens and self._added is not None:
            self._pens[who] = self._pen(who, self._added(who, row[1]))
        if who in self._pens:
            self._pens[who].turn(row[0], what, who)

    def end(self) -> None:
        """Draw the last stretches: no more rows come."""
        for pen in self._pens.values():
            pen.end()


def vcoproc_lanes(
    file: "MachineFile", vcoprocs: Iterable[tuple[str, str]], from_ps: int, to_ps: int, watch: Watch = iter
) -> list[Lane]:
    """Return what became of each vcoproc, given with its coproc; those that are gone by now are added."""
    drawn: dict[str, tuple[str, list[Stretch]]] = {who: (coproc, []) for who, coproc in vcoprocs}

    def add(who: str, coproc: str) -> Draw:
        drawn[who] = (coproc, [])
        return drawn[who][1].append

    takers = {who: stretches.append for who, (_, stretches) in drawn.items()}
    pens = VcoprocPens(takers, from_ps, to_ps, whole=file.trace_begins_ps == 0, added=add)
    for row in watch(file.trace(0, to_ps)):
        pens.take(row)
    pens.end()
    lanes = [Lane(coproc, who, tuple(stretches)) for who, (coproc, stretches) in drawn.items()]
    return [lane for lane in lanes if any(stretch.what != "gone" for stretch in lane.stretches)]


STATES = {
    "UNKNOWN": "gone",
    "SLEEPING": "sleep",
    "WAITING": "wait",
    "RUNNING": "run",
    "ASKED_TO_SLEEP": "run",
}


def vcoproc_does(row: "TraceRow") -> tuple[str, str] | None:
    """Return which vcoproc does what from this row on; None if none does another thing."""
    if row[2] not in _CHANGES:
        return None
    match row[2:]:
        case ("state", str(who), old, new) if {old, new} != {"RUNNING", "ASKED_TO_SLEEP"}:
            return who, STATES[str(new)]
        case ("switch_from", str(who), "busy", _):
            return who, "deny"
        case ("switch_from", str(who), "left", _) | ("switch_to", str(who), "entered", _):
            return who, "switch"
        case ("reset", str(who), _):
            return who, "reset"
        case ("resume", str(who)):
            return who, "run"
    return None
