"""`compare --page`: a page to look at and send on. It needs no script and nothing else but itself."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from coprocsim.cli.compare import figure_text, figure_title, titles_of_choices
from coprocsim.cli.pages import page, unbroken
from coprocsim.observe.comparison import Figure, without_work
from coprocsim.toolstack.compare import Comparison
from coprocsim.units import show_duration, show_instant


def page_of(comparison: Comparison, found: Sequence[Figure]) -> str:
    """Return the page as HTML."""
    title = f"{comparison.coproc}: {len(comparison.outcomes)} choices compared"
    return page(title, ["comparison.css"], _body(comparison, found))


def _body(comparison: Comparison, found: Sequence[Figure]) -> Iterator[str]:
    coproc, names = escape(comparison.coproc), [escape(each) for each in titles_of_choices(comparison, found)]
    passed = show_duration(comparison.to_ps - comparison.from_ps)
    yield f"<h1>{coproc}: the same load under each choice</h1>"
    yield f"<p>{passed} from {show_instant(comparison.from_ps)} s on. The best of each figure is bold and green.</p>"
    yield "<table><caption>Each choice, and the commands for it</caption>"
    for name, each, commands in zip(names, comparison.outcomes, comparison.commands, strict=True):
        choice = "" if name == escape(each.choice) else f"<div>{unbroken(each.choice)}</div>"
        lines = "".join(f"<div><code>{unbroken(f'coprocsim {command}')}</code></div>" for command in commands)
        yield f'<tr><th scope="row">{name}</th><td>{choice}{lines}</td></tr>'
    yield "</table>"
    idle = without_work(comparison.outcomes)
    if idle:
        yield f"<p>Without work: {escape(', '.join(idle))}.</p>"
    for domain, figures in groupby(found, key=lambda figure: figure.domain):
        yield f"<h2>{coproc if domain is None else escape(domain)}</h2>"
        for figure in figures:
            yield from _bars(figure, names)


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
