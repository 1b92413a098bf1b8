"""`timeline --by vcoproc`: a short denial does not hide who ran, a long one is seen."""

import pytest

from coprocsim.cli import main
from tests.cli import golden


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
