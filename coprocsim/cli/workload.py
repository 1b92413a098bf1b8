"""`workload …`: what a guest's driver does."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coprocsim.cli import messages, offered
from coprocsim.cli.arguments import coprocs, domains, settings
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import COLUMNS, broken, json_option, left, print_json, table

if TYPE_CHECKING:
    from coprocsim.observe.domains import Workload

_TITLES = ("Domain", "Coproc")


@click.group("workload", epilog=examples("coprocsim workload set infotainment gpu0 kind=periodic period=20ms work=4ms"))
def workload_command() -> None:
    """Say what a domain's driver does with a coproc; see it."""


@workload_command.command(
    "set", epilog=examples("coprocsim workload set infotainment gpu0 kind=periodic,period=20ms,work=4ms")
)
@click.argument("domain", metavar="DOMAIN", shell_complete=domains)
@click.argument("coproc", metavar="COPROC", shell_complete=coprocs)
@click.argument("options", metavar="KEY=VALUE...", nargs=-1, required=True, shell_complete=offered.workload)
@click.pass_obj
def set_workload(machine: Path, domain: str, coproc: str, options: tuple[str, ...]) -> None:
    """Let a domain's driver do something else from now on.

    The options are those of `coproc_workload` in a domain's config.
    """
    chosen = settings(options)
    from coprocsim.toolstack import control

    changed = control.set_workload(machine, domain, coproc, chosen, Path())
    print(f"{changed.domain} on {changed.coproc_id}: {','.join(f'{each.name}={each.value}' for each in chosen)}")
    for warning in changed.warnings:
        messages.warning(warning)


@workload_command.command("clear", epilog=examples("coprocsim workload clear infotainment gpu0"))
@click.argument("domain", metavar="DOMAIN", shell_complete=domains)
@click.argument("coproc", metavar="COPROC", shell_complete=coprocs)
@click.pass_obj
def clear_workload(machine: Path, domain: str, coproc: str) -> None:
    """Let a domain's driver do nothing more.

    What the coproc has of it runs to its end.
    """
    from coprocsim.toolstack import control

    changed = control.clear_workload(machine, domain, coproc)
    print(f"{changed.domain} on {changed.coproc_id}: no workload")


@workload_command.command("show", epilog=examples("coprocsim workload show infotainment gpu0"))
@click.argument("domain", metavar="[DOMAIN]", shell_complete=domains, required=False)
@click.argument("coproc", metavar="[COPROC]", shell_complete=coprocs, required=False)
@json_option
@click.pass_obj
def show_workload(machine: Path, domain: str | None, coproc: str | None, as_json: bool) -> None:
    """Show what the drivers do: all of them, a domain's, or one."""
    from coprocsim.observe.domains import workloads
    from coprocsim.observe.view import view
    from coprocsim.snapshot import WorkloadRow
    from coprocsim.store import read

    with read(machine) as file:
        lines = list(workloads(view(file), file.rows(WorkloadRow), coproc, domain))
    if as_json:
        print_json({"workloads": lines})
        return
    room = COLUMNS - sum(2 + max(map(len, names)) for names in zip(*_names(lines), strict=True))
    rows = []
    for each in lines:
        options = ",".join(f"{name}={value}" for name, value in each.options.items()) or "-"
        first, *more = broken(options, room)
        rows += [(each.domain, each.coproc, first), *(("", "", line) for line in more)]
    table(left(*_TITLES, "Workload"), rows)


def _names(lines: "Iterable[Workload]") -> "Iterator[tuple[str, str]]":
    yield _TITLES
    for each in lines:
        yield each.domain, each.coproc
