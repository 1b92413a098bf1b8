"""What a shell completes: as bash asks, which takes `key=value` for three words."""

import shutil
import subprocess
import sys

import pytest

from tests.homes import PROJECT, Home
from tests.waiting import TIMEOUT_S


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A machine with two domains, and one that has been shut down."""
    home = Home(tmp_path_factory.mktemp("completed"))
    home.quickly("boot dts/system.dtb")
    home.quickly("domain create domains/instrument-cluster.cfg")
    home.quickly("sched set xxx0 --algorithm credit")
    home.quickly("boot dts/system.dtb --machine second")
    home.quickly("shutdown --machine second")
    return home


def asked(home: Home, words: str, **more: str) -> tuple[int, str, str]:
    """Return what a shell gets that asks for the last of `words`: a status, stdout and stderr."""
    environment = {"_COPROCSIM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return home.run(environment=environment | more)


def completed(home: Home, words: str) -> list[str]:
    """Return what is offered for the last of `words`, which are those that bash makes of a line."""
    status, out, err = asked(home, words)
    assert (status, err) == (0, "")
    return [line.partition(",")[2] for line in out.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("sched set gpu0 --algorithm r", ["rrobin", "rtds"]),
        ("sched set gpu0 sl", ["slice="]),
        ("sched set gpu0 slice = 5ms,c", ["5ms,charge=", "5ms,charge-factor="]),
        ("sched set gpu0 charge = d", ["debt"]),
        ("sched set gpu0 charge =", ["none", "averaging", "debt"]),
        ("sched set gpu0 -d instrument ", []),
        ("sched set xxx0 -d instrument ", ["weight=", "cap="]),
        ("sched set gpu0 --algorithm rtds -d instrument b", ["budget="]),
        ("trace show --kind s", ["state", "switch", "setting"]),
        ("trace export x.vcd --kind state,s", ["state,switch", "state,setting"]),
        ("import-settings n", ["nvidia"]),
        ("workload set instrument gpu0 k", ["kind="]),
        ("workload set instrument gpu0 kind = p", ["periodic", "poisson"]),
        ("workload set instrument gpu0 kind = periodic,pe", ["periodic,period="]),
        ("workload set instrument gpu0 kind = fuzz ", ["kind=", "rate=", "within="]),
        ("boot system.dtb --platform gpu0 = g", ["gsx", "generic"]),
        ("stats --coproc x", ["xxx0", "xxc0"]),
        ("stats --coproc /soc/c", ["/soc/coproc@e6110000", "/soc/coproc@e6182000"]),
        ("stats --coproc /soc/coproc @ e618", ["e6182000"]),
        ("sched p", ["pcoproc0", "pcoproc1"]),
        ("analyse --coproc p", ["pcoproc0", "pcoproc1"]),
        ("irq raise pcoproc1 ", ["op", "mmu"]),
        ("sched set /soc/coproc @ e6110000 -d instrument ", ["weight=", "cap="]),
        ("irq raise xxc0 ", ["op", "mmu"]),
        ("irq raise nobody ", []),
        ("config set COPROC_SCHED_C", ["COPROC_SCHED_CREDIT=", "COPROC_SCHED_CBS="]),
        ("config set COPROC_SCHED_CBS =", ["y", "n"]),
        ("--machine s", ["second"]),
        ("compare --algorithm rrobin,r", ["rrobin,rtds"]),
        ("conformance g", ["gsx", "generic"]),
    ],
)
def test_what_can_be_named_is_completed(home, words, offered):
    assert completed(home, f"coprocsim {words}") == offered


@pytest.mark.parametrize("words", ["sched set gpu0 sl", "workload set instrument gpu0 k", "conformance g", "stat"])
def test_a_shell_waits_for_no_more_than_it_must(home, words):
    """What parses, draws and tests is not loaded: most of what a command takes is that."""
    _, offered, loaded = asked(home, f"coprocsim {words}", PYTHONPROFILEIMPORTTIME="1")
    libraries = {line.rpartition("|")[2].strip().partition(".")[0] for line in loaded.splitlines()}
    assert offered
    assert "click" in libraries
    assert libraries.isdisjoint({"fdt", "hdrh", "hypothesis", "kconfiglib", "lark", "rich"})


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_itself_completes(home):
    command = f"{sys.executable} -m coprocsim"
    script = f"""
        coprocsim() {{ {command} "$@"; }}
        env() {{ command env "${{@:1:$#-1}}" {command}; }}
        eval "$(coprocsim completion bash)"
        COMP_WORDS=(coprocsim sched set gpu0 charge = d) COMP_CWORD=6
        _coprocsim_completion coprocsim
        echo "${{COMPREPLY[@]}}"
    """
    environment = {**home.environment, "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=home.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("debt\n", "")
