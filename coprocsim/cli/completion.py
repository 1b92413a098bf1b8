"""`completion`: what a shell needs to complete our commands."""

import os

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from coprocsim.cli import ASKED_BY
from coprocsim.cli.examples import examples

# What parts words for bash, and not for us.
_PARTS = ("=", "@", ":")


class _Bash(BashComplete):
    """Bash takes `key=value` and `/soc/gsx@fd000000` for three words, and replaces the last of them only."""

    # Behind `key=` the value follows, and no space.
    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)", "COMPREPLY+=($value); [[ $value == *= ]] && compopt -o nospace"
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_WORDS"])
        place = int(os.environ["COMP_CWORD"])
        whole: list[str] = []
        joins = False
        for word in [*words, ""][: place + 1]:
            parts = word in _PARTS
            if whole and (joins or parts):
                whole[-1] += word
            else:
                whole.append(word)
            joins = parts
        return whole[1:-1], whole[-1]

    def complete(self) -> str:
        arguments, incomplete = self.get_completion_args()
        stays = incomplete[: max(map(incomplete.rfind, _PARTS)) + 1]
        found = self.get_completions(arguments, incomplete)
        return "\n".join(self.format_completion(CompletionItem(_without(stays, each), each.type)) for each in found)


def _without(stays: str, item: "CompletionItem[str]") -> str:
    return str(item.value).removeprefix(stays)


def prepare() -> None:
    """Let click know how a shell of ours completes; it does so when `ASKED_BY` is set."""
    add_completion_class(_Bash)


@click.command("completion", epilog=examples('eval "$(coprocsim completion bash)"'))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print what makes a shell complete commands and names.

    Names are those of coprocs, domains, algorithms, parameters, and what else a command takes.
    """
    from coprocsim.cli.root import root

    prepare()
    found = get_completion_class(shell)
    assert found is not None
    print(found(root, {}, "coprocsim", ASKED_BY).source())
