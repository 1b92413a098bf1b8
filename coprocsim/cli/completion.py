"""`completion`: what a shell needs to complete our commands."""

import click
from click.shell_completion import get_completion_class

from coprocsim.cli.examples import examples


@click.command("completion", epilog=examples('eval "$(coprocsim completion bash)"'))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print what makes a shell complete commands and names.

    Names are those of coprocs, domains, algorithms, parameters, and what else a command takes.
    """
    from coprocsim.cli.root import root

    found = get_completion_class(shell)
    assert found is not None
    print(found(root, {}, "coprocsim", "_COPROCSIM_COMPLETE").source())
