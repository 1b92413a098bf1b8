"""Tables of figures as HTML.

The cell of a figure has its name and its exact value beside what is read: `data-figure`, `data-value`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

from coprocsim.units import show_duration


class Cell(NamedTuple):
    """A cell of HTML; `figure` is its name in `stats --json`, `value` what stands there."""

    html: str
    figure: str | None = None
    value: str = ""


def words(text: str) -> Cell:
    """Return a cell of text."""
    return Cell(escape(text))


def domain(name: str, domain_id: int) -> Cell:
    """Return a cell with a domain's name and its colour."""
    colour = f"background: var(--domain-{domain_id % 10})"
    return Cell(f'<span class="swatch" style="{colour}"></span>{escape(name)}')


def figure(name: str, value: float | None) -> Cell:
    """Return a cell with a figure, shown as its name says: times end in `_ps`, a share is of 1."""
    if value is None:
        return Cell("-", name, "null")
    if "_ps" in name:
        return Cell(show_duration(int(value)), name, str(value))
    if name == "share":
        return Cell(f"{100 * value:.2f} %", name, str(value))
    return Cell(f"{value:.4f}" if isinstance(value, float) else f"{value:,}", name, str(value))


def figures(names: Iterable[str], record: Mapping[str, object]) -> list[Cell]:
    """Return the cells of some figures of a record."""
    found = []
    for name in names:
        value = record[name]
        assert value is None or isinstance(value, int | float)
        found.append(figure(name, value))
    return found


def table(
    caption: str, titles: Sequence[str], rows: Iterable[tuple[str, Sequence[Cell]]], words_first: int = 1
) -> Iterator[str]:
    """Yield a table; a row is what it is about, for `data-of`, and its cells. So many titles stand above words."""
    yield '<div class="wide" tabindex="0"><table class="figures">'
    if caption:
        yield f"<caption>{escape(caption)}</caption>"
    yield "<thead><tr>"
    for place, title in enumerate(titles):
        kind = "word" if place < words_first else "number"
        yield f'<th class="{kind}">{escape(title)}</th>'
    yield "</tr></thead><tbody>"
    for of, cells in rows:
        yield f'<tr data-of="{escape(of)}">{"".join(map(_cell, cells))}</tr>'
    yield "</tbody></table></div>"


def _cell(cell: Cell) -> str:
    if cell.figure is None:
        return f"<td>{cell.html}</td>"
    return f'<td data-figure="{cell.figure}" data-value="{escape(cell.value)}">{cell.html}</td>'
