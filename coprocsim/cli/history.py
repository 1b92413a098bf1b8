"""`history` and `replay`: what was done to a machine, and doing it again."""

from pathlib import Path

import click

from coprocsim.cli import messages
from coprocsim.cli.examples import examples
from coprocsim.cli.messages import printable
from coprocsim.cli.progress import Progress
from coprocsim.cli.tables import COLUMNS, command_lines, exact_seconds, json_option, left, print_json, right, table

_BESIDE = ("#", "At(s)", "Outcome")
# A command that is broken into shorter lines cannot be read.
_ROOM_MIN = 30


@click.group(
    "history",
    invoke_without_command=True,
    epilog=examples("coprocsim history", "coprocsim history export monday.machine"),
)
@json_option
@click.pass_context
def history_command(ctx: click.Context, as_json: bool) -> None:
    """List the commands that changed this machine.

    With their instants, and what came of them.
    """
    if ctx.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"`--json` stands behind `{ctx.invoked_subcommand}`")
        return
    from coprocsim.toolstack import history

    done = history.history(ctx.obj)
    if as_json:
        document = [
            {"number": each.number, "at_ps": each.at_ps, "command": each.command, "outcome": each.outcome}
            for each in done
        ]
        print_json({"commands": document})
        return
    instants = exact_seconds([(each.at_ps,) for each in done])
    cells = [(str(each.number), at, each.outcome or "-") for (at,), each in zip(instants, done, strict=True)]
    room = COLUMNS - 2 - sum(2 + max(map(len, column)) for column in zip(_BESIDE, *cells, strict=True))
    rows = []
    for (number, at, outcome), each in zip(cells, done, strict=True):
        first, *more = command_lines(each.command, max(room, _ROOM_MIN))
        rows += [(number, at, outcome, first), *(("", "", "", f"  {line}") for line in more)]
    # The command stands last: a word of it that is longer than a line moves nothing else.
    table([*right(*_BESIDE[:2]), *left(_BESIDE[2], "Command")], rows)


@history_command.command(epilog=examples("coprocsim history export monday.machine", "coprocsim replay monday.machine"))
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def export(machine: Path, file: Path) -> None:
    """Write FILE, from which `replay FILE` does all of it again.

    Here, or on another computer.
    """
    from coprocsim.toolstack import history
    from coprocsim.toolstack.typed import file as name
    from coprocsim.toolstack.typed import typed

    history.export(machine, file)
    print(printable(f"{file}: `coprocsim {typed('replay', name(str(file)))}` does it again"))


@click.command(
    "replay",
    epilog=examples(
        "coprocsim replay",
        "coprocsim history export monday.machine",
        "coprocsim replay monday.machine --keep --machine monday",
    ),
)
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option("--keep", is_flag=True, help="Let the machine that comes out of FILE be up, to go on with it.")
@json_option
@click.pass_context
def replay_command(ctx: click.Context, file: Path | None, keep: bool, as_json: bool) -> None:
    """Do again what was done to a machine; compare the traces.

    To the machine that is up, or to the one in FILE. Nothing is changed, but for `--keep`, which needs a name under
    which no machine is up. Exit status 1 if the traces differ; the first difference is named.
    """
    if keep and file is None:
        raise click.UsageError("`--keep` is for what `history export FILE` wrote; this machine is up already")
    from coprocsim.toolstack import history
    from coprocsim.units import show_instant

    with Progress() as progress:
        if file is None:
            replayed = history.replay(ctx.obj, progress)
        elif keep:
            replayed = history.replay_and_keep(file, ctx.obj, progress)
        else:
            replayed = history.replay_file(file, progress)
    kept = keep and replayed.is_whole
    if as_json:
        print_json(
            {
                "commands": replayed.commands,
                "rows": replayed.rows,
                "begins_ps": replayed.begins_ps,
                "difference": replayed.difference,
                "interrupted": replayed.interrupted,
                "kept": kept,
            }
        )
    elif replayed.difference is None:
        since = f" from {show_instant(replayed.begins_ps)} s on" if replayed.begins_ps else ""
        commands, rows = messages.many(replayed.commands, "command"), messages.many(replayed.rows, "row")
        print(f"{commands} done again, {rows} of the trace{since}: all the same")
    else:
        print(f"the trace is another one: {replayed.difference}")
    if kept and not as_json:
        print(f"the machine that came out is up: `{messages.program()} run` goes on with it")
    if keep and not kept:
        messages.note("nothing of it is kept")
    if replayed.interrupted:
        messages.note("stopped before its end")
        ctx.exit(130)
    ctx.exit(0 if replayed.difference is None else 1)
