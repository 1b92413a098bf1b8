"""What goes where: stdout and stderr, pipes and terminals, colours, widths."""

import json
import os
import pty
import re
import select
from pathlib import Path

import pytest

from tests.homes import PROJECT, Home
from tests.waiting import TIMEOUT_S

README = (PROJECT / "coprocsim/cli/README.md").read_text()


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
    home.quickly("run 100ms")
    looks = (
        "trace export out.csv",
        "report out.html",
        "stats --since 1ms --json",
        "timeline --to 10s",
        "verify --json",
    )
    # A few hundred rows are read at once; 3 s of this machine have some ten thousand.
    for line in looks:
        assert "%" not in on_a_terminal(home, *line.split())
    for line in ("run 3s", *looks):
        status, _, err = home.run(*line.split())
        assert (status, err) == (0, "")
        assert "%" in on_a_terminal(home, *line.split())


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
