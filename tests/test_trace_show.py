"""`trace show` reads like a log: what happened, in order, in words; and only what was asked for."""

import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from coprocsim.cli import main
from coprocsim.cli.root import machine_path
from coprocsim.observe.stats import vcoproc_stats
from coprocsim.observe.view import view
from coprocsim.observe.words import alarming, in_words
from coprocsim.snapshot import JobRow
from coprocsim.store import read
from coprocsim.store.trace import CHUNK_ROWS
from coprocsim.toolstack import control
from coprocsim.toolstack import domain as toolstack_domain
from tests.booted import booted, go_on
from tests.machines import MS, US


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine of some chunks: one domain denies, one is late, and one is gone by now."""
    folder = tmp_path_factory.mktemp("busy")
    machine = booted(
        folder,
        ["kind=backlog,work=12ms,uncuttable=all", "kind=periodic,period=20ms,work=4ms,deadline=8ms", "kind=idle"],
    )
    control.run(machine, 300 * MS, go_on)
    toolstack_domain.destroy(machine, "dom3")
    toolstack_domain.pause(machine, "dom2")
    control.run(machine, 2000 * MS, go_on)
    return machine


@pytest.fixture
def show(busy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("COPROCSIM_STATE_DIR", str(busy.parent))

    def shown(*arguments: str, status: int = 0) -> str:
        assert main(["--machine", "machine", "trace", "show", *arguments]) == status
        captured = capsys.readouterr()
        return captured.err if status else captured.out

    assert machine_path("machine").parent == busy.parent
    return shown


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((0, "c", "switch_from", "d1v0", "busy", 25 * US), "leaves: denied, ask again in 25 us"),
        ((0, "c", "switch_to", "d1v0", "entered", 50 * US), "enters in 50 us"),
        # Released at 2 ms, over 3.2 ms later, due at 5 ms.
        (
            (5_200 * US, "c", "job_end", "d1v0", "done", 2 * MS, 3_200 * US, 5 * MS),
            "job done after 3.2 ms, 200 us late",
        ),
        ((5_200 * US, "c", "job_end", "d1v0", "done", 2 * MS, 3_200 * US, 6 * MS), "job done after 3.2 ms"),
        ((MS, "c", "job", "d1v0", MS, 9 * MS), "job released, due in 8 ms"),
        ((MS, "c", "setting", "-", "slice", 5 * MS, "5ms"), "slice is 5ms from now on"),
        ((MS, "c", "trap", "d1v0", "r0", 16, 4, "write"), "writes 4 B of range r0 at 0x10: trapped"),
    ],
)
def test_a_row_is_said_in_words(row, words: str):
    assert in_words(row) == words


def test_what_is_late_denied_or_broken_alarms():
    late = (5 * MS, "c", "job_end", "d1v0", "done", 0, 5 * MS, 4 * MS)
    in_time = (*late[:-1], 5 * MS)
    assert alarming(late)
    assert not alarming(in_time)
    assert alarming((0, "c", "switch_from", "d1v0", "busy", 1))
    assert not alarming((0, "c", "switch_from", "d1v0", "left", 1))


def test_every_row_of_a_busy_machine_has_a_line_and_those_in_order(busy: Path, show):
    lines = show().splitlines()[1:]
    with read(busy) as file:
        assert len(lines) == file.trace_kept().rows
    instants = [float(line.split()[0]) for line in lines]
    assert instants == sorted(instants)


def test_a_domain_is_called_by_its_name_also_when_it_is_gone(show):
    rows = json.loads(show("--json", "--domain", "3"))["rows"]
    assert {row["domain"] for row in rows} == {"dom3"}
    assert rows[-1]["words"] == "is destroyed"


def test_a_domain_that_is_gone_is_found_by_its_name_and_named_before_a_row_has_told_it(show):
    by_name, by_id = (json.loads(show("--json", "--domain", name, "--from", "1ms"))["rows"] for name in ("dom3", "3"))
    assert by_name == by_id
    assert {row["domain"] for row in by_name} == {"dom3"}


def test_late_ends_are_those_that_are_counted_as_missed(busy: Path, show):
    rows = json.loads(show("--json", "--late"))["rows"]
    with read(busy) as file:
        figures = list(vcoproc_stats(view(file), file.rows(JobRow)))
    missed = Counter({each.vcoproc: each.missed - each.overdue for each in figures})
    assert Counter(row["vcoproc"] for row in rows) == +missed
    assert rows


def test_rows_are_chosen_by_time_coproc_domain_and_kind(show):
    chosen = ["--from", "20ms", "--to", "60ms", "--coproc", "xxx0", "--domain", "dom1", "--kind", "denial,job"]
    document = json.loads(show("--json", *chosen))
    assert (document["from_ps"], document["to_ps"]) == (20 * MS, 60 * MS)
    rows = document["rows"]
    assert {row["kind"] for row in rows} == {"denial", "job"}
    assert {(row["coproc"], row["domain"]) for row in rows} == {("xxx0", "dom1")}
    assert all(20 * MS <= row["at_ps"] <= 60 * MS for row in rows)


def test_the_last_ones_are_the_end_of_all(show):
    assert show("--last", "7").splitlines()[1:] == show().splitlines()[-7:]
    assert show("--last", "3", "--kind", "job").splitlines()[1:] == show("--kind", "job").splitlines()[-3:]


def test_a_line_of_a_machine_with_short_names_fits_a_terminal(show):
    assert max(len(line) for line in show("--kind", "state,switch,denial,job,irq").splitlines()) <= 80


def test_an_unknown_name_is_met_with_the_nearest(show):
    assert "did you mean `denial`?" in show("--kind", "denials", status=1)
    assert "did you mean `dom1`?" in show("--domain", "dom11", status=1)
    # Thirteen kinds are few enough to be named all.
    assert "`setting`, `domain`\n" in show("--kind", "miss", status=1)
    assert "this machine shares `xxx0`" in show("--coproc", "xxx1", status=1)


def test_chunks_outside_of_the_time_are_not_even_unpacked(tmp_path: Path, monkeypatch, capsys):
    machine = booted(tmp_path, ["kind=backlog,work=50us"] * 2)
    control.run(machine, 300 * MS, go_on)
    with sqlite3.connect(machine) as sql:
        (last_ps, rows), *more = sql.execute("SELECT last_ps, rows FROM trace_chunk ORDER BY number").fetchall()
        assert rows == CHUNK_ROWS
        assert more, "there is a second chunk"
        sql.execute("UPDATE trace_chunk SET data = x'00' WHERE number = 1")
    monkeypatch.setenv("COPROCSIM_STATE_DIR", str(tmp_path))
    command = ["--machine", "machine", "trace", "show"]
    assert main([*command, "--from", f"{last_ps + 1}ps"]) == 0
    assert main(command) == 1
    assert "the machine's trace is damaged" in capsys.readouterr().err


def test_a_row_takes_a_few_bytes_in_the_file(busy: Path):
    with read(busy) as file:
        kept = file.trace_kept()
    # An instant, a coproc, a vcoproc, two states and a cost as plain 64-bit numbers would be 48.
    assert kept.size_bytes < 16 * kept.rows


def test_what_outgrew_its_limit_is_said(tmp_path: Path, monkeypatch, capsys):
    machine = booted(tmp_path, ["kind=backlog,work=50us"] * 2, trace_limit_bytes=1)
    for _ in range(2):
        control.run(machine, 500 * MS, go_on)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", str(tmp_path))
    assert main(["--machine", "machine", "trace", "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert kept["dropped"] % CHUNK_ROWS == 0
    assert kept["dropped"] > 0
    assert 0 < kept["rows"] <= CHUNK_ROWS
    assert main(["--machine", "machine", "trace", "show", "--last", "1"]) == 0
    assert "has outgrown `--trace-limit`, and is gone" in capsys.readouterr().err
