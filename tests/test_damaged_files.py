"""A machine's file that something has damaged: every command says so, and leaves it as it is."""

import contextlib
import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from coprocsim.cli import EXIT_MISTAKE, main
from coprocsim.store import file as store
from tests.cli import golden

_COMMANDS = (
    *("list", "stats", "run 1ms", "verify", "timeline", "domain show frames", "sched xxx0", "step", "shutdown"),
    *("analyse", "history", "replay", "report page.html", "trace", "trace show", "trace export out.csv", "top -n 1"),
    *("sched set xxx0 --algorithm credit", "workload show", "fault list", "replay state/default.sqlite"),
)
_DAMAGES = 200


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """Return the file of a machine on which something goes on, all of it in that one file."""
    golden.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", "state")
    for command in ("boot dts/minimal.dtb", "domain create frames.cfg", "domain create polite.cfg", "run 100ms"):
        assert main(command.split()) == 0
    path: Path = tmp_path / "state/default.sqlite"
    sql(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


def damages(good: bytes) -> Iterator[bytes]:
    """Yield what a bad disk, a bad cable or a stopped copy may make of a file."""
    chance = random.Random(1)
    for number in range(_DAMAGES):
        at, length = chance.randrange(len(good)), chance.choice([1, 16, 512, 20_000])
        match number % 4:
            case 0:
                yield good[:at]
            case 1:
                yield good[:at] + bytes(length) + good[at + length :]
            case 2:
                yield good[:at] + chance.randbytes(length) + good[at + length :]
            case _:
                spoilt = bytearray(good)
                for _ in range(20):
                    spoilt[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
                yield bytes(spoilt)


def test_a_damaged_file_is_an_error_and_is_left_as_it_is(machine, capsys):
    for number, spoilt in enumerate(damages(machine.read_bytes())):
        command = _COMMANDS[number % len(_COMMANDS)]
        for path in machine.parent.iterdir():
            path.unlink()
        machine.write_bytes(spoilt)
        status = main(command.split())
        said = capsys.readouterr().err
        assert status in {0, EXIT_MISTAKE}, said
        if said.startswith("error"):
            assert machine.read_bytes() == spoilt, command


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE vcoproc SET coproc_id = 'xyz0'", "a row of `vcoproc` is about a `coproc` that is not there"),
        ("UPDATE coproc SET use = 'walk'", "`xxx0` is said to be used for `walk`"),
        ("UPDATE coproc SET switching = '{'", "how far `xxx0` is with a switch"),
        ("UPDATE coproc SET path = NULL", "table `coproc`: column `path` holds NoneType"),
    ],
)
def test_a_row_that_no_coprocsim_has_written_is_an_error(machine, statement, why, capsys):
    # A torn page can leave what the schema does not allow.
    with sqlite3.connect(machine) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'path TEXT NOT NULL', 'path TEXT')")
    connection.close()
    sql(machine, statement)
    capsys.readouterr()
    assert main(["stats"]) == EXIT_MISTAKE
    said = capsys.readouterr().err
    assert said.startswith(f"error: the machine's file `{Path('state/default.sqlite')}` is damaged\n why: ")
    assert why in said


def loosened(path: Path) -> list[tuple[str, str]]:
    """Let the tables of a file hold whatever it is; return their columns, but for keys that are row numbers."""
    old, new = sqlite3.connect(path, isolation_level=None), sqlite3.connect(":memory:", isolation_level=None)
    found = []
    for table, statement in old.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall():
        columns = old.execute(f"PRAGMA table_info({table})").fetchall()
        is_alone = sum(each[5] > 0 for each in columns) == 1
        kept = [name for _, name, of, *_, key in columns if of == "INTEGER" and key and is_alone]
        lines = statement.replace(" NOT NULL", "").replace(") STRICT", ")").replace(", ", ",\n    ").split("\n")
        free = (re.sub(r"^    ([a-z_]\w*) (INTEGER|TEXT|ANY|BLOB)", r"    \1", line) for line in lines)
        new.execute("\n".join(lines if kept else free))
        for row in old.execute(f"SELECT * FROM {table} ORDER BY rowid"):
            new.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        found += [(table, name) for _, name, *_ in columns if name not in kept]
    for pragma in ("application_id", "user_version"):
        new.execute(f"PRAGMA {pragma} = {old.execute(f'PRAGMA {pragma}').fetchone()[0]}")
    old.close()
    path.write_bytes(new.serialize())
    new.close()
    return found


VALUES = [
    "NULL",
    *(pytest.param(value, marks=pytest.mark.slow) for value in ("'x'", "x'ff00'", "-1", "1.5", "'{}'", "'-1'")),
]


@pytest.mark.parametrize("value", [*VALUES, "9223372036854775807"])
def test_whatever_a_column_holds_is_no_bug_of_ours(machine, value, capsys):
    columns = loosened(machine)
    good = machine.read_bytes()
    assert main(["verify"]) == 0
    for number, (table, column) in enumerate(columns):
        machine.write_bytes(good)
        with contextlib.suppress(sqlite3.IntegrityError):
            sql(machine, f"UPDATE {table} SET {column} = {value} WHERE rowid = (SELECT min(rowid) FROM {table})")
        for command in (_COMMANDS[number % len(_COMMANDS)], "stats", "step 1"):
            status = main(command.split())
            said = capsys.readouterr().err
            assert status in {0, EXIT_MISTAKE}, f"{table}.{column}, {command}: {said}"
            assert status == 0 or said.startswith("error: "), said


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE trace_chunk SET rows = 0", "what table `trace_chunk` says of chunk 1 cannot be"),
        ("UPDATE vcoproc SET state = 'HUNGRY'", "`d1v0` is said to be `HUNGRY`"),
        ("INSERT INTO denial VALUES ('xxx0', 'me', 'd1v0', 1, 1)", "`me` is said to be a vcoproc"),
        ("UPDATE event SET at_ps = 1", "was due in the past"),
        ("UPDATE event SET kind = 'party' WHERE kind = 'turn'", "an event is of no kind, but `party`"),
        (
            "UPDATE machine SET armed = 9223372036854775807",
            "a number in table `machine` of the machine's file has outgrown",
        ),
        ("UPDATE coproc SET clock_hz = 0", "`xxx0` has a clock of 0 Hz"),
        ("UPDATE coproc_region SET name = '9'", "`xxx0` has no range `0`, where a domain has a window to it"),
        ("UPDATE histogram SET kind = 'x' WHERE kind = 'wait'", "`x` is none of the times that are counted"),
    ],
)
def test_what_no_machine_can_be_is_an_error(machine, statement, why, capsys):
    sql(machine, statement)
    capsys.readouterr()
    assert EXIT_MISTAKE in {main(["stats"]), main(["run", "1ms"])}
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run 100ms", "replay", "compare --algorithm rrobin --for 100ms"])
@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM open_job", "the machine's file is damaged, or the workload `backlog` is at fault"),
        ("UPDATE history SET deed = '{'", "its history: "),
        ("UPDATE history SET deed = replace(deed, 'boot', 'run') WHERE number = 1", "its history: "),
        ("DELETE FROM history WHERE number = 1", "its history does not begin with its boot"),
        ("UPDATE history SET deed = replace(deed, 'xxx0', 'xyz0')", "is about 'xyz0', which is not there"),
    ],
)
def test_what_a_command_needs_and_cannot_read_is_an_error(machine, command, statement, why, capsys):
    sql(machine, statement)
    capsys.readouterr()
    is_needed = ("history" in statement.split()) == (command == "replay")
    assert main(command.split()) == (EXIT_MISTAKE if is_needed else 0)
    said = capsys.readouterr().err
    assert said.startswith("error: ") == is_needed
    assert not is_needed or why in said


@pytest.mark.parametrize("command", ["run 100ms", "stats", "report page.html"])
def test_a_histogram_that_nobody_has_encoded_is_an_error(machine, command, capsys):
    sql(machine, "UPDATE histogram SET encoded = 'SElTVA=='")
    capsys.readouterr()
    assert main(command.split()) == EXIT_MISTAKE
    assert "is damaged\n why: how times are spread cannot be read: " in capsys.readouterr().err


def test_an_event_of_nobody_is_an_error(machine, capsys):
    sql(machine, "UPDATE event SET owner = 'xyz0' WHERE owner = 'xxx0' AND kind = 'turn'")
    capsys.readouterr()
    assert main(["run", "1ms"]) == EXIT_MISTAKE
    assert "why: an event `turn` is of `xyz0`, which is not there" in capsys.readouterr().err


def test_a_file_that_can_only_be_looked_at_is_shown_and_nothing_is_made_beside_it(machine, monkeypatch, capsys):
    # As root no folder of a test is read-only; a folder on a medium that is behaves as this one is taken.
    monkeypatch.setattr(store, "_is_unchanging", lambda path: True)
    before = machine.read_bytes()
    for command in ("list", "verify", "stats"):
        assert main([command]) == 0
        assert [path.name for path in machine.parent.iterdir()] == [machine.name]
    assert machine.read_bytes() == before
