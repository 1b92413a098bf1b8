"""`analyse`: what each vcoproc asks for, the bound that theory gives, and what was measured beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from coprocsim.analysis.algorithms import ALGORITHMS
from coprocsim.analysis.bounds import Bound, Verdict, bounds
from coprocsim.analysis.loads import Shared, User
from coprocsim.guests.base import NOTHING, Demand
from coprocsim.hypervisor.state import Coproc, Phase, Vcoproc
from coprocsim.model import Charge
from coprocsim.options.build import Build
from coprocsim.parameters import Scope
from coprocsim.schedulers import ALGORITHMS as SCHEDULERS
from coprocsim.toolstack.fitting import percent
from coprocsim.toolstack.lookup import coproc_named
from coprocsim.toolstack.parts import has_algorithm
from coprocsim.toolstack.session import session
from coprocsim.units import Work, show_duration


class AnalysedVcoproc(NamedTuple):
    """A vcoproc: what is assumed of its jobs, the bound on their response time, the longest measured, and a verdict.

    None is "no bound" of what is asked for, "none" of a deadline, and "no job yet" of `latency_ps_max`.
    """

    domain: str
    domain_id: int
    vcoproc: str
    work_ps: int | None
    uncuttable_ps: int | None
    period_ps: int | None
    jitter_ps: int
    deadline_ps: int | None
    reaction_ps: int
    bound_ps: int | None
    latency_ps_max: int | None
    verdict: str
    why: str | None


class AnalysedCoproc(NamedTuple):
    """A coproc; `change_ps` is the most that a change from one vcoproc to another takes beside what cannot be cut."""

    coproc: str
    scheduler: str
    change_ps: int
    retry_floor_ps: int
    switch_timeout_ps: int
    vcoprocs: tuple[AnalysedVcoproc, ...]


@dataclass(frozen=True, slots=True)
class Analysed:
    """A vcoproc, what its guest asks for, and what follows."""

    vcoproc: Vcoproc
    demand: Demand
    bound: Bound


def analyse(machine_path: Path, coproc_name: str | None) -> tuple[AnalysedCoproc, ...]:
    """Return what theory says of a coproc, or of all; the machine stays as it is."""
    with session(machine_path) as machine:
        machine.keep = False
        board = machine.board
        chosen = board.coprocs.values() if coproc_name is None else [coproc_named(board, coproc_name)]
        return tuple(_shown(coproc) for coproc in chosen)


def _shown(coproc: Coproc) -> AnalysedCoproc:
    shared = shared_of(coproc)
    vcoprocs = tuple(_line(each) for each in analysed(coproc, shared))
    sharing = coproc.sharing
    return AnalysedCoproc(
        coproc.spec.coproc_id,
        coproc.scheduler.name,
        shared.change_ps,
        sharing.retry_floor_ps,
        sharing.switch_timeout_ps,
        vcoprocs,
    )


def _line(analysed: Analysed) -> AnalysedVcoproc:
    vcoproc, demand, bound = analysed.vcoproc, analysed.demand, analysed.bound
    return AnalysedVcoproc(
        vcoproc.domain.name,
        vcoproc.domain.domain_id,
        vcoproc.who,
        demand.work_ps,
        demand.uncuttable_ps,
        demand.period_ps,
        demand.jitter_ps,
        demand.deadline_ps,
        demand.reaction_ps,
        bound.response_ps,
        vcoproc.counters.latency_ps_max if vcoproc.counters.ended else None,
        bound.verdict.value,
        bound.why,
    )


def shared_of(coproc: Coproc) -> Shared:
    """Return how a coproc is shared, as far as it matters to a bound."""
    platform, sharing, scheduler = coproc.platform, coproc.sharing, coproc.scheduler
    least_ps = max(platform.switch_cost_max_ps, sharing.retry_floor_ps)
    invalidate_ps = platform.iommu_invalidate_ps if coproc.spec.streams else 0
    return Shared(
        algorithm=scheduler.name,
        settings=coproc.settings,
        cycle_ps=Work(cycles=1).in_ps(coproc.spec.clock_hz),
        switch_ps=platform.switch_cost_max_ps + invalidate_ps,
        stop_steps_ps=platform.stop_steps_ps,
        retry_floor_ps=sharing.retry_floor_ps,
        timeout_ps=sharing.switch_timeout_ps,
        reset_ps=None if platform.reset_cost_ps is None else platform.reset_cost_ps + invalidate_ps,
        charges=sharing.charge is not Charge.NONE and not scheduler.books_overrun,
        least_turn_ps=least_ps,
        polled=not coproc.spec.lines,
    )


def analysed(coproc: Coproc, shared: Shared) -> list[Analysed]:
    """Return what theory says of each vcoproc of a coproc, if it is `shared` like that."""
    vcoprocs = list(coproc.vcoprocs.values())
    demands = [NOTHING if each.guest is None else each.guest.demand() for each in vcoprocs]
    nothing = _no_theory(coproc)
    if nothing is None:
        users = [User(each.domain.name, demand, each.settings) for each, demand in zip(vcoprocs, demands, strict=True)]
        found = bounds(shared, users)
    else:
        found = [nothing for _ in vcoprocs]
    return [Analysed(*each) for each in zip(vcoprocs, demands, found, strict=True)]


def _no_theory(coproc: Coproc) -> Bound | None:
    if not coproc.platform.scheduled:
        return Bound(Verdict.NO_BOUND, why="the hardware shares itself, by rules of its own")
    if coproc.phase is Phase.FAILED:
        return Bound(Verdict.NO_BOUND, why="the coproc has failed")
    return None


# ---------------------------------------------------------------- a warning before anything is missed


_MORE_OF = {"fixed": "slots", "rtds": "budget", "cbs": "budget", "fair": "weight"}
"""The parameter of a vcoproc that brings it more of the coproc."""


@dataclass(frozen=True, slots=True)
class Risk:
    """Deadlines on one coproc that can be missed, or more work than it has time for: whose, with the figures.

    `algorithm` is one under which all are met, if there is one that needs no parameters; `more` the parameter of a
    vcoproc of which more helps. As text it has a cure for a running machine.
    """

    vcoprocs: tuple[Vcoproc, ...]
    what: str
    algorithm: str | None = None
    more: str | None = None

    @property
    def cures(self) -> str:
        """What helps where no other algorithm does."""
        more = "" if self.more is None else f"more `{self.more}`, "
        return f"{more}less work, longer periods or fewer domains help"

    def __str__(self) -> str:
        coproc_id = self.vcoprocs[0].coproc.spec.coproc_id
        cure = f"`coprocsim analyse --coproc {coproc_id}` shows the figures; {self.cures}"
        if self.algorithm is not None:
            cure = f"`coprocsim sched set {coproc_id} --algorithm {self.algorithm}` lets all be met"
        return f"{self.what}\n hint: {cure}"


def risks(coprocs: Sequence[Coproc], build: Build) -> Iterator[Risk]:
    """Yield a warning for each of these coprocs on which a deadline can be missed, or not all work be done."""
    for coproc in coprocs:
        shared = shared_of(coproc)
        # A job that is lost to the switch timeout is warned of where it is created.
        found = analysed(coproc, shared)
        late = [each for each in found if _is_late(each)]
        if late:
            what = f"on `{coproc.spec.coproc_id}` deadlines can be missed: {'; '.join(map(_risk, late))}"
            more = _MORE_OF.get(coproc.scheduler.name)
            yield Risk(tuple(each.vcoproc for each in late), what, _helping(coproc, shared, build), more)
        elif coproc.platform.scheduled:
            yield from _overload(coproc, found)


def _overload(coproc: Coproc, found: Sequence[Analysed]) -> Iterator[Risk]:
    """Yield a warning if the coproc has less time than the work that may come, whatever the algorithm."""
    parts = [
        (each.vcoproc, Fraction(each.demand.work_ps, each.demand.period_ps))
        for each in found
        if each.demand.work_ps and each.demand.period_ps and each.demand.endless
    ]
    if sum(part for _, part in parts) > 1:
        each = ", ".join(f"`{vcoproc.domain.name}` {percent(part)}" for vcoproc, part in parts)
        whole = percent(sum((part for _, part in parts), Fraction()))
        what = f"`{coproc.spec.coproc_id}` may be asked for {whole} of its time: {each}"
        yield Risk(tuple(vcoproc for vcoproc, _ in parts), what)


def _is_late(analysed: Analysed) -> bool:
    response_ps, deadline_ps = analysed.bound.response_ps, analysed.demand.deadline_ps
    in_time = response_ps is not None and deadline_ps is not None and response_ps <= deadline_ps
    return analysed.bound.verdict is Verdict.MISSED and not in_time


def _risk(analysed: Analysed) -> str:
    bound, deadline_ps = analysed.bound, analysed.demand.deadline_ps
    assert deadline_ps is not None, "there is one that can be missed"
    takes = bound.why if bound.response_ps is None else f"a job may take {show_duration(bound.response_ps)}"
    return f"`{analysed.vcoproc.domain.name}` is due after {show_duration(deadline_ps)}, and {takes}"


def _helping(coproc: Coproc, shared: Shared, build: Build) -> str | None:
    """Return an algorithm under which all deadlines are met, if there is one that needs no parameters."""
    for name in ALGORITHMS:
        scheduler = SCHEDULERS[name]
        fits = scheduler.vcoprocs_max is None or len(coproc.vcoprocs) <= scheduler.vcoprocs_max
        if name == shared.algorithm or scheduler.parameters or not fits or not has_algorithm(name, build):
            continue
        other = replace(shared, algorithm=name, settings=scheduler.defaults(Scope.COPROC))
        wanting = [each for each in analysed(coproc, other) if each.demand.deadline_ps is not None]
        if all(each.bound.verdict is Verdict.MET for each in wanting):
            return name
    return None
