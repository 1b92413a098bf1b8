"""`import-settings`: what another scheduler was told, as `sched set` here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coprocsim.cli import offered
from coprocsim.cli.arguments import coprocs
from coprocsim.cli.examples import examples
from coprocsim.cli.messages import printable, program
from coprocsim.cli.tables import json_option, print_json

if TYPE_CHECKING:
    from coprocsim.model import Setting
    from coprocsim.toolstack.vendors import Imported

_FORMATS = "nvidia|xe|gim|xl"

_LETTERS_MAX = 1_000_000


@click.command(
    "import-settings",
    epilog=examples(
        "coprocsim import-settings nvidia 0x00020001", "xl sched-credit | coprocsim import-settings xl - --coproc gpu0"
    ),
)
@click.argument("form", metavar=_FORMATS, shell_complete=offered.settings_format)
@click.argument("value", metavar="VALUE|-")
@click.option(
    "--coproc", metavar="COPROC", shell_complete=coprocs, help="Whose these are to be; must be there, if a machine is."
)
@json_option
@click.pass_obj
def import_settings_command(machine: Path, form: str, value: str, coproc: str | None, as_json: bool) -> None:
    """Show what settings of another scheduler are here.

    Commands to type, and what does not carry over. nvidia: a value of RmPVMRL. xe: exec_quantum_ms=,
    preempt_timeout_us=, sched_priority=. gim: lines of gim_config. xl: what xl sched-credit or xl sched-rtds prints.
    `-` reads it from standard input. Nothing is changed.
    """
    from coprocsim.toolstack import vendors
    from coprocsim.toolstack.typed import sched_set

    imported = vendors.load(form, _standard_input() if value == "-" else value)
    if coproc is not None:
        imported = _for_coproc(machine, imported, coproc)
    if as_json:
        print_json(
            {
                "algorithm": imported.algorithm,
                "settings": imported.settings,
                "domains": imported.domains,
                "lost": list(imported.lost),
            }
        )
        return
    whose = coproc or "COPROC"
    commands = [sched_set(whose, imported.algorithm, _settings(imported.settings))]
    commands += [sched_set(whose, None, _settings(own), domain=name) for name, own in imported.domains.items()]
    for command in commands:
        print(printable(f"{program()} {command}"))
    if imported.lost:
        print("does not carry over:")
        for each in imported.lost:
            print(f"  {printable(each)}")


def _for_coproc(machine: Path, imported: "Imported", coproc: str) -> "Imported":
    """Return what of it can be set on the machine that is up; all of it where none is."""
    from coprocsim.observe.view import view
    from coprocsim.store import NoMachine, read
    from coprocsim.toolstack.vendors import for_coproc

    try:
        with read(machine) as file:
            seen = view(file)
    except NoMachine:
        return imported
    return for_coproc(imported, seen, coproc)


def _settings(settings: dict[str, str]) -> "list[Setting]":
    from coprocsim.model import Setting

    return [Setting(name, value) for name, value in settings.items()]


def _standard_input() -> str:
    from coprocsim.errors import CoprocsimError

    text = sys.stdin.read(_LETTERS_MAX + 1)
    if len(text) > _LETTERS_MAX:
        raise CoprocsimError(f"standard input has more than {_LETTERS_MAX:,} letters: no settings are as long")
    return text
