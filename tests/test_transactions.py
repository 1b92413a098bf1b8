"""One command is one transaction: killed, stopped or beside another one, it is done as a whole or not at all."""

import json
import signal
import sqlite3

import pytest

from coprocsim.store import file as store
from coprocsim.toolstack import control
from tests.homes import PROJECT, Home
from tests.waiting import TIMEOUT_S, wait_until_it_runs, wait_until_it_waits

README = (PROJECT / "coprocsim/cli/README.md").read_text()


def test_a_killed_run_leaves_the_machine_as_it_was(home):
    home.busy()
    before = home.dump()
    process = home.start("run", "10000s")
    # Long enough for a piece of the trace to be written, uncommitted.
    wait_until_it_runs(process, processor_s=2)
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == -signal.SIGKILL
    assert home.dump() == before
    assert home.quickly("run 10ms").startswith("10 ms passed, it is 0.010000 s")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_a_prefix_and_the_machine_goes_on_identically(home, tmp_path_factory, number):
    home.busy()
    process = home.start("run", "10000s")
    wait_until_it_runs(process, processor_s=0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert " passed, it is " in out
    assert err == "note: stopped before its end; everything up to this instant is kept\n"
    stopped_ps = json.loads(home.quickly("list --json"))["now_ps"]
    assert 0 < stopped_ps < 10_000 * 10**12

    other = Home(tmp_path_factory.mktemp("other"))
    other.busy()
    control.run(other.file, stopped_ps, lambda done_ps, total_ps: True)
    assert home.dump() == other.dump()
    for each in (home, other):
        each.quickly("run 70ms")
    assert home.dump() == other.dump()


def test_a_run_until_idle_that_cannot_end_says_so_at_once(home):
    home.busy()
    home.quickly("domain pause polite")
    process = home.start("run", "--until", "idle")
    wait_until_it_runs(process, processor_s=0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert out.endswith("; not idle\n")
    said = "note: `denying` on `xxx0` has a backlog, which never ends: Ctrl-C stops the run and keeps it\n"
    assert err == said + "note: stopped before its end; everything up to this instant is kept\n"
    home.quickly("domain pause denying")
    # Others are idle between two of their jobs.
    assert "backlog" not in home.quickly("run --until idle")


def test_two_commands_at_once_queue_up_and_neither_is_lost(home, tmp_path_factory):
    home.busy()
    processes = [home.start("run", "300ms") for _ in range(3)]
    for process in processes:
        process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
    other = Home(tmp_path_factory.mktemp("other"))
    other.busy()
    for _ in range(3):
        other.quickly("run 300ms")
    assert json.loads(home.quickly("list --json"))["now_ps"] == 900 * 10**9
    assert home.dump() == other.dump()


def test_two_boots_at_once_leave_one_machine(home):
    processes = [home.start("boot", "dts/minimal.dtb") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=TIMEOUT_S)
    assert sorted(process.returncode for process in processes) == [0, 1]
    assert "xxx0" in home.quickly("list coprocs")


def test_who_looks_waits_for_nobody(home):
    home.busy()
    process = home.start("run", "10000s")
    home.wait_for_lock()
    assert "polite" in home.quickly("list vcoprocs")
    process.kill()
    process.communicate(timeout=TIMEOUT_S)


def test_a_file_that_somebody_keeps_to_himself_is_not_said_to_be_damaged(home, monkeypatch):
    home.quickly("boot dts/minimal.dtb")
    monkeypatch.setattr(store, "_BUSY_S", 0.1)
    connection = sqlite3.connect(home.file, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN IMMEDIATE")
    for line in ("list", "run 1ms"):
        assert home.quickly(line) == (
            "error: cannot use the machine's file `state/default.sqlite`: database is locked\n"
            " hint: nothing was changed; another command has it: try again when that is done\n"
            "[exit 1]\n"
        )
    connection.close()
    assert "1 ms passed" in home.quickly("run 1ms")


def test_ctrl_c_while_waiting_for_another_command_changes_nothing(home):
    home.busy()
    before = home.dump()
    connection = sqlite3.connect(home.file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    process = home.start("run", "10ms")
    wait_until_it_waits(process, home.file)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    connection.execute("ROLLBACK")
    connection.close()
    assert process.returncode == 130
    assert err.strip() == "error: interrupted; nothing was changed"
    assert home.dump() == before


def test_a_machine_is_not_put_into_a_file_that_goes_away_while_its_boot_waits(home):
    home.quickly("boot dts/minimal.dtb")
    connection = sqlite3.connect(home.file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    process = home.start("boot", "dts/minimal.dtb", "--force")
    wait_until_it_waits(process, home.file)
    home.file.unlink()
    connection.execute("ROLLBACK")
    connection.close()
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert "default.sqlite` was removed while this command waited for another one\n hint: try again\n" in err


def test_a_command_that_fails_leaves_the_machine_as_it_was(home):
    home.busy()
    home.quickly("run 20ms")
    before = home.dump()
    for line in (
        "domain create domains/refused.cfg",
        "domain create bad-workload.cfg",
        "domain create polite.cfg",
        "sched set xxx0 slice=2ms charge=all",
        "workload set polite xxx0 kind=periodic,period=1ms",
        "domain destroy nobody",
        "boot dts/minimal.dtb",
        "boot no-algorithm.dtb --force",
        "domain create frames.cfg 'name=\"other\"' --dry-run",
    ):
        home.quickly(line)
        assert home.dump() == before, line


# ---------------------------------------------------------------- Ctrl-C before there is anything to do


INTERRUPTED = "error: interrupted; nothing was changed\n"


@pytest.mark.parametrize("module", ["click", "coprocsim.cli.root", "coprocsim.toolstack.control", "coprocsim.engine"])
def test_ctrl_c_while_something_is_imported_is_said_in_a_line(module, home):
    home.quickly("boot dts/minimal.dtb")
    code = f"""
import sys

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
from coprocsim.cli import program
sys.exit(program())
"""
    done = home.python(code, "run", "1ms")
    assert (done.returncode, done.stdout, done.stderr.lstrip("\n")) == (130, "", INTERRUPTED)


def test_ctrl_c_while_a_class_is_made_is_no_bug(home):
    """Python wraps what is raised there: in a RuntimeError before 3.12."""
    home.quickly("boot dts/minimal.dtb")
    code = """
import sys
from coprocsim.cli import program
from coprocsim.store import file as store
from coprocsim.toolstack import control

def interrupted(*arguments):
    raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()

control.run = interrupted
sys.exit(program())
"""
    done = home.python(code, "run", "1ms")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", INTERRUPTED)
