"""Tables for reading, and the one JSON document that `--json` prints instead."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from textwrap import wrap
from typing import NamedTuple, TypeAlias

import click

from coprocsim.cli.messages import printable, wants_colour

Plain: TypeAlias = "bool | int | float | str | Sequence[Plain] | dict[str, Plain] | None"

_STATE_COLOURS = {"running": "32", "online": "32", "switching": "33", "waiting": "33", "failed": "31", "parked": "31"}

COLUMNS = 80
"""What is printed fits in so many, where names are no longer than those of the examples."""


class Column(NamedTuple):
    """A column: numbers stand to the right."""

    title: str
    right: bool = False


def left(*titles: str) -> list[Column]:
    """Return columns of words."""
    return [Column(title) for title in titles]


def right(*titles: str) -> list[Column]:
    """Return columns of numbers."""
    return [Column(title, right=True) for title in titles]


def table(columns: Sequence[Column], rows: Iterable[Sequence[str | int]]) -> None:
    """Print rows below their titles, aligned; no cell is ever wrapped or cut.

    Columns are two places apart, or one where they only then have room beside each other.
    """
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(len(column.title), *(len(row[n]) for row in cells), 0) for n, column in enumerate(columns)]
    gaps = len(columns) - 1
    gap = " " if sum(widths) + gaps <= COLUMNS < sum(widths) + 2 * gaps else "  "
    colour = wants_colour(sys.stdout)
    titles = gap.join(_padded([column.title for column in columns], columns, widths)).rstrip()
    print(f"\033[1m{titles}\033[0m" if colour else titles)
    for row in cells:
        print(gap.join(_padded(row, columns, widths, coloured=colour)).rstrip())


def text_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as `table` does; the last cell is a text, which goes on below itself where there is no more room."""
    widths = [max(len(column.title), *(len(row[n]) for row in rows), 0) for n, column in enumerate(columns[:-1])]
    room = COLUMNS - sum(width + 2 for width in widths)
    lines: list[tuple[str, ...]] = []
    for *names, text in rows:
        first, *more = wrap(text, room) or [""]
        lines += [(*names, first), *((*("" for _ in names), line) for line in more)]
    table(columns, lines)


def _padded(
    cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], *, coloured: bool = False
) -> list[str]:
    padded = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        text = cell.rjust(width) if column.right else cell.ljust(width)
        if coloured and cell in _STATE_COLOURS:
            text = text.replace(cell, f"\033[{_STATE_COLOURS[cell]}m{cell}\033[0m")
        padded.append(text)
    return padded


def heading(text: str) -> None:
    """Print what the next table is about."""
    text = printable(text)
    print(f"\033[4m{text}\033[0m" if wants_colour(sys.stdout) else text)


def facts(values: Mapping[str, str]) -> None:
    """Print a name and a value on a line each, aligned; a value that is too long goes on below itself."""
    width = max(len(name) for name in values)
    for name, value in values.items():
        first, *more = broken(value, COLUMNS - width - 4)
        print(f"  {name.ljust(width)}  {first}")
        for line in more:
            print(f"  {' ' * width}  {line}")


def broken(text: str, width: int) -> list[str]:
    """Return the lines of a list of words with commas between them: as many on a line as `width` has room for."""
    lines = [""]
    for word in re.findall(r"[^,]+,? *|, *", printable(text)):
        if lines[-1] and len(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]


def command_lines(command: str, width: int) -> list[str]:
    """Return the lines of a command, as many words on a line as `width` has room for; a shell reads them as one."""
    if len(printable(command)) <= width:
        return [printable(command)]
    lines = [""]
    # A word that is quoted may have spaces, and an option stays with what follows it.
    for word in re.findall(r"""(?:-\S+ (?!-))?(?:'[^']*'|"[^"]*"|\S)+""", printable(command)):
        if lines[-1] and len(lines[-1]) + len(word) + len(" ") + len(" \\") > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


# ---------------------------------------------------------------- numbers


def seconds(time_ps: int, decimals: int = 3) -> str:
    """Return a time in seconds, rounded to so many decimals."""
    unit_ps = 10 ** (12 - decimals)
    whole, rest = divmod((time_ps + unit_ps // 2) // unit_ps, 10**decimals)
    return f"{whole}.{rest:0{decimals}}" if decimals else str(whole)


def exact_seconds(rows: Sequence[Sequence[int]]) -> list[list[str]]:
    """Return times in seconds with as many decimals as all of them need, so that what adds up is seen to."""
    decimals = next((d for d in (6, 9) if not any(time_ps % 10 ** (12 - d) for row in rows for time_ps in row)), 12)
    return [[seconds(time_ps, decimals) for time_ps in row] for row in rows]


def milliseconds(time_ps: int) -> str:
    """Return a time in milliseconds with three decimals."""
    whole, rest = divmod((time_ps + 500_000) // 1_000_000, 1000)
    return f"{whole}.{rest:03}"


def microseconds(time_ps: int) -> str:
    """Return a time in microseconds with three decimals."""
    return milliseconds(1000 * time_ps)


# ---------------------------------------------------------------- JSON


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document; times are in ps.")


def print_json(document: object) -> None:
    """Print one JSON document; named tuples and dataclasses become objects."""
    import json

    print(json.dumps(plain(document), indent=2, ensure_ascii=False))


def plain(value: object) -> Plain:
    """Return `value` as what JSON knows."""
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if is_dataclass(value):
        return plain(vars(value))
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    assert value is None or isinstance(value, bool | int | float | str), f"JSON knows no {type(value)}"
    return value
