"""`compare`: the same load and seed under several choices of how a coproc is shared."""

import os
import shlex
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING

import click

from coprocsim.cli import offered
from coprocsim.cli.arguments import coprocs, duration, settings
from coprocsim.cli.examples import examples
from coprocsim.cli.messages import printable, program
from coprocsim.cli.progress import progress_bar
from coprocsim.cli.tables import (
    COLUMNS,
    command_lines,
    heading,
    json_option,
    left,
    milliseconds,
    print_json,
    right,
    table,
)
from coprocsim.cli.written import written

if TYPE_CHECKING:
    from coprocsim.observe.comparison import Figure
    from coprocsim.toolstack.compare import Choice, Comparison
    from coprocsim.toolstack.control import Progress

_BAR_WIDTH = 40
# A name that is no longer is a good title of a column.
_NAME_WIDTH = 12
# What a bar is drawn with where there are only letters; eighths of a place are rounded.
_PLAIN = str.maketrans("█▉▊▋▌▍▎▏", "#####   ")


@click.command(
    "compare",
    epilog=examples(
        "coprocsim compare --coproc gpu0 --algorithm rrobin,edf --for 2s",
        "coprocsim compare --coproc gpu0 --choice slice=5ms --choice fair --for 2s",
    ),
)
@click.option(
    "--algorithm",
    "algorithms",
    metavar="A,B,...",
    multiple=True,
    shell_complete=offered.algorithms,
    help="A choice for each algorithm.",
)
@click.option(
    "--choice",
    "worded",
    metavar="CHOICE",
    multiple=True,
    help="One more: [ALGORITHM] [KEY=VALUE]... [DOMAIN:KEY=VALUE]...; without ALGORITHM, the present one.",
)
@click.option("--set", "common", metavar="KEY=VALUE", multiple=True, help="A parameter that holds for every choice.")
@click.option("--coproc", metavar="COPROC", shell_complete=coprocs, help="Whose sharing is compared.")
@click.option("--for", "duration_ps", metavar="DURATION", callback=duration, required=True, help="How long each runs.")
@click.option("--bars/--no-bars", default=None, help="Draw bars below the table; without either, on a terminal.")
@click.option("--page", metavar="FILE", type=click.Path(path_type=Path), help="Write an HTML page with bars, too.")
@json_option
@click.pass_obj
def compare_command(
    machine: Path,
    algorithms: tuple[str, ...],
    worded: tuple[str, ...],
    common: tuple[str, ...],
    coproc: str | None,
    duration_ps: int,
    bars: bool | None,
    page: Path | None,
    as_json: bool,
) -> None:
    """Compare choices of how a coproc is shared.

    The machine goes on from here under each, and what becomes of it is shown side by side. Each choice is what `sched
    set` would be told, with the same load and seed. The machine itself is not changed; what is said below the table
    changes it. `*` marks the best of a row. Missed is every job that was not done by its deadline, be it done later,
    given up, dropped, lost or still open.
    """
    names = [*(name for text in algorithms for name in text.split(",")), *worded]
    choices = [_choice(name, common) for name in names]
    if not choices:
        raise click.UsageError("say what to compare: `--algorithm a,b`, or `--choice 'rrobin slice=5ms'` for each")
    twice = next((each.name for place, each in enumerate(choices) if each in choices[:place]), None)
    if twice is not None:
        raise click.UsageError(f"the choice `{twice}` is given twice")
    if not duration_ps:
        raise click.BadParameter("in no time at all nothing can be compared", param_hint="`--for`")
    if page is not None and str(page) == "-":
        raise click.BadParameter("to stdout goes the table; name a file", param_hint="`--page`")
    if page is not None and (os.path.exists(page) != os.path.isfile(page) or not os.path.isdir(page.parent)):
        # Found out now, not after a long run.
        raise click.BadParameter(f"`{page}` cannot be a file: is its folder there?", param_hint="`--page`")
    from coprocsim.toolstack.compare import compare

    with _progress(duration_ps * len(choices)) as progress:
        comparison = compare(machine, coproc, choices, duration_ps, progress)
    from coprocsim.observe.comparison import figures

    found = figures(comparison.outcomes)
    if as_json:
        print_json(
            {
                "coproc": comparison.coproc,
                "from_ps": comparison.from_ps,
                "to_ps": comparison.to_ps,
                "choices": [
                    {**each._asdict(), "commands": [f"{program()} {command}" for command in commands]}
                    for each, commands in zip(comparison.outcomes, comparison.commands, strict=True)
                ],
            }
        )
    else:
        _print_tables(comparison, found)
        if sys.stdout.isatty() if bars is None else bars:
            _print_bars(comparison, found)
    if page is not None:
        from coprocsim.cli.pages.comparison import page_of

        with written(str(page), text=True) as out:
            out.write(page_of(comparison, found).encode())


# ---------------------------------------------------------------- choices


def _choice(text: str, common: Sequence[str]) -> "Choice":
    """Return the choice that `text` says, with the parameters that all have in common."""
    from coprocsim.toolstack.compare import Choice

    words = text.split()
    _refuse_list(words)
    algorithm = words.pop(0) if words and "=" not in words[0] else None
    if algorithm is None and not words:
        raise click.UsageError("a choice is empty: name an algorithm, or parameters of the present one")
    own: list[str] = []
    of_domains: dict[str, list[str]] = {}
    for word in (part for each in (*words, *common) for part in each.split(",")):
        domain, colon, parameter = word.partition("=")[0].rpartition(":")
        value = word.removeprefix(f"{domain}{colon}{parameter}")
        if colon:
            of_domains.setdefault(domain, []).append(parameter + value)
        else:
            own.append(word)
    return Choice(
        " ".join(text.split()),
        algorithm,
        tuple(settings(own)),
        tuple((domain, tuple(settings(texts))) for domain, texts in of_domains.items()),
    )


def _refuse_list(words: list[str]) -> None:
    """Raise UsageError, with what to type, for a choice that begins like `--algorithm a,b`."""
    first, *rest = words or [""]
    name, comma, more = first.partition(",")
    if not comma or "=" in name:
        return
    if "=" in more:
        meant = [" ".join((name, more, *rest))]
    else:
        meant = [" ".join((each, *rest)) for each in first.split(",") if each]
    typed = " ".join(f"--choice {shlex.quote(each)}" for each in meant)
    shorter = "" if rest or "=" in more else f", or `--algorithm {first}`"
    raise click.UsageError(f"`{' '.join(words)}` is not one choice: say `{typed}`{shorter}")


# ---------------------------------------------------------------- what is shown


def _print_tables(comparison: "Comparison", found: "Sequence[Figure]") -> None:
    """Print a column for each choice; those that do not fit beside each other stand below. Then how to have each."""
    from coprocsim.observe.comparison import without_work
    from coprocsim.units import show_duration, show_instant

    passed = show_duration(comparison.to_ps - comparison.from_ps)
    best = "; * is best" if len(comparison.outcomes) > 1 else ""
    heading(f"{comparison.coproc}: {passed} from {show_instant(comparison.from_ps)} s on{best}")
    names = titles_of_choices(comparison, found)
    for name, each in zip(names, comparison.outcomes, strict=True):
        if name != each.choice:
            print(textwrap.fill(f"{name}: {printable(each.choice)}", COLUMNS, subsequent_indent="   "))
    titles, columns = _cells(comparison, found)
    widths = _widths(names, columns)
    for number, places in enumerate(_fitting(widths, _room(titles))):
        if number:
            print()
        rows = [(*title, *(columns[place][row] for place in places)) for row, title in enumerate(titles)]
        table([*left("Of", "Figure"), *right(*(f"{names[place]} " for place in places))], rows)
    idle = without_work(comparison.outcomes)
    if idle:
        print(f"without work: {', '.join(idle)}")
    vcoprocs = [each for outcome in comparison.outcomes for each in outcome.vcoprocs]
    if any(each.in_time + each.missed > each.released or each.late > each.missed for each in vcoprocs):
        print("Jobs of before count where they end or are due.")
    print()
    room = COLUMNS - 2 - max(len(name) for name in ("Choice", *names))
    lines = []
    for name, commands in zip(names, comparison.commands, strict=True):
        typed = [line for command in commands for line in command_lines(f"{program()} {command}", room)]
        lines += [(name if number == 0 else "", line) for number, line in enumerate(typed)]
    table(left("Choice", "Commands"), lines)


def titles_of_choices(comparison: "Comparison", found: "Sequence[Figure]") -> list[str]:
    """Return what each choice is called: as it was typed, but a letter for a long one where not all have room.

    Room is needed for all columns beside each other, and for the commands beside the names.
    """
    typed = [each.choice for each in comparison.outcomes]
    titles, columns = _cells(comparison, found)
    longest = max(len(f"{program()} {command}") for commands in comparison.commands for command in commands)
    if sum(_widths(typed, columns)) <= _room(titles) and max(map(len, typed)) + 2 + longest <= COLUMNS:
        return typed
    letters = (letter for letter in ascii_uppercase if letter not in typed)
    return [name if len(name) <= _NAME_WIDTH else next(letters, name) for name in typed]


def _cells(comparison: "Comparison", found: "Sequence[Figure]") -> tuple[list[tuple[str, str]], list[list[str]]]:
    """Return the two titles of each row, and the other cells by column."""
    titles = [(figure.domain or comparison.coproc, figure_title(figure)) for figure in found]
    return titles, [[_marked(figure, place) for figure in found] for place in range(len(comparison.outcomes))]


def _widths(names: Sequence[str], columns: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(name) + 1, *map(len, cells)) + 2 for name, cells in zip(names, columns, strict=True)]


def _room(titles: Sequence[tuple[str, str]]) -> int:
    """Return how much room there is beside the titles of the rows."""
    return COLUMNS - max(len(of) for of, _ in titles) - max(len(title) for _, title in titles) - 2


def _fitting(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Yield the places of columns that fit beside each other; one always does."""
    places: list[int] = []
    for place, width in enumerate(widths):
        if places and sum(widths[each] for each in places) + width > room:
            yield places
            places = []
        places.append(place)
    yield places


def figure_title(figure: "Figure") -> str:
    """Return a figure's title with its unit."""
    unit = {"percent": "(%)", "time": "(ms)"}.get(figure.kind, "")
    return f"{figure.title}{unit}"


def figure_text(figure: "Figure", place: int) -> str:
    """Return a figure's value under the choice at `place`."""
    from coprocsim.observe.comparison import DECIMALS

    value = figure.values[place]
    if value is None:
        return "-"
    return milliseconds(int(value)) if figure.kind == "time" else f"{value:.{DECIMALS[figure.kind]}f}"


def _marked(figure: "Figure", place: int) -> str:
    return f"{figure_text(figure, place)}{'*' if place in figure.best else ' '}"


def _print_bars(comparison: "Comparison", found: "Sequence[Figure]") -> None:
    """Print a bar for each choice, as long as its value is beside the largest, of figures that differ."""
    from rich.bar import Bar
    from rich.console import Console
    from rich.table import Column, Table

    from coprocsim.cli.messages import wants_colour

    coloured = wants_colour(sys.stdout)
    console = Console(file=sys.stdout, no_color=not coloured, highlight=False, width=200)
    names = titles_of_choices(comparison, found)
    for figure in found:
        if not figure.best:
            continue
        largest = max(value for value in figure.values if value is not None)
        grid = Table.grid("", "", Column(justify="right"), padding=(0, 2, 0, 0))
        for place, name in enumerate(names):
            colour = "green" if place in figure.best and coloured else "default"
            bar = Bar(largest, 0, figure.values[place] or 0, width=_BAR_WIDTH, color=colour)
            grid.add_row(name, bar, _marked(figure, place))
        with console.capture() as drawn:
            console.print(grid)
        print()
        heading(f"{figure.domain or comparison.coproc}: {figure_title(figure)}")
        bars = drawn.get().translate(_PLAIN if console.options.ascii_only else {})
        print("\n".join(line.rstrip() for line in bars.splitlines()))


@contextmanager
def _progress(total_ps: int) -> "Iterator[Progress]":
    """Show how far all choices are, on a terminal."""
    bar = progress_bar(total_ps)

    def progress(done_ps: int, total_ps: int) -> bool:
        del total_ps
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done_ps)
        return True

    try:
        yield progress
    finally:
        if bar is not None:
            bar.stop()
