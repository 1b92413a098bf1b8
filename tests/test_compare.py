"""`compare`: what it shows is what would have happened, and nothing has."""

import itertools
import json
import os
import re
import shutil
import signal
from typing import Any

import pytest

from coprocsim.model import Setting
from coprocsim.observe.comparison import Outcome, VcoprocOutcome, figures, without_work
from coprocsim.observe.stats import Spread
from coprocsim.store import read
from coprocsim.toolstack.compare import Choice, run_choice
from tests.homes import Home
from tests.machines import MS, US
from tests.pages import Page
from tests.waiting import TIMEOUT_S, processes_of, wait_until


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A machine in the middle of its work."""
    home = Home(tmp_path_factory.mktemp("compared"))
    home.busy()
    home.quickly("run 61ms")
    yield home
    home.end()


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
        for name in ("run_ps", "wait_ps", "switches", "released", "done", "abandoned", "dropped", "failed"):
            assert mine[name] == now[name] - was[name], name


@pytest.fixture(scope="module")
def pressed(tmp_path_factory):
    """A machine that has more to do than it can, whose guests take it in different ways, and with jobs that fail.

    One job is overdue and not done yet.
    """
    home = Home(tmp_path_factory.mktemp("pressed"))
    home.quickly("boot dts/minimal.dtb")
    for name, work in (
        ("late", "kind=periodic,period=20ms,work=6ms,deadline=9ms"),
        ("quits", "kind=periodic,period=10ms,work=5ms,deadline=12ms,on_miss=abandon"),
        ("drops", "kind=poisson,rate=300,work=exp:2ms,queue=1"),
    ):
        config = f'name = "{name}"\nmemory = 16\ncoproc = [ "xxx0" ]\ncoproc_workload = [ "xxx0,{work}" ]\n'
        (home.folder / f"{name}.cfg").write_text(config)
        home.quickly(f"domain create {name}.cfg")
    home.quickly("run 110ms")
    home.quickly("fault inject xxx0 fail-enter --times 3")
    return home


def missed_by(t_ps: int, releases: list[dict[str, Any]], ends: list[dict[str, Any]]) -> int:
    """Return how many of these jobs, each with its end if it has one, cannot be done in time any more at an instant."""
    missed = 0
    for job, end in itertools.zip_longest(releases, ends):
        deadline_ps = job["deadline_ps"] or 2**63
        is_over = end is not None and end["at_ps"] <= t_ps
        in_time = is_over and end["how"] == "done" and end["at_ps"] <= deadline_ps
        missed += not in_time and (is_over or deadline_ps < t_ps)
    return missed


def within(rows: list[dict[str, Any]], from_ps: int, to_ps: int, what: str, how: str | None = None) -> int:
    """Return how many rows of a kind there are after one instant and up to another."""
    return sum(
        from_ps < row["at_ps"] <= to_ps and row["what"] == what and row.get("how") in {how, None} for row in rows
    )


@pytest.mark.parametrize(
    "commands", [["--algorithm rrobin slice=3ms"], ["--algorithm priority", "-d drops priority=9"]]
)
def test_what_became_of_jobs_is_what_the_trace_of_the_commands_tells(pressed, tmp_path, commands):
    choice = " ".join(commands).replace("--algorithm ", "").replace("-d drops ", "drops:")
    document = json.loads(pressed.quickly(f"compare --choice '{choice}' --for 200ms --json"))
    from_ps, to_ps = document["from_ps"], document["to_ps"]
    other = Home(tmp_path)
    other.file.parent.mkdir()
    shutil.copy(pressed.file, other.file)
    assert [f"coprocsim sched set xxx0 {command}" for command in commands] == document["choices"][0]["commands"]
    for command in commands:
        other.quickly(f"sched set xxx0 {command}")
    other.quickly("run 200ms")
    overdue_before = 0
    total = dict.fromkeys(("in_time", "late", "abandoned", "dropped", "failed", "overdue"), 0)
    for found in document["choices"][0]["vcoprocs"]:
        said = other.quickly(f"trace show --kind job --domain {found['domain']} --from 0s --json")
        rows = json.loads(said)["rows"]
        releases = [{"deadline_ps": None, **row} for row in rows if row["what"] == "job"]
        ends = [row for row in rows if row["what"] == "job_end"]
        dropped = within(rows, from_ps, to_ps, "job_dropped")
        done = [row for row in ends if row["how"] == "done" and from_ps < row["at_ps"] <= to_ps]
        late = sum(row["at_ps"] > (row.get("deadline_ps") or 2**63) for row in done)
        assert found["released"] == within(rows, from_ps, to_ps, "job") + dropped
        assert (found["in_time"], found["late"]) == (len(done) - late, late)
        assert found["abandoned"] == within(rows, from_ps, to_ps, "job_end", "abandoned")
        assert found["failed"] == within(rows, from_ps, to_ps, "job_end", "error")
        assert found["dropped"] == dropped
        assert found["open"] == len(releases) - len(ends)
        still = releases[len(ends) :]
        assert found["overdue"] == sum((job["deadline_ps"] or 2**63) < to_ps for job in still)
        missed = missed_by(to_ps, releases, ends) - missed_by(from_ps, releases, ends)
        assert found["missed"] == missed + dropped
        overdue_before += any(end["at_ps"] > from_ps > (end.get("deadline_ps") or 2**63) for end in ends)
        for name in total:
            total[name] += found[name]
    assert overdue_before == 1
    # A fault takes the jobs along that the unit has.
    assert total["failed"] >= 3
    assert min(total["in_time"], total["late"], total["abandoned"], total["dropped"]) > 0


def test_who_starves_a_guest_is_never_the_best_of_its_jobs(pressed):
    """Under the first choice `late` and `quits` have 1 % of the coproc each; the jobs that come are the same."""
    budgets = "period=20ms {0}:budget=200us {0}:extratime=0"
    starving = "rtds " + " ".join(f"{guest}:{budgets.format(guest)}" for guest in ("late", "quits"))
    output = pressed.quickly(f"compare --choice '{starving}' --choice edf --for 300ms --json")
    outcomes = [as_outcome(each) for each in json.loads(output)["choices"]]
    for of_first, of_second in list(zip(*(each.vcoprocs for each in outcomes), strict=True))[:2]:
        assert of_first.released == of_second.released
        assert of_first.missed > of_second.missed
        assert of_first.in_time < of_second.in_time
    for figure in figures(outcomes):
        assert figure.domain not in {"late", "quits"} or 0 not in figure.best, figure


def as_outcome(said: dict[str, Any]) -> Outcome:
    """Return an outcome from what `--json` says of it."""
    vcoprocs = [{**of, "latency": of["latency"] and Spread(**of["latency"])} for of in said["vcoprocs"]]
    known = {name: said[name] for name in Outcome._fields}
    return Outcome(**{**known, "vcoprocs": tuple(VcoprocOutcome(**of) for of in vcoprocs)})


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


def test_a_domain_that_is_dying_takes_no_part(tmp_path):
    """Under one choice it is gone sooner than under another, and then there is nothing to compare."""
    home = Home(tmp_path)
    home.busy()
    running = ""
    while running != "denying":
        home.quickly("run 2ms")
        running = json.loads(home.quickly("list coprocs --json"))["coprocs"][0]["running"]
    assert "is dying" in home.quickly("domain destroy denying")
    for length in ("1us", "50ms"):
        document = json.loads(home.quickly(f"compare --algorithm rrobin,edf --for {length} --json"))
        for choice in document["choices"]:
            assert [each["domain"] for each in choice["vcoprocs"]] == ["polite", "frames"]


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
        (
            "--choice edf,rrobin --for 1s",
            "`edf,rrobin` is not one choice: say `--choice edf --choice rrobin`, or `--algorithm edf,rrobin`",
        ),
        (
            "--choice 'edf,rtds charge=debt' --for 1s",
            "say `--choice 'edf charge=debt' --choice 'rtds charge=debt'`\n",
        ),
        ("--choice rrobin,slice=1ms,charge=debt --for 1s", "say `--choice 'rrobin slice=1ms,charge=debt'`\n"),
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


def made(choice: str, share: float, missed: int, fairness: float | None = 1.0, domains: int = 2) -> Outcome:
    """Return an outcome with vcoprocs of which each has done one job in time, all of them in the same time."""
    latency = Spread(1, 9, 9, 9, 9, 9)
    vcoprocs = tuple(
        VcoprocOutcome(
            *("ab"[number], 1 + number, f"d{1 + number}v0", share, 1, 0, 0, 1 + missed, 1 + missed, 1, missed),
            *(0, 0, 0, 0, 0, missed, latency),
        )
        for number in range(domains)
    )
    return Outcome(choice, choice, 500, 500, 0, 0, 7, 0, 0, 0, fairness, vcoprocs)


def test_the_best_is_the_most_or_the_least_and_nobody_where_all_are_equal():
    found = figures([made("x", 0.25, 3), made("y", 0.5, 1), made("z", 0.500001, 1)])
    best = {(figure.domain, figure.title): set(figure.best) for figure in found}
    assert best["a", "Share"] == {1, 2}, "50.00 is as much as 50.00"
    assert best["a", "Missed"] == best[None, "Missed"] == {1, 2}
    assert best["a", "Late"] == best["a", "Released"] == set(), "more of it, or less, is neither good nor bad"
    assert best[None, "Switches"] == best[None, "Fairness"] == best["a", "Latency p99"] == set()
    [switching] = [figure for figure in found if figure.title == "Switching"]
    assert switching.values == (50, 50, 50)


def test_a_figure_that_there_is_not_is_never_the_best():
    found = figures([made("x", 0.5, 0, None), made("y", 0.5, 0, 0.4)])
    assert [set(figure.best) for figure in found if figure.title == "Fairness"] == [{1}]


def test_the_quickest_is_not_the_best_if_it_misses_more():
    slow, quick = made("slow", 0.5, 1), made("quick", 0.5, 2)
    slow = slow._replace(vcoprocs=tuple(each._replace(latency=Spread(1, *[3 * US] * 5)) for each in slow.vcoprocs))
    best = {figure.title: set(figure.best) for figure in figures([slow, quick]) if figure.domain == "a"}
    assert best["Latency p99"] == best["Latency max"] == set()
    equal = made("quick", 0.5, 1)
    best = {figure.title: set(figure.best) for figure in figures([slow, equal]) if figure.domain == "a"}
    assert best["Latency p99"] == best["Latency max"] == {1}


def test_times_that_look_alike_are_alike():
    # 1.5 and 1.499999 us are shown as 0.002 and 0.001 ms, 1.499998 as 0.001 again.
    times = (3 * US // 2, 3 * US // 2 - 1, 3 * US // 2 - 2)
    made_of = [made(str(time_ps), 0.5, 1) for time_ps in times]
    outcomes = [
        one._replace(vcoprocs=tuple(each._replace(latency=Spread(1, *[time_ps] * 5)) for each in one.vcoprocs))
        for one, time_ps in zip(made_of, times, strict=True)
    ]
    best = {figure.title: set(figure.best) for figure in figures(outcomes) if figure.domain == "a"}
    assert best["Latency max"] == {1, 2}


def test_what_a_single_domain_has_is_not_said_once_more_of_its_coproc():
    of_one = [figure.title for figure in figures([made("x", 0.5, 1, domains=1)]) if figure.domain is None]
    assert of_one == ["Switches", "Switching"]
    of_two = [figure.title for figure in figures([made("x", 0.5, 1)]) if figure.domain is None]
    assert of_two == ["Fairness", "Switches", "Switching", "In time", "Missed"]
    [missed] = [figure for figure in figures([made("x", 0.5, 1)]) if (figure.domain, figure.title) == (None, "Missed")]
    assert missed.values == (2,)


def test_what_never_happened_and_who_never_worked_is_left_out():
    nothing = VcoprocOutcome("idle", 3, "d3v0", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None)
    outcome = made("x", 0.5, 0, domains=1)
    outcome = outcome._replace(vcoprocs=(*outcome.vcoprocs, nothing))
    found = figures([outcome])
    assert {figure.domain for figure in found} == {None, "a"}
    assert without_work([outcome]) == ["idle"]
    titles = [figure.title for figure in found if figure.domain == "a"]
    assert titles == ["Share", "Released", "In time", "Missed", "Latency p99", "Latency max"]


LONG = ("rrobin slice=2ms switch-timeout=30ms", "priority denying:priority=9 frames:priority=0")


def test_long_choices_have_letters_and_stand_beside_each_other(home):
    choices = " ".join(f"--choice '{choice}'" for choice in LONG)
    output = home.quickly(f"compare {choices} --algorithm edf --for 30ms --bars --page long.html")
    lines = output.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1:3] == [f"A: {LONG[0]}", f"B: {LONG[1]}"]
    # Choices in words come behind those of `--algorithm`.
    assert lines[3].split() == ["Of", "Figure", "edf", "A", "B"]
    drawn = output.partition("xxx0: Switches\n")[2].splitlines()[:3]
    assert [line.split()[0] for line in drawn] == ["edf", "A", "B"]
    page = "".join(Page((home.folder / "long.html").read_text("utf-8")).text)
    assert page.count("frames:priority=0") == 1


def test_choices_that_have_room_keep_their_names(home):
    output = home.quickly("compare --choice 'rrobin slice=2ms' --choice 'rrobin slice=13ms' --for 30ms")
    assert output.splitlines()[1].split("  ")[-1].strip() == "rrobin slice=13ms"


def test_the_commands_below_the_table_make_the_choice(home, tmp_path):
    output = home.quickly(f"compare --choice '{LONG[1]}' --for 30ms")
    commands = re.findall(r"coprocsim (sched set .*)", output.partition("Commands\n")[2])
    assert commands == [
        "sched set xxx0 --algorithm priority",
        "sched set xxx0 -d denying priority=9",
        "sched set xxx0 -d frames priority=0",
    ]
    other = Home(tmp_path)
    other.file.parent.mkdir()
    shutil.copy(home.file, other.file)
    for command in commands:
        assert "error" not in other.quickly(command)
    shown = json.loads(other.quickly("sched xxx0 --json"))
    assert shown["scheduler"] == "priority"
    own = {each["domain"]: each["settings"][0]["value"] for each in shown["vcoprocs"]}
    assert (own["denying"], own["frames"]) == ("9", "0")


def test_the_table_fits_80_columns_and_has_every_choice(home):
    output = home.quickly("compare --algorithm rrobin,priority,edf,fair,credit,cbs,timebased,fixed --for 30ms")
    assert max(len(line) for line in output.splitlines()) <= 80
    titles = [word for line in output.splitlines() if line.startswith("Of ") for word in line.split()[2:]]
    assert titles == ["rrobin", "priority", "edf", "fair", "credit", "cbs", "timebased", "fixed"]
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
    rows = output.partition("\n\n")[0].splitlines()[2:]
    table = [cell.strip("*") for line in rows for cell in re.split(r"  +", line)[2:]]
    assert shown == table
    widths = [float(str(each["style"])[7:-1]) for _, each in page.seen if each.get("class") == "bar"]
    assert len(widths) == len(shown)
    assert all(0 <= width <= 100 for width in widths)


def test_what_is_typed_is_text_in_the_page():
    from coprocsim.cli.pages.comparison import page_of
    from coprocsim.toolstack.compare import Comparison

    outcomes = (made("<b>&", 0.5, 0),)
    page = Page(page_of(Comparison("xxx0", 0, MS, outcomes, (("sched set xxx0 <b>",),)), figures(outcomes)))
    assert "<b>&" in "".join(page.text)
    assert "b" not in {tag for tag, _ in page.seen}


# ---------------------------------------------------------------- processes


def test_ctrl_c_ends_all_processes_and_changes_nothing(home):
    before = home.dump()
    process = home.start("compare", "--algorithm", "rrobin,edf", "--for", "100000s", start_new_session=True)
    # Beside it there is one for each choice, or for each core if there are fewer, and one that Python needs for them.
    wait_until(lambda: processes_of(process.pid) >= 3, "no choice is run")
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
