"""What a shell can do to a command: streams that are closed, encodings that are narrow, names that are no text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.devicetree_blobs import blob

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def shell(tmp_path):
    """Return what runs a line in a folder of its own: `$C` is coprocsim, `$P` the project."""

    def run(line: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PYTHONPATH": str(PROJECT),
            "COPROCSIM_STATE_DIR": "state",
            "C": f"{sys.executable} -m coprocsim",
            "P": str(PROJECT),
        }
        return subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    assert run("$C boot $P/dts/system.dtb").returncode == 0
    return run


def test_time_passes_with_stderr_closed(shell):
    done = shell("$C run 1ms 2>&-")
    assert (done.returncode, done.stdout) == (0, "1 ms passed, it is 0.001000 s: 0 switches, 0 denials, 0 jobs done\n")


@pytest.mark.parametrize("command", ["import-settings xl -", "top", "run 1ms"])
def test_with_stdin_closed_there_is_nothing_to_be_read(shell, command):
    done = shell(f"$C {command} <&-")
    assert (done.returncode, "Traceback" in done.stderr) == (1 if "xl" in command else 0, False)


def test_settings_without_end_are_refused(shell):
    done = shell("$C import-settings xl - < /dev/zero")
    assert done.stderr == "error: standard input has more than 1,000,000 letters: no settings are as long\n"


def test_a_tree_whose_name_is_no_text_is_booted(shell):
    done = shell(r"cp $P/dts/minimal.dtb $(printf '\377.dtb') && $C boot --force $(printf '\377.dtb')")
    assert done.returncode == 0, done.stderr


def test_what_the_encoding_of_stdout_lacks_is_shown_escaped(shell):
    assert shell("$C domain create $P/domains/minimal.cfg 'kernel=\"ü\"'").returncode == 0
    done = shell("PYTHONIOENCODING=ascii $C domain show minimal")
    assert done.returncode == 0, done.stderr
    assert r"\xfc" in done.stdout


@pytest.mark.parametrize("room", [0, 8, 16, 64, 128])
def test_a_boot_for_which_there_is_no_room_leaves_nothing_behind(shell, room):
    # In blocks of 512 bytes; a machine takes 200 of them.
    done = shell(f"ulimit -f {room}; $C --machine other boot $P/dts/system.dtb 2>&1 | cat; ls state")
    assert "hint: nothing was changed; make room on the disk, or see what ails it" in done.stdout
    assert done.stdout.endswith("\ndefault.sqlite\n")


WRITING = ("trace export", "report", "history export", "compare --coproc gpu0 --algorithm rrobin --for 1ms --page")


@pytest.mark.slow
@pytest.mark.parametrize("command", WRITING)
def test_a_name_that_is_too_long_is_refused_and_the_longest_is_not(shell, command):
    assert shell("$C run 10ms").returncode == 0
    # Names have 255 bytes at most on the file systems that there are.
    done = shell(f"$C {command} {'x' * 252}.csv")
    assert (done.returncode, done.stderr) == (1, f"error: cannot write `{'x' * 252}.csv`: File name too long\n")
    done = shell(f"$C {command} {'x' * 251}.csv && ls -A")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"\nstate\n{'x' * 251}.csv\n")


def test_a_link_that_leads_to_itself_is_replaced(shell):
    done = shell("$C run 10ms && ln -s loop loop && $C report loop && head -c 15 loop")
    assert done.stdout.endswith("\nloop: open it in a browser\n<!doctype html>")


def test_a_copy_for_which_there_is_no_room_is_not_blamed_on_the_machine(shell):
    # In blocks of 512 bytes, of which the machine has more, and what is needed to look at it has 64.
    done = shell("ulimit -f 64; $C history export copy.machine; ls -A")
    assert done.stderr.startswith("error: cannot write `copy.machine`: ")
    assert done.stdout == "state\n"


def test_a_page_that_could_not_be_written_is_refused_before_anything_runs(shell):
    done = shell("$C compare --coproc gpu0 --algorithm rrobin --for 1000000s --page /dev/full")
    assert done.returncode == 2
    assert "`/dev/full` cannot be a file" in done.stderr


def test_a_day_in_which_nothing_is_due_is_one_step(shell):
    # In pieces of 10 ms it would be 8,640,000 of them: far longer than the time limit of the fixture.
    assert "86400 s passed" in shell("$C run 86400s").stdout


def test_arrivals_that_are_none_are_refused_as_a_file(shell):
    shell("$C domain create $P/domains/minimal.cfg")
    done = shell("$C workload set minimal gpu0 kind=trace,file=/dev/null")
    assert done.returncode == 1
    assert done.stderr == (
        "error: `/dev/null` is no list of arrivals\n"
        " hint: it has no arrivals: write a row `release,work` for each, such as `3ms,4ms`\n"
    )
    binary = shell("$C workload set minimal gpu0 kind=trace,file=$P/dts/minimal.dtb")
    assert binary.stderr.endswith(" hint: it is no text in UTF-8\n")


def test_a_machine_that_shares_nothing_can_be_looked_at(shell, tmp_path):
    (tmp_path / "bare.dtb").write_bytes(blob({"compatible": "acme,bare"}))
    assert shell("$C boot --force bare.dtb && $C run 10ms").returncode == 0
    looking = (
        "list",
        "stats",
        "stats --json",
        "timeline",
        "trace show",
        "verify",
        "top",
        "history",
        "replay",
        "analyse",
    )
    for command in looking:
        done = shell(f"$C {command}")
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert shell("$C stats").stderr == "note: this machine shares no coproc\n"
