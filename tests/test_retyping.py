"""What the history says can be typed: on another machine it does the same."""

import json
import shlex
from typing import get_args

import click
import pytest

from coprocsim.cli.root import root
from coprocsim.model import TraceRow
from coprocsim.snapshot import HistoryRow, Snapshot
from coprocsim.store import read
from coprocsim.toolstack.deeds import Done
from coprocsim.units import TIMELINE_END_PS
from tests.homes import Home

# Every command that changes a machine, with each of its options, and with what a shell would read otherwise.
SESSION = """
boot --config -my.config 'my trees/system.dtb' --platform xxx0=generic --seed 3 --trace-limit 64MiB
domain create -- -a.cfg memory=32 'coproc_workload=["gpu0,kind=poisson,rate=2000,work=exp:300us"]'
domain create --paused b.cfg
domain unpause 2
run 12345678901ps
run --cycles 777 --coproc gpu0
run 5ms --until idle
step 3
workload set 2 gpu0 kind=trace uncuttable=all 'file=my jobs.csv'
sched set gpu0 slice=3ms charge=debt
sched set pcoproc0 --algorithm rrobin slice=4ms
sched set gpu0 --algorithm credit slice=4ms
sched set gpu0 -d 2 weight=512 cap=50
fault inject gpu0 deny --for 300us --times 3
fault inject gpu0 fail-enter -d 2 --always
fault inject gpu0 hang
run 1666666667ps
fault clear gpu0
fault inject gpu0 deny --always
irq raise xxc0 194
mmio write 1 4244635648 255 --size 8
mmio read a 0xfd000000 --size 1
mmio read a 0xfd000000
domain pause b
run 3ms
workload clear a gpu0
domain destroy 2
run 50ms
"""
# These say what is printed, or that nothing is done; or what there was before.
WITHOUT_TRACE = {"--json", "--dry-run", "--force"}
CHANGING = [
    tuple(words.split())
    for words in (
        "boot",
        "run",
        "step",
        "domain create",
        "domain destroy",
        "domain pause",
        "domain unpause",
        "sched set",
        "workload set",
        "workload clear",
        "mmio read",
        "mmio write",
        "irq raise",
        "fault inject",
        "fault clear",
    )
]


@pytest.fixture
def home(tmp_path):
    """A folder with what the session reads."""
    home = Home(tmp_path)
    (home.folder / "my trees").symlink_to(home.folder / "dts")
    home.quickly("config set COPROC_RETRY_FLOOR_US=20 --file -my.config")
    (home.folder / "my jobs.csv").write_text("1ms,2ms\n4ms,1ms\n")
    for number, name in enumerate("ab"):
        uuid = f"6b0f4c5e-9d0a-4c53-8f0e-3a1d5e7c2b4{number}"
        config = f'name = "{name}"\nuuid = "{uuid}"\nmemory = 16\ncoproc = [ "gpu0" ]\n'
        (home.folder / ("-a.cfg", "b.cfg")[number]).write_text(config)
    return home


def rows(home: Home, machine: str) -> tuple[Snapshot, list[TraceRow], list[HistoryRow]]:
    """Return all of a machine: itself, its trace, and what was done to it, as text and as deeds."""
    with read(home.file.with_name(f"{machine}.sqlite")) as file:
        return file.load(), list(file.trace(0, TIMELINE_END_PS)), file.rows(HistoryRow)


def test_what_the_history_says_does_the_same_when_it_is_typed(home):
    for line in SESSION.strip().splitlines():
        output = home.quickly(line)
        assert "error" not in output, f"{line}: {output}"
    for entry in json.loads(home.quickly("history --json"))["commands"]:
        output = home.quickly(f"--machine other {entry['command']}")
        assert "error" not in output, f"{entry['command']}: {output}"
    assert rows(home, "other") == rows(home, "default")
    done = {json.loads(row.deed)["deed"] for row in rows(home, "other")[2]}
    assert done == {each.__struct_config__.tag for each in get_args(Done)}, "nothing that can be done is left out"
    assert len(rows(home, "other")[1]) > 300


def test_the_session_has_every_command_that_changes_a_machine_and_all_its_options():
    typed = [shlex.split(line) for line in SESSION.strip().splitlines()]
    for verbs in CHANGING:
        command: click.Command | None = root
        for verb in verbs:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), verb)
        assert command is not None
        used = {word for words in typed if words[: len(verbs)] == list(verbs) for word in words}
        assert used, verbs
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not WITHOUT_TRACE & set(parameter.opts):
                assert used & set(parameter.opts), f"{verbs}: {parameter.opts}"
