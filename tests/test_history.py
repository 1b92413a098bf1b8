"""The history: what was done to a machine, doing it again, and what is said when it comes out otherwise."""

import json
import shlex
import shutil
import sqlite3
from pathlib import Path

import pytest

from coprocsim.errors import CoprocsimError, StateError
from coprocsim.model import FaultKind, Setting
from coprocsim.store import NoMachine, read
from coprocsim.toolstack import boot, control, domain, history, provoke, stepping
from tests.homes import Home
from tests.machines import MS, US

ROOT = Path(__file__).parents[1]


def on(done_ps: int, total_ps: int) -> bool:
    """Go on to the end."""
    return True


@pytest.fixture
def machine(tmp_path: Path, played: Path) -> Path:
    """A machine to which everything that can be done has been done, without the files that it was done with."""
    return Path(shutil.copy(played, tmp_path))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, in a folder with those files."""
    tmp_path = tmp_path_factory.mktemp("played")
    path = tmp_path / "machine.sqlite"
    boot.boot(path, str(ROOT / "dts/system.dtb"), boot.BootOptions({"xxx0": "generic"}, seed=7))
    cfg = tmp_path / "guest.cfg"
    cfg.write_text(
        'name = "a"\nmemory = 16\ncoproc = [ "gpu0", "xxc0" ]\ndevice_tree = "guest.dtb"\n'
        'coproc_workload = [ "gpu0,kind=poisson,rate=2000,work=exp:300us", "xxc0,kind=trace,file=jobs.csv" ]\n'
    )
    shutil.copy(ROOT / "dts/cockpit-guest.dtb", tmp_path / "guest.dtb")
    (tmp_path / "jobs.csv").write_text("1ms,2ms\n4ms,1ms\n")
    domain.create(path, str(cfg), ("memory=32",), paused=True, dry_run=False)
    domain.unpause(path, "a")
    other = tmp_path / "other.cfg"
    other.write_text('name = "b"\nmemory = 16\ncoproc = [ "gpu0" ]\n')
    domain.create(path, str(other), (), paused=False, dry_run=False)
    control.set_workload(path, "b", "gpu0", (Setting("kind", "backlog"), Setting("work", "700us")), tmp_path)
    control.run(path, 20 * MS, on)
    control.set_schedule(path, "gpu0", None, None, (Setting("slice", "3ms"), Setting("charge", "debt")))
    provoke.inject(path, "gpu0", FaultKind.DENY, "b", 2, 300 * US)
    stepping.step(path, 5, on)
    control.set_schedule(path, "gpu0", "priority", None, ())
    control.set_schedule(path, "gpu0", None, "b", (Setting("priority", "3"),))
    control.run(path, 20 * MS, on)
    provoke.inject(path, "gpu0", FaultKind.FAIL_ENTER, None, None, 0)
    provoke.clear(path, "gpu0")
    provoke.raise_irq(path, "gpu0", control_line(path))
    control.access(path, "a", 0xFD00_0000, 8, 2**64 - 1)
    control.access(path, "a", 0xFD00_0000, 4, None)
    domain.pause(path, "b")
    control.clear_workload(path, "a", "gpu0")
    control.run(path, 10 * MS, on)
    domain.destroy(path, "a")
    control.run(path, 10 * MS, on)
    return path


def control_line(path: Path) -> str:
    """Return the name of a line of gpu0."""
    with read(path) as file:
        return file.load().lines[0].name


def test_everything_done_again_gives_the_same_trace(machine: Path):
    replayed = history.replay(machine, on)
    assert replayed.difference is None
    assert replayed.commands == len(history.history(machine)) == 22
    with read(machine) as file:
        assert replayed.rows == sum(1 for _ in file.trace(0, 2**62)) > 300


def test_the_history_reads_as_it_was_typed(played: Path):
    commands = [(each.at_ps // MS, each.command, each.outcome) for each in history.history(played)]
    guest = played.parent / "guest.cfg"
    assert commands[0] == (0, f"boot {ROOT}/dts/system.dtb --platform xxx0=generic --seed 7", "seed 7")
    assert commands[1] == (0, f"domain create {guest} memory=32 --paused", "domain 1 `a`")
    assert commands[2] == (0, "domain unpause a", "")
    assert commands[4] == (0, "workload set b gpu0 kind=backlog,work=700us", "")
    assert commands[5] == (0, "run 20ms", "up to 0.020000 s")
    assert commands[6] == (20, "sched set gpu0 slice=3ms charge=debt", "")
    assert commands[7] == (20, "fault inject gpu0 deny -d b --for 300us --times 2", "")
    assert (commands[-1][1], commands[-2][1]) == ("run 10ms", "domain destroy a")


def test_a_copy_is_enough_where_the_files_are_gone(machine: Path, tmp_path: Path):
    copy = tmp_path / "monday.machine"
    history.export(machine, copy)
    machine.unlink()
    assert [each.name for each in tmp_path.iterdir()] == ["monday.machine"]
    assert history.replay_file(copy, on).difference is None


def test_a_copy_is_only_looked_at(machine: Path, tmp_path: Path):
    copy, empty = tmp_path / "copy.machine", tmp_path / "empty.machine"
    history.export(machine, copy)
    before = copy.read_bytes()
    assert history.replay_file(copy, on).difference is None
    assert copy.read_bytes() == before
    empty.touch()
    with pytest.raises(StateError, match="there is no machine in"):
        history.replay_file(empty, on)
    assert empty.stat().st_size == 0


def test_what_comes_out_of_a_copy_can_be_gone_on_with(machine: Path, tmp_path: Path):
    copy, other = tmp_path / "monday.machine", tmp_path / "somewhere else/other.sqlite"
    history.export(machine, copy)
    assert history.replay_and_keep(copy, other, on).is_whole
    with read(machine) as mine, read(other) as theirs:
        assert theirs.dump() == mine.dump()
    control.run(other, 10 * MS, on)
    control.run(machine, 10 * MS, on)
    with read(machine) as mine, read(other) as theirs:
        assert theirs.dump() == mine.dump()


def test_a_machine_that_is_up_is_not_lost_to_a_copy(machine: Path, played: Path):
    before = machine.read_bytes()
    with pytest.raises(StateError, match="a machine is up already, and would be lost"):
        history.replay_and_keep(played, machine, on)
    assert machine.read_bytes() == before


def test_nothing_is_kept_of_a_copy_that_comes_out_otherwise_or_is_stopped(machine: Path, tmp_path: Path):
    other = tmp_path / "other.sqlite"
    assert history.replay_and_keep(machine, other, lambda done_ps, total_ps: done_ps < 10 * MS).interrupted
    with pytest.raises(NoMachine), read(other):
        pass
    with sqlite3.connect(machine) as sql:
        sql.execute("UPDATE history SET deed = replace(deed, '700us', '800us')")
    assert history.replay_and_keep(machine, other, on).difference is not None
    with pytest.raises(NoMachine), read(other):
        pass


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda whole: whole[: len(whole) // 2], "database disk image is malformed"),
        (lambda whole: b"/dts-v1/;\n/ { };\n", "file is not a database"),
        # The version of the schema is at byte 60 of an SQLite file, the application's number at 68.
        (
            lambda whole: whole[:60] + b"\0\0\0\x63" + whole[64:],
            "it has version 99 of the machine file, this coprocsim",
        ),
        (lambda whole: whole[:68] + b"\0\0\0\0" + whole[72:], "it is an SQLite file, but not a machine of coprocsim"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_not_taken_for_a_machines(machine: Path, tmp_path: Path, spoil, why: str):
    copy = tmp_path / "monday.machine"
    history.export(machine, copy)
    copy.write_bytes(spoil(copy.read_bytes()))
    with pytest.raises(StateError) as refused:
        history.replay_file(copy, on)
    assert refused.value.what == f"`{copy}` cannot be replayed"
    assert refused.value.why is not None
    assert refused.value.why.startswith(why)
    assert refused.value.hint == "`coprocsim history export FILE` writes a file that can be replayed"


def test_a_long_command_goes_on_below_itself_and_a_shell_reads_it_as_one(tmp_path: Path):
    home = Home(tmp_path)
    home.quickly("boot dts/system.dtb --platform gpu0=generic --platform xxx0=generic --seed 3 --trace-limit 64MiB")
    home.quickly(
        "domain create domains/infotainment.cfg memory=32 'kernel=\"/boot/two words\"' 'on_reboot=\"restart\"' --paused"
    )
    home.quickly("run 12962961667ps")
    lines = home.quickly("history").splitlines()
    assert max(map(len, lines)) <= 80
    place = lines[0].index("Command")
    joined = "\n".join(line[place:] for line in lines[1:]).replace("\\\n", "")
    commands = [each["command"] for each in json.loads(home.quickly("history --json"))["commands"]]
    assert [shlex.split(line) for line in joined.splitlines()] == [shlex.split(command) for command in commands]
    assert len(lines) - 1 > len(commands) == 3
    assert commands[2] == "run 12.962961667ms"


def test_a_copy_goes_over_no_file(machine: Path, tmp_path: Path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(CoprocsimError, match="is there already"):
        history.export(machine, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_how_a_run_was_cut_is_forgotten(tmp_path: Path):
    commands = []
    for name, pieces in (("one", [30]), ("three", [10, 5, 15])):
        path = tmp_path / name
        boot.boot(path, str(ROOT / "dts/system.dtb"), boot.BootOptions({}))
        for piece in pieces:
            control.run(path, piece * MS, on)
        commands.append(history.history(path))
    assert commands[0] == commands[1]


def test_what_failed_is_not_in_it(machine: Path):
    before = history.history(machine)
    with pytest.raises(CoprocsimError):
        control.set_schedule(machine, "gpu0", "nonsense", None, ())
    with pytest.raises(StateError):
        domain.pause(machine, "b")
    assert history.history(machine) == before


def test_the_first_difference_is_named(machine: Path):
    with sqlite3.connect(machine) as sql:
        sql.execute("UPDATE history SET deed = replace(deed, '700us', '800us')")
    difference = history.replay(machine, on).difference
    assert difference is not None
    assert "in `workload set b gpu0 kind=backlog,work=700us`: recorded is " in difference
    assert ", and now it is " in difference


def test_a_trace_that_goes_on_is_a_difference_too(machine: Path):
    with sqlite3.connect(machine) as sql:
        sql.execute("DELETE FROM history WHERE number > 11")
    difference = history.replay(machine, on).difference
    assert difference is not None
    assert difference.endswith("and now it is nothing more")


def test_a_trace_that_has_lost_its_beginning_is_compared_from_there(tmp_path: Path):
    path = tmp_path / "machine.sqlite"
    boot.boot(path, str(ROOT / "dts/minimal.dtb"), boot.BootOptions({}, trace_limit_bytes=1))
    cfg = tmp_path / "guest.cfg"
    work = "xxx0,kind=poisson,rate=20000,work=exp:20us"
    cfg.write_text(f'name = "a"\nmemory = 16\ncoproc = [ "xxx0" ]\ncoproc_workload = [ "{work}" ]\n')
    domain.create(path, str(cfg), (), paused=False, dry_run=False)
    control.run(path, 100 * MS, on)
    replayed = history.replay(path, on)
    assert replayed.difference is None
    assert replayed.begins_ps > 10 * MS
    assert 0 < replayed.rows <= 4096


def test_it_can_be_stopped(machine: Path):
    replayed = history.replay(machine, lambda done_ps, total_ps: done_ps < 10 * MS)
    assert (replayed.interrupted, replayed.difference) == (True, None)
