"""`check`: what is wrong with a tree and configs, without a machine."""

from typing import TYPE_CHECKING, NamedTuple

import click

from coprocsim.cli import messages, offered
from coprocsim.cli.arguments import settings
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import json_option, print_json

if TYPE_CHECKING:
    from coprocsim.errors import Problem

EXIT_PROBLEMS = 1


@click.command("check", epilog=examples("coprocsim check dts/system.dtb domains/instrument-cluster.cfg"))
@click.argument("tree", metavar="SYSTEM.dtb|.dts", type=click.Path())
@click.argument("configs", metavar="[GUEST.cfg]...", nargs=-1, type=click.Path())
@click.option(
    "--platform", "platforms", metavar="ID=NAME", multiple=True, shell_complete=offered.platforms, help="As for `boot`."
)
@click.option("--config", metavar="FILE", type=click.Path(), help="As for `boot`.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@json_option
def check_command(
    tree: str, configs: tuple[str, ...], platforms: tuple[str, ...], config: str | None, strict: bool, as_json: bool
) -> int:
    """Find all that is wrong with a device tree and configs.

    Not only the first mistake of it; no machine is needed or touched. The guests are taken as created one after the
    other. An error is what `boot` or `domain create` would refuse, a warning what they would accept and you may not
    mean.

    Exits with 1 if there is an error, with `--strict` if there is anything.
    """
    from coprocsim.errors import Severity
    from coprocsim.toolstack.boot import BootOptions
    from coprocsim.toolstack.check import check

    chosen = {setting.name: setting.value for setting in settings(platforms, "ID=NAME")}
    checked = check(tree, configs, BootOptions(chosen, config_path=config))
    errors = sum(problem.severity is Severity.ERROR for problem in checked.problems)
    warnings = len(checked.problems) - errors
    if as_json:
        problems = [_row(problem) for problem in checked.problems]
        print_json({"problems": problems, "errors": errors, "warnings": warnings, "files": checked.files})
    else:
        for problem in checked.problems:
            messages.problem(problem)
        counts = f"{messages.many(errors, 'error')}, {messages.many(warnings, 'warning')}"
        print(f"{counts} in {messages.many(checked.files, 'file')}")
    return EXIT_PROBLEMS if errors or (strict and warnings) else 0


class _Row(NamedTuple):
    """A problem; the fields' names are the keys of `--json`."""

    severity: str
    what: str
    why: str | None
    hint: str | None
    path: str | None
    line: int | None
    column: int | None
    node: str | None
    property: str | None


def _row(problem: "Problem") -> _Row:
    from coprocsim.errors import NodePlace, Span

    text = problem.place if isinstance(problem.place, Span) else None
    tree = problem.place if isinstance(problem.place, NodePlace) else None
    return _Row(
        problem.severity.value,
        problem.what,
        problem.why,
        problem.hint,
        text.path if text else problem.path,
        text.line if text else None,
        text.column if text else None,
        tree.node if tree else None,
        tree.property if tree else None,
    )
