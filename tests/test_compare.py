"""`compare`: what it shows is what would have happened, and nothing has."""

import json
import os
import re
import shutil
import signal
import time

import pytest

from coprocsim.model import Setting
from coprocsim.observe.comparison import Outcome, VcoprocOutcome, figures
from coprocsim.store import read
from coprocsim.toolstack.compare import Choice, run_choice
from tests.homes import TIMEOUT_S, Home
from tests.machines import MS
from tests.pages import Page


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A machine in the middle of its work."""
    home = Home(tmp_path_factory.mktemp("compared"))
    home.busy()
    home.quickly("run 61ms")
    return home


def go_on(*_: int) -> bool:
    return True


@pytest.mark.parametrize(
    ("choice", "commands"),
    [
        ("rrobin slice=2ms charge=debt", ["--algorithm rrobin slice=2ms charge=debt"]),
        ("edf", ["--algorithm edf"]),
        ("slice=9ms", ["slice=9ms"]),
        (
            "priority denying:priority=9 frames:priority=0",
            ["--algorithm priority", "-d denying priority=9", "-d frames priority=0"],
        ),
    ],
)
def test_a_choice_has_the_figures_of_the_commands_that_would_make_it(home, tmp_path, choice, commands):
    document = json.loads(home.quickly(f"compare --choice '{choice}' --for 80ms --json"))
    [found] = document["choices"]
    other = Home(tmp_path)
    other.file.parent.mkdir()
    shutil.copy(home.file, other.file)
    before = json.loads(other.quickly("stats --json"))
    for command in commands:
        other.quickly(f"sched set xxx0 {command}")
    other.quickly("run 80ms")
    after = json.loads(other.quickly("stats --json"))
    assert (document["from_ps"], document["to_ps"]) == (61 * MS, 141 * MS)
    for name in ("run_ps", "switch_ps", "idle_ps", "failed_ps", "switches", "denials", "resets", "findings"):
        assert found[name] == after["coprocs"][0][name] - before["coprocs"][0][name], name
    for mine, was, now in zip(found["vcoprocs"], before["vcoprocs"], after["vcoprocs"], strict=True):
        assert mine["domain"] == now["domain"]
        for name in ("run_ps", "wait_ps", "switches", "done", "missed"):
            assert mine[name] == now[name] - was[name], name


def test_from_the_first_instant_on_the_percentiles_are_those_of_stats(tmp_path):
    home = Home(tmp_path)
    home.busy()
    [found] = json.loads(home.quickly("compare --algorithm rrobin --for 150ms --json"))["choices"]
    home.quickly("run 150ms")
    stats = json.loads(home.quickly("stats --json"))
    assert [each["latency"] for each in found["vcoprocs"]] == [each["latency"] for each in stats["vcoprocs"]]
    assert [each["share"] for each in found["vcoprocs"]] == [each["share"] for each in stats["vcoprocs"]]
    assert found["fairness"] == stats["coprocs"][0]["fairness"]


def test_nothing_is_changed(home):
    before, content = home.dump(), home.file.read_bytes()
    output = home.quickly("compare --algorithm rrobin,priority,edf --for 50ms")
    assert "[exit" not in output
    assert home.dump() == before
    assert home.file.read_bytes() == content


def test_latencies_are_of_the_span_that_is_compared(home):
    with read(home.file) as file:
        snapshot = file.load()
    for row in snapshot.vcoprocs:
        row.counters.latency_ps_max = 1000 * MS
    found = run_choice(snapshot, "xxx0", Choice("rrobin", "rrobin"), 100 * MS, go_on)
    for vcoproc in found.vcoprocs:
        assert vcoproc.latency is not None
        assert vcoproc.latency.counted == vcoproc.done
        # Nobody has been there for longer, and so has no job.
        assert vcoproc.latency.max_ps <= 161 * MS
    assert {row.counters.latency_ps_max for row in snapshot.vcoprocs} == {1000 * MS}, "the rows are left as they were"
    short = run_choice(snapshot, "xxx0", Choice("rrobin", "rrobin"), MS // 1000, go_on)
    assert [each.latency for each in short.vcoprocs] == [None, None, None]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--algorithm rrobin,null", "error: choice `null`: `null` shares a coproc among 1 at most"),
        ("--algorithm rrobin,rrobn", "error: choice `rrobn`: no scheduling algorithm `rrobn`\n"),
        ("--algorithm edf --set slice=1ms", "error: choice `edf`: `edf` has no parameter `slice`\n"),
        ("--choice 'rrobin slice=1ns'", "error: choice `rrobin slice=1ns`: `slice` = 1ns is out of range\n"),
        ("--choice 'priority nobody:priority=1'", "error: choice `priority nobody:priority=1`: no domain `nobody`\n"),
        ("--algorithm edf --coproc xxx1", "error: no shared coproc `xxx1`\n"),
    ],
)
def test_a_choice_that_is_refused_is_an_error_before_anything_runs(home, options, said):
    # Running first would take far longer than a test may.
    output = home.quickly(f"compare {options} --for 100000s")
    assert output.startswith(said)
    assert output.endswith("[exit 1]\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--for 1s", "say what to compare: `--algorithm a,b`"),
        ("--algorithm edf,edf --for 1s", "the choice `edf` is given twice"),
        ("--choice '' --for 1s", "a choice is empty"),
        ("--choice 'rrobin slice' --for 1s", "`slice` is not `key=value`"),
        ("--choice 'rrobin slice=1ms' --set slice=2ms --for 1s", "`slice` is given twice"),
        ("--algorithm edf --for 0ms", "in no time at all nothing can be compared"),
        ("--algorithm edf --for 1s --page no/such/folder.html", "cannot be a file"),
        ("--algorithm edf", "Missing option '--for'"),
    ],
)
def test_a_wrong_use_says_what_would_be_right(home, options, said):
    output = home.quickly(f"compare {options}")
    assert said in output
    assert output.endswith("[exit 2]\n")


def test_a_machine_with_two_coprocs_is_asked_which_is_meant(tmp_path):
    home = Home(tmp_path)
    home.quickly("boot dts/system.dtb")
    assert home.quickly("compare --algorithm edf --for 1ms").startswith("error: which coproc is meant?\n why: ")


# ---------------------------------------------------------------- what is shown


def made(choice: str, share: float, missed: int, fairness: float | None = 1.0) -> Outcome:
    """Return an outcome with one vcoproc that has done no job."""
    of_one = VcoprocOutcome("a", 1, "d1v0", share, 0, 0, 0, 0, missed, None)
    return Outcome(choice, choice, 500, 500, 0, 0, 7, 0, 0, 0, fairness, (of_one,))


def test_the_best_is_the_most_or_the_least_and_nobody_where_all_are_equal():
    found = figures([made("x", 0.25, 3), made("y", 0.5, 1), made("z", 0.500001, 1)])
    best = {(figure.domain, figure.title): set(figure.best) for figure in found}
    assert best["a", "Share"] == {1, 2}, "50.00 is as much as 50.00"
    assert best["a", "Missed"] == best[None, "Missed"] == {1, 2}
    assert best[None, "Switches"] == best[None, "Fairness"] == best["a", "Latency p99"] == set()
    [switching] = [figure for figure in found if figure.title == "Switching"]
    assert switching.values == (50, 50, 50)


def test_a_figure_that_there_is_not_is_never_the_best():
    found = figures([made("x", 0.5, 0, None), made("y", 0.5, 0, 0.4)])
    assert [set(figure.best) for figure in found if figure.title == "Fairness"] == [{1}]


def test_the_table_fits_80_columns_and_has_every_choice(home):
    choices = [f"--choice 'rrobin slice={slice_ms}ms'" for slice_ms in (2, 3, 4, 5, 6)]
    output = home.quickly(f"compare {' '.join(choices)} --for 30ms")
    assert max(len(line) for line in output.splitlines()) <= 80
    assert re.findall(r"slice=\dms", output) == [f"slice={slice_ms}ms" for slice_ms in (2, 3, 4, 5, 6)]
    assert "█" not in output


def test_bars_are_as_long_as_their_values(home):
    output = home.quickly("compare --algorithm rrobin,priority --for 80ms --bars")
    drawn = output.partition("xxx0: Switches\n")[2].splitlines()[:2]
    bars = [line.count("█") for line in drawn]
    values = [int(line.split()[-1].strip("*")) for line in drawn]
    assert max(bars) == 40
    # Of 40 places, the last may be drawn in part.
    assert min(bars) == 40 * min(values) // max(values)


def test_where_there_are_only_letters_bars_are_drawn_with_letters(home):
    letters = {"PYTHONIOENCODING": "ascii"}
    _, out, _ = home.run("compare", "--algorithm", "rrobin,edf", "--for", "20ms", "--bars", environment=letters)
    assert " " + 40 * "#" + " " in out
    assert "\\u" not in out


def test_the_page_is_whole_by_itself_and_shows_what_the_table_shows(home):
    output = home.quickly("compare --algorithm rrobin,edf --for 80ms --page page.html")
    source = (home.folder / "page.html").read_text("utf-8")
    page = Page(source)
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.seen}
    assert "http" not in source
    assert "prefers-color-scheme: dark" in source
    shown = [text for text in page.text if re.fullmatch(r"-|[\d.]+", text)]
    table = [cell.strip("*") for line in output.splitlines()[2:] for cell in re.split(r"  +", line)[2:]]
    assert shown == table
    widths = [float(str(each["style"])[7:-1]) for _, each in page.seen if each.get("class") == "bar"]
    assert len(widths) == len(shown)
    assert all(0 <= width <= 100 for width in widths)


def test_what_is_typed_is_text_in_the_page():
    from coprocsim.cli.pages.comparison import page_of
    from coprocsim.toolstack.compare import Comparison

    outcomes = (made("<b>&", 0.5, 0),)
    page = Page(page_of(Comparison("xxx0", 0, MS, outcomes), figures(outcomes)))
    assert "<b>&" in "".join(page.text)
    assert "b" not in {tag for tag, _ in page.seen}


# ---------------------------------------------------------------- processes


def test_ctrl_c_ends_all_processes_and_changes_nothing(home):
    before = home.dump()
    process = home.start("compare", "--algorithm", "rrobin,edf", "--for", "100000s", start_new_session=True)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out) == (130, "")
    assert err == "\nerror: interrupted; nothing was changed\n"
    assert home.dump() == before


def test_progress_is_heard_when_it_says_stop(home):
    with read(home.file) as file:
        snapshot = file.load()
    told: list[int] = []

    def stop(done_ps: int, total_ps: int) -> bool:
        told.append(done_ps)
        return done_ps < MS

    run_choice(snapshot, "xxx0", Choice("rrobin", "rrobin", (Setting("slice", "3ms"),)), 10**17, stop)
    assert MS <= told[-1] < 10**17
