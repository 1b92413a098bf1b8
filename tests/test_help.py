"""What `--help` says is whole, and its examples do what they promise on the machine of the README's session."""

import re
import shlex
import shutil
import subprocess
import sys

import click
import pytest

from coprocsim.cli.examples import examples_of
from coprocsim.cli.root import COMMANDS, root
from coprocsim.cli.xen import MEANT
from tests.homes import PROJECT, Home
from tests.waiting import TIMEOUT_S

COLUMNS = 80
SESSION = (
    "boot dts/system.dtb",
    "domain create domains/instrument-cluster.cfg",
    "domain create domains/infotainment.cfg",
    "run 2s",
)
# They begin a session themselves.
FROM_NOTHING = {"coprocsim", "coprocsim boot"}
NEEDS = {
    "xl": "prints the settings of a real Xen host, which is not here",
    "gtkwave": "is another package, and opens a window",
}


def commands() -> dict[str, click.Command]:
    """Every command by its path."""
    context = click.Context(root)
    found: dict[str, click.Command] = {"coprocsim": root}
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        found[f"coprocsim {name}"] = command
        if isinstance(command, click.Group):
            found |= {f"coprocsim {name} {each}": below for each, below in command.commands.items()}
    return found


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    """A folder without a machine."""
    return Home(tmp_path_factory.mktemp("nothing"))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """The state of the README's first session, to be copied."""
    home = Home(tmp_path_factory.mktemp("session"))
    for line in SESSION:
        assert "[exit" not in home.quickly(line)
    return home.folder


@pytest.mark.parametrize("path", [path for path, each in commands().items() if isinstance(each, click.Group)])
def test_every_summary_is_whole(nothing, path):
    listed = nothing.quickly(f"{path.removeprefix('coprocsim')} --help").partition("\nCommands:\n")[2]
    assert re.findall(r"^ .*(?:\.\.\.|…)$", listed, re.MULTILINE) == []
    assert re.findall(r"^   +\S.*$", listed.partition("\n\n")[0], re.MULTILINE) == [], "a summary is one line"


@pytest.mark.parametrize("path", commands())
def test_every_example_stands_on_a_line_of_its_own(nothing, path):
    lines = nothing.quickly(f"{path.removeprefix('coprocsim')} --help").splitlines()
    examples = examples_of(commands()[path])
    assert examples
    assert lines[-len(examples) :] == [f"    {example}" for example in examples]
    assert max(map(len, lines)) <= COLUMNS
    assert ";" not in "".join(examples)


@pytest.mark.parametrize("path", commands())
def test_every_example_works_one_after_the_other(session, tmp_path, path):
    home = Home(tmp_path)
    if path not in FROM_NOTHING:
        shutil.copytree(session / "state", tmp_path / "state")
    for example in examples_of(commands()[path]):
        if not NEEDS.keys() & set(shlex.split(example)):
            done(example, home)


def done(example: str, home: Home) -> None:
    """Do what an example says, and assert that it has worked."""
    name, _, line = example.partition(" ")
    if name == "coprocsim":
        output = home.quickly(line)
        assert ("[exit" in output, "error:" in output) == (False, False), output
        return
    # It is for a shell, where `coprocsim` is a command.
    script = f'coprocsim() {{ {sys.executable} -m coprocsim "$@"; }}\n{example}'
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT)}
    command = ["bash", "-c", script]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("words", MEANT)
def test_who_types_what_xl_knows_is_told_how_it_is_called_here(nothing, words):
    said = nothing.quickly(f"{words} something")
    assert f"no such command `{words}`: did you mean `coprocsim {MEANT[words]}`?" in said
    # What is named is there.
    assert "[exit" not in nothing.quickly(f"{MEANT[words]} --help")
