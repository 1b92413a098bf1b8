"""The command `coprocsim` itself: its options, and where each of its commands is."""

import os
import re
from importlib import import_module
from itertools import islice
from pathlib import Path

import click

from coprocsim import __version__
from coprocsim.cli.examples import examples
from coprocsim.cli.messages import proposed
from coprocsim.cli.xen import XenGroup
from coprocsim.errors import CoprocsimError

DEFAULT_MACHINE = "default"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")

# Each command's module, in the order in which people meet them; the command is called as its name says.
COMMANDS = {
    "boot": "machine",
    "shutdown": "machine",
    "check": "check",
    "domain": "domain",
    "list": "listing",
    "run": "running",
    "step": "running",
    "sched": "sched",
    "import-settings": "vendors",
    "workload": "workload",
    "mmio": "mmio",
    "irq": "provoke",
    "fault": "provoke",
    "verify": "verify",
    "stats": "stats",
    "top": "top",
    "timeline": "timeline",
    "trace": "trace",
    "report": "report",
    "analyse": "analyse",
    "history": "history",
    "replay": "history",
    "compare": "compare",
    "config": "config",
    "conformance": "conformance",
    "completion": "completion",
}


class _Commands(XenGroup):
    """Imports a command's module when the command is asked for; takes `--machine` behind a command, too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        machine, others = [], []
        words = iter(args[:end])
        for word in words:
            if word.partition("=")[0] != "--machine":
                others.append(word)
            else:
                machine += [word] if "=" in word else [word, *islice(words, 1)]
        if machine[-1:] == ["--machine"]:
            # The name is missing: a command's must not be taken for it.
            others, end = [], len(args)
        return super().parse_args(ctx, [*machine, *others, *args[end:]])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CoprocsimError as error:
            # When it is said, nobody knows any more which machine is meant.
            error.hint = None if error.hint is None else proposed(error.hint)
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f"coprocsim.cli.{COMMANDS[cmd_name]}"), f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(found, click.Command)
        return found


def machine_path(name: str) -> Path:
    """Return where the machine of that name is kept."""
    given = os.environ.get("COPROCSIM_STATE_DIR")
    if given:
        return Path(given) / f"{name}.sqlite"
    from platformdirs import user_state_path

    return user_state_path("coprocsim") / f"{name}.sqlite"


def machine_names() -> list[str]:
    """Return the names of the machines that are kept, up or shut down."""
    folder = machine_path(DEFAULT_MACHINE).parent
    return sorted(each.stem for each in folder.glob("*.sqlite") if _NAME.fullmatch(each.stem))


def _machines(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    del ctx, param
    return [each for each in machine_names() if each.startswith(incomplete)]


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "coprocsim boot dts/system.dtb",
        "coprocsim domain create domains/infotainment.cfg",
        "coprocsim run 100ms",
        "coprocsim list",
        "coprocsim stats",
        "coprocsim timeline",
    ),
)
@click.option(
    "--machine",
    "name",
    metavar="NAME",
    envvar="COPROCSIM_MACHINE",
    default=DEFAULT_MACHINE,
    shell_complete=_machines,
    help="Which of several machines is meant, here or behind a command; COPROCSIM_MACHINE says it for all commands.",
)
@click.version_option(__version__, prog_name="coprocsim", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, name: str) -> None:
    """Emulate Xen's shared coprocessor framework: domains that take turns on coprocessors.

    A machine is booted from a device tree and stays up between commands, until `shutdown`; its time passes with `run`
    only. It is kept in one file under the user's state folder, or in the folder that COPROCSIM_STATE_DIR names.
    """
    if not _NAME.fullmatch(name):
        hint = "letters, digits and `_ . + -`, 64 at most, beginning with a letter, digit or `_`"
        raise click.BadParameter(f"`{name}` cannot be a machine's name: {hint}", param_hint="`--machine`")
    ctx.obj = machine_path(name)
