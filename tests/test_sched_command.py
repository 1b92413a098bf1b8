"""`sched`: what is shown can be set, and what is lost is said."""

import pytest

from coprocsim.cli import main
from tests.cli import golden


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command in a folder with the examples, and returns its status and streams."""
    golden.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", "state")

    def run(line: str) -> tuple[int, str, str]:
        status = main(line.split())
        return status, *capsys.readouterr()

    return run


def test_what_another_algorithm_does_not_take_over_is_said(run):
    run("boot dts/minimal.dtb")
    run("domain create frames.cfg")
    run("domain create polite.cfg")
    status, out, err = run("sched set xxx0 --algorithm priority")
    assert (status, out) == (0, "xxx0: algorithm priority\n")
    # The tree says so.
    assert err == "warning: `xxx0`: `priority` does not take `slice=5ms` over\n"
    run("sched set xxx0 -d frames priority=7")
    status, out, err = run("sched set xxx0 --algorithm rrobin")
    assert (status, out) == (0, "xxx0: algorithm rrobin\n")
    assert err == "warning: `frames`: `rrobin` does not take `priority=7` over\n"


def test_a_parameter_of_the_coproc_that_is_lost_is_said_unless_it_is_given_anew(run):
    run("boot dts/minimal.dtb")
    run("sched set xxx0 slice=7ms")
    assert run("sched set xxx0 --algorithm edf")[2] == "warning: `xxx0`: `edf` does not take `slice=7ms` over\n"
    # What is back is the default: nothing is lost by the next change.
    assert run("sched set xxx0 --algorithm rrobin")[2] == ""
    run("sched set xxx0 slice=7ms")
    assert run("sched set xxx0 --algorithm credit slice=8ms")[2] == ""


def test_nothing_is_shown_of_hardware_that_shares_itself_that_cannot_be_set(run):
    run("boot dts/virtual-gpu.dtb")
    assert run("sched gpu0")[1] == "gpu0: none\nit shares itself: nothing of it is scheduled, and nothing can be set\n"
    assert run("sched set gpu0 switch-timeout=1ms")[0] == 1
