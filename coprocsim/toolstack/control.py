"""What an administrator does to a machine that is up: let time pass, change settings, give work, poke registers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from coprocsim.errors import CoprocsimError, StateError
from coprocsim.hypervisor import domains, mmio, tuning
from coprocsim.hypervisor.state import Board, Coproc
from coprocsim.model import Setting, VcoprocState
from coprocsim.options.build import Build
from coprocsim.parameters import BadSetting, BadValue, Scope, Value, of_scope
from coprocsim.schedulers.base import Scheduler
from coprocsim.sharing import SHARING
from coprocsim.toolstack.boot import shorter_than_switch
from coprocsim.toolstack.domain import uncuttable, with_arrivals
from coprocsim.toolstack.parts import algorithm_named, check_settings
from coprocsim.toolstack.session import Session, coproc_named, domain_named, session, vcoproc_named
from coprocsim.units import PS_PER_MS, PS_PER_NS, TIMELINE_END_PS, show_instant

# Between two pieces of a run its progress is told, and a wish to stop is heard.
_PIECE_PS_MAX = 10 * PS_PER_MS
_PIECE_EVENTS = 5_000

Progress: TypeAlias = Callable[[int, int], bool]
"""Told how many ps of a run are done, of how many; answers whether to go on."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What `run` tells: from when to when, what happened, and whether it was stopped before its end.

    `findings` is how often a rule of isolation was found broken, `idle` whether nobody has work at its end.
    """

    from_ps: int
    to_ps: int
    switches: int
    denials: int
    jobs: int
    findings: int
    idle: bool
    interrupted: bool


# ---------------------------------------------------------------- time


def run(machine_path: Path, duration_ps: int, progress: Progress) -> Ran:
    """Let `duration_ps` pass. If `progress` says stop, everything up to that instant is kept."""
    with session(machine_path) as machine:
        return _run(machine, machine.board.now_ps + duration_ps, progress)


def run_cycles(machine_path: Path, coproc_name: str, cycles: int, progress: Progress) -> Ran:
    """Let so many cycles of a coproc's clock pass."""
    with session(machine_path) as machine:
        clock = coproc_named(machine.board, coproc_name).hardware.clock
        return _run(machine, clock.instant_ps(clock.cycle(machine.board.now_ps) + cycles), progress)


def _run(machine: Session, until_ps: int, progress: Progress) -> Ran:
    board = machine.board
    _check_end(until_ps)
    before, total_ps = _Counts.of(board), until_ps - board.now_ps
    going_on = progress(0, total_ps)
    piece_ps = PS_PER_NS
    while going_on and board.now_ps < until_ps:
        events = board.timeline.order
        machine.run_until(min(until_ps, board.now_ps + piece_ps))
        # Short pieces where much happens, so that a wish to stop is heard and the trace does not pile up.
        crowded = board.timeline.order - events > _PIECE_EVENTS
        piece_ps = max(1, piece_ps // 2) if crowded else min(2 * piece_ps, _PIECE_PS_MAX)
        going_on = progress(total_ps - (until_ps - board.now_ps), total_ps)
    return before.until(board, interrupted=board.now_ps < until_ps)


def _check_end(until_ps: int) -> None:
    if until_ps > TIMELINE_END_PS:
        raise CoprocsimError(
            f"the run would end at {show_instant(until_ps)} s, beyond the end of the timeline",
            hint=f"a machine's time goes up to {show_instant(TIMELINE_END_PS)} s; boot a new one",
        )


def run_until_idle(machine_path: Path, duration_ps: int | None, progress: Progress) -> Ran:
    """Let time pass until no vcoproc has work and no switch is under way, for `duration_ps` at the most.

    Without a `duration_ps`, and with a guest that always has work, only `progress` ends it before time does.
    """
    with session(machine_path) as machine:
        board = machine.board
        until_ps = TIMELINE_END_PS if duration_ps is None else board.now_ps + duration_ps
        _check_end(until_ps)
        before, going_on = _Counts.of(board), progress(0, 0)
        machine.run_until(board.now_ps)
        while going_on and _busy(board):
            next_ps = board.timeline.next_ps()
            if next_ps is None or next_ps > until_ps:
                break
            machine.run_until(next_ps)
            going_on = progress(0, 0)
        if going_on and _busy(board) and duration_ps is not None:
            machine.run_until(until_ps)
        return before.until(board, interrupted=not going_on)


def _busy(board: Board) -> bool:
    return any(_works(coproc) for coproc in board.coprocs.values() if coproc.failure is None)


def _works(coproc: Coproc) -> bool:
    if not coproc.platform.scheduled:
        # Who shares it runs from creation on; what there is to do, only the hardware knows.
        return coproc.hardware.next_ps() is not None
    return not coproc.phase.decides or any(v.state is not VcoprocState.SLEEPING for v in coproc.vcoprocs.values())


@dataclass(frozen=True, slots=True)
class _Counts:
    """What had happened when a run began."""

    at_ps: int
    switches: int
    denials: int
    jobs: int
    findings: int

    @classmethod
    def of(cls, board: Board) -> "_Counts":
        coprocs = board.coprocs.values()
        ended = sum(vcoproc.counters.ended for vcoproc in board.vcoprocs.values())
        switches, denials = sum(c.counters.switches for c in coprocs), sum(c.counters.denials for c in coprocs)
        return cls(board.now_ps, switches, denials, ended, sum(c.counters.findings for c in coprocs))

    def until(self, board: Board, *, interrupted: bool) -> Ran:
        """Return what has happened since."""
        now = _Counts.of(board)
        return Ran(
            self.at_ps,
            now.at_ps,
            now.switches - self.switches,
            now.denials - self.denials,
            max(0, now.jobs - self.jobs),
            now.findings - self.findings,
            not _busy(board),
            interrupted,
        )


# ---------------------------------------------------------------- settings


def set_schedule(
    machine_path: Path, coproc_name: str, algorithm: str | None, domain: str | None, settings: Sequence[Setting]
) -> tuple[str, ...]:
    """Change how a coproc is shared: its algorithm, parameters of it or of the sharing, or those of one domain.

    Returns warnings: what of the domains' own parameters another algorithm does not take over.

    LookupFailed or CoprocsimError for what is unknown or out of range; then nothing is changed.
    """
    with session(machine_path) as machine:
        board = machine.board
        coproc = coproc_named(board, coproc_name)
        try:
            if domain is not None:
                vcoproc = vcoproc_named(board, domain, coproc_name)
                if algorithm is not None:
                    raise CoprocsimError("an algorithm is a coproc's, not a domain's", hint="leave `-d` out")
                values = check_settings(type(coproc.scheduler), Scope.VCOPROC, settings)
                tuning.set_vcoproc_parameters(board, vcoproc, values)
                return ()
            if not coproc.platform.scheduled:
                raise CoprocsimError(
                    f"`{coproc.spec.coproc_id}` shares itself: nothing of it is scheduled",
                    why=f"platform `{coproc.platform.name}` drives hardware-virtualised silicon",
                )
            return _set_coproc(board, coproc, algorithm, settings, Build(machine.machine.config))
        except BadSetting as error:
            raise CoprocsimError(str(error), hint=error.hint) from error


def _set_coproc(
    board: Board, coproc: Coproc, algorithm: str | None, settings: Sequence[Setting], build: Build
) -> tuple[str, ...]:
    scheduler = type(coproc.scheduler) if algorithm is None else algorithm_named(algorithm, build)
    sharing = _sharing([setting for setting in settings if setting.name in SHARING])
    own = [setting for setting in settings if setting.name not in SHARING]
    values = check_settings(scheduler, Scope.COPROC, own)
    base = coproc.settings if scheduler is type(coproc.scheduler) else scheduler.defaults(Scope.COPROC)
    too_short = shorter_than_switch(coproc, scheduler, {**base, **values})
    if too_short is not None:
        raise CoprocsimError(too_short, hint="no useful time would be left; make the turn longer")
    if scheduler.vcoprocs_max is not None and len(coproc.vcoprocs) > scheduler.vcoprocs_max:
        sharers = ", ".join(f"`{vcoproc.domain.name}`" for vcoproc in coproc.vcoprocs.values())
        raise CoprocsimError(
            f"`{scheduler.name}` shares a coproc among {scheduler.vcoprocs_max} at most, `{coproc.spec.coproc_id}` has "
            f"{len(coproc.vcoprocs)} vcoprocs",
            hint=f"destroy all but one of {sharers} first, or choose another algorithm",
        )
    dropped: tuple[str, ...] = ()
    if scheduler is not type(coproc.scheduler):
        dropped = tuple(_dropped(coproc, scheduler))
        tuning.set_algorithm(board, coproc, scheduler, {**base, **values}, scheduler.defaults(Scope.VCOPROC))
    elif values:
        tuning.set_parameters(board, coproc, values)
    if sharing:
        tuning.set_sharing(board, coproc, sharing)
    return dropped


def _dropped(coproc: Coproc, scheduler: type[Scheduler]) -> Iterator[str]:
    """Yield a warning for each domain that has parameters of its own which another algorithm does not take over."""
    old = of_scope(coproc.scheduler.parameters, Scope.VCOPROC)
    for vcoproc in coproc.vcoprocs.values():
        kept = tuning.kept(scheduler, vcoproc.settings)
        lost = [
            f"`{name}={parameter.show(vcoproc.settings[name])}`"
            for name, parameter in old.items()
            if name not in kept and vcoproc.settings.get(name, parameter.default) != parameter.default
        ]
        if lost:
            yield f"`{vcoproc.domain.name}`: `{scheduler.name}` does not take {', '.join(lost)} over"


def _sharing(settings: Sequence[Setting]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for setting in settings:
        try:
            values[setting.name] = SHARING[setting.name].parse(setting.value)
        except BadValue as error:
            raise BadSetting(setting, str(error), error.hint) from error
    return values


# ---------------------------------------------------------------- work and registers


def set_workload(
    machine_path: Path, domain: str, coproc_name: str, options: Sequence[Setting], base: Path
) -> tuple[str, ...]:
    """Let a domain's driver do something else from now on; return warnings.

    File names in `options` start from `base`.
    """
    with session(machine_path) as machine:
        vcoproc = vcoproc_named(machine.board, domain, coproc_name)
        if vcoproc.domain.dying:
            raise StateError(f"domain `{vcoproc.domain.name}` is dying")
        try:
            domains.give_work(machine.board, vcoproc, with_arrivals(tuple(options), base))
        except BadSetting as error:
            raise CoprocsimError(str(error), hint=error.hint) from error
        return tuple(uncuttable([vcoproc]))


def clear_workload(machine_path: Path, domain: str, coproc_name: str) -> None:
    """Let a domain's driver do nothing more; what the coproc has of it runs to its end."""
    with session(machine_path) as machine:
        domains.take_work(machine.board, vcoproc_named(machine.board, domain, coproc_name))


def access(machine_path: Path, domain: str, address: int, size: int, value: int | None) -> mmio.Outcome:
    """Do one access of a domain: a write of `value`, or a read if that is None; return what became of it."""
    with session(machine_path) as machine:
        return mmio.access(machine.board, domain_named(machine.board, domain), address, size, value)
