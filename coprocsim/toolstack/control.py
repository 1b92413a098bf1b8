"""What an administrator does to a machine that is up: let time pass, change settings, give work, poke registers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from coprocsim.errors import CoprocsimError, StateError
from coprocsim.hypervisor import mmio
from coprocsim.hypervisor.state import Board, Coproc
from coprocsim.model import Setting, VcoprocState
from coprocsim.parameters import BadSetting
from coprocsim.toolstack import typed
from coprocsim.toolstack.deeds import Access, ClearWorkload, SetCoproc, SetVcoproc, SetWorkload, pairs
from coprocsim.toolstack.domain import uncuttable, with_arrivals
from coprocsim.toolstack.lookup import coproc_named, domain_named, vcoproc_named
from coprocsim.toolstack.schedule import understood
from coprocsim.toolstack.session import Session, session
from coprocsim.units import PS_PER_MS, PS_PER_NS, TIMELINE_END_PS, show_instant

# Between two pieces of a run its progress is told, and a wish to stop is heard.
_PIECE_PS_MAX = 10 * PS_PER_MS
_PIECE_EVENTS = 5_000
# What an access has where nothing is said.
_SIZE_BYTES = 4

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
    check_end(until_ps)
    before = _Counts.of(board)
    run_in_pieces(board, machine.run_until, until_ps, progress)
    machine.ran()
    return before.until(board, interrupted=board.now_ps < until_ps)


def run_in_pieces(board: Board, run_until: Callable[[int], None], until_ps: int, progress: Progress) -> None:
    """Let time pass with `run_until`, bit by bit, until `progress` says stop."""
    total_ps = until_ps - board.now_ps
    going_on = progress(0, total_ps)
    piece_ps = PS_PER_NS
    while going_on and board.now_ps < until_ps:
        events, next_ps = board.timeline.order, board.timeline.next_ps()
        # To where nothing is due it goes in one step.
        quiet_ps = until_ps if next_ps is None else next_ps
        run_until(min(until_ps, max(quiet_ps, board.now_ps + piece_ps)))
        # Short pieces where much happens, so that a wish to stop is heard and the trace does not pile up.
        crowded = board.timeline.order - events > _PIECE_EVENTS
        piece_ps = max(1, piece_ps // 2) if crowded else min(2 * piece_ps, _PIECE_PS_MAX)
        going_on = progress(total_ps - (until_ps - board.now_ps), total_ps)


def check_end(until_ps: int) -> None:
    """Raise CoprocsimError for an instant that lies beyond the timeline."""
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
        check_end(until_ps)
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
        machine.ran()
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


@dataclass(frozen=True, slots=True)
class Changed:
    """What was changed: of a coproc, or of a domain's vcoproc of it; and what its user should be warned of.

    `understood` are the parameters as they were taken, each with its unit.
    """

    coproc_id: str
    domain: str | None
    understood: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def set_schedule(
    machine_path: Path, coproc_name: str, algorithm: str | None, domain: str | None, settings: Sequence[Setting]
) -> Changed:
    """Change how a coproc is shared: its algorithm, parameters of it or of the sharing, or those of one domain.

    It returns warnings of parameters, the coproc's and its domains', that another algorithm does not take over.
    LookupFailed or CoprocsimError for what is unknown or out of range; then nothing is changed.
    """
    with session(machine_path) as machine:
        coproc = coproc_named(machine.board, coproc_name)
        coproc_id = coproc.spec.coproc_id
        if domain is not None and algorithm is not None:
            raise CoprocsimError("an algorithm is a coproc's, not a domain's", hint="leave `-d` out")
        if domain is not None:
            vcoproc = vcoproc_named(machine.board, domain, coproc_name)
            whose = typed.called(machine.board, vcoproc.domain)
            deed_of_one = SetVcoproc(vcoproc.who, pairs(settings))
            machine.do(deed_of_one, typed.sched_set(coproc_id, None, settings, domain=whose))
            return Changed(coproc_id, vcoproc.domain.name, understood(type(coproc.scheduler), settings))
        deed = SetCoproc(coproc_id, algorithm, pairs(settings))
        dropped = deed.do(machine.board, machine.build)
        machine.did(deed, typed.sched_set(coproc_id, algorithm, settings))
        return Changed(coproc_id, None, understood(type(coproc.scheduler), settings), dropped)


# ---------------------------------------------------------------- work and registers


def set_workload(machine_path: Path, domain: str, coproc_name: str, options: Sequence[Setting], base: Path) -> Changed:
    """Let a domain's driver do something else from now on.

    File names in `options` start from `base`.
    """
    with session(machine_path) as machine:
        vcoproc = vcoproc_named(machine.board, domain, coproc_name)
        if vcoproc.domain.dying:
            raise StateError(f"domain `{vcoproc.domain.name}` is dying")
        whose, coproc_id = typed.called(machine.board, vcoproc.domain), vcoproc.coproc.spec.coproc_id
        try:
            deed = SetWorkload(vcoproc.who, pairs(with_arrivals(tuple(options), base)))
            machine.do(deed, typed.typed("workload set", whose, coproc_id, ",".join(typed.words(options))))
        except BadSetting as error:
            raise CoprocsimError(str(error), hint=error.hint) from error
        return Changed(coproc_id, vcoproc.domain.name, warnings=tuple(uncuttable([vcoproc])))


def clear_workload(machine_path: Path, domain: str, coproc_name: str) -> Changed:
    """Let a domain's driver do nothing more; what the coproc has of it runs to its end."""
    with session(machine_path) as machine:
        vcoproc = vcoproc_named(machine.board, domain, coproc_name)
        whose, coproc_id = typed.called(machine.board, vcoproc.domain), vcoproc.coproc.spec.coproc_id
        machine.do(ClearWorkload(vcoproc.who), typed.typed("workload clear", whose, coproc_id))
        return Changed(coproc_id, vcoproc.domain.name)


def access(machine_path: Path, domain: str, address: int, size: int, value: int | None) -> mmio.Outcome:
    """Do one access of a domain: a write of `value`, or a read if that is None; return what became of it."""
    with session(machine_path) as machine:
        accessing = domain_named(machine.board, domain)
        deed = Access(accessing.domain_id, hex(address), size, None if value is None else hex(value))
        outcome = deed.do(machine.board, machine.build)
        verb = "mmio read" if value is None else "mmio write"
        written = () if value is None else (hex(value),)
        how = () if size == _SIZE_BYTES else ("--size", str(size))
        whose = typed.called(machine.board, accessing)
        machine.did(deed, typed.typed(verb, whose, hex(address), *written, *how), outcome.route.value)
        return outcome
