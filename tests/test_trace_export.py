"""`trace export`: each format is opened by the program that it is for, and has the same times as `list vcoprocs`."""

import csv
import io
import json
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import click
import pytest

from coprocsim.cli import main
from coprocsim.cli.progress import Reading
from coprocsim.model import FaultKind
from coprocsim.observe.exporters import FORMATS, format_of, writer
from coprocsim.observe.exporters.scene import scene
from coprocsim.observe.trace import FIELDS, Choice
from coprocsim.observe.view import view, who
from coprocsim.store import read
from coprocsim.toolstack import control, provoke
from coprocsim.toolstack import domain as toolstack_domain
from tests.booted import booted, go_on
from tests.machines import MS, Row

PROJECT = Path(__file__).parent.parent
EVERY = ["xentrace", "vcd", "chrome", "perfetto", "csv"]
BUSY = [
    "kind=backlog,work=12ms,uncuttable=all",
    "kind=periodic,period=20ms,work=4ms,deadline=8ms",
    "kind=backlog,work=100us",
    "kind=idle",
    "kind=backlog,work=1ms",
]


def program(name: str) -> str:
    """Return where a program is; skip without it, which CI may not."""
    found = shutil.which(name)
    if found is None:
        assert os.environ.get("CI") != "true", f"{name} is missing"
        pytest.skip(f"there is no {name} on this machine")
    return found


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine with denials, a hang and its reset, a domain that sleeps, one that was paused, and one that is gone."""
    machine = booted(tmp_path_factory.mktemp("busy"), BUSY)
    control.run(machine, 200 * MS, go_on)
    toolstack_domain.pause(machine, "dom2")
    provoke.inject(machine, "xxx0", FaultKind.HANG, None, 1, 0)
    control.run(machine, 100 * MS, go_on)
    toolstack_domain.unpause(machine, "dom2")
    toolstack_domain.destroy(machine, "dom5")
    control.run(machine, 203 * MS, go_on)
    return machine


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine of a hundred thousand rows."""
    machine = booted(tmp_path_factory.mktemp("long"), ["kind=backlog,work=50us"] * 2, trace_limit_bytes=2**28)
    control.run(machine, 1500 * MS, go_on)
    return machine


def export(machine: Path, path: Path | str, *arguments: str, status: int = 0) -> Path:
    """Export a machine's trace, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPROCSIM_STATE_DIR", str(machine.parent))
        assert main(["--machine", "machine", "trace", "export", str(path), *arguments]) == status
    return Path(path)


def times_of(machine: Path) -> dict[str, tuple[int, int]]:
    """Return how long each vcoproc has run and waited, in ps, as its counters have it."""
    with read(machine) as file:
        seen = view(file)
        return {who(row): (seen.run_ps(row), seen.wait_ps(row)) for row in seen.vcoprocs}


def test_the_busy_machine_has_what_could_go_wrong(busy: Path):
    with read(busy) as file:
        rows: list[Row] = list(file.trace(0, view(file).now_ps))
    whats = {(row[2], row[4]) for row in rows if len(row) > 4}
    assert {("switch_from", "busy"), ("switch_from", "left"), ("domain", "paused"), ("domain", "destroyed")} <= whats
    assert {"timeout", "reset"} <= {row[2] for row in rows}


def test_a_suffix_tells_the_format():
    assert {name: format_of(f"a{each.suffixes[0]}") for name, each in FORMATS.items()} == {each: each for each in EVERY}
    assert format_of("a.txt") is None


# ---------------------------------------------------------------- xentrace


def assert_xenalyze_agrees(machine: Path, path: Path) -> None:
    """Running and runnable of each vcpu are ours: xenalyze prints how often, and the mean in ns rounded down."""
    done = subprocess.run(
        [program("xenalyze"), "--cpu-hz=1G", "--summary", path],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not re.search("FATAL|mismatch|out of order", done.stdout + done.stderr)
    domain, vcpu = "", ""
    found: dict[str, dict[str, tuple[int, str, int]]] = defaultdict(dict)
    for line in done.stdout.splitlines():
        if header := re.match(r"\|-- Domain (\d+) --\|", line):
            domain = header[1]
        elif header := re.match(r"-- v(\d+) --", line):
            vcpu = f"d{domain}v{header[1]}"
        elif figures := re.match(r" +(running|runnable): +(\d+) +([\d.]+)s +(\d+) ", line):
            found[vcpu][figures[1]] = (int(figures[2]), figures[3], int(figures[4]))
    for name, (run_ps, wait_ps) in times_of(machine).items():
        for state, time_ps in (("running", run_ps), ("runnable", wait_ps)):
            count, seconds, mean_ns = found[name].get(state, (0, "0.00", 0))
            assert time_ps % 1000 == 0
            assert count * mean_ns <= time_ps // 1000 < count * (mean_ns + 1) or (count, time_ps) == (0, 0), (
                name,
                state,
            )
            assert abs(float(seconds) - time_ps / 1e12) <= 0.01


def test_xenalyze_has_the_same_running_and_runnable_times(busy: Path, tmp_path: Path):
    path = export(busy, tmp_path / "a.xentrace")
    assert_xenalyze_agrees(busy, path)
    assert sum(run_ps > 0 for run_ps, _ in times_of(busy).values()) == 3


def test_xenalyze_reads_a_hundred_thousand_rows(long: Path, tmp_path: Path):
    with read(long) as file:
        assert file.trace_kept().rows > 100_000
    assert_xenalyze_agrees(long, export(long, tmp_path / "a.xentrace"))


def test_xenalyze_reads_a_stretch_from_the_middle(busy: Path, tmp_path: Path):
    path = export(busy, tmp_path / "a.xentrace", "--from", "101ms", "--to", "137ms")
    done = subprocess.run(
        [program("xenalyze"), "--cpu-hz=1G", "--summary", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Total time: 0.04 seconds" in done.stdout


def test_a_record_of_xentrace_is_as_xen_writes_it(busy: Path, tmp_path: Path):
    data = export(busy, tmp_path / "a.xentrace").read_bytes()
    # A change of the cpu: event 0x1f003 with two words more, cpu 0, a window of one record of 16 bytes.
    assert struct.unpack_from("<III", data) == (0x2001F003, 0, 16)
    # At boot the idle vcpu, d32767v0, goes from runnable (1) to running (0): one word more, and it has a time, 1 ns.
    assert struct.unpack_from("<IQI", data, 12) == (0x90021101, 1, 32767 << 16)


# ---------------------------------------------------------------- vcd


def runs_of_vcd(path: Path) -> dict[str, int]:
    """Return for how long each vcoproc's wire `run` is 1, read by pyvcd."""
    from vcd.reader import TokenKind, tokenize

    wires: dict[str, str] = {}
    since: dict[str, int] = {}
    total: dict[str, int] = defaultdict(int)
    now, scope = 0, list[str]()
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                scope.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scope.pop()
            elif token.kind is TokenKind.VAR and token.var.reference == "run":
                wires[token.var.id_code] = scope[-1].rpartition("_")[2]
            elif token.kind is TokenKind.CHANGE_TIME:
                assert token.time_change >= now
                now = token.time_change
            elif token.kind is TokenKind.CHANGE_SCALAR and token.scalar_change.id_code in wires:
                name = wires[token.scalar_change.id_code]
                if name in since:
                    total[name] += now - since.pop(name)
                if token.scalar_change.value == "1":
                    since[name] = now
    for name, since_ps in since.items():
        total[name] += now - since_ps
    return total


@pytest.mark.parametrize("which", ["busy", "long"])
def test_a_waveform_has_the_same_running_times_and_gtkwave_keeps_them(which: str, tmp_path: Path, request):
    machine = request.getfixturevalue(which)
    path = export(machine, tmp_path / "a.vcd")
    ours = {name: run_ps for name, (run_ps, _) in times_of(machine).items() if run_ps}
    found = runs_of_vcd(path)
    assert {name: found[name] for name in ours} == ours
    subprocess.run([program("vcd2fst"), path, tmp_path / "a.fst"], check=True, capture_output=True, timeout=300)
    with (tmp_path / "b.vcd").open("wb") as back:
        subprocess.run([program("fst2vcd"), tmp_path / "a.fst"], check=True, stdout=back, timeout=300)
    again = runs_of_vcd(tmp_path / "b.vcd")
    assert {name: again[name] for name in ours} == ours


def variables_of_vcd(path: Path) -> list[str]:
    """Return the full names of all variables, read by pyvcd."""
    from vcd.reader import TokenKind, tokenize

    scopes: list[str] = []
    found = []
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                scopes.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scopes.pop()
            elif token.kind is TokenKind.VAR:
                found.append(".".join([*scopes, token.var.reference]))
    return found


def test_gtkwave_is_told_to_show_every_signal_by_its_domain(busy: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("COPROCSIM_STATE_DIR", str(busy.parent))
    waveform, saved = tmp_path / "a.vcd", tmp_path / "a.gtkw"
    assert main(["--machine", "machine", "trace", "export", str(waveform), "--gtkw", str(saved)]) == 0
    lines = saved.read_text().splitlines()
    shown = {name: alias for alias, name in re.findall(r"^\+\{(.*)\} (.*)$", saved.read_text(), re.MULTILINE)}
    assert lines[0] == f'[dumpfile] "{waveform}"'
    assert sorted(shown) == sorted(variables_of_vcd(waveform))
    assert next(iter(shown)) == "xxx0.has"
    assert shown["xxx0.dom3_d3v0.deny"] == "dom3 deny"
    # Of 503 ms in 500 pixels a frame of 200 has 201.2 ms, some 2 ** 37.55 ps.
    assert lines[2].startswith("*-37.5")


@pytest.mark.parametrize(
    "files", ["a.csv --gtkw a.gtkw", "- --format vcd --gtkw a.gtkw", "a.vcd --gtkw -", "a.vcd --gtkw a.vcd"]
)
def test_what_gtkwave_shows_is_a_file_beside_a_vcd(files: str, busy: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["--machine", "machine", "trace", "export", *files.split()]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("choice", ["--kind job", "--domain dom1", "--late"])
def test_what_draws_who_has_a_coproc_takes_no_choice_among_its_rows(choice: str, busy: Path, tmp_path: Path, capsys):
    assert main(["--machine", "machine", "trace", "export", str(tmp_path / "a.vcd"), *choice.split()]) == 2
    assert "`vcd` draws who has a coproc, and needs every row of it" in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- chrome, perfetto


@pytest.mark.parametrize("which", ["busy", "long"])
def test_chrome_s_slices_nest_and_last_as_long_as_they_ran(which: str, tmp_path: Path, request):
    machine = request.getfixturevalue(which)
    document = json.loads(export(machine, tmp_path / "a.json").read_bytes(), parse_float=Decimal)
    events = document["traceEvents"]
    threads = {(each["pid"], each["tid"]): each["args"]["name"] for each in events if each["name"] == "thread_name"}
    slices = defaultdict(list)
    for each in events:
        assert each["ph"] in {"M", "X", "i"}
        if each["ph"] == "X":
            assert each["dur"] > 0
            slices[threads[each["pid"], each["tid"]]].append(each)
    for of_thread in slices.values():
        ordered = sorted(of_thread, key=lambda each: each["ts"])
        for before, after in pairwise(ordered):
            assert before["ts"] + before["dur"] <= after["ts"]
    for name, (run_ps, _) in times_of(machine).items():
        mine = next((found for thread, found in slices.items() if thread.endswith(f" {name}")), [])
        # In µs; a ps is a millionth of one.
        assert sum(each["dur"] for each in mine if each["name"] in {"run", "deny"}) * 10**6 == run_ps


@pytest.mark.parametrize("which", ["busy", "long"])
def test_perfetto_s_tracks_are_described_before_they_are_used_and_their_slices_end(which: str, tmp_path: Path, request):
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

    machine = request.getfixturevalue(which)
    trace = Trace.FromString(export(machine, tmp_path / "a.pftrace").read_bytes())
    names: dict[int, str] = {}
    total: dict[str, int] = defaultdict(int)
    open_, now = defaultdict(list), 0
    for packet in trace.packet:
        assert packet.trusted_packet_sequence_id
        if packet.HasField("track_descriptor"):
            assert packet.track_descriptor.parent_uuid in {0, *names}
            names[packet.track_descriptor.uuid] = packet.track_descriptor.name
            continue
        event = packet.track_event
        assert packet.timestamp >= now
        now = packet.timestamp
        assert event.track_uuid in names
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            open_[event.track_uuid].append((event.name, now))
        elif event.type == TrackEvent.TYPE_SLICE_END:
            what, since_ns = open_[event.track_uuid].pop()
            if what in {"run", "deny"}:
                total[names[event.track_uuid].rpartition(" ")[2]] += now - since_ns
        else:
            assert event.type == TrackEvent.TYPE_INSTANT
    assert not any(open_.values())
    for name, (run_ps, _) in times_of(machine).items():
        assert total[name] * 1000 == run_ps


# ---------------------------------------------------------------- csv


@pytest.mark.parametrize("which", ["busy", "long"])
def test_csv_has_every_row_with_its_instant_in_whole_ns_and_exactly(which: str, tmp_path: Path, request):
    machine = request.getfixturevalue(which)
    with export(machine, tmp_path / "a.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    with read(machine) as file:
        rows = list(file.trace(0, view(file).now_ps))
    assert [(int(line["at_ps"]), line["coproc"], line["what"]) for line in lines] == [row[:3] for row in rows]
    assert all(int(line["at_ns"]) == int(line["at_ps"]) // 1000 for line in lines)
    cells = {cell for line in lines for name in ("vcoproc", "domain_id", *FIELDS) if (cell := line[name])}
    assert {str(value) for row in rows for value in row[3:]} - {"-", "-1"} <= cells


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize("name", EVERY)
def test_the_same_trace_gives_the_same_bytes_in_a_file_and_on_stdout(name: str, busy: Path, tmp_path: Path):
    path = export(busy, tmp_path / "one", "--format", name)
    command = [sys.executable, "-m", "coprocsim", "--machine", "machine", "trace", "export", "-", "--format", name]
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "COPROCSIM_STATE_DIR": str(busy.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
    assert done.stdout == path.read_bytes()
    assert os.listdir(tmp_path) == ["one"]


@pytest.mark.parametrize("name", EVERY)
def test_what_is_there_stays_when_the_export_fails(name: str, busy: Path, tmp_path: Path):
    with read(busy) as file:
        file.copy_to(tmp_path / "machine.sqlite")
    target = tmp_path / "out"
    target.write_text("as it was")
    with closing(sqlite3.connect(tmp_path / "machine.sqlite")) as sql, sql:
        sql.execute("UPDATE trace_chunk SET data = x'00' WHERE number = (SELECT max(number) FROM trace_chunk)")
    export(tmp_path / "machine.sqlite", target, "--format", name, status=1)
    assert target.read_text() == "as it was"
    assert not list(tmp_path.glob(".*part"))


@pytest.mark.parametrize("name", EVERY)
def test_whoever_reads_only_the_beginning_meets_no_error(name: str, long: Path):
    command = f"{sys.executable} -m coprocsim --machine machine trace export - --format {name} | head -c 1"
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "COPROCSIM_STATE_DIR": str(long.parent)}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, timeout=60, check=True)
    assert len(done.stdout) == 1
    assert done.stderr == b""


def test_an_unknown_suffix_asks_for_the_format(busy: Path, tmp_path: Path, capsys):
    export(busy, tmp_path / "a.txt", status=2)
    assert "say which `--format`" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_said(busy: Path, tmp_path: Path, capsys):
    export(busy, tmp_path / "none" / "a.csv", status=1)
    assert "No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "package"), [("vcd", "pyvcd"), ("perfetto", "perfetto")])
def test_a_package_that_is_missing_is_named_with_the_cure(name, package, busy: Path, tmp_path: Path):
    program = (
        "import sys; sys.modules[sys.argv[1]] = None; from coprocsim.cli import main; sys.exit(main(sys.argv[2:]))"
    )
    blocked = {"vcd": "vcd", "perfetto": "perfetto"}[name]
    arguments = ["--machine", "machine", "trace", "export", str(tmp_path / "a"), "--format", name]
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "COPROCSIM_STATE_DIR": str(busy.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program, blocked, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: `{name}` needs the package `{package}`, which is not installed\n"
        " hint: `pip install 'coprocsim[trace]'` installs it\n"
    )


# ---------------------------------------------------------------- progress


@pytest.mark.parametrize("last", [None, 50_000])
def test_progress_covers_both_looks_at_the_rows(long: Path, last: int | None):
    told: list[tuple[int, int]] = []

    def shown(done_ps: int, total_ps: int) -> bool:
        told.append((done_ps, total_ps))
        return True

    with read(long) as file:
        seen = view(file)
        choice = Choice(0, seen.now_ps, kinds=frozenset({"finding"}) if last is None else frozenset(), last=last)
        reading = Reading(shown, 0, seen.now_ps, times=2)
        found = scene(seen, file, choice, reading)
        writer("csv")(io.BytesIO(), found, choice.rows(file, reading))
    done = [done_ps for done_ps, _ in told]
    assert done == sorted(done)
    assert {total_ps for _, total_ps in told} == {2 * seen.now_ps}
    # Each look is a half. A piece is of 4096 rows: of a hundred thousand there are 24, also if none is wanted, as there
    # is no finding; of the last 50,000 there are 12.
    first = sum(done_ps < seen.now_ps for done_ps in done)
    assert min(first, len(done) - first) >= (24 if last is None else 12)
    if last is None:
        assert 0 < done[0] < 2 * seen.now_ps / 40
        assert 0.95 * 2 * seen.now_ps < done[-1] <= 2 * seen.now_ps


def test_an_export_ends_when_somebody_wants_it_to(long: Path):
    with read(long) as file:
        rows = Reading(lambda _done_ps, _total_ps: False, 0, view(file).now_ps)(file.trace(0, view(file).now_ps))
        assert len([next(rows) for _ in range(4096)]) == 4096
        with pytest.raises(click.Abort):
            next(rows)


# ---------------------------------------------------------------- memory


def memory_kib(machine: Path, *arguments: str) -> int:
    """Return the most memory that a command had, in a process of its own."""
    program = (
        "import resource, sys; from coprocsim.cli import main; assert main(sys.argv[1:]) == 0;"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "COPROCSIM_STATE_DIR": str(machine.parent)}
    command = [sys.executable, "-c", program, "--machine", "machine", *arguments]
    with open(os.devnull, "wb") as nowhere:
        done = subprocess.run(
            command, env=environment, stdout=nowhere, stderr=subprocess.PIPE, text=True, timeout=600, check=True
        )
    return int(done.stderr.split()[-1])


def assert_memory_does_not_grow(machine: Path, arguments: list[str]) -> None:
    """All of it takes no more than its first hundredth, give or take 8 MiB; the rows alone would be 25 MiB and more."""
    with read(machine) as file:
        short_ps = view(file).now_ps // 100
    short_kib = memory_kib(machine, "trace", *arguments, "--to", f"{short_ps}ps")
    assert memory_kib(machine, "trace", *arguments) - short_kib < 8 * 1024


STREAMED = [["show"], ["show", "--json"], *(["export", "-", "--format", name] for name in EVERY)]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", STREAMED, ids=" ".join)
def test_memory_does_not_grow_with_the_trace(arguments: list[str], long: Path):
    assert_memory_does_not_grow(long, arguments)


@pytest.mark.slow
def test_a_million_rows_are_recorded_reported_and_exported_in_the_same_memory(tmp_path: Path):
    machine = booted(tmp_path, ["kind=backlog,work=50us"] * 2, trace_limit_bytes=2**28)
    # 65,000 rows are more than go to the file at once; then comes the rest of the million.
    short_kib, short_report_kib = memory_kib(machine, "run", "800ms"), memory_kib(machine, "report", "-")
    assert memory_kib(machine, "run", "11500ms") - short_kib < 8 * 1024
    with read(machine) as file:
        assert file.trace_kept().rows > 1_000_000
    # Of each of 250,000 jobs the picture keeps twenty bytes, and packs them.
    assert memory_kib(machine, "report", "-") - short_report_kib < 16 * 1024
    path = tmp_path / "a.xentrace"
    for name in EVERY:
        assert_memory_does_not_grow(machine, ["export", str(path) if name == "xentrace" else "-", "--format", name])
    assert_xenalyze_agrees(machine, path)
