"""`timeline`: the schedule as a picture, a column of the terminal for each piece of time."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from coprocsim.cli.arguments import coprocs, duration
from coprocsim.cli.examples import examples
from coprocsim.cli.messages import wants_colour
from coprocsim.cli.progress import Progress, Reading
from coprocsim.cli.tables import json_option, print_json

if TYPE_CHECKING:
    from coprocsim.observe.timeline import Lane, Stretch
    from coprocsim.observe.view import View

_WIDTH = 80
_NARROWEST = 40
_SYMBOLS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Background colours, a domain's by its id, so that it is the same in every picture; red is for what went wrong.
_COLOURS = ("46", "42", "43", "44", "45", "47", "106", "102", "103", "104", "105")
_RED = "41"
_DIM = "2"
_NOBODY = {"share": "=", "idle": ".", "switch": "-", "reset": "x", "failed": "x", "unknown": "?"}


@click.command("timeline", epilog=examples("coprocsim timeline --from 20ms --to 60ms --by vcoproc"))
@click.option("--from", "from_ps", metavar="INSTANT", callback=duration, help="Where it begins; default: at boot.")
@click.option("--to", "to_ps", metavar="INSTANT", callback=duration, help="Where it ends; default: now.")
@click.option(
    "--by", type=click.Choice(["coproc", "vcoproc"]), default="coproc", show_default=True, help="A line each."
)
@click.option("--coproc", metavar="COPROC", shell_complete=coprocs, help="Only this coproc.")
@click.option("--width", type=click.IntRange(_NARROWEST, 1000), help="Columns; default: the terminal's, or 80.")
@json_option
@click.pass_obj
def timeline_command(
    machine: Path, from_ps: int | None, to_ps: int | None, by: str, coproc: str | None, width: int | None, as_json: bool
) -> None:
    """Draw who had each coproc when, with switches and denials."""
    from coprocsim.errors import CoprocsimError
    from coprocsim.observe import timeline
    from coprocsim.observe.view import view, who
    from coprocsim.store import read
    from coprocsim.units import show_instant

    with read(machine) as file, Progress() as progress:
        seen = view(file)
        start_ps, end_ps = from_ps or 0, seen.now_ps if to_ps is None else min(to_ps, seen.now_ps)
        if seen.now_ps == 0:
            raise CoprocsimError("no time has passed yet", hint="`coprocsim run 100ms`, then look again")
        if start_ps >= end_ps:
            hint = f"it is {show_instant(seen.now_ps)} s now"
            raise CoprocsimError(
                f"nothing lies between {show_instant(start_ps)} s and {show_instant(end_ps)} s", hint=hint
            )
        chosen = list(seen.coprocs) if coproc is None else [seen.coproc_named(coproc).coproc_id]
        reading = Reading(progress, file.trace_begins_ps, end_ps)
        if by == "coproc":
            lanes = timeline.coproc_lanes(file, chosen, start_ps, end_ps, reading)
        else:
            known = [(who(row), row.coproc_id) for row in seen.vcoprocs]
            lanes = timeline.vcoproc_lanes(file, known, start_ps, end_ps, reading)
            lanes = [lane for lane in lanes if lane.coproc in chosen]
    if as_json:
        print_json({"from_ps": start_ps, "to_ps": end_ps, "lanes": [_document(seen, lane) for lane in lanes]})
        return
    columns = width or (shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH)
    _Picture(seen, lanes, start_ps, end_ps, max(columns, _NARROWEST), by).draw()


def _document(seen: "View", lane: "Lane") -> dict[str, object]:
    return {
        "coproc": lane.coproc,
        "vcoproc": lane.vcoproc,
        "domain": None if lane.vcoproc is None else seen.called(lane.vcoproc),
        "stretches": lane.stretches,
    }


class _Piece(NamedTuple):
    """A column: how much of it each thing took, and what began in it."""

    taken: dict[tuple[str, str | None], int]
    begun: list[str]


class _Picture:
    """Lanes as lines of text."""

    def __init__(self, seen: "View", lanes: "Sequence[Lane]", from_ps: int, to_ps: int, columns: int, by: str) -> None:
        self._seen = seen
        self._lanes = lanes
        self._from_ps, self._to_ps = from_ps, to_ps
        self._by = by
        self._labels = [
            lane.coproc if lane.vcoproc is None else f"{seen.called(lane.vcoproc)} {lane.coproc}" for lane in lanes
        ]
        self._indent = max((len(label) for label in self._labels), default=0) + 2
        # Names that would take more than half of the line stand above what they name.
        self._above = 2 * self._indent > columns
        if self._above:
            self._indent = 2
        self._width = max(8, columns - self._indent)
        self._columns = columns
        self._symbols = _symbols(lanes)
        self._colours = {symbol: _colour(domain) for domain, symbol in self._symbols.items()}
        self._colour = wants_colour(sys.stdout)

    def draw(self) -> None:
        """Print all of it."""
        self._axis()
        for label, lane in zip(self._labels, self._lanes, strict=True):
            pieces = self._pieces(lane.stretches)
            if lane.vcoproc is None:
                cells = self._coproc_cells(pieces)
            else:
                domain = _domain(lane.vcoproc)
                cells = (self._vcoproc_cell(piece, domain) for piece in pieces)
            if self._above:
                print(label)
            beside = "" if self._above else label
            print((beside.ljust(self._indent) + "".join(cells)).rstrip())
            marks = "".join(map(self._mark if lane.vcoproc is None else self._vcoproc_mark, pieces)).rstrip()
            if marks or lane.vcoproc is None:
                print((" " * self._indent + marks).rstrip())
        self._legend()

    def _axis(self) -> None:
        """Print from when to when; above the lanes' ends, if there is room between them for what a column is."""
        from coprocsim.units import show_duration, show_instant

        span_ps = self._to_ps - self._from_ps
        column = show_duration(span_ps // self._width) if span_ps >= self._width else "less than 1 ps"
        start, end, scale = (
            f"{show_instant(self._from_ps)} s",
            f"{show_instant(self._to_ps)} s",
            f"one column: {column}",
        )
        room = self._width - len(start) - len(end)
        if room >= len(scale) + 2:
            print(" " * self._indent + start + scale.center(room) + end)
        else:
            self._print_words([f"{start} to {end}", scale])

    def _pieces(self, stretches: "Iterable[Stretch]") -> list[_Piece]:
        """Cut the stretches into columns."""
        span_ps = self._to_ps - self._from_ps
        pieces = [_Piece({}, []) for _ in range(self._width)]
        before = ""
        for stretch in stretches:
            first = (stretch.from_ps - self._from_ps) * self._width // span_ps
            last = ((stretch.to_ps - self._from_ps) * self._width - 1) // span_ps
            # Leaving and entering are two stretches, and one switch.
            if stretch.what != before:
                pieces[first].begun.append(stretch.what)
            before = stretch.what
            for at in range(first, last + 1):
                from_ps = max(stretch.from_ps, self._from_ps + -(-span_ps * at // self._width))
                to_ps = min(stretch.to_ps, self._from_ps + -(-span_ps * (at + 1) // self._width))
                taken, key = pieces[at].taken, (stretch.what, stretch.vcoproc)
                taken[key] = taken.get(key, 0) + to_ps - from_ps
        return pieces

    def _coproc_cells(self, pieces: "Iterable[_Piece]") -> Iterator[str]:
        """Yield who had each column of a coproc's lane.

        Where several had a part of it, one of them is shown: the one that the columns before owe most, so that along
        the line everybody has as many columns as it had time.
        """
        owed: dict[str, int] = {}
        for piece in pieces:
            held = set()
            for (what, vcoproc), taken_ps in piece.taken.items():
                symbol = self._symbols[_domain(vcoproc)] if what in {"run", "deny"} and vcoproc else _NOBODY[what]
                owed[symbol] = owed.get(symbol, 0) + taken_ps
                held.add(symbol)
            symbol = max(sorted(held), key=lambda each: owed[each], default="?")
            owed[symbol] = owed.get(symbol, 0) - sum(piece.taken.values())
            yield self._painted(symbol, self._colours[symbol]) if symbol in self._colours else self._nobody(symbol)

    def _vcoproc_cell(self, piece: _Piece, domain: int) -> str:
        """Return what a vcoproc did in a column: a reset, else whether it had the coproc all of it, a part, or waited.

        Who denies has the coproc; a denial is shown where nothing else took longer, and marked below elsewhere.
        """
        taken = _by_what(piece)
        had_ps = taken.get("run", 0) + taken.get("deny", 0)
        if "reset" in taken:
            return self._painted("x", _RED)
        if _is_denial(taken):
            return self._painted("!", _RED)
        if had_ps:
            return self._painted("#" if 2 * had_ps >= sum(taken.values()) else "+", _colour(domain))
        if "wait" in taken:
            return self._nobody(".")
        return self._nobody("-" if "switch" in taken else "?" if "unknown" in taken else " ")

    def _vcoproc_mark(self, piece: _Piece) -> str:
        """Return the mark of a denial that is too short to be seen in a column of a vcoproc's lane."""
        taken = _by_what(piece)
        return self._painted("!", _RED) if "deny" in taken and not _is_denial(taken) else " "

    def _mark(self, piece: _Piece) -> str:
        """Return what happened in a column of a coproc's lane."""
        if "reset" in piece.begun or "failed" in piece.begun:
            return self._painted("x", _RED)
        if any(what == "deny" for what, _ in piece.taken):
            return self._painted("!", _RED)
        switches = piece.begun.count("switch")
        return " " if not switches else "|" if switches == 1 else "+"

    def _nobody(self, symbol: str) -> str:
        """Return a symbol for a column in which nobody runs: it stands back, unless something went wrong."""
        if symbol == "x":
            return self._painted(symbol, _RED)
        return f"\033[{_DIM}m{symbol}\033[0m" if self._colour and symbol != " " else symbol

    def _painted(self, symbol: str, background: str) -> str:
        return f"\033[30;{background}m{symbol}\033[0m" if self._colour else symbol

    def _legend(self) -> None:
        if self._by == "vcoproc":
            self._print_words(
                ["# runs", "+ runs a part of it", ". waits", "- switches", "! denies", "x is reset", "blank: sleeps"]
            )
            self._print_words(["below: ! denies for a part of it"])
            return
        domains = [
            f"{self._painted(symbol, self._colours[symbol])} {self._seen.called(f'd{domain}v0')}"
            for domain, symbol in self._symbols.items()
        ]
        shared = any(each.what == "share" for lane in self._lanes for each in lane.stretches)
        self._print_words([*domains, *(["= shares itself"] if shared else []), ". idle", "- switches", "x failed"])
        self._print_words(["below: | a switch", "+ several", "! a denial", "x a reset"])

    def _print_words(self, words: Iterable[str]) -> None:
        """Print words with space between them, as many on a line as have room."""
        line = ""
        for word in words:
            if line and len(click.unstyle(f"{line}   {word}")) > self._columns:
                print(line)
                line = ""
            line += ("   " if line else "") + word
        print(line)


def _by_what(piece: _Piece) -> dict[str, int]:
    taken: dict[str, int] = {}
    for (what, _), taken_ps in piece.taken.items():
        taken[what] = taken.get(what, 0) + taken_ps
    return taken


def _is_denial(taken: Mapping[str, int]) -> bool:
    return "deny" in taken and taken["deny"] == max(taken.values())


def _domain(vcoproc: str) -> int:
    return int(vcoproc[1:].partition("v")[0])


def _colour(domain: int) -> str:
    return _COLOURS[domain % len(_COLOURS)]


def _symbols(lanes: "Iterable[Lane]") -> Mapping[int, str]:
    """Return a character for each domain that is seen: its id's digit, beyond 9 the next free letter."""
    seen = sorted({_domain(each.vcoproc) for lane in lanes for each in lane.stretches if each.vcoproc is not None})
    letters = iter(_SYMBOLS[10:])
    return {domain: _SYMBOLS[domain] if domain < 10 else next(letters, "*") for domain in seen}
