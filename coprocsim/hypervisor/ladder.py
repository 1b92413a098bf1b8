"""The reset ladder: what becomes of a coproc whose driver does not let go, or fails.

First the context that is on it is reset; if that fails, the whole coproc is; if even that does, the coproc has failed:
its vcoprocs are parked. Every other coproc and domain goes on.
"""

from collections.abc import Collection

from coprocsim.engine import Phase as Order
from coprocsim.hypervisor import faults, interrupts, iommu, isolation
from coprocsim.hypervisor.lifecycle import apply, set_state, use
from coprocsim.hypervisor.state import Board, Coproc, Phase, Use, Vcoproc
from coprocsim.model import Effect, FaultKind, VcoprocState
from coprocsim.platforms.base import Done, Failed, Reset


def climb(board: Board, coproc: Coproc, vcoproc: Vcoproc, why: str) -> None:
    """Free the coproc of `vcoproc` by force, rung by rung: its job is lost. What follows comes as a `step`."""
    use(board, coproc, Use.FAILED)
    coproc.phase = Phase.RESETTING
    coproc.answer = None
    coproc.stopping = False
    coproc.mirror = None
    told, answer = _reset(board, coproc, vcoproc, why)
    if isinstance(answer, Failed):
        why = f"{why}; reset: {answer.why}"
        answer = _reset_coproc(board, coproc, vcoproc, answer.why)
    match answer:
        case Done(cost_ps, effects):
            _freed(board, coproc, vcoproc, cost_ps, tuple(dict.fromkeys((*told, *effects))))
        case Failed(again):
            _fail(board, coproc, vcoproc, f"{why}; reset of the coproc: {again}")


def _reset(board: Board, coproc: Coproc, vcoproc: Vcoproc, why: str) -> tuple[tuple[Effect, ...], Reset]:
    """Reset the context that is on the coproc; return what its domain is told in any case, and what came of it."""
    vcoproc.counters.resets += 1
    coproc.counters.resets += 1
    board.record(coproc, "reset", vcoproc.who, why)
    answer = coproc.platform.reset(vcoproc.vcoproc_id, board.now_ps)
    # A reset that is made to fail has been tried: the driver knows whose jobs are lost.
    told = answer.effects if isinstance(answer, Done) else ()
    return told, faults.failing(board, coproc, FaultKind.FAIL_RESET, vcoproc) or answer


def _reset_coproc(board: Board, coproc: Coproc, vcoproc: Vcoproc, why: str) -> Reset:
    """Bring the whole coproc back to power-up: what its driver has waited for does not come any more."""
    coproc.counters.coproc_resets += 1
    board.record(coproc, "reset_coproc", vcoproc.who, why)
    _forget_events(board, coproc, {"platform"})
    fault = faults.failing(board, coproc, FaultKind.FAIL_RESET_COPROC, vcoproc)
    return fault or coproc.platform.reset_coproc(board.now_ps)


def _freed(board: Board, coproc: Coproc, vcoproc: Vcoproc, cost_ps: int, effects: tuple[Effect, ...]) -> None:
    """Go on with a coproc that nobody has: the decision comes when the reset's cost has elapsed."""
    faults.freed(coproc, vcoproc)
    vcoproc.changed = True
    cost_ps += iommu.disable(board, coproc, vcoproc)
    cost_ps = isolation.checked_cost_ps(board, coproc, vcoproc.who, "reset", cost_ps)
    coproc.current = None
    _park(board, vcoproc)
    if board.checks:
        isolation.check_own(board, vcoproc, "the reset", effects)
    apply(board, coproc, effects)
    interrupts.look(board, coproc)
    faults.unowned(board, coproc)
    coproc.noted = True
    board.timeline.arm(("step", coproc.spec.coproc_id), board.now_ps + cost_ps, Order.TIMER)


def _fail(board: Board, coproc: Coproc, vcoproc: Vcoproc, why: str) -> None:
    """Give the coproc up: its vcoprocs are parked, every other coproc goes on."""
    board.record(coproc, "failed", why)
    iommu.disable(board, coproc, vcoproc)
    if coproc.closed is not None:
        coproc.scheduler.ran(coproc.closed)
        coproc.closed = None
    coproc.current = None
    coproc.failure = why
    coproc.phase = Phase.FAILED
    coproc.noted = False
    coproc.faults = []
    _forget_events(board, coproc)
    for parked in coproc.vcoprocs.values():
        _park(board, parked)


def _forget_events(board: Board, coproc: Coproc, kinds: Collection[str] | None = None) -> None:
    """Let no event of the coproc come any more, or none of these kinds; those of its guests are not its own."""
    for kind, owner, *tag in [due.key for due in board.timeline.pending()]:
        if owner == coproc.spec.coproc_id and kind != "guest" and (kinds is None or kind in kinds):
            board.timeline.disarm((kind, owner, *tag))


def _park(board: Board, vcoproc: Vcoproc) -> None:
    """Let a vcoproc sleep, and its scheduler know."""
    if vcoproc.state in {VcoprocState.SLEEPING, VcoprocState.UNKNOWN}:
        return
    if vcoproc.state is not VcoprocState.ASKED_TO_SLEEP and not vcoproc.sleep_noted:
        vcoproc.coproc.scheduler.sleep(vcoproc.vcoproc_id, board.now_ps)
    vcoproc.sleep_noted = False
    set_state(board, vcoproc, VcoprocState.SLEEPING)
