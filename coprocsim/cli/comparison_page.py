"""`compare --page`: a page to look at and send on. It needs no script and nothing else but itself."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from coprocsim.cli.compare import figure_text, figure_title
from coprocsim.observe.comparison import Figure
from coprocsim.toolstack.compare import Comparison
from coprocsim.units import show_duration, show_instant

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fff; --faint: #66707a; --bar: #7c96b4; --best: #2c8a57; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --paper: #16191d; --faint: #98a2ac; --bar: #566f8d; --best: #43a873; }
}
body { font: 16px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { width: 100%; border-collapse: collapse; margin: 0 0 1.5rem; }
caption { text-align: left; color: var(--faint); }
th { text-align: left; font-weight: normal; width: 30%; padding: 0 1rem 0 0; overflow-wrap: anywhere; }
td { padding: .15rem 0; }
td.value { text-align: right; width: 8rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { background: var(--bar); height: .9rem; min-width: 1px; border-radius: 2px; }
.best .bar { background: var(--best); }
.best th, .best td { font-weight: bold; }
"""


def page_of(comparison: Comparison, found: Sequence[Figure]) -> str:
    """Return the page as HTML."""
    return "\n".join(_lines(comparison, found)) + "\n"


def _lines(comparison: Comparison, found: Sequence[Figure]) -> Iterator[str]:
    coproc, names = escape(comparison.coproc), [escape(each.choice) for each in comparison.outcomes]
    passed = show_duration(comparison.to_ps - comparison.from_ps)
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f"<title>{coproc}: {len(names)} choices compared</title>"
    yield f"<style>{_STYLE}</style>"
    yield f"<h1>{coproc}: the same load under each choice</h1>"
    yield f"<p>{passed} from {show_instant(comparison.from_ps)} s on. The best of each figure is bold and green.</p>"
    for domain, figures in groupby(found, key=lambda figure: figure.domain):
        yield f"<h2>{coproc if domain is None else escape(domain)}</h2>"
        for figure in figures:
            yield from _bars(figure, names)
    yield "</html>"


def _bars(figure: Figure, names: Sequence[str]) -> Iterator[str]:
    largest = max((value for value in figure.values if value is not None), default=0) or 1
    yield f"<table><caption>{figure_title(figure)}</caption>"
    for place, name in enumerate(names):
        width = 100 * (figure.values[place] or 0) / largest
        best = ' class="best"' if place in figure.best else ""
        bar = f'<div class="bar" style="width: {width:.2f}%"></div>'
        value = figure_text(figure, place)
        yield f'<tr{best}><th scope="row">{name}</th><td>{bar}</td><td class="value">{value}</td></tr>'
    yield "</table>"
