"""Who takes part in what is exported, and what each did when it begins: one pass, before anything is written."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from coprocsim.observe.timeline import STATES, UNKNOWN, coproc_does, vcoproc_does
from coprocsim.observe.trace import Choice, Watch
from coprocsim.observe.view import who

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.view import View
    from coprocsim.store import MachineFile

_ON_HARDWARE = {"RUNNING", "ASKED_TO_SLEEP"}


class Player(NamedTuple):
    """A vcoproc: its coproc, its domain's name, and what it did when the export begins, as `timeline` says it."""

    coproc: str
    domain_id: int
    number: int
    domain: str
    before: str


class Scene(NamedTuple):
    """From when to when, and who is in it; of each coproc whether it is shared by switches, and who had it before."""

    from_ps: int
    to_ps: int
    coprocs: dict[str, bool]
    players: dict[str, Player]
    rows: int
    seen: "View"

    def before(self, coproc: str) -> tuple[str, str | None]:
        """Return what went on on a coproc when the export begins, as far as the rows tell."""
        mine = {name: player.before for name, player in self.players.items() if player.coproc == coproc}
        for name, what in mine.items():
            if what in {"run", "deny"} and self.coprocs[coproc]:
                return what, name
        rests = self.from_ps == 0 or (mine and set(mine.values()) <= {"sleep", "gone"} and self._works(coproc))
        return ("idle", None) if rests else (UNKNOWN, None)

    def _works(self, coproc: str) -> bool:
        """Return whether a coproc has not failed: who has slept all along says nothing of one that has."""
        return self.seen.coprocs[coproc].failure is None

    def changes(self, rows: "Iterable[TraceRow]") -> "Iterator[tuple[TraceRow, tuple[Change, ...]]]":
        """Yield each row with what begins by it, where that is not what went on already."""
        now = {name: (player.before, name) for name, player in self.players.items()}
        on = {coproc: self.before(coproc) for coproc in self.coprocs}
        for row in rows:
            found = []
            of_vcoproc = vcoproc_does(row)
            if of_vcoproc is not None:
                name, what = of_vcoproc
                if now[name][0] != what:
                    now[name] = (what, name)
                    found.append(Change(row[1], name, what))
            does = coproc_does(row)
            if does is not None and on[row[1]] != does:
                on[row[1]] = does
                found.append(Change(row[1], None, *does))
            yield row, tuple(found)


class Change(NamedTuple):
    """From now on a vcoproc does `what`; or, where `vcoproc` is None, `what` goes on on the coproc, by `by`."""

    coproc: str
    vcoproc: str | None
    what: str
    by: str | None = None


def scene(seen: "View", file: "MachineFile", choice: Choice, watch: Watch = iter) -> Scene:
    """Return who takes part in what is chosen; the rows are read through `watch`."""
    rows, begins_ps = 0, choice.from_ps
    coprocs = {coproc: row.algorithm != "none" for coproc, row in seen.coprocs.items()}
    if choice.coproc is not None:
        coprocs = {choice.coproc: coprocs[choice.coproc]}
    befores: dict[str, tuple[str, str]] = {}
    for row in choice.rows(file, watch):
        if not rows and choice.last is not None:
            begins_ps = row[0]
        rows += 1
        told = _before(row, scheduled=coprocs.get(row[1], True))
        if told is not None:
            befores.setdefault(told[0], (row[1], told[1]))
    # Whoever has no row in all of the time has done what it does now, if the time goes up to now.
    if choice.to_ps >= seen.now_ps:
        for each in seen.of(choice.coproc, None):
            befores.setdefault(who(each), (each.coproc_id, STATES[each.state]))
    players = {}
    for name, (coproc, before) in sorted(befores.items(), key=lambda each: _ids(each[0])):
        domain_id, number = _ids(name)
        players[name] = Player(coproc, domain_id, number, seen.name_of(domain_id), before)
    return Scene(begins_ps, min(choice.to_ps, seen.now_ps), coprocs, players, rows, seen)


def _ids(vcoproc: str) -> tuple[int, int]:
    domain_id, _, number = vcoproc[1:].partition("v")
    return int(domain_id), int(number)


def _before(row: "TraceRow", *, scheduled: bool) -> tuple[str, str] | None:
    """Return what a row says its vcoproc has done up to it."""
    match row[2:]:
        case ("state", str(name), old, new):
            # It leaves the hardware at the end of a switch, or of a reset.
            leaving = scheduled and old in _ON_HARDWARE and new not in _ON_HARDWARE
            return name, "switch" if leaving else STATES[str(old)]
        case ("switch_from", str(name), *_):
            return name, "run"
        case ("resume" | "timeout", str(name)):
            return name, "deny"
        case ("switch_to", str(name), *_):
            return name, "wait"
        case ("reset", str(name), _):
            return name, UNKNOWN
    return None
