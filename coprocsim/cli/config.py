"""`config …`: the options that a machine is built with."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coprocsim.cli import messages, offered
from coprocsim.cli.arguments import settings
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import heading, json_option, left, print_json, table

if TYPE_CHECKING:
    from coprocsim.options.kconfig import Option

_SOURCES = {"machine": "the machine that is up", "defaults": "no machine is up: the defaults"}


@click.group("config", epilog=examples("coprocsim config set COPROC_CHARGE_DEBT=y", "coprocsim config show .config"))
def config_command() -> None:
    """Show and set the options that a machine is built with.

    They are algorithms, platforms and defaults.
    """


@config_command.command(epilog=examples("coprocsim config show"))
@click.argument("file", metavar="[FILE]", type=click.Path(), required=False)
@json_option
@click.pass_obj
def show(machine: Path, file: str | None, as_json: bool) -> None:
    """Show the options of FILE, of the machine, or the defaults.

    Without FILE those of the machine that is up; without one, the defaults.
    """
    from coprocsim.toolstack import config

    shown = config.show(machine, file)
    if as_json:
        print_json({"source": shown.source, "file": file, "options": [_document(each) for each in shown.options]})
    else:
        heading(file or _SOURCES[shown.source])
        table(
            left("Option", "Value", "Default", "What it says"),
            [
                (each.name, each.value or "-", "yes" if each.value == each.default else "no", each.summary)
                for each in shown.options
            ],
        )
    for warning in shown.warnings:
        messages.warning(warning)


def _document(option: "Option") -> dict[str, object]:
    return {
        "option": option.name,
        "value": option.value,
        "default": option.default,
        "is_default": option.value == option.default,
        "limits": option.limits,
        "summary": option.summary,
        "help": option.help,
    }


@config_command.command("set", epilog=examples("coprocsim config set COPROC_CHARGE_DEBT=y COPROC_RETRY_FLOOR_US=20"))
@click.argument("values", metavar="NAME=VALUE...", nargs=-1, required=True, shell_complete=offered.option_values)
@click.option("--file", metavar="FILE", type=click.Path(), default=".config", show_default=True, help="The file.")
def set_options(values: tuple[str, ...], file: str) -> None:
    """Set options in a file, which is made if it is not there.

    `coprocsim boot --config FILE` takes it.
    """
    chosen = {each.name: each.value for each in settings(values, "NAME=VALUE", prefix="CONFIG_")}
    from coprocsim.toolstack import config

    warnings = config.change(file, chosen)
    print(f"{file}: {', '.join(f'{name}={value}' for name, value in chosen.items())}")
    for warning in warnings:
        messages.warning(warning)
