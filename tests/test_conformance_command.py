"""`coprocsim conformance`: the same answer each time, nothing left behind, and a clear word where it cannot answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
IMPATIENT = (PROJECT / "tests/cli/files/impatient.py").read_text()


def run(folder: Path, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, after `code`."""
    script = f"import sys\n{code}\nfrom coprocsim.cli import main\nsys.exit(main({list(arguments)!r}))"
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_mistake_is_shown_the_same_each_time_and_nothing_is_left_behind(tmp_path: Path):
    (tmp_path / "impatient.py").write_text(IMPATIENT)
    ask = ("conformance", "impatient:Impatient", "--examples", "10", "--json")
    first, second = run(tmp_path, *ask), run(tmp_path, *ask)
    assert (first.returncode, first.stdout) == (1, second.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["impatient.py"]
    document = json.loads(first.stdout)
    assert (document["kind"], document["name"], document["passed"]) == ("scheduler", "impatient", False)
    asked = "to be asked changes nothing and the answer makes sense"
    failed = next(each for each in document["checks"] if each["check"] == asked)
    assert failed["outcome"] == "failed"
    assert failed["found"].startswith("`pick` has changed what it saves")
    # Two that wake are the least with which that shows: one alone is first and last.
    assert [step for step in failed["steps"] if "wake" in step] == ["0s: wake d1v0", "0s: wake d2v0"]


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
