"""`timeline`: a short denial does not hide who ran, a long one is seen, and all of it fits in its columns."""

import re
from pathlib import Path

import click
import pytest

from coprocsim.cli import main
from coprocsim.toolstack import control
from coprocsim.toolstack import domain as toolstack_domain
from tests.booted import booted, go_on
from tests.cli import golden
from tests.machines import MS


@pytest.fixture
def timeline(tmp_path, monkeypatch, capsys):
    """Return what `timeline --by vcoproc` shows of what two domains do on gpu0: lanes and marks by domain."""
    golden.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", "state")

    def shown(first: str, second: str, *span: str) -> tuple[dict[str, str], dict[str, str]]:
        main(["boot", "dts/system.dtb", "--force"])
        for name, work in (("first", first), ("second", second)):
            workload = f'coproc_workload=["gpu0,{work}"]'
            main(["domain", "create", "domains/minimal.cfg", f'name="{name}"', 'coproc=["gpu0"]', workload])
        main(["run", "100ms"])
        capsys.readouterr()
        main(["timeline", "--by", "vcoproc", "--width", "80", *span])
        lanes: dict[str, str] = {}
        marks: dict[str, str] = {}
        label = "-"
        for line in capsys.readouterr().out.splitlines()[1:]:
            if line[:1].strip() in {"#", "b"}:
                break
            label, into = (label, marks) if line.startswith(" ") else (line.split()[0], lanes)
            into[label] = line[13:]
        return lanes, marks

    return shown


def test_a_denial_shorter_than_the_runs_beside_it_does_not_hide_them(timeline):
    # A GSX denies for 25 us until it has stopped; a column is 1.5 ms.
    lanes, marks = timeline("kind=backlog,work=100us", "kind=backlog,work=100us")
    for domain in ("first", "second"):
        assert "!" not in lanes[domain]
        assert "#" in lanes[domain]
        assert "!" in marks[domain]


def test_a_denial_that_fills_a_column_is_shown_in_it(timeline):
    # A job of 30 ms that cannot be cut is denied by for up to 20 ms after its turn of 10 ms.
    lanes, _ = timeline("kind=backlog,work=30ms,uncuttable=30ms", "kind=backlog,work=1ms", "--to", "30ms")
    assert "!!!!" in lanes["first"]
    assert "####" in lanes["first"]


# ---------------------------------------------------------------- how it looks


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve domains, each of which has the coproc for 1 ms of every 20, one after the other; the last has no work."""
    loads = [f"kind=trace,at={';'.join(f'{20 * n + 1.5 * at:g}ms:1ms' for n in range(5))}" for at in range(11)]
    machine = booted(tmp_path_factory.mktemp("crowd"), [*loads, "kind=idle"])
    control.run(machine, 100 * MS, go_on)
    return machine


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return the lines that `timeline` prints of a machine."""

    def lines(machine: Path, *arguments: str) -> list[str]:
        monkeypatch.setenv("COPROCSIM_STATE_DIR", str(machine.parent))
        assert main(["--machine", machine.stem, "timeline", *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    return lines


def test_each_domain_has_a_colour_of_its_own_and_so_has_its_name_below(crowd, looked, monkeypatch):
    monkeypatch.setattr("coprocsim.cli.timeline.wants_colour", lambda _stream: True)
    text = "\n".join(looked(crowd, "--to", "17ms", "--width", "96"))
    painted = set(re.findall(r"\033\[30;(\d+)m([1-9a-f])\033", text))
    names = re.findall(r"\033\[30;(\d+)m([1-9a-f])\033\[0m dom", text)
    # Eleven have had it; there are eleven colours, and red is none of them.
    assert painted == set(names)
    assert len(names) == len({colour for colour, _ in names}) == 11
    assert "41" not in {colour for colour, _ in names}


def test_a_domain_has_the_same_colour_in_every_picture(crowd, looked, monkeypatch):
    monkeypatch.setattr("coprocsim.cli.timeline.wants_colour", lambda _stream: True)
    by_coproc = dict(re.findall(r"\033\[30;(\d+)m[1-9a-f]\033\[0m (dom\d+)", "\n".join(looked(crowd))))
    lanes = [line for line in looked(crowd, "--by", "vcoproc", "--from", "3ms") if line.startswith("dom")]
    ran = {colour: line.split()[0] for line in lanes for colour in re.findall(r"\033\[30;(\d+)m[#+]", line)}
    assert ran == by_coproc
    assert len(ran) == 11


def test_who_waits_is_dim_and_who_denies_is_red(tmp_path, looked, monkeypatch):
    # Each turn is 5 ms; the first needs 8 ms that cannot be cut, so it denies for 3 ms while the second waits on.
    machine = booted(tmp_path, ["kind=backlog,work=8ms,uncuttable=all", "kind=backlog,work=1ms"])
    control.run(machine, 8 * MS, go_on)
    monkeypatch.setattr("coprocsim.cli.timeline.wants_colour", lambda _stream: True)
    first, second = (line for line in looked(machine, "--by", "vcoproc", "--to", "8ms") if line.startswith("dom"))
    assert set(re.findall(r"\033\[([\d;]+)m(.)\033", first)) == {("30;42", "#"), ("30;41", "!")}
    assert set(re.findall(r"\033\[([\d;]+)m(.)\033", second)) == {("2", ".")}


@pytest.mark.parametrize("by", ["coproc", "vcoproc"])
def test_colours_change_nothing_else(crowd, looked, monkeypatch, by):
    plain = looked(crowd, "--by", by)
    monkeypatch.setattr("coprocsim.cli.timeline.wants_colour", lambda _stream: True)
    assert [click.unstyle(line).rstrip() for line in looked(crowd, "--by", by)] == plain
    assert max(map(len, plain)) == 80


def test_a_line_for_each_vcoproc_shows_when_it_ran(crowd, looked):
    lines = looked(crowd, "--by", "vcoproc", "--to", "20ms", "--width", "92")
    lanes = {line.split()[0]: line[12:] for line in lines if line.startswith("dom")}
    assert list(lanes) == [f"dom{number}" for number in range(1, 13)]
    # A column is 250 us; the first has its job at 0 ms, the eleventh at 15 ms, and each is done in some 1.1 ms.
    for number in range(1, 12):
        ran = [at for at, cell in enumerate(lanes[f"dom{number}"]) if cell in "#+"]
        assert 4 <= len(ran) <= 6
        assert 6 * (number - 1) <= ran[0] <= 6 * (number - 1) + 1
    assert lanes["dom12"] == ""


def test_each_switch_has_its_mark_below(crowd, looked):
    marks = looked(crowd, "--to", "20ms", "--width", "206")[2]
    # A column is 100 us. Each of the eleven enters a coproc that is idle, and leaves it to nobody.
    assert (marks.count("|"), set(marks)) == (22, {" ", "|"})


def test_where_nothing_happens_a_coproc_is_idle(crowd, looked):
    # The eleventh has had it from 15 to 16.1 ms; the next job comes at 20 ms.
    lane = looked(crowd, "--from", "17ms", "--to", "18ms")[1]
    assert lane == "xxx0  " + 74 * "."


@pytest.mark.parametrize(
    ("to", "scale"), [("17000001ns", "one column: 13 ps"), ("17000000001ps", "one column: less than 1 ps")]
)
def test_a_span_may_be_as_short_as_time_is(crowd, looked, to, scale):
    axis, lane, *_ = looked(crowd, "--from", "17ms", "--to", to)
    # 1 ns is 13 ps for each of 74 columns, and something.
    assert axis.split("  ")[0] == ""
    assert f" {scale} " in axis
    assert axis.strip().startswith("0.017000 s ")
    assert lane == "xxx0  " + 74 * "."


@pytest.mark.parametrize("by", ["coproc", "vcoproc"])
@pytest.mark.parametrize("width", [40, 80])
def test_names_of_sixty_characters_leave_room_for_the_picture(tmp_path, looked, by, width):
    machine = booted(tmp_path, [])
    name = "n" * 60
    (tmp_path / "long.cfg").write_text(f'name = "{name}"\nmemory = 16\ncoproc = [ "xxx0" ]\n')
    toolstack_domain.create(
        machine,
        str(tmp_path / "long.cfg"),
        ['coproc_workload=["xxx0,kind=backlog,work=1ms"]'],
        paused=False,
        dry_run=False,
    )
    control.run(machine, 20 * MS, go_on)
    lines = looked(machine, "--by", by, "--width", str(width))
    assert all(len(line) <= max(width, len(f"{name} xxx0")) for line in lines)
    [lane] = [line for line in lines if re.search("1{20}|#{20}", line)]
    assert len(lane) == width
    assert "0.000000 s" in lines[0]
    assert "0.020000 s" in lines[0]
    assert any("one column: " in line for line in lines[:2])
