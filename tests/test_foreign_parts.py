"""What a part of another package does wrong is said to be its, and costs the machine nothing."""

import os
import signal

import pytest

from tests.homes import Home
from tests.packages import Site
from tests.waiting import TIMEOUT_S, processes_of, wait_until

SOURCE = """
import os, sys
from coprocsim.schedulers.rrobin import RoundRobin

class Odd(Exception):
    def __init__(self, one, other):
        super().__init__("odd")

class Mine(RoundRobin):
    name = "mine"
    summary = "my own"

    def pick(self, now_ps, turn):
        if now_ps > 5 * 10**9:
            {does}
        return super().pick(now_ps, turn)

    def save(self):
        return {saves}
"""
COMMANDS = ("run 20ms", "compare --algorithm mine,rrobin --for 20ms")


FOR_EVER = "while not open('begun', 'w').close(): pass"
"""What never returns, and leaves a file where it has begun."""


def install(home: Home, does: str, saves: str = "super().save()") -> None:
    """Install a package whose algorithm shares the coproc, and does that."""
    folder = home.folder
    (folder / "site").mkdir()
    Site(folder / "site").install("acme", SOURCE.format(does="pass", saves="super().save()"), "mine = acme:Mine")
    home.environment["PYTHONPATH"] += f"{os.pathsep}{folder / 'site'}"
    home.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    home.busy()
    assert home.run("sched", "set", "xxx0", "--algorithm", "mine")[0] == 0
    (folder / "site/acme.py").write_text(SOURCE.format(does=does, saves=saves))


@pytest.mark.parametrize("command", [COMMANDS[0], pytest.param(COMMANDS[1], marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("does", "raised"),
    [
        ("raise ValueError('I cannot')", "ValueError: I cannot"),
        # It cannot be sent from one process to another as it is.
        ("raise Odd(1, 2)", "acme.Odd: odd"),
        ("sys.exit(0)", "SystemExit: 0"),
        ("open('/nowhere/at/all')", "FileNotFoundError: "),
        ("raise BrokenPipeError", "BrokenPipeError"),
    ],
)
def test_what_a_part_raises_is_its_own_bug(home, command, does, raised):
    install(home, does)
    before = home.dump()
    status, out, err = home.run(*command.split())
    assert (status, out) == (70, "")
    assert raised in err
    assert "\nerror: `acme` of package `acme` has failed; the machine is as it was before this command\n" in err
    assert "it is no bug of coprocsim" in err
    assert home.dump() == before


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_part_saves_and_is_no_json_is_said_of_it(home, command):
    install(home, "pass", saves="{1: object()}")
    before = home.dump()
    status, _, err = home.run(*command.split())
    assert status == 1
    assert err.startswith("error: the scheduler `mine` saves what is no JSON\n why: ")
    assert home.dump() == before


def test_a_process_that_a_part_ends_is_not_blamed_on_memory_alone(home):
    install(home, "os._exit(9)")
    status, _, err = home.run(*COMMANDS[1].split())
    assert status == 1
    assert err.endswith(" hint: is there enough memory? or does `mine` of another package end it?\n")


@pytest.mark.slow
def test_ctrl_c_ends_the_comparison_of_a_part_that_never_returns(home):
    install(home, FOR_EVER)
    before = home.dump()
    process = home.start(*COMMANDS[1].split(), start_new_session=True)
    wait_until((home.folder / "begun").exists, "the part is not called")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, err) == (130, "\nerror: interrupted; nothing was changed\n")
    assert home.dump() == before


@pytest.mark.slow
def test_who_is_killed_while_a_part_never_returns_leaves_no_process_behind(home):
    install(home, FOR_EVER)
    process = home.start(*COMMANDS[1].split(), start_new_session=True)
    wait_until((home.folder / "begun").exists, "the part is not called")
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    wait_until(lambda: not processes_of(process.pid), "a process is left")


def test_a_package_that_ends_python_when_it_is_imported_is_refused(home):
    install(home, "pass")
    (home.folder / "site/acme.py").write_text("import sys\nsys.exit(0)\n")
    status, _, err = home.run("run", "1ms")
    assert status == 1
    assert err.startswith("error: `acme:Mine` cannot be imported: SystemExit: 0\n why: `acme` says that it adds `mine`")
