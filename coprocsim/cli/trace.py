"""`trace`: how much of it there is; `trace show` reads it as a log, `trace export` writes it for other programs."""

import json
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from coprocsim.cli import messages, offered
from coprocsim.cli.arguments import coprocs, domains, duration
from coprocsim.cli.examples import examples
from coprocsim.cli.progress import Progress, Reading
from coprocsim.cli.tables import json_option, print_json
from coprocsim.cli.written import written

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.trace import Choice
    from coprocsim.observe.view import View

# The last ones are held in memory.
_LAST_MAX = 100_000


class _Wanted(NamedTuple):
    """Which rows are wanted, as it is typed."""

    from_ps: int | None
    to_ps: int | None
    coproc: str | None
    domain: str | None
    kinds: tuple[str, ...]
    late: bool
    last: int | None

    def choice(self, seen: "View") -> "Choice":
        """Return what is chosen, each name looked up."""
        from coprocsim.errors import CoprocsimError, LookupFailed, did_you_mean
        from coprocsim.observe.trace import KINDS, Choice
        from coprocsim.units import show_instant

        start_ps, end_ps = self.from_ps or 0, seen.now_ps if self.to_ps is None else min(self.to_ps, seen.now_ps)
        if start_ps > end_ps:
            what = f"nothing lies between {show_instant(start_ps)} s and {show_instant(end_ps)} s"
            raise CoprocsimError(what, hint=f"it is {show_instant(seen.now_ps)} s now")
        kinds = [each.strip() for part in self.kinds for each in part.split(",")]
        for each in kinds:
            if each not in KINDS:
                raise LookupFailed(f"no kind of row is called `{each}`", hint=did_you_mean(each, KINDS, "there are"))
        return Choice(
            start_ps,
            end_ps,
            None if self.coproc is None else seen.coproc_named(self.coproc).coproc_id,
            None if self.domain is None else seen.domain_id(self.domain),
            frozenset(kinds),
            self.late,
            self.last,
        )


class _Choosing(click.Command):
    """A command about some rows of the trace: what is typed of them it is handed as `wanted`."""

    def invoke(self, ctx: click.Context) -> object:
        ctx.params["wanted"] = _Wanted(**{name: ctx.params.pop(name) for name in _Wanted._fields})
        return super().invoke(ctx)


def _choice_options() -> list[click.Parameter]:
    """Return the options by which rows are chosen."""
    return [
        click.Option(["--from", "from_ps"], metavar="INSTANT", callback=duration, help="From when on; default: boot."),
        click.Option(["--to", "to_ps"], metavar="INSTANT", callback=duration, help="Up to when; default: now."),
        click.Option(["--coproc"], metavar="COPROC", shell_complete=coprocs, help="Only this coproc."),
        click.Option(["--domain"], metavar="DOMAIN", shell_complete=domains, help="Only this domain, gone or not."),
        click.Option(
            ["--kind", "kinds"],
            metavar="KIND[,KIND...]",
            multiple=True,
            shell_complete=offered.row_kinds,
            help="Only these kinds of rows.",
        ),
        click.Option(["--late"], is_flag=True, help="Only the ends of jobs that were not in time."),
        click.Option(["--last"], type=click.IntRange(1, _LAST_MAX), metavar="N", help="Only the last N of them."),
    ]


@click.group(
    "trace", invoke_without_command=True, epilog=examples("coprocsim trace show --domain instrument --last 20")
)
@json_option
@click.pass_context
def trace_command(ctx: click.Context, as_json: bool) -> None:
    """Show what has happened, or write it for other programs.

    Without a subcommand: how much of the trace is kept.
    """
    if ctx.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"`--json` stands behind `{ctx.invoked_subcommand}`")
        return
    from coprocsim.observe.view import view
    from coprocsim.store import read
    from coprocsim.units import show_instant, show_size

    with read(ctx.obj) as file:
        kept, limit_bytes = file.trace_kept(), view(file).machine.trace_limit_bytes
    if as_json:
        print_json({**kept._asdict(), "limit_bytes": limit_bytes})
        return
    print(f"{_rows(kept.rows)} from {show_instant(kept.begins_ps)} s to {show_instant(kept.ends_ps)} s")
    print(f"{show_size(kept.size_bytes)} of {show_size(limit_bytes)}; {_rows(kept.dropped)} older than that dropped")


@trace_command.command(
    cls=_Choosing,
    params=_choice_options(),
    epilog=examples("coprocsim trace show --from 20ms --to 30ms --kind denial,switch"),
)
@json_option
@click.pass_obj
def show(machine: Path, wanted: _Wanted, as_json: bool) -> None:
    """Show what has happened, a line for each thing, in order.

    KIND is state, switch, denial, iommu, job, irq, access, dma, fault, reset, finding, setting or domain.
    """
    from coprocsim.observe.view import view
    from coprocsim.store import read

    with read(machine) as file:
        seen = view(file)
        choice = wanted.choice(seen)
        begins_ps = file.trace_begins_ps
        if as_json:
            _print_document(seen, choice, begins_ps, choice.rows(file))
        else:
            _print_log(seen, choice.rows(file))
    if begins_ps > choice.from_ps:
        _say_what_is_gone(begins_ps)


def _print_log(seen: "View", rows: "Iterable[TraceRow]") -> None:
    from coprocsim.observe.trace import domain_of
    from coprocsim.observe.words import alarming, in_words
    from coprocsim.units import show_instant

    colour = messages.wants_colour(sys.stdout)
    whole = len(str(seen.now_ps // 10**12))
    at, where = whole + 13, max(6, *map(len, seen.coprocs), 0)
    whose = max(6, *(len(name) for name in (*(each.name for each in seen.domains.values()), *seen.gone.values())))
    title = f"{'At(s)':<{at}}  {'Coproc':<{where}}  {'Domain':<{whose}}  What"
    print(f"\033[1m{title}\033[0m" if colour else title)
    for row in rows:
        domain_id = domain_of(row)
        domain = "-" if domain_id is None else seen.name_of(domain_id)
        words = in_words(row)
        if colour:
            style = "31" if alarming(row) else _COLOURS.get((row[2], str(row[-1])))
            words = words if style is None else f"\033[{style}m{words}\033[0m"
        instant = show_instant(row[0]).rjust(whole + len(show_instant(row[0]).partition(".")[2]) + 1)
        print(f"{instant:<{at}}  {row[1]:<{where}}  {domain:<{whose}}  {words}")


_COLOURS = {("state", "RUNNING"): "32", ("state", "WAITING"): "33"}


def _print_document(seen: "View", choice: "Choice", begins_ps: int, rows: "Iterable[TraceRow]") -> None:
    """Print one JSON document, row by row: it may be longer than memory."""
    from coprocsim.observe.trace import domain_of, fields, kind_of
    from coprocsim.observe.words import in_words

    print(f'{{\n  "from_ps": {choice.from_ps},\n  "to_ps": {choice.to_ps},\n  "begins_ps": {begins_ps},\n  "rows": [')
    before = ""
    for row in rows:
        domain_id = domain_of(row)
        document = {
            "at_ps": row[0],
            "coproc": None if row[1] == "-" else row[1],
            "kind": kind_of(row),
            "what": row[2],
            "domain": None if domain_id is None else seen.name_of(domain_id),
            "domain_id": domain_id,
            **fields(row),
            "words": in_words(row),
        }
        print(f"{before}    {json.dumps(document, ensure_ascii=False)}", end="")
        before = ",\n"
    print("\n  ]\n}" if before else "  ]\n}")


# ---------------------------------------------------------------- export


@trace_command.command(
    cls=_Choosing,
    params=_choice_options(),
    epilog=examples("coprocsim trace export gpu0.vcd --coproc gpu0 --gtkw gpu0.gtkw", "gtkwave gpu0.gtkw"),
)
@click.argument("path", metavar="FILE", type=click.Path(allow_dash=True))
@click.option(
    "--format",
    "name",
    type=click.Choice(["xentrace", "vcd", "chrome", "perfetto", "csv"]),
    help="Default: as the suffix says.",
)
@click.option("--gtkw", metavar="FILE", type=click.Path(), help="With vcd: what GTKWave shows of it when it is opened.")
@json_option
@click.pass_obj
def export(machine: Path, wanted: _Wanted, path: str, name: str | None, gtkw: str | None, as_json: bool) -> None:
    """Write the trace to FILE, for other programs.

    For xenalyze, GTKWave, Perfetto, or a table program; to stdout where FILE is `-`. KIND is as `trace show --help`
    says; kinds, domains and late ends are chosen for csv only. A FILE that is there is replaced when the new one is
    complete.
    """
    from coprocsim.observe.exporters import FORMATS, format_of, writer
    from coprocsim.observe.exporters.scene import scene
    from coprocsim.observe.view import view
    from coprocsim.store import read
    from coprocsim.units import show_instant

    name = name or format_of(path)
    if name is None:
        known = ", ".join(f"`{suffix}`" for each in FORMATS.values() for suffix in each.suffixes)
        raise click.UsageError(f"say which `--format`: `{path}` ends with none of {known}")
    if FORMATS[name].draws and (wanted.domain is not None or wanted.kinds or wanted.late):
        raise click.UsageError(
            f"`{name}` draws who has a coproc, and needs every row of it: choose by `--coproc`, `--from` and `--to`; "
            "`--domain`, `--kind` and `--late` are for csv"
        )
    if gtkw is not None and (name != "vcd" or "-" in {path, gtkw} or gtkw == path):
        raise click.UsageError("`--gtkw` names a file of its own, beside a vcd that is a file, too")
    if as_json and path == "-":
        raise click.UsageError("`--json` tells of the file that was written; to stdout goes the trace itself")
    write = writer(name)
    with read(machine) as file, Progress() as progress:
        seen = view(file)
        choice = wanted.choice(seen)
        begins_ps = file.trace_begins_ps
        # Two looks at the rows: who takes part in all of it must be known before the first one is written.
        reading = Reading(progress, max(choice.from_ps, begins_ps), choice.to_ps, times=2)
        found = scene(seen, file, choice, reading)
        with written(path, text=FORMATS[name].text) as out:
            write(out, found, choice.rows(file, reading))
    if gtkw is not None:
        from coprocsim.observe.exporters.gtkw import write as write_gtkw

        with written(gtkw, text=True) as out:
            write_gtkw(out, found, path)
    if begins_ps > choice.from_ps:
        _say_what_is_gone(begins_ps)
    if path == "-":
        return
    if as_json:
        document = {"file": path, "format": name, "rows": found.rows, "from_ps": found.from_ps, "to_ps": found.to_ps}
        print_json(document)
        return
    print(f"{path}: {_rows(found.rows)} from {show_instant(found.from_ps)} s to {show_instant(found.to_ps)} s")
    opened = gtkw or path
    shown = shlex.quote(f"./{opened}" if opened.startswith("-") else opened)
    print(messages.printable(f"look at it with: {FORMATS[name].opened_by.replace('FILE', shown)}"))


def _say_what_is_gone(begins_ps: int) -> None:
    from coprocsim.units import show_instant

    messages.note(f"what was before {show_instant(begins_ps)} s has outgrown `--trace-limit`, and is gone")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
