"""A machine on which theory holds to the letter: a job unit that is switched at no cost, or at a stated one.

Guests react at once, nothing is denied unless a job says so, one unit of a case's time is a millisecond.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from coprocsim.hypervisor import domains
from coprocsim.hypervisor.state import Vcoproc
from coprocsim.model import Charge, Sharing
from coprocsim.parameters import Scope, Value
from coprocsim.platforms.base import Platform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.schedulers.base import Scheduler
from tests.machines import MS, Machine, Row, settings_of, spec

UNCHARGED = Sharing(switch_timeout_ps=0, charge=Charge.NONE)


class Free(GenericPlatform):
    """A job unit whose context is switched in no time."""

    name = "free"
    compatible = ("test,free",)
    leave_cost_ps = 0
    enter_cost_ps = 0
    iommu_invalidate_ps = 0


def costing(enter_ps: int) -> type[Platform]:
    """Return a driver whose whole switch cost is on `switch_to`."""

    class Costing(Free):
        enter_cost_ps = enter_ps

    return Costing


@dataclass(frozen=True, slots=True)
class Task:
    """A vcoproc and what it has to do: `workload` as in a config, its own parameters of the algorithm."""

    workload: str
    own: Mapping[str, Value] = field(default_factory=dict)


def periodic(
    work_ms: float,
    period_ms: float,
    deadline_ms: float | None = None,
    offset_ms: float = 0,
    more: str = "",
    **own: Value,
) -> Task:
    """Return a task with a job every period, due at its end or at its own deadline."""
    due = "" if deadline_ms is None else f",deadline={_ps(deadline_ms)}"
    return Task(f"kind=periodic,work={_ps(work_ms)},period={_ps(period_ms)},offset={_ps(offset_ms)}{due}{more}", own)


def jobs(*arrivals: tuple[float, float], more: str = "", **own: Value) -> Task:
    """Return a task with a job for each (release, work) in ms."""
    at = ";".join(f"{_ps(release)}:{_ps(work)}" for release, work in arrivals)
    return Task(f"kind=trace,at={at}{more}", own)


def backlog(work_ms: float = 1, more: str = "", **own: Value) -> Task:
    """Return a task that always has another job."""
    return Task(f"kind=backlog,work={_ps(work_ms)}{more}", own)


def reserved(task: Task, budget_ms: int, period_ms: int, **more: Value) -> Task:
    """Return `task` with so much budget in each period, for algorithms with reservations."""
    return replace(task, own={"budget": budget_ms * MS, "period": period_ms * MS, **more})


def _ps(ms: float) -> str:
    return f"{round(ms * MS)}ps"


class Played:
    """What became of a set of tasks: their jobs in order, times in ms."""

    def __init__(self, machine: Machine, vcoprocs: Sequence[Vcoproc]) -> None:
        self.machine, self.vcoprocs = machine, vcoprocs

    def responses(self, which: int) -> list[float]:
        """Return how long each job of a task took, from its release to its end."""
        return [row[6] / MS for row in self._rows("job_end", which)]

    def finishes(self, which: int) -> list[float]:
        """Return when each job of a task ended."""
        return [row[0] / MS for row in self._rows("job_end", which)]

    def worst(self) -> list[float]:
        """Return each task's longest response."""
        return [max(self.responses(which)) for which in range(len(self.vcoprocs))]

    def missed(self, which: int) -> int:
        """Return how many jobs of a task were late."""
        return self.vcoprocs[which].counters.late

    def ran_ms(self, which: int) -> float:
        """Return what a task had of the coproc."""
        self.machine.book()
        return self.vcoprocs[which].counters.run_ps / MS

    def supplied_ms(self, which: int, from_ms: float, until_ms: float) -> float:
        """Return what a task had of the coproc between two instants that have passed."""
        return sum(max(0, min(end_ms, until_ms) - max(begin_ms, from_ms)) for begin_ms, end_ms in self.stretches(which))

    def stretches(self, which: int) -> list[tuple[float, float]]:
        """Return from when until when a task ran, each time."""
        begun_ms, found = None, []
        for row in self._rows("state", which):
            if row[5] == "RUNNING" and begun_ms is None:
                begun_ms = row[0] / MS
            elif row[5] in ("WAITING", "SLEEPING") and begun_ms is not None:
                found.append((begun_ms, row[0] / MS))
                begun_ms = None
        if begun_ms is not None:
            found.append((begun_ms, self.machine.board.now_ps / MS))
        return [(begin_ms, end_ms) for begin_ms, end_ms in found if end_ms > begin_ms]

    def order(self) -> list[tuple[float, int]]:
        """Return when who began to run, as (instant, task)."""
        numbers = {each.who: number for number, each in enumerate(self.vcoprocs)}
        rows = self.machine.rows("state")
        return [(row[0] / MS, numbers[row[3]]) for row in rows if (row[4], row[5]) == ("WAITING", "RUNNING")]

    def _rows(self, what: str, which: int) -> list[Row]:
        return [row for row in self.machine.rows(what) if row[3] == self.vcoprocs[which].who]


def play(
    algorithm: type[Scheduler],
    tasks: Sequence[Task],
    until_ms: float,
    *,
    values: Mapping[str, Value] | None = None,
    platform: type[Platform] = Free,
    sharing: Sharing = UNCHARGED,
    hz: int = 10**9,
    streams: int = 1,
    checks: bool = True,
    **settings: Value,
) -> Played:
    """Let `tasks` share a coproc for `until_ms`; parameters are `values` by name, `min_run` stands for `min-run`."""
    values = {**(values or {}), **{name.replace("_", "-"): value for name, value in settings.items()}}
    machine = Machine()
    machine.board.checks = checks
    described = spec("gpu0", hz=hz, streams=streams)
    coproc = machine.coproc("gpu0", platform, algorithm, settings=values, sharing=sharing, described=described)
    vcoprocs = []
    for number, task in enumerate(tasks, start=1):
        own = {**algorithm.defaults(Scope.VCOPROC), **task.own}
        workload = settings_of(f"{task.workload},reaction=0")
        plan = domains.VcoprocPlan(coproc.spec.coproc_id, coproc.spec.regions, own, workload)
        domain = domains.create(machine.board, domains.DomainPlan(f"task{number}", 64, 64, 1, (plan,)))
        vcoprocs += domain.vcoprocs
    machine.run(round(until_ms * MS))
    return Played(machine, vcoprocs)
