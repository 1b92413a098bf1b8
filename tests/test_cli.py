"""The command line as a program: processes, signals, terminals, files that are not ours."""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from coprocsim.cli import main
from coprocsim.cli.root import COMMANDS, root
from coprocsim.toolstack import control
from tests.homes import PROJECT, TIMEOUT_S, Home

README = (PROJECT / "coprocsim/cli/README.md").read_text()


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """A machine that is only looked at."""
    home = Home(tmp_path_factory.mktemp("looked_at"))
    home.busy()
    home.quickly("run 60ms")
    return home


# ---------------------------------------------------------------- one command, one transaction


def test_a_killed_run_leaves_the_machine_as_it_was(home):
    home.busy()
    before = home.dump()
    process = home.start("run", "10000s")
    home.wait_for_lock()
    # Long enough for pieces of the trace to go to the file, uncommitted.
    time.sleep(2)
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == -signal.SIGKILL
    assert home.dump() == before
    assert home.quickly("run 10ms").startswith("10 ms passed, it is 0.010000 s")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_a_prefix_and_the_machine_goes_on_identically(home, tmp_path_factory, number):
    home.busy()
    process = home.start("run", "10000s")
    home.wait_for_lock()
    time.sleep(1)
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
    home.wait_for_lock()
    time.sleep(1)
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


def test_ctrl_c_while_waiting_for_another_command_changes_nothing(home):
    home.busy()
    before = home.dump()
    connection = sqlite3.connect(home.file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    process = home.start("run", "10ms")
    # It has said nothing to wait for: give it the time to get to the lock.
    time.sleep(1.5)
    assert process.poll() is None, "it waits"
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
    time.sleep(1.5)
    assert process.poll() is None, "it waits"
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


# ---------------------------------------------------------------- files that are not ours


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


# ---------------------------------------------------------------- what is loaded

_RULES = ("lark", "fdt", "kconfiglib", "rich", "platformdirs")
_MACHINERY = (
    "engine",
    "hypervisor",
    "schedulers",
    "platforms",
    "hardware",
    "guests",
    "xlcfg",
    "devicetree",
    "toolstack",
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "vcoprocs"],
        ["list", "vcoprocs", "--json"],
        ["stats"],
        ["stats", "--since", "1ms"],
        ["timeline"],
        ["timeline", "--by", "vcoproc"],
        ["trace"],
        ["trace", "show"],
        ["trace", "export", "rows.csv"],
        ["workload", "show"],
        ["domain", "show", "polite"],
    ],
    ids=" ".join,
)
def test_looking_loads_no_parser_no_engine_and_no_plugin(looked_at, arguments):
    program = "import sys; from coprocsim.cli import main; assert main(sys.argv[1:]) == 0; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=looked_at.folder,
        env=looked_at.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    forbidden = {*_RULES, *(f"coprocsim.{name}" for name in _MACHINERY)}
    assert not loaded & forbidden
    if arguments == ["list", "vcoprocs"]:
        assert not loaded & {"msgspec", "json", "difflib", "hdrh", "coprocsim.model", "coprocsim.store.trace"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "1ms"],
        ["sched", "set", "xxx0", "--algorithm", "rrobin"],
        ["list", "schedulers"],
        ["boot", "dts/minimal.dtb", "--force"],
    ],
    ids=" ".join,
)
def test_only_who_reads_a_config_of_options_loads_kconfiglib(home, arguments):
    home.quickly("config set COPROC_PLAT_GENERIC=n")
    home.quickly("boot dts/minimal.dtb --config .config")
    program = "import sys; from coprocsim.cli import main; assert main(sys.argv[1:]) == 0; print(*sys.modules)"
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=home.folder, env=home.environment, capture_output=True, text=True, check=True)
    assert "kconfiglib" not in done.stdout.splitlines()[-1].split()


def test_looking_works_when_a_plugin_is_gone(home):
    home.busy()
    with sqlite3.connect(home.file) as connection:
        connection.execute("UPDATE coproc SET algorithm = 'gone', platform = 'lost'")
    connection.close()
    for line in ("list", "stats", "domain show polite", "workload show", "sched xxx0"):
        assert "[exit" not in home.quickly(line), line
    output = home.quickly("run 1ms")
    assert output.startswith("error: the platform `lost` is not installed\n")
    assert output.endswith("[exit 1]\n")


# ---------------------------------------------------------------- help, usage, bugs


def commands() -> Iterator[list[str]]:
    """Yield every command, as words."""
    context = click.Context(root)
    for name in COMMANDS:
        yield [name]
        found = root.get_command(context, name)
        if isinstance(found, click.Group):
            yield from ([name, each] for each in found.commands)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example(home, words):
    for option in ("--help", "-h"):
        output = home.quickly(" ".join([*words, option]))
        assert output.startswith(f"Usage: coprocsim {' '.join(words)}")
        assert "coprocsim" in output.partition("  Example")[2]
        assert "[exit" not in output


def test_the_command_itself_has_help_that_names_every_command(home):
    output = home.quickly("--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", output, re.MULTILINE)
    assert home.quickly("--version").startswith("coprocsim ")


def test_sched_shows_a_coproc_or_sets_one(looked_at):
    assert looked_at.quickly("sched xxx0 --json") == looked_at.quickly("sched --json xxx0")
    assert "Usage: coprocsim sched [OPTIONS] COPROC\n" in looked_at.quickly("sched xxx0 --help")
    assert "no shared coproc `sett`" in looked_at.quickly("sched sett")
    assert "[exit 2]" in looked_at.quickly("sched")
    assert "[exit 2]" in looked_at.quickly("sched set xxx0")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bot dts/minimal.dtb", "No such command"),
        ("boot", "Missing argument"),
        ("boot dts/minimal.dtb --platform xxx0", "`xxx0` is not `ID=NAME`"),
        ("boot dts/minimal.dtb --trace-limit huge", "`huge` is not a size: write `256MiB`"),
        ("boot dts/minimal.dtb --seed -1", "-1"),
        ("run", "say how long: `run 10ms`"),
        ("run 10ms --until idle --cycles 5 --coproc xxx0", "say how long"),
        ("run 10ms --cycles 5 --coproc xxx0", "say how long"),
        ("run --cycles 5", "`--cycles` and `--coproc` belong together"),
        ("run ten", "Invalid value for `DURATION`: `ten` is not a duration: write `10ms`"),
        ("list machine", "machines"),
        ("list platforms --coproc xxx0", "`list platforms` is not about a machine"),
        ("sched set xxx0 slice", "`slice` is not `key=value`"),
        ("config set", "Missing argument"),
        ("config set HAS_COPROC", "`HAS_COPROC` is not `NAME=VALUE`"),
        ("config set CONFIG_HAS_COPROC=y HAS_COPROC=n", "`HAS_COPROC` is given twice"),
        ("sched set xxx0 slice=1ms slice=2ms", "`slice` is given twice"),
        ("workload set polite xxx0 kind", "`kind` is not `key=value`"),
        ("mmio read polite nowhere", "Invalid value for `ADDRESS`: `nowhere` is not a number"),
        ("mmio read polite 0x10000000000000000", "does not fit in 64 bits"),
        ("mmio write polite 0x0 0x100 --size 1", "0x100 does not fit in 1 byte"),
        ("timeline --from soon", "Invalid value for `--from`: `soon` is not a duration"),
        ("--machine a/b list", "`a/b` cannot be a machine's name"),
        ("--machine '' list", "`` cannot be a machine's name"),
        ("--machine .. list", "`..` cannot be a machine's name"),
    ],
)
def test_a_wrong_use_says_what_would_be_right(home, line, said):
    output = home.quickly(line)
    assert said in output
    assert output.endswith("[exit 2]\n")


def test_a_bug_of_ours_says_how_to_report_it(home, monkeypatch, capsys):
    home.quickly("boot dts/minimal.dtb")
    monkeypatch.setenv("COPROCSIM_STATE_DIR", str(home.file.parent))
    monkeypatch.setattr("coprocsim.observe.view.view", lambda file: 1 // 0)
    assert main(["list"]) == 70
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("Traceback")
    assert "ZeroDivisionError" in seen.err
    assert "error: this is a bug of coprocsim; the machine is as it was before this command\n hint: report" in seen.err


# ---------------------------------------------------------------- streams


def test_data_goes_to_stdout_and_all_else_to_stderr(home):
    status, out, err = home.run("boot", "dts/minimal.dtb", "--json")
    assert status == 0
    assert json.loads(out)["model"] == "Minimal example"
    assert err.startswith("warning: ")
    status, out, err = home.run("list", "--coproc", "xxx1")
    assert (status, out) == (1, "")
    assert err.startswith("error: no shared coproc `xxx1`\n hint: ")


def test_whoever_reads_may_stop_reading(looked_at):
    process = looked_at.start("list", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(TIMEOUT_S) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_is_an_error(looked_at):
    with open("/dev/full", "w") as full:
        status, _, err = looked_at.run("list", stdout=full)
    assert status == 1
    assert err == "error: cannot write the output: No space left on device; what the command does may be done\n"


def on_a_terminal(home: Home, *arguments: str, status: int = 0, **environment: str) -> str:
    """Return what a command says on a terminal."""
    master, slave = pty.openpty()
    process = home.start(*arguments, stdout=slave, stderr=slave, environment=environment)
    os.close(slave)
    said = b""
    while select.select([master], [], [], TIMEOUT_S)[0]:
        try:
            said += os.read(master, 65536)
        except OSError:
            break
    os.close(master)
    assert process.wait(TIMEOUT_S) == status
    return said.decode()


@pytest.mark.parametrize("arguments", [["list"], ["stats"], ["timeline"], ["timeline", "--by", "vcoproc"]])
def test_colours_are_for_terminals_whose_users_want_them(looked_at, arguments):
    plain = looked_at.run(*arguments)[1]
    assert "\033" not in plain
    coloured = on_a_terminal(looked_at, *arguments)
    assert "\033[" in coloured
    assert on_a_terminal(looked_at, *arguments, NO_COLOR="1").replace("\r", "") == plain
    assert lines_of(re.sub(r"\033\[[\d;]*m", "", coloured)) == lines_of(plain)


def lines_of(text: str) -> list[str]:
    """Return the lines of a text without what is blank at their ends."""
    return [line.rstrip() for line in text.splitlines()]


def test_an_error_is_coloured_on_a_terminal_only(home):
    process = home.start("boot", "no-such-file.dtb")
    assert process.communicate(timeout=TIMEOUT_S)[1].startswith("error: ")
    assert "\033[1;33mwarning\033[0m: " in on_a_terminal(home, "boot", "dts/minimal.dtb")


def test_sentences_are_wrapped_at_words_on_a_terminal_only(home):
    home.quickly("boot dts/system.dtb")
    line = "a_name_that_is_longer_than_it_should_be = [ 'of a list that goes on and on', " + "'x', " * 20 + "] x\n"
    (home.folder / "long.cfg").write_text(line)
    plain = home.run("domain", "create", "long.cfg")[2].splitlines()
    shown = on_a_terminal(home, "domain", "create", "long.cfg", status=1, NO_COLOR="1", COLUMNS="50").splitlines()
    # The line of the file and its carets stay as they are.
    assert line.rstrip() in plain[2]
    assert plain[1:4] == shown[shown.index(plain[1]) :][:3]

    home.quickly("domain create domains/instrument-cluster.cfg")
    command = ("fault", "inject", "gpu0", "no-such-kind")
    plain = home.run(*command)[2].splitlines()[-1:]
    assert len(plain[0]) > 80
    shown = on_a_terminal(home, *command, status=2, NO_COLOR="1").splitlines()[3:]
    assert max(map(len, shown)) <= 80
    assert shown[0].startswith("Error: ")
    assert all(each.startswith(" " * len("Error: ") + "'") for each in shown[1:])
    assert " ".join(each.strip() for each in shown) == plain[0]


def test_which_check_is_being_made_is_shown_on_a_terminal_only(home):
    ask = ("conformance", "null", "--examples", "1")
    assert "1 of 9: it states itself and its parameters" in on_a_terminal(home, *ask)
    status, out, err = home.run(*ask)
    assert (status, err) == (0, "")
    assert "of 9: " not in out


def test_a_progress_bar_is_shown_on_a_terminal_only(home):
    home.busy()
    for command in (("run", "100ms"), ("trace", "export", "out.csv"), ("report", "out.html")):
        status, _, err = home.run(*command)
        assert (status, err) == (0, "")
        assert "%" in on_a_terminal(home, *command)


def test_no_cell_is_cut_or_wrapped(home):
    home.quickly("boot dts/minimal.dtb")
    name = "n" * 64
    (home.folder / "long.cfg").write_text(
        f'name = "{name}"\nmemory = 32\ncoproc = [ "xxx0" ]\n'
        'coproc_workload = [ "xxx0,kind=trace,at=' + ";".join(f"{n}ms:1ms" for n in range(300)) + '" ]\n'
    )
    home.quickly("domain create long.cfg")
    status, out, _ = home.run("list", "vcoprocs", environment={"COLUMNS": "20"})
    assert status == 0
    titles, row = out.splitlines()
    assert row.split()[:3] == [name, "1", "xxx0"]
    assert titles.index("ID") + 1 == row.index(" 1 ") + 1
    assert "299ms:1ms" in home.quickly("workload show")


@pytest.mark.parametrize("width", [40, 57, 80, 200])
@pytest.mark.parametrize("by", ["coproc", "vcoproc"])
def test_a_timeline_is_as_wide_as_it_is_told_and_plain(looked_at, by, width):
    output = looked_at.quickly(f"timeline --by {by} --width {width}")
    lines = output.splitlines()
    assert len(lines[0]) == max(width, len(lines[0].split("  ")[0]) + 20) or width < 57
    assert output.isascii()
    assert all(len(line) <= max(width, len(lines[0])) for line in lines)


def test_a_column_of_the_timeline_is_worth_its_time(looked_at):
    """Of 60 columns for 60 ms each shows one of those who had it; all in all everybody has as many as milliseconds."""
    output = looked_at.quickly("timeline --width 66")
    lane = output.splitlines()[1].removeprefix("xxx0  ")
    assert len(lane) == 60
    shown = {vcoproc["domain_id"]: vcoproc for vcoproc in json.loads(looked_at.quickly("stats --json"))["vcoprocs"]}
    for domain, vcoproc in shown.items():
        assert abs(lane.count(str(domain)) - vcoproc["run_ps"] / 10**9) <= 1.5


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "list schedulers",
        "list machines",
        "list platforms",
        "stats",
        "stats --since 1ms",
        "timeline",
        "timeline --by vcoproc",
        "sched xxx0",
        "analyse",
        "config show",
        "workload show",
        "domain show polite",
        "mmio read polite 0x0",
        "step",
        "run 1ms",
        "compare --algorithm edf --for 100ms",
        "boot dts/minimal.dtb --force",
        "domain create polite.cfg",
        "check dts/system.dtb",
    ],
)
def test_every_key_of_every_document_is_in_the_readme(home, line):
    home.busy()
    home.quickly("run 5ms")
    if line.startswith("domain create"):
        home.quickly("domain destroy frames")
        home.quickly("run 20ms")
        line += " 'name=\"again\"'"
    output = home.quickly(f"{line} --json").split("\nwarning: ")[0]
    document = json.loads(output)
    free = {"workload", "options", "config"}  # what a user has named
    for key in keys(document, free):
        assert f"`{key}`" in README, key


def keys(document: object, free: set[str]) -> Iterator[str]:
    """Yield the keys of a document and of all that is in it."""
    if isinstance(document, list):
        for each in document:
            yield from keys(each, free)
    elif isinstance(document, dict):
        for key, value in document.items():
            yield key
            if key not in free:
                yield from keys(value, free)


def test_figures_of_time_are_integers(looked_at):
    for line in ("list --json", "stats --json", "timeline --json"):
        for key, value in pairs(json.loads(looked_at.quickly(line))):
            if re.search(r"_ps(_mean|_max)?$", key):
                assert value is None or isinstance(value, int), key


def pairs(document: object) -> Iterator[tuple[str, object]]:
    """Yield all keys with what is not made of others."""
    if isinstance(document, list):
        for each in document:
            yield from pairs(each)
    elif isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, dict | list):
                yield from pairs(value)
            else:
                yield key, value


# ---------------------------------------------------------------- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_be_taught_to_complete(home, shell):
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    status, out, _ = home.run("completion", shell)
    assert status == 0
    assert f"_COPROCSIM_COMPLETE={shell}_complete" in out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("coprocsim st", {"stats", "step"}),
        ("coprocsim sched x", {"xxx0"}),
        ("coprocsim domain pause ", {"Domain-0", "polite", "frames", "denying"}),
        ("coprocsim list vcoprocs --domain po", {"polite"}),
        ("coprocsim list do", {"domains"}),
        ("coprocsim --machine other sched x", set()),
    ],
)
def test_commands_coprocs_and_domains_are_completed(looked_at, words, offered):
    environment = {"_COPROCSIM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    status, out, err = looked_at.run(environment=environment)
    assert (status, err) == (0, "")
    found = {line.partition(",")[2] for line in out.splitlines() if line}
    assert found == offered


def test_a_number_of_thousands_of_digits_is_a_usage_error(home):
    home.quickly("boot dts/minimal.dtb")
    status, out, err = home.run("mmio", "read", "0", "9" * 5000)
    assert (status, out) == (2, "")
    assert "does not fit in 64 bits" in err
    assert home.run("domain", "show", "9" * 5000)[0] == 1


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
from coprocsim.toolstack import control

def interrupted(*arguments):
    raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()

control.run = interrupted
sys.exit(program())
"""
    done = home.python(code, "run", "1ms")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", INTERRUPTED)
