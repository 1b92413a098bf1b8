"""`completion`: what a shell needs to complete our commands."""

import click
from click.shell_completion import get_completion_class


@click.command("completion", epilog='Example: eval "$(coprocsim completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print what makes a shell complete commands, options, coprocs and domains."""
    from coprocsim.cli.root import root

    found = get_completion_class(shell)
    assert found is not None
    print(found(root, {}, "coprocsim", "_COPROCSIM_COMPLETE").source())
