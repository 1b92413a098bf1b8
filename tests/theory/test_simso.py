"""`priority` and `edf` against SimSo 0.8.5, a simulator of real-time schedulers: the same tasks, the same responses.

SimSo wants a SimPy of its own, so it has an environment of its own: `make simso`.
"""

import json
import random
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.edf import EarliestDeadline
from coprocsim.schedulers.priority import FixedPriority
from tests.installed import needs
from tests.theory.stage import Played, periodic, play

PYTHON = Path(__file__).parents[2] / ".venv/simso/bin/python"
SETS = 150
UNTIL_MS = 200


@dataclass(frozen=True, slots=True)
class Load:
    """A periodic task, times in ms; of unequal priorities the highest number runs."""

    work: float
    period: float
    deadline: float
    offset: float
    priority: int


def drawn(seed: int) -> list[Load]:
    """Return up to five tasks; one set in five or so asks for more than there is.

    Every instant is a multiple of 1/64 ms, which both count exactly. The n-th task's deadlines are n/64 ms after a
    whole millisecond, so that no two of a set are equal: which of two equal ones is first is each simulator's own.
    """
    chosen = random.Random(seed)
    tasks = []
    for number in range(chosen.randint(2, 5)):
        period = chosen.randint(4, 30)
        work = chosen.randint(1, 16 * period) / 64
        offset = chosen.randint(0, 64 * period) / 64
        deadline = chosen.randint(2, 2 * period) + number / 64 - offset % 1
        tasks.append(Load(work, period, deadline, offset, number + 1))
    chosen.shuffle(tasks)
    return tasks


def simso(algorithm: str, sets: Sequence[list[Load]]) -> list[list[tuple[list[float], int]]]:
    """Return for each task of each set its jobs' responses in ms, and how often another task preempted it."""
    asked = [
        {"algorithm": f"simso.schedulers.{algorithm}", "until_ms": UNTIL_MS, "tasks": [asdict(task) for task in tasks]}
        for tasks in sets
    ]
    script = Path(__file__).with_name("simso_jobs.py")
    ran = subprocess.run([PYTHON, script], input=json.dumps(asked), capture_output=True, text=True, check=True)
    return [[(task["responses"], task["preemptions"]) for task in tasks] for tasks in json.loads(ran.stdout)]


def preemptions(played: Played, which: int) -> int:
    """Return how often a task went on with a job that it had begun, after another task had run."""
    ends = set(played.finishes(which))
    return sum(end_ms not in ends for _, end_ms in played.stretches(which)[:-1])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "algorithm"), [("FP", FixedPriority), ("EDF_mono", EarliestDeadline)])
def test_responses_and_preemptions_are_those_of_simso(name: str, algorithm: type[Scheduler]):
    needs(PYTHON.exists(), "SimSo (`make simso`)")
    sets = [drawn(seed) for seed in range(SETS)]
    preempted = 0
    for seed, (tasks, theirs) in enumerate(zip(sets, simso(name, sets), strict=True)):
        ours = [
            periodic(task.work, task.period, task.deadline, task.offset)
            if algorithm is EarliestDeadline
            else periodic(task.work, task.period, task.deadline, task.offset, priority=task.priority)
            for task in tasks
        ]
        played = play(algorithm, ours, UNTIL_MS)
        for which, (responses, times) in enumerate(theirs):
            assert played.responses(which) == responses, seed
            assert preemptions(played, which) == times, seed
            preempted += times
    assert preempted > SETS
