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


def test_a_parameter_that_is_not_of_this_scope_is_said_to_be_of_the_other(run):
    run("boot dts/minimal.dtb")
    run("domain create frames.cfg")
    run("sched set xxx0 --algorithm rtds")
    refused = "error: `rtds` has no parameter `budget`\n hint: it is a domain's own: `-d DOMAIN`\n"
    assert run("sched set xxx0 budget=6ms") == (1, "", refused)
    run("sched set xxx0 --algorithm credit")
    refused = "error: `credit` has no parameter `slice`\n hint: it is the coproc's, not a domain's\n"
    assert run("sched set xxx0 -d frames slice=6ms") == (1, "", refused)


def test_who_changes_nothing_of_a_domain_is_told_what_a_domain_has(run):
    run("boot dts/minimal.dtb")
    run("domain create frames.cfg")
    assert "nothing can be changed with `-d`" in run("sched set xxx0 -d frames")[2]
    run("sched set xxx0 --algorithm credit")
    assert run("sched set xxx0 -d frames")[2].endswith("say what to change: `weight=256`\n")
    assert run("sched set xxx0")[2].endswith("say what to change: `slice=5ms`, or `--algorithm A`\n")


def test_a_number_without_a_unit_is_told_with_the_one_that_it_was_taken_for(run):
    run("boot dts/minimal.dtb")
    run("domain create frames.cfg")
    # As xl takes them: a time slice in ms, a rate limit in us; periods and budgets in us.
    assert run("sched set xxx0 --algorithm credit slice=5 ratelimit=500")[1] == (
        "xxx0: algorithm credit, slice=5ms, ratelimit=500us\n"
    )
    run("sched set xxx0 --algorithm rtds")
    assert run("sched set xxx0 -d frames budget=6000")[1] == "xxx0, frames: budget=6ms\n"


def test_what_a_domain_may_set_is_shown_with_its_limits_and_meaning(run):
    run("boot dts/minimal.dtb")
    run("domain create frames.cfg")
    run("sched set xxx0 --algorithm credit")
    shown = run("sched xxx0")[1].splitlines()
    assert "slice              30ms       ms         1ms to 1s" in shown
    assert "weight          1 to 65535  -          its share, against the weights of the" in shown


def test_every_row_of_list_schedulers_says_whose_it_is(run):
    said = run("list schedulers")[1].split("\n\n")[2]
    rows = [line.split() for line in said.splitlines()[1:] if not line.startswith(" ")]
    assert ["credit", "slice", "ms"] in [row[:3] for row in rows]
    assert ["rtds", "budget", "us"] in [row[:3] for row in rows]
    assert {row[0] for row in rows} >= {"rrobin", "credit", "rtds", "cbs", "(any)"}
