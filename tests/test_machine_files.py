"""Where machines are kept: files that are not ours, are damaged or cannot be, and several of them apart."""

import contextlib
import resource
import sqlite3
from pathlib import Path

import pytest

from coprocsim.errors import StateError
from coprocsim.toolstack.boot import keeping_in
from tests.homes import PROJECT

README = (PROJECT / "coprocsim/cli/README.md").read_text()


def someone_elses(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")
        connection.execute("INSERT INTO recipe VALUES ('goulash')")
    connection.close()


def of_another_version(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[2000:20000] = b"\xff" * 18000
    path.write_bytes(data)


def no_database(path: Path) -> None:
    path.write_text("Dear diary, today I learnt about coprocessors.\n" * 100)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (someone_elses, "is an SQLite file, but not a machine of coprocsim"),
        (of_another_version, "has version 99 of the machine file, this coprocsim reads version"),
        (damaged, "cannot use the machine's file"),
        (no_database, "cannot use the machine's file"),
    ],
)
@pytest.mark.parametrize("line", ["list", "stats", "run 1ms", "boot dts/minimal.dtb --force", "shutdown"])
def test_a_file_that_is_not_ours_is_refused_and_not_touched(home, spoil, said, line):
    if spoil is not someone_elses:
        home.busy()
    else:
        home.file.parent.mkdir()
    spoil(home.file)
    before = home.file.read_bytes()
    output = home.quickly(line)
    assert output.startswith("error: ")
    assert said in output
    assert output.endswith("[exit 1]\n")
    assert "Traceback" not in output
    assert home.file.read_bytes() == before


def test_an_empty_file_is_no_machine_and_can_become_one(home):
    home.file.parent.mkdir()
    home.file.touch()
    assert "no machine is up" in home.quickly("list")
    assert "Minimal example" in home.quickly("boot dts/minimal.dtb")
    assert "xxx0" in home.quickly("list coprocs")


def test_a_state_that_a_plugin_cannot_read_is_a_mistake_of_the_file(home):
    home.busy()
    with sqlite3.connect(home.file) as connection:
        connection.execute("UPDATE plugin SET state = '{}' WHERE kind = 'scheduler'")
    connection.close()
    output = home.quickly("run 1ms")
    assert "does not hold what this coprocsim and its plugins have saved" in output
    assert output.endswith("[exit 1]\n")
    assert "polite" in home.quickly("list vcoprocs")


def test_a_folder_that_cannot_be_made_is_an_error(home):
    (home.folder / "state").write_text("a file where a folder should be")
    status, out, err = home.run("boot", "dts/minimal.dtb")
    assert (status, out) == (1, "")
    assert err == (
        "error: cannot make the folder `state`: File exists\n"
        " why: the machine is kept there between two commands\n"
        " hint: `COPROCSIM_STATE_DIR` names another folder\n"
    )
    assert "no machine is up" in home.quickly("list")


def test_a_folder_that_takes_no_files_is_an_error(home):
    """The kernel's /proc refuses even root."""
    status, out, err = home.run("boot", "dts/minimal.dtb", environment={"COPROCSIM_STATE_DIR": "/proc"})
    assert (status, out) == (1, "")
    assert "must be yours to write" in err


@pytest.mark.parametrize("limit_bytes", [0, 20_000])
@pytest.mark.parametrize("line", ["boot dts/minimal.dtb", "replay whole.machine --keep"])
def test_a_disk_that_is_full_is_left_as_it_was(home, line, limit_bytes):
    home.quickly("boot dts/minimal.dtb")
    home.quickly("history export whole.machine")
    home.environment["COPROCSIM_STATE_DIR"] = "new/state"
    before = sorted(home.folder.rglob("*"))
    small = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))}
    status, out, err = home.run(*line.split(), **small)
    assert (status, out) == (1, "")
    assert "make room on the disk" in err
    assert sorted(home.folder.rglob("*")) == before


def test_a_boot_that_fails_leaves_alone_what_others_have_put_into_its_folder(home):
    (home.folder / "new").mkdir()
    with contextlib.suppress(StateError), keeping_in(home.folder / "new/state/deep"):
        (home.folder / "new/state/other.sqlite").touch()
        raise StateError("not now")
    assert sorted(path.name for path in (home.folder / "new").rglob("*")) == ["other.sqlite", "state"]


def test_machines_are_kept_apart(home):
    home.quickly("boot dts/minimal.dtb")
    home.quickly("--machine other boot dts/system.dtb")
    assert "gpu0" not in home.quickly("list coprocs")
    assert "gpu0" in home.quickly("--machine other list coprocs")
    status, out, _ = home.run("list", "coprocs", environment={"COPROCSIM_MACHINE": "other"})
    assert status == 0
    assert "gpu0" in out
    assert sorted(path.name for path in (home.folder / "state").glob("*.sqlite")) == ["default.sqlite", "other.sqlite"]


def test_the_machines_that_are_kept_are_listed(home):
    assert home.quickly("list machines").split() == ["Machine", "State", "Domains", "Time(s)", "Model"]
    home.quickly("boot dts/system.dtb")
    home.quickly("run 20ms")
    home.quickly("boot dts/minimal.dtb --machine second")
    home.quickly("shutdown --machine second")
    (home.folder / "state/third.sqlite").write_text("no database")
    _, *rows = home.quickly("list machines").splitlines()
    # Domain-0 is one.
    assert [row.split(maxsplit=4) for row in rows] == [
        ["default", "up", "1", "0.020000", "R-Car H3 shaped example"],
        ["second", "down", "-", "-", "-"],
        ["third", "unreadable", "-", "-", "-"],
    ]
    assert home.quickly("list").startswith("R-Car H3 shaped example, up for 0.020000 s\n\nCoproc ")


def test_without_a_folder_of_its_own_a_machine_is_in_the_users(home):
    del home.environment["COPROCSIM_STATE_DIR"]
    home.environment |= {"HOME": str(home.folder), "XDG_STATE_HOME": str(home.folder / "xdg")}
    assert home.run("boot", "dts/minimal.dtb")[0] == 0
    assert list(home.folder.rglob("default.sqlite"))


def test_a_damaged_trace_is_an_error(home):
    home.quickly("boot dts/minimal.dtb")
    home.quickly("run 1ms")
    path = home.folder / "state" / "default.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT OR REPLACE INTO trace_chunk VALUES (1, 0, 0, 1, x'00ff')")
        connection.commit()
    status, _, err = home.run("timeline")
    assert status == 1
    assert err.startswith("error: the machine's trace is damaged\n")
    assert "boot --force" in err
