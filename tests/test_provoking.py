"""`irq raise`, `fault list`, `verify` and `config set`: what they name, show and say."""

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

    run("boot dts/system.dtb")
    return run


@pytest.mark.parametrize("line", ["op", "194"])
def test_a_line_is_raised_by_its_name_and_by_its_intid(run, line):
    assert run(f"irq raise xxc0 {line}")[0] == 0


def test_a_line_that_there_is_not_is_refused_with_those_that_there_are(run):
    status, _, err = run("irq raise xxc0 195")
    assert status == 1
    assert err.endswith("no interrupt line `195`\n hint: it has `op` (GIC 194), `mmu` (GIC 197)\n")


def test_the_list_of_faults_says_how_long_a_denial_lasts(run):
    run("fault inject gpu0 deny --for 25us --always")
    run("fault inject gpu0 fail-enter --times 3")
    lines = [line.split() for line in run("fault list")[1].splitlines()]
    assert lines[1:] == [["gpu0", "deny", "-", "-", "25", "us"], ["gpu0", "fail-enter", "-", "3", "-"]]


@pytest.mark.parametrize(
    ("first", "later", "comes"),
    [
        ("deny --always", "hang", False),
        ("deny --always", "deny --for 5ms", False),
        ("fail-leave --always", "deny -d tablet", False),
        ("deny --always -d tablet", "hang -d tablet", False),
        ("hang", "hang", False),
        # These are not about leaving, happen first, or hit others, too.
        ("deny --always", "fail-enter", True),
        ("deny --always", "fail-leave", True),
        ("deny --times 9", "hang", True),
        ("deny --always -d tablet", "hang", True),
    ],
)
def test_a_fault_that_would_never_come_is_refused(run, first, later, comes):
    run("domain create domains/tablet.cfg")
    assert run(f"fault inject gpu0 {first}")[0] == 0
    status, _, err = run(f"fault inject gpu0 {later}")
    assert (status == 0) == comes
    name, hider = later.split()[0], first.split()[0]
    assert comes or err == (
        f"error: `{name}` would never come: `gpu0` has a `{hider}` that is first each time\n"
        " hint: `coprocsim fault clear gpu0` ends that; `coprocsim fault list` shows what is to come\n"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fault inject gpu0 deny --for 5ms --times 3 -d 1", "gpu0: deny, infotainment, for 5 ms, 3 times"),
        ("fault inject gpu0 fail-enter --always", "gpu0: fail-enter, always"),
        ("fault inject pcoproc0 hang", "xxx0: hang"),
        ("sched set gpu0 -d 1 weight=512", "gpu0, infotainment: weight=512"),
        ("workload set 1 gpu0 kind=backlog,work=1ms", "infotainment on gpu0: kind=backlog,work=1ms"),
        ("workload clear 1 gpu0", "infotainment on gpu0: no workload"),
        ("domain pause 1", "domain `infotainment` is paused"),
    ],
)
def test_a_command_says_back_all_that_it_was_told_with_the_domain_by_name(run, line, said):
    run("domain create domains/infotainment.cfg")
    run("sched set gpu0 --algorithm credit")
    assert run(line)[:2] == (0, f"{said}\n")


def test_a_finding_names_the_domain(run):
    run("fault inject gpu0 stale-iommu --times 20")
    for config in ("infotainment", "tablet"):
        run(f"domain create domains/{config}.cfg")
    run("run 300ms")
    status, out, _ = run("verify")
    assert status == 1
    assert "  gpu0  d1v0 (infotainment)  iommu: its DMA" in out


def test_what_an_option_takes_along_is_said(run):
    assert run("config set COPROC_CHARGE_DEBT=y COPROC_RETRY_FLOOR_US=20")[2] == ""
    # Another choice is no loss.
    assert run("config set COPROC_CHARGE_NONE=y")[2] == ""
    err = run("config set HAS_COPROC=n")[2]
    assert "`COPROC_RETRY_FLOOR_US=20`" in err
    assert err.endswith(": dropped, since what they depend on is off\n")
