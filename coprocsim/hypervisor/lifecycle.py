"""What happens to a vcoproc: it wakes, sleeps, yields; its states, and the time that goes into them.

Who has the coproc is the business of `switching`. Hardware that shares itself is here as a whole: its vcoprocs begin
and end, and are not switched.
"""

from coprocsim.engine import Phase as Order
from coprocsim.hypervisor import interrupts, isolation, measure
from coprocsim.hypervisor.state import Board, Coproc, Phase, Use, Vcoproc
from coprocsim.model import After, Effect, RaiseIrq, Sleep, VcoprocState, Wake, Yield

_SLEEPING, _WAITING, _RUNNING = VcoprocState.SLEEPING, VcoprocState.WAITING, VcoprocState.RUNNING
_ASKED_TO_SLEEP = VcoprocState.ASKED_TO_SLEEP


def wake(board: Board, vcoproc: Vcoproc) -> None:
    """`vcoproc` has work (Xen: vcoproc_wake). One that was asked to sleep goes on instead."""
    coproc = vcoproc.coproc
    if vcoproc.domain.paused or vcoproc.domain.dying:
        vcoproc.wake_held = True
        return
    if not coproc.platform.scheduled:
        return
    match vcoproc.state:
        case VcoprocState.SLEEPING if coproc.phase is not Phase.FAILED:
            set_state(board, vcoproc, _WAITING)
        case VcoprocState.ASKED_TO_SLEEP:
            set_state(board, vcoproc, _RUNNING)
        case VcoprocState.WAITING if vcoproc.sleep_noted:
            vcoproc.sleep_noted = False
        case _:
            return
    coproc.scheduler.wake(vcoproc.vcoproc_id, board.now_ps)
    board.touch(coproc)


def sleep(board: Board, vcoproc: Vcoproc) -> None:
    """`vcoproc` has no more work, or must not work (Xen: vcoproc_sleep). One on the hardware is asked to."""
    coproc = vcoproc.coproc
    if not coproc.platform.scheduled:
        return
    if vcoproc.state is _RUNNING:
        set_state(board, vcoproc, _ASKED_TO_SLEEP)
    elif vcoproc.state is _WAITING and coproc.current is vcoproc:
        if vcoproc.sleep_noted:
            return
        vcoproc.sleep_noted = True
    elif vcoproc.state is _WAITING:
        set_state(board, vcoproc, _SLEEPING)
    else:
        return
    coproc.scheduler.sleep(vcoproc.vcoproc_id, board.now_ps)
    board.touch(coproc)


def yield_(board: Board, vcoproc: Vcoproc) -> None:
    """`vcoproc` gives way (Xen: vcoproc_yield); one that does not run has nothing to give."""
    if vcoproc.state is _RUNNING and vcoproc.coproc.platform.scheduled:
        vcoproc.coproc.scheduler.yield_(vcoproc.vcoproc_id, board.now_ps)
        board.touch(vcoproc.coproc)


def begin(board: Board, vcoproc: Vcoproc) -> None:
    """Let a vcoproc of hardware that shares itself have its part of it, from now on until `end`."""
    coproc = vcoproc.coproc
    if vcoproc.state is not _SLEEPING or coproc.phase is Phase.FAILED:
        return
    set_state(board, vcoproc, _RUNNING)
    use(board, coproc, Use.RUN)
    effects = coproc.platform.start(vcoproc.vcoproc_id, board.now_ps)
    if board.checks:
        isolation.check_own(board, vcoproc, "the start", effects)
    apply(board, coproc, effects)
    interrupts.look(board, coproc)


def end(board: Board, vcoproc: Vcoproc) -> None:
    """Take its part of hardware that shares itself away from a vcoproc; what cannot be cut still runs to its end."""
    coproc = vcoproc.coproc
    if vcoproc.state is _RUNNING:
        set_state(board, vcoproc, _SLEEPING)
        coproc.platform.halt(vcoproc.vcoproc_id, board.now_ps)
        interrupts.look(board, coproc)
        others = any(other.state is _RUNNING for other in coproc.vcoprocs.values())
        use(board, coproc, Use.RUN if others else Use.IDLE)
        if not others:
            board.record(coproc, "idle")


def set_state(board: Board, vcoproc: Vcoproc, state: VcoprocState) -> None:
    """Change a vcoproc's state and book the time that it spent in the last one."""
    time_ps = board.now_ps - vcoproc.state_since_ps
    if vcoproc.state is _WAITING:
        measure.wait(vcoproc, time_ps)
    elif vcoproc.state is _RUNNING and not vcoproc.coproc.platform.scheduled:
        vcoproc.counters.run_ps += time_ps
    vcoproc.state_since_ps = board.now_ps
    board.record(vcoproc.coproc, "state", vcoproc.who, vcoproc.state, state)
    vcoproc.state = state
    if board.checks and state is _RUNNING:
        isolation.check_runs(board, vcoproc)


def use(board: Board, coproc: Coproc, now_for: Use) -> None:
    """Book the coproc's time since the last change; from now on it goes into `now_for`."""
    elapsed_ps = board.now_ps - coproc.use_since_ps
    coproc.use_since_ps = board.now_ps
    counters = coproc.counters
    match coproc.use:
        case Use.RUN:
            counters.run_ps += elapsed_ps
            if coproc.current is not None:
                coproc.current.counters.run_ps += elapsed_ps
        case Use.SWITCH:
            counters.switch_ps += elapsed_ps
        case Use.IDLE:
            counters.idle_ps += elapsed_ps
        case Use.FAILED:
            counters.failed_ps += elapsed_ps
    coproc.use = now_for


def apply(board: Board, coproc: Coproc, effects: tuple[Effect, ...]) -> None:
    """Do what a platform's hook wants done."""
    for effect in effects:
        match effect:
            case After(delay_ps, tag):
                board.timeline.arm(("platform", coproc.spec.coproc_id, tag), board.now_ps + delay_ps, Order.TIMER)
            case RaiseIrq(vcoproc_id, line):
                interrupts.deliver(board, coproc.vcoprocs[vcoproc_id], line)
            case Wake(vcoproc_id):
                wake(board, coproc.vcoprocs[vcoproc_id])
            case Sleep(vcoproc_id):
                coproc.vcoprocs[vcoproc_id].wake_held = False
                sleep(board, coproc.vcoprocs[vcoproc_id])
            case Yield(vcoproc_id):
                yield_(board, coproc.vcoprocs[vcoproc_id])
