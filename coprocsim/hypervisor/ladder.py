"""The reset ladder: what becomes of a coproc whose driver does not let go, or fails.

First the context that is on it is reset; if that fails, the whole coproc is; if even that does, the coproc has failed:
its vcoprocs are parked. Every other coproc and domain goes on.
"""

from coprocsim.engine import Phase as Order
from coprocsim.hypervisor import faults, interrupts, iommu, isolation
from coprocsim.hypervisor.lifecycle import apply, set_state, use
from coprocsim.hypervisor.state import Board, Coproc, Phase, Use, Vcoproc
from coprocsim.model import FaultKind, VcoprocState
from coprocsim.platforms.base import Done, Failed

_KINDS = ("turn", "retry", "timeout", "step", "hardware", "lines")


def climb(board: Board, coproc: Coproc, vcoproc: Vcoproc, why: str) -> None:
    """Free the coproc of `vcoproc` by force, rung by rung: its job is lost. What follows comes as a `step`."""
    use(board, coproc, Use.FAILED)
    coproc.phase = Phase.RESETTING
    coproc.answer = None
    coproc.stopping = False
    coproc.mirror = None
    vcoproc.counters.resets += 1
    coproc.counters.resets += 1
    board.record(coproc, "reset", vcoproc.who, why)
    answer = coproc.platform.reset(vcoproc.vcoproc_id, board.now_ps)
    # A reset that is made to fail has been tried: the driver knows whose jobs are lost.
    told = answer.effects if isinstance(answer, Done) else ()
    answer = faults.failing(board, coproc, FaultKind.FAIL_RESET, vcoproc) or answer
    if isinstance(answer, Failed):
        why = f"{why}; reset: {answer.why}"
        coproc.counters.coproc_resets += 1
        board.record(coproc, "reset_coproc", vcoproc.who, answer.why)
        answer = faults.failing(board, coproc, FaultKind.FAIL_RESET_COPROC, vcoproc) or coproc.platform.reset_coproc(
            board.now_ps
        )
    match answer:
        case Done(cost_ps, effects):
            faults.freed(coproc, vcoproc)
            vcoproc.changed = True
            cost_ps = isolation.checked_cost_ps(
                board, coproc, vcoproc.who, "reset", cost_ps + iommu.disable(board, coproc, vcoproc)
            )
            coproc.current = None
            _park(board, vcoproc)
            effects = tuple(dict.fromkeys((*told, *effects)))
            if board.checks:
                isolation.check_own(board, vcoproc, "the reset", effects)
            apply(board, coproc, effects)
            interrupts.look(board, coproc)
            faults.unowned(board, coproc)
            coproc.noted = True
            board.timeline.arm(("step", coproc.spec.coproc_id), board.now_ps + cost_ps, Order.TIMER)
        case Failed(again):
            _fail(board, coproc, vcoproc, f"{why}; reset of the coproc: {again}")


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
    for kind in _KINDS:
        board.timeline.disarm((kind, coproc.spec.coproc_id))
    for parked in coproc.vcoprocs.values():
        _park(board, parked)


def _park(board: Board, vcoproc: Vcoproc) -> None:
    """Let a vcoproc sleep, and its scheduler know."""
    if vcoproc.state in {VcoprocState.SLEEPING, VcoprocState.UNKNOWN}:
        return
    if vcoproc.state is not VcoprocState.ASKED_TO_SLEEP and not vcoproc.sleep_noted:
        vcoproc.coproc.scheduler.sleep(vcoproc.vcoproc_id, board.now_ps)
    vcoproc.sleep_noted = False
    set_state(board, vcoproc, VcoprocState.SLEEPING)
