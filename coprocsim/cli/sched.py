"""`sched`: how a coproc is shared, and changing it while it runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from coprocsim.cli import messages, offered
from coprocsim.cli.arguments import coprocs, domains, settings
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import heading, json_option, left, print_json, table, text_table

if TYPE_CHECKING:
    from coprocsim.toolstack.catalogue import SettingLine


class _Sched(click.Group):
    """`sched set …` is its command; `sched` and anything else shows the coproc of that name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return None, _show, args

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        names = coprocs(ctx, None, incomplete)
        return [*super().shell_complete(ctx, incomplete), *(CompletionItem(name) for name in names)]


@click.group(
    "sched",
    cls=_Sched,
    # Options of `sched COPROC` may stand before the name.
    context_settings={"ignore_unknown_options": True},
    subcommand_metavar="COPROC | set COPROC KEY=VALUE...",
    epilog=examples("coprocsim sched gpu0", "coprocsim sched set gpu0 slice=5ms"),
)
def sched_command() -> None:
    """Show how a coproc is shared, or change it with `set`."""


class _ShowContext(click.Context):
    """The context of a command that has no name of its own."""

    @property
    def command_path(self) -> str:
        return super().command_path.rstrip()


class _ShowCommand(click.Command):
    context_class = _ShowContext


@click.command(cls=_ShowCommand, epilog=examples("coprocsim sched gpu0"))
@click.argument("coproc", metavar="COPROC", shell_complete=coprocs)
@json_option
@click.pass_obj
def _show(machine: Path, coproc: str, as_json: bool) -> None:
    """Show a coproc's algorithm and all parameters."""
    from coprocsim.toolstack import catalogue

    schedule = catalogue.schedule(machine, coproc)
    if as_json:
        print_json(schedule)
        return
    heading(f"{schedule.coproc}: {schedule.scheduler}")
    lines = [*schedule.settings, *schedule.sharing]
    if not lines:
        print("it shares itself: nothing of it is scheduled, and nothing can be set")
        return
    _print_settings(lines)
    if schedule.own:
        print()
        text_table(
            left("A domain's own", "Limits", "Bare unit", "What it says"),
            [(line.name, line.limits, line.bare_unit or "-", line.help) for line in schedule.own],
        )
    if schedule.vcoprocs:
        print()
        rows = [(each.domain, str(each.domain_id), _words(each.settings)) for each in schedule.vcoprocs]
        table(left("Domain", "ID", "Own parameters"), rows)


def _print_settings(lines: "Sequence[SettingLine]") -> None:
    if any(line.bare_unit is not None for line in lines):
        rows = [(line.name, line.value, line.bare_unit or "-", line.limits) for line in lines]
        table(left("Parameter", "Value", "Bare unit", "Limits"), rows)
    else:
        table(left("Parameter", "Value", "Limits"), [(line.name, line.value, line.limits) for line in lines])


def _words(lines: "tuple[SettingLine, ...]") -> str:
    return " ".join(f"{line.name}={line.value}" for line in lines) or "-"


@sched_command.command(
    "set",
    epilog=examples(
        "coprocsim sched set gpu0 slice=5ms charge=debt",
        "coprocsim sched set gpu0 --algorithm credit",
        "coprocsim sched set gpu0 -d instrument weight=512 cap=60",
    ),
)
@click.argument("coproc", metavar="COPROC", shell_complete=coprocs)
@click.argument("values", metavar="[KEY=VALUE]...", nargs=-1, shell_complete=offered.parameters)
@click.option(
    "--algorithm",
    metavar="A",
    shell_complete=offered.algorithm,
    help="Let this algorithm share the coproc from now on.",
)
@click.option("-d", "--domain", metavar="DOMAIN", shell_complete=domains, help="Change this domain's own parameters.")
@click.pass_obj
def _set(machine: Path, coproc: str, values: tuple[str, ...], algorithm: str | None, domain: str | None) -> None:
    """Change how a coproc is shared while it runs.

    Its algorithm, its parameters, or with `-d` those of one domain. A number without a unit counts in the bare unit
    that `coprocsim sched COPROC` shows, where it shows one. Another algorithm has its own defaults; a domain keeps
    those of its own parameters that the algorithm has, too.
    """
    if not values and algorithm is None:
        raise click.UsageError(_what_to_change(machine, coproc, domain))
    chosen = settings(values)
    from coprocsim.toolstack import control

    changed = control.set_schedule(machine, coproc, algorithm, domain, chosen)
    what = [*([] if algorithm is None else [f"algorithm {algorithm}"]), *changed.understood]
    whose = "" if changed.domain is None else f", {changed.domain}"
    print(f"{changed.coproc_id}{whose}: {', '.join(what)}")
    for warning in changed.warnings:
        messages.warning(warning)


def _what_to_change(machine: Path, coproc: str, domain: str | None) -> str:
    """Return what to say to somebody who has not said what is to change."""
    if domain is None:
        return "say what to change: `slice=5ms`, or `--algorithm A`"
    from coprocsim.toolstack import catalogue

    schedule = catalogue.schedule(machine, coproc)
    if not schedule.own:
        return f"a domain has no parameters of its own under `{schedule.scheduler}`: nothing can be changed with `-d`"
    return f"say what to change: `{schedule.own[0].name}={schedule.own[0].default}`"
