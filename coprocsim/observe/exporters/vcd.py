"""VCD, a waveform: for each coproc who has it, for each of its vcoprocs what it does. Exact: a time unit is 1 ps."""

import re
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from vcd import VCDWriter

from coprocsim.observe.exporters.text import Text

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.exporters.scene import Player, Scene

WIRES = ("run", "wait", "deny")
EVENTS = ("irq", "job", "job_end")


def write(out: BinaryIO, scene: "Scene", rows: "Iterable[TraceRow]") -> None:
    """Write variables, then changes."""
    text = cast("IO[str]", Text(out))
    # The machine's time is not of this world: the same trace gives the same file whenever it is written.
    with VCDWriter(text, "1 ps", date="0 is boot", version="coprocsim", init_timestamp=scene.from_ps) as vcd:
        has = {
            coproc: vcd.register_var(coproc, "has", "string", init=_who(scene, *scene.before(coproc)))
            for coproc in scene.coprocs
        }
        does, wires, events = {}, {}, {}
        for name, player in scene.players.items():
            scope = scope_of(name, player)
            does[name] = vcd.register_var(scope, "does", "string", init=player.before)
            for wire in WIRES:
                init = _level(wire, player.before)
                wires[name, wire] = vcd.register_var(scope, wire, "wire", size=1, init=init)
            for event in EVENTS:
                events[name, event] = vcd.register_var(scope, event, "event")
        for row, changes in scene.changes(rows):
            for change in changes:
                if change.vcoproc is None:
                    vcd.change(has[change.coproc], row[0], _who(scene, change.what, change.by))
                    continue
                vcd.change(does[change.vcoproc], row[0], change.what)
                for wire in WIRES:
                    vcd.change(wires[change.vcoproc, wire], row[0], _level(wire, change.what))
            match row[2:]:
                case ("irq" | "job" | "job_end" as event, str(name), *_) if name in scene.players:
                    vcd.change(events[name, event], row[0], True)
        vcd.close(scene.to_ps)


def scope_of(name: str, player: "Player") -> tuple[str, str]:
    """Return where the variables of a vcoproc are."""
    return player.coproc, f"{plain(player.domain)}_{name}"


def _who(scene: "Scene", what: str, by: str | None) -> str:
    """Return who has a coproc, or what goes on instead."""
    return plain(scene.players[by].domain) if what in {"run", "deny"} and by in scene.players else what


def _level(wire: str, what: str) -> int | None:
    return None if what == "unknown" else int(what == wire or (wire == "run" and what == "deny"))


def plain(name: str) -> str:
    """Return a name that ends at no space, and means no scope."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)
