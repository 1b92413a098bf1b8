"""The examples of a command's help: each on a line of its own, so that what is pasted is what is run."""

import click

_UNWRAPPED = "\b"


def examples(*lines: str) -> str:
    """Return the epilog of a command: commands as they are typed, which click leaves as they are."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join((_UNWRAPPED, title, *(f"  {line}" for line in lines)))


def examples_of(command: click.Command) -> list[str]:
    """Return the lines that `examples` was given for a command."""
    unwrapped, _, lines = (command.epilog or "").partition("\n")
    return [line.strip() for line in lines.splitlines()[1:]] if unwrapped == _UNWRAPPED else []
