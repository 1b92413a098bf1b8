"""Periodic tasks in SimSo, which has an environment of its own: sets of them on stdin, what became of them on stdout.

Both are JSON: a list of `Asked`, and for each of them a list with a `Became` for each task.
"""

import json
import sys
from typing import TypedDict

from simso.configuration import Configuration
from simso.core import Model


class Task(TypedDict):
    """Times in ms; the highest number has priority."""

    work: float
    period: float
    deadline: float
    offset: float
    priority: int


class Asked(TypedDict):
    """Tasks under one of SimSo's schedulers, named with its module, for so long."""

    algorithm: str
    until_ms: int
    tasks: list[Task]


class Became(TypedDict):
    """How long each job of a task took, from its release, in ms; how often another task preempted one."""

    responses: list[float]
    preemptions: int


def become(asked: Asked) -> list[Became]:
    """Return the responses and the number of preemptions of each task."""
    configuration = Configuration()
    configuration.duration = asked["until_ms"] * configuration.cycles_per_ms
    for number, task in enumerate(asked["tasks"]):
        configuration.add_task(
            name=f"T{number}",
            identifier=number,
            wcet=task["work"],
            period=task["period"],
            deadline=task["deadline"],
            activation_date=task["offset"],
            abort_on_miss=False,
            data={"priority": task["priority"]},
        )
    configuration.add_processor(name="CPU", identifier=1)
    configuration.scheduler_info.clas = asked["algorithm"]
    configuration.check_all()
    model = Model(configuration)
    model.run_model()
    return [
        {
            "responses": [job.response_time for job in task.jobs if job.response_time is not None],
            "preemptions": model.results.tasks[task].preemption_inter_count,
        }
        for task in model.task_list
    ]


json.dump([become(asked) for asked in json.load(sys.stdin)], sys.stdout)
