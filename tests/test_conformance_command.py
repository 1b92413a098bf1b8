"""`coprocsim conformance`: the same answer each time, nothing left behind, and a clear word where it cannot answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
# What was saved is not all restored: its interrupts are masked after a rest.
FORGETFUL = """
from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.reference import ReferenceHardware

class Forgetful(ReferenceHardware):
    name = "forgetful"

    def restore(self, saved):
        super().restore(saved)
        self.unit.write(reg.IRQ_ENABLE, 4, 0, 0)
"""


def run(folder: Path, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, after `code`."""
    script = f"import sys\n{code}\nfrom coprocsim.cli import main\nsys.exit(main({list(arguments)!r}))"
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_mistake_is_shown_the_same_each_time_and_nothing_is_left_behind(tmp_path: Path):
    (tmp_path / "forgetful.py").write_text(FORGETFUL)
    ask = ("conformance", "forgetful:Forgetful", "--examples", "15", "--json")
    first, second = run(tmp_path, *ask), run(tmp_path, *ask)
    assert (first.returncode, first.stdout) == (1, second.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["forgetful.py"]
    document = json.loads(first.stdout)
    assert (document["kind"], document["name"], document["passed"]) == ("hardware", "forgetful", False)
    failed = [each for each in document["checks"] if each["outcome"] != "passed"]
    assert [each["check"] for each in failed] == ["saved and restored it goes on the same"]
    assert failed[0]["found"] == "restored, it saves something else than it was restored from"
    # Whatever led there, the register at 0x20 has enabled an interrupt before the rest, which comes last.
    assert any(step.endswith("to 4 bytes at 0+0x20") for step in failed[0]["steps"])
    assert failed[0]["steps"][-1].endswith(": save, and restore into a new one")


def test_who_has_raised_is_said_of_the_part_and_not_of_what_it_calls(tmp_path: Path):
    """The second one answers what the framework stumbles over: no line of it is on the way there."""
    (tmp_path / "lost.py").write_text(
        "import json\n"
        "from coprocsim.model import VcoprocId, Wake\n"
        "from coprocsim.platforms.generic import GenericPlatform\n"
        "class Reads(GenericPlatform):\n"
        "    def probe(self, now_ps):\n"
        "        json.loads('')\n"
        "class Wakes(GenericPlatform):\n"
        "    def interrupt(self, vcoproc, line, now_ps):\n"
        "        return (Wake(VcoprocId(77, 0)),)\n"
    )
    raised = []
    for part in ("Reads", "Wakes"):
        done = run(tmp_path, "conformance", f"lost:{part}", "--examples", "5", "--json")
        assert done.returncode == 1, done.stderr
        raised.append({each["raised_at"] for each in json.loads(done.stdout)["checks"]} - {None})
    assert raised[0] == {"lost, line 6"}
    assert [where.partition(",")[0] for where in raised[1]] == ["coprocsim.hypervisor.lifecycle"]
    assert all(where.endswith("with what the part answers or states") for where in raised[1])


def test_a_part_that_ends_python_fails_its_checks(tmp_path: Path):
    (tmp_path / "ends.py").write_text(
        "import sys\n"
        "from coprocsim.schedulers.rrobin import RoundRobin\n"
        "class Ends(RoundRobin):\n"
        "    name = 'ends'\n"
        "    def pick(self, now_ps, turn):\n"
        "        sys.exit(0)\n"
    )
    done = run(tmp_path, "conformance", "ends:Ends", "--examples", "10")
    assert (done.returncode, done.stderr) == (1, "")
    assert "found: it raises SystemExit: 0\nraised by: ends, line 6\n" in done.stdout


def test_a_part_of_another_kind_is_told_from_one_that_is_nowhere(tmp_path: Path):
    done = run(tmp_path, "conformance", "rrobin", "--kind", "platform")
    assert done.stderr == (
        "error: no platform `rrobin` is installed\n"
        " hint: `rrobin` is a scheduler: leave `--kind` out, or write `--kind scheduler`\n"
    )
    done = run(tmp_path, "conformance", "rrobn", "--kind", "scheduler")
    assert "did you mean `rrobin`?" in done.stderr
    assert "`generic`" not in done.stderr


def test_a_mistake_in_the_example_of_the_hardware_is_a_mistake_of_the_part(tmp_path: Path):
    (tmp_path / "lost.py").write_text(
        "from coprocsim.hardware.xxc import XxcHardware\n"
        "from coprocsim.platforms.xxc import XxcPlatform\n"
        "class Lost(XxcHardware):\n    name = 'lost'\n"
        "    @classmethod\n    def example(cls):\n        return {}['node']\n"
        "class Driver(XxcPlatform):\n    hardware = 'lost'\n"
    )
    done = run(tmp_path, "conformance", "lost:Driver", "--examples", "2")
    assert (done.returncode, done.stderr) == (1, "")
    assert "found: it raises KeyError: 'node'\nraised by: lost, line 7\n" in done.stdout


def test_without_hypothesis_it_says_how_to_get_it(tmp_path: Path):
    done = run(tmp_path, "conformance", "rrobin", code="sys.modules['hypothesis'] = None")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: `conformance` needs Hypothesis, which is not installed\n"
        " hint: python -m pip install 'coprocsim[conformance]'\n"
    )


def test_nothing_but_the_checks_needs_hypothesis(tmp_path: Path):
    for command in (["list", "schedulers"], ["conformance", "--help"]):
        assert run(tmp_path, *command, code="sys.modules['hypothesis'] = None").returncode == 0


def test_a_part_that_is_incomplete_is_refused_before_any_check(tmp_path: Path):
    (tmp_path / "half.py").write_text(
        "from coprocsim.guests.base import Guest\nclass Half(Guest):\n    kind = 'half'\n    summary = 'a half'\n"
    )
    done = run(tmp_path, "conformance", "half:Half")
    assert done.returncode == 1
    assert "workload `Half` is incomplete" in done.stderr
    assert "`__init__`, `act`, `interrupt`, `next_ps`, `restore`, `save`, `unpaused`" in done.stderr


def test_a_platform_whose_hardware_is_nowhere_is_not_judged(tmp_path: Path):
    (tmp_path / "lost.py").write_text(
        "from coprocsim.platforms.generic import GenericPlatform\n"
        "class Lost(GenericPlatform):\n    name = 'lost'\n    hardware = 'nowhere'\n"
    )
    done = run(tmp_path, "conformance", "lost:Lost")
    assert done.returncode == 1
    assert "no hardware model `nowhere`, which platform `lost` drives" in done.stderr
    assert "name its module with `--import`" in done.stderr
