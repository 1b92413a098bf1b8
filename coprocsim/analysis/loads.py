"""What theory leaves out on a coproc as it is shared here, charged to its vcoprocs so that bounds hold.

- **A switch** takes time and cannot be interrupted. A job causes two at most, one when it comes and one when it ends,
  and pays for both; one more may be under way when it comes. A switch costs the most that its platform states, with the
  IOMMU, the steps of stopping, and two cycles of the clock: the one that is cut, and the wait for the next edge.
- **A denial** lasts as long as the uncuttable part of a job, and no less than the retry floor; where it would be longer
  than the switch timeout it ends there, with a reset, and that job is lost.
- **The handler** knows of an end after its latency. Until then the coproc has no more than its places of a vcoproc's
  jobs, and the algorithm still sees the job that is over.

Not accounted for: pauses, faults, resets by others, and jobs of a workload that was before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from coprocsim.analysis.tasks import Task
from coprocsim.guests.base import Demand
from coprocsim.parameters import Value


@dataclass(frozen=True, slots=True)
class Shared:
    """How a coproc is shared. `switch_ps` is the most that a switch and the IOMMU cost, `least_turn_ps` what charging
    for overruns (`charges`) leaves of a turn; a `timeout_ps` of 0 is none; `reset_ps` None is unknown; `idle` are the
    parameters of vcoprocs that have no jobs."""

    algorithm: str
    settings: Mapping[str, Value]
    cycle_ps: int
    switch_ps: int
    stop_steps_ps: tuple[int, ...] = ()
    retry_floor_ps: int = 0
    timeout_ps: int = 0
    reset_ps: int | None = None
    charges: bool = False
    least_turn_ps: int = 0
    polled: bool = False
    idle: tuple[Mapping[str, Value], ...] = ()

    @property
    def change_ps(self) -> int:
        """All that one change from a vcoproc to another takes beside what cannot be cut."""
        steps_ps = sum(max(step_ps, self.retry_floor_ps) for step_ps in self.stop_steps_ps)
        return self.switch_ps + steps_ps + 2 * self.cycle_ps


@dataclass(frozen=True, slots=True)
class User:
    """A vcoproc: what it is called, what its guest asks for, its own parameters of the algorithm."""

    name: str
    demand: Demand
    settings: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Load:
    """A vcoproc that has jobs: as a `task` that pays for its switches, None if its demand has no bound (`why`).

    `holds_ps` is for how long it may deny, None for ever; `lost` is whether its jobs may be.
    """

    user: User
    task: Task | None
    why: str
    holds_ps: int | None
    lost: bool

    @property
    def cut_nowhere(self) -> bool:
        """Whether its jobs, once begun, are worked to their end."""
        return self.user.demand.uncuttable_ps == self.user.demand.work_ps

    def keeps_up(self, response_ps: int) -> bool:
        """Return whether no job must wait for its driver to make room in the coproc, if none takes longer than that."""
        demand = self.user.demand
        assert demand.period_ps is not None
        return demand.reaction_ps == 0 or response_ps <= demand.places * demand.period_ps - demand.jitter_ps


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is no bound; `late` is whether deadlines can be missed for sure."""

    why: str
    late: bool = False


Answer: TypeAlias = int | Nothing


def load_of(shared: Shared, user: User, floor_ps: int) -> Load:
    """Charge a vcoproc for what its jobs cause; each denial may last up to `floor_ps` longer than it must."""
    demand = user.demand
    holds_ps, lost = _holds(shared, demand)
    why = f"the jobs of `{user.name}` "
    if demand.work_ps is None:
        return Load(user, None, why + "may be of any length", holds_ps, lost)
    if demand.period_ps is None:
        return Load(user, None, why + "come in any number", holds_ps, lost)
    work_ps = demand.work_ps + 2 * shared.change_ps + floor_ps + (shared.reset_ps or 0 if lost else 0)
    return Load(user, Task(work_ps, demand.period_ps, demand.deadline_ps, demand.jitter_ps), "", holds_ps, lost)


def _holds(shared: Shared, demand: Demand) -> tuple[int | None, bool]:
    """Return for how long a vcoproc may keep the coproc from switching, and whether its job is lost then."""
    if demand.uncuttable_ps == 0:
        return 0, False
    held_ps = None if demand.uncuttable_ps is None else max(demand.uncuttable_ps, shared.retry_floor_ps)
    if shared.timeout_ps and (held_ps is None or held_ps > shared.timeout_ps):
        return None if shared.reset_ps is None else shared.timeout_ps + shared.reset_ps, True
    return None if held_ps is None else held_ps + shared.cycle_ps, False


def longest_hold(loads: Sequence[Load]) -> int | Nothing:
    """Return for how long one of these may hold up others."""
    for load in loads:
        if load.holds_ps is None:
            return Nothing(f"nobody can say how long `{load.user.name}` denies")
    return max((load.holds_ps for load in loads if load.holds_ps is not None), default=0)


def costliest_change_ps(shared: Shared, loads: Sequence[Load]) -> int:
    """Return what a change takes at most, and with it a retry that comes late, and a reset."""
    floor_ps = shared.retry_floor_ps if any(load.holds_ps != 0 for load in loads) else 0
    return shared.change_ps + floor_ps + (shared.reset_ps or 0 if any(load.lost for load in loads) else 0)


def unbounded_of(loads: Sequence[Load]) -> Nothing | None:
    """Return why these have no bound together, None if each of them has one."""
    return next((Nothing(load.why) for load in loads if load.task is None), None)


def tasks_of(loads: Sequence[Load]) -> list[Task]:
    """Return the tasks of those whose demand has a bound."""
    return [load.task for load in loads if load.task is not None]


def kept_up(loads: Sequence[Load], answers: Sequence[Answer], behind: Callable[[int], list[int]]) -> list[Answer]:
    """Return the answers without those that hold only if nobody's jobs wait for their driver, where some do.

    `behind` says on whom, by number, the answer of a number depends.
    """
    late = [
        load.task is not None and not (isinstance(answer, int) and load.keeps_up(answer))
        for load, answer in zip(loads, answers, strict=True)
    ]
    kept: list[Answer] = []
    for number, (load, answer) in enumerate(zip(loads, answers, strict=True)):
        guilty = next((each for each in (number, *behind(number)) if late[each]), None)
        if isinstance(answer, Nothing) or guilty is None:
            kept.append(answer)
            continue
        places, deadline_ps = loads[guilty].user.demand.places, load.user.demand.deadline_ps
        why = f"more than {places} jobs of `{loads[guilty].user.name}` may be open: they wait for their driver"
        kept.append(Nothing(why, late=deadline_ps is not None and answer > deadline_ps))
    return kept
