"""`history` and `replay`: what was done to a machine, and doing it again."""

from pathlib import Path

import click

from coprocsim.cli import messages
from coprocsim.cli.examples import examples
from coprocsim.cli.progress import Progress
from coprocsim.cli.tables import exact_seconds, json_option, left, print_json, right, table


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
    rows = [
        (str(each.number), at, each.command, each.outcome or "-") for (at,), each in zip(instants, done, strict=True)
    ]
    table([*right("#", "At(s)"), *left("Command", "Outcome")], rows)


@history_command.command(epilog=examples("coprocsim history export monday.machine", "coprocsim replay monday.machine"))
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def export(machine: Path, file: Path) -> None:
    """Write FILE, from which `replay FILE` does all of it again.

    Here, or on another computer.
    """
    from coprocsim.toolstack import history

    history.export(machine, file)
    print(f"{file}: `coprocsim replay {file}` does it again")


@click.command(
    "replay",
    epilog=examples("coprocsim replay", "coprocsim history export monday.machine", "coprocsim replay monday.machine"),
)
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@json_option
@click.pass_context
def replay_command(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Do again what was done to a machine; compare the traces.

    To the machine that is up, or to the one in FILE. Nothing is changed. Exit status 1 if they differ; the first
    difference is named.
    """
    from coprocsim.toolstack import history
    from coprocsim.units import show_instant

    with Progress() as progress:
        replayed = history.replay(ctx.obj, progress) if file is None else history.replay_file(file, progress)
    if as_json:
        print_json(
            {
                "commands": replayed.commands,
                "rows": replayed.rows,
                "begins_ps": replayed.begins_ps,
                "difference": replayed.difference,
                "interrupted": replayed.interrupted,
            }
        )
    elif replayed.difference is None:
        since = f" from {show_instant(replayed.begins_ps)} s on" if replayed.begins_ps else ""
        print(f"{replayed.commands} commands done again, {replayed.rows} rows of the trace{since}: all the same")
    else:
        print(f"the trace is another one: {replayed.difference}")
    if replayed.interrupted:
        messages.note("stopped before its end")
        ctx.exit(130)
    ctx.exit(0 if replayed.difference is None else 1)
