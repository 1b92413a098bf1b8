"""Manual pages, from the texts of `--help`: `python -m coprocsim.cli.manual FOLDER`, which `make man` calls."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from coprocsim import __version__
from coprocsim.cli.examples import examples_of
from coprocsim.cli.root import COMMANDS, root

# No summary is as long; `click` cuts at what it is told.
_WHOLE = 1000
# Lines that are not to be wrapped stand after `\b`, up to the end of the paragraph.
_UNWRAPPED = re.compile(r"\x08\n(.*?)\n(?=\.PP|\.SH)", re.DOTALL)
# Otherwise a formatter takes them for typography, and what is pasted is not what was meant.
_AS_TYPED = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga"})


def write(folder: Path) -> None:
    """Write a page for `coprocsim` and for each of its commands to `folder`; needs the extra `man`."""
    folder.mkdir(parents=True, exist_ok=True)
    context = click.Context(root, info_name="coprocsim")
    # They are imported one by one otherwise, when they are called.
    found = {name: root.get_command(context, name) for name in COMMANDS}
    commands = {name: command for name, command in found.items() if command is not None}
    whole = click.Group("coprocsim", commands, params=root.params, help=root.help, epilog=root.epilog)
    for name, page in _pages(click.Context(whole, info_name="coprocsim")):
        (folder / f"{name}.1").write_text(page, "utf-8")


def _pages(context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield the page of a command and of all below it, each with its name."""
    from click_man.core import generate_man_page

    command = context.command
    below = command.commands if isinstance(command, click.Group) else {}
    for each in (command, *below.values()):
        each.short_help = each.get_short_help_str(_WHOLE)
    page = _UNWRAPPED.sub(r".nf\n\1\n.fi\n", generate_man_page(context, version=__version__))
    yield context.command_path.replace(" ", "-"), page + _examples(command)
    for name, each in below.items():
        yield from _pages(click.Context(each, info_name=name, parent=context))


def _examples(command: click.Command) -> str:
    """Return the section that click-man does not know of."""
    lines = (line.translate(_AS_TYPED) for line in examples_of(command))
    return "\n".join((".SH EXAMPLES", ".nf", *lines, ".fi", ""))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
