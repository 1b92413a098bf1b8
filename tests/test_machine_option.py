"""`--machine NAME` is understood wherever it stands."""

import pytest

from coprocsim.cli import main
from tests.cli import golden


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command beside a machine `b`, and returns its status and streams."""
    golden.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", "state")
    main(["boot", "dts/minimal.dtb", "--machine", "b"])
    capsys.readouterr()
    return lambda *words: (main(words), *capsys.readouterr())


@pytest.mark.parametrize(
    "words",
    [
        ("--machine", "b", "sched", "xxx0"),
        ("sched", "--machine", "b", "xxx0"),
        ("sched", "xxx0", "--machine=b"),
        ("--machine", "a", "sched", "xxx0", "--machine", "b", "--json"),
    ],
)
def test_the_machine_may_be_named_before_and_behind_a_command(run, words):
    status, out, _ = run(*words)
    assert status == 0
    assert "rrobin" in out


def test_a_name_that_is_missing_is_a_wrong_use(run):
    status, _, err = run("list", "--machine")
    assert status == 2
    assert "'--machine' requires an argument" in err


def test_behind_two_dashes_a_word_is_what_the_command_takes_it_for(run):
    assert (
        "no domain `--machine`\n hint: there is `Domain-0`\n"
        in run("--machine", "b", "domain", "show", "--", "--machine")[2]
    )


def test_a_domain_may_be_called_like_an_option(run):
    assert run("--machine", "b", "domain", "create", "frames.cfg", 'name="-x"')[0] == 0
    assert run("--machine", "b", "domain", "show", "--", "-x")[1].startswith("-x: domain 1, running\n")
    assert run("--machine", "b", "workload", "clear", "--", "-x", "xxx0")[0] == 0


def test_what_is_proposed_is_for_the_machine_that_was_named(home):
    assert " hint: start one with `coprocsim --machine other boot SYSTEM.dtb`" in home.quickly("list --machine other")
    assert " hint: start one with `coprocsim boot SYSTEM.dtb`" in home.quickly("list")
    home.quickly("boot dts/minimal.dtb --machine other")
    for guest in ("frames", "denying"):
        said = home.quickly(f"domain create {guest}.cfg --machine other")
    assert "`coprocsim --machine other " in said
    compared = home.quickly("compare --algorithm fair --for 1ms --machine other")
    assert "coprocsim --machine other sched set xxx0 --algorithm fair" in compared
    home.quickly("history export saved --machine other")
    kept = home.quickly("replay saved --keep --machine third")
    assert "`coprocsim --machine third run` goes on with it" in kept
