"""`step` and `run --until idle`: they end, they say why, and what they say fits the screen."""

import json
import re
from pathlib import Path

import pytest

from coprocsim.cli import main
from coprocsim.toolstack import stepping
from coprocsim.toolstack.stepping import Ended, step
from tests.cli import golden

_DOMAIN = ["domain", "create", "domains/minimal.cfg"]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return the file of a machine, in a folder with the examples."""
    golden.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", "state")
    return tmp_path / "state/default.sqlite"


def test_where_nothing_is_scheduled_step_says_so_at_once(machine, capsys):
    main(["boot", "dts/virtual-gpu.dtb"])
    main([*_DOMAIN, 'coproc=["gpu0"]', 'coproc_workload=["gpu0,kind=poisson,rate=1000,work=1ms"]'])
    assert main(["step"]) == 1
    why = "why: `gpu0` shares itself, `xxx0` is shared by no domain\n hint: `coprocsim run 10ms` lets time pass"
    assert why in capsys.readouterr().err


def test_where_nothing_is_decided_step_gives_up_and_keeps_what_has_happened(machine, monkeypatch, capsys):
    monkeypatch.setattr(stepping, "_EVENTS_MAX", 1_000)
    main(["boot", "dts/virtual-gpu.dtb"])
    main([*_DOMAIN, 'coproc=["gpu0", "xxx0"]', 'coproc_workload=["gpu0,kind=poisson,rate=1000,work=1ms"]'])
    capsys.readouterr()
    assert main(["step", "3", "--json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert (document["ended"], document["decisions"]) == ("no decision", [])
    assert "nothing was to be decided; `step` again goes on" in said.err
    main(["list", "--json"])
    # A job takes a handful of events, and there is one in a millisecond.
    assert 10**11 < json.loads(capsys.readouterr().out)["now_ps"] == document["now_ps"] < 10**12


def test_ctrl_c_ends_a_step_and_keeps_what_has_happened(machine):
    main(["boot", "dts/minimal.dtb"])
    main([*_DOMAIN, 'coproc=["xxx0"]', 'coproc_workload=["xxx0,kind=periodic,period=10ms,work=4ms"]'])
    asked = 0

    def stop_at_the_ninth(done_ps: int, total_ps: int) -> bool:
        nonlocal asked
        asked += 1
        return asked < 9

    stepped = step(machine, 100_000, stop_at_the_ninth)
    assert stepped.ended is Ended.INTERRUPTED
    assert step(machine, 1, lambda *_: True).decisions[0].at_ps > stepped.now_ps >= stepped.decisions[-1].at_ps > 0


@pytest.mark.parametrize("tree", ["system", "automotive", "virtual-gpu"])
def test_what_step_says_of_the_examples_fits_the_screen(machine, tree, capsys):
    main(["boot", f"dts/{tree}.dtb"])
    for config in sorted(Path("domains").glob("*.cfg")):
        main(["domain", "create", str(config)])
    capsys.readouterr()
    assert main(["step", "300"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_a_decision_is_put_into_words(machine, capsys):
    main(["boot", "dts/minimal.dtb"])
    for guest in ("frames", "polite"):
        main(["domain", "create", f"{guest}.cfg"])
    capsys.readouterr()
    main(["step", "12"])
    # A turn is 5 ms, and frames works for 4 ms.
    words = [re.split(r"  +", line)[2:] for line in capsys.readouterr().out.splitlines()[1:]]
    assert words[:2] == [["frames ran 0 s", "goes on for 5 ms"], ["frames ran 4 ms", "polite for 5 ms"]]
    assert ["polite ran its 5 ms", "another turn for 5 ms"] in words


@pytest.mark.parametrize(
    ("work", "said"), [("periodic,period=10ms,work=4ms", "idle"), ("backlog,work=1ms", "not idle")]
)
def test_run_until_idle_says_whether_it_is(machine, work, said, capsys):
    main(["boot", "dts/minimal.dtb"])
    main([*_DOMAIN, 'coproc=["xxx0"]', f'coproc_workload=["xxx0,kind={work}"]'])
    main(["run", "1ms"])
    capsys.readouterr()
    main(["run", "--until", "idle", "50ms"])
    assert capsys.readouterr().out.endswith(f"done; {said}\n")


def test_hardware_that_shares_itself_becomes_idle(machine, capsys):
    main(["boot", "dts/virtual-gpu.dtb"])
    main([*_DOMAIN, 'coproc=["gpu0"]', 'coproc_workload=["gpu0,kind=trace,at=1ms:3ms"]'])
    main(["run", "2ms"])
    capsys.readouterr()
    main(["run", "--until", "idle", "1s"])
    assert re.match(r"2(\.\d+)? ms passed, .* idle\n", capsys.readouterr().out)
