"""`top`: what goes on in a step is what the counters say; its keys, on a real terminal."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coprocsim.observe.activity import By, Look, Sort, between
from coprocsim.observe.stats import coproc_stats, vcoproc_stats
from coprocsim.observe.view import view
from coprocsim.snapshot import JobRow
from coprocsim.store import read
from coprocsim.toolstack import boot, control, domain
from tests.machines import MS
from tests.waiting import TIMEOUT_S, wait_until

ROOT = Path(__file__).parents[1]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The example system with two guests."""
    path = tmp_path / "state/default.sqlite"
    boot.boot(path, str(ROOT / "dts/system.dtb"), boot.BootOptions({}))
    for name in ("instrument-cluster", "infotainment"):
        domain.create(path, str(ROOT / f"domains/{name}.cfg"), (), paused=False, dry_run=False)
    return path


def look(machine: Path) -> Look:
    with read(machine) as file:
        seen, jobs = view(file), file.rows(JobRow)
    return Look(seen.now_ps, tuple(coproc_stats(seen, ())), tuple(vcoproc_stats(seen, jobs)))


def run(machine: Path, *arguments: str) -> str:
    """Return what the command prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COPROCSIM_STATE_DIR": str(machine.parent)}
    command = [sys.executable, "-m", "coprocsim", "top", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return done.stdout


def test_the_steps_add_up_to_the_counters(machine: Path):
    before = look(machine)
    steps = json.loads(run(machine, "-n", "4", "--step", "25ms", "--json"))["steps"]
    after = look(machine)
    assert [(step["from_ps"], step["to_ps"]) for step in steps] == [(n * 25 * MS, (n + 1) * 25 * MS) for n in range(4)]
    for line in between(before, after, By.VCOPROC, Sort.NAME):
        mine = [each for step in steps for each in step["lines"] if (each["domain"], each["coproc"]) == line[:2]]
        for name in ("elapsed_ps", "run_ps", "wait_ps", "switches", "denied", "done", "missed"):
            assert sum(each[name] for each in mine) == getattr(line, name), name


def test_a_coproc_s_line_is_where_its_time_went_and_a_domain_s_the_sum_of_its_vcoprocs(machine: Path):
    before = look(machine)
    control.run(machine, 100 * MS, lambda done_ps, total_ps: True)
    after = look(machine)
    by_coproc = {line.coproc: line for line in between(before, after, By.COPROC, Sort.NAME)}
    gpu = next(each for each in after.coprocs if each.coproc == "gpu0")
    assert (by_coproc["gpu0"].run_ps, by_coproc["gpu0"].switch_ps) == (gpu.run_ps, gpu.switch_ps)
    by_vcoproc = between(before, after, By.VCOPROC, Sort.NAME)
    by_domain = {line.domain: line for line in between(before, after, By.DOMAIN, Sort.NAME)}
    mine = [line for line in by_vcoproc if line.domain == "infotainment"]
    assert len(mine) == 2
    assert by_domain["infotainment"].run_ps == sum(line.run_ps for line in mine)


def test_figures_are_sorted_from_the_largest_on(machine: Path):
    before = look(machine)
    control.run(machine, 100 * MS, lambda done_ps, total_ps: True)
    runs = [line.run_ps for line in between(before, look(machine), By.VCOPROC, Sort.RUN)]
    assert runs == sorted(runs, reverse=True)
    assert runs[0] > 0


def test_a_domain_that_comes_into_being_counts_from_nothing(machine: Path):
    before = look(machine)
    cfg = machine.parent / "late.cfg"
    cfg.write_text(
        'name = "late"\nmemory = 16\ncoproc = [ "xxc0" ]\ncoproc_workload = [ "xxc0,kind=backlog,work=1ms" ]\n'
    )
    domain.create(machine, str(cfg), (), paused=False, dry_run=False)
    control.run(machine, 10 * MS, lambda done_ps, total_ps: True)
    late = next(line for line in between(before, look(machine), By.DOMAIN, Sort.NAME) if line.domain == "late")
    assert late.run_ps > 9 * MS


def test_through_a_pipe_it_prints_one_table(machine: Path):
    lines = run(machine, "--by", "coproc", "--step", "100ms").splitlines()
    assert lines[0] == "0.100000 s, of the last 100 ms; by name"
    assert lines[1].split() == ["Coproc", "Run(%)", "Wait(%)", "Switch(%)", "Switches", "Denied", "Done", "Missed"]
    assert [line.split()[0] for line in lines[2:]] == ["gpu0", "xxc0", "xxx0"]
    assert max(map(len, lines)) <= 80


@contextmanager
def on_a_terminal(machine: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run it on a pseudo terminal of 80 columns, which must be in the end what it was."""
    master, slave = pty.openpty()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "COPROCSIM_STATE_DIR": str(machine.parent),
        "TERM": "xterm",
        "COLUMNS": "80",
        "LINES": "24",
    }
    before = termios.tcgetattr(slave)
    command = [sys.executable, "-m", "coprocsim", "top", "-d", "0.2", "--step", "10ms"]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        try:
            read_until(master, "by name")
            yield master, process
            read_until(master, LEFT)
            process.wait(TIMEOUT_S)
        finally:
            process.kill()
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    os.close(master)


LEFT = re.escape("\x1b[?1049l")
"""What a terminal is told to leave the screen of a program."""


def test_its_keys_sort_group_pause_and_quit(machine: Path):
    """What it has run is kept."""
    shown = (("s", "by run"), ("b", "Domain[^C]*Run"), ("p", "paused"), ("+", "20 ms a step|paused"))
    with on_a_terminal(machine) as (master, process):
        for key, expected in shown:
            os.write(master, key.encode())
            read_until(master, expected)
        os.write(master, b"q")
    assert process.returncode == 0
    assert look(machine).now_ps >= 10 * MS


def test_keys_that_mean_nothing_do_nothing_and_those_after_them_count(machine: Path):
    with on_a_terminal(machine) as (master, process):
        # Bytes that are no text, the key up, and two keys at once.
        os.write(master, b"\xff\x80\x1b[Asq")
    assert process.returncode == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(machine: Path, number: signal.Signals, status: int):
    with on_a_terminal(machine) as (_, process):
        process.send_signal(number)
    assert process.returncode == status
    assert look(machine).now_ps > 0


@pytest.mark.parametrize("delay", ["0", "0.1"])
def test_ctrl_c_tells_of_the_steps_that_have_passed(machine: Path, delay: str):
    """Whenever it comes: within a step, while that is kept, or between two."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COPROCSIM_STATE_DIR": str(machine.parent)}
    command = [sys.executable, "-m", "coprocsim", "top", "--json", "-n", "1000000", "-d", delay, "--step", "10ms"]
    began_ps = look(machine).now_ps
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        try:
            wait_until(lambda: look(machine).now_ps > began_ps + 20 * MS, "three steps have not passed")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, b"note: stopped; what has passed is kept\n")
    steps = json.loads(out)["steps"]
    assert (steps[0]["from_ps"], steps[-1]["to_ps"]) == (began_ps, look(machine).now_ps)


def read_until(master: int, expected: str) -> str:
    """Return what is shown until `expected` is, a pattern; fail if it never is."""
    text, end_s = "", time.monotonic() + TIMEOUT_S
    while not re.search(expected, text):
        assert select.select([master], [], [], max(0, end_s - time.monotonic()))[0], text
        text += os.read(master, 65536).decode(errors="replace")
    return text
