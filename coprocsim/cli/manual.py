"""Manual pages, from the texts of `--help`: `python -m coprocsim.cli.manual FOLDER`, which `make man` calls."""

import sys
from pathlib import Path

import click

from coprocsim import __version__
from coprocsim.cli.root import COMMANDS, root


def write(folder: Path) -> None:
    """Write a page for `coprocsim` and for each of its commands to `folder`; needs the extra `man`."""
    from click_man.core import write_man_pages

    folder.mkdir(parents=True, exist_ok=True)
    context = click.Context(root, info_name="coprocsim")
    # They are imported one by one otherwise, when they are called.
    found = {name: root.get_command(context, name) for name in COMMANDS}
    commands = {name: command for name, command in found.items() if command is not None}
    whole = click.Group("coprocsim", commands, params=root.params, help=root.help)
    write_man_pages("coprocsim", whole, version=__version__, target_dir=str(folder))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
