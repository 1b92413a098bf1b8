"""The context switch: one vcoproc off the coproc, the next one on; and everything that leads to one.

Who is next is the scheduler's business; what a switch costs, and whether it is refused, is the platform's.

    settled --decision--> leaving -> invalidating -> entering -> settled
       ^                    |                           |
       |<----- resume --- denied --timeout--> resetting (or failed)
"""

from dataclasses import replace

from coprocsim.engine import Phase as Order
from coprocsim.errors import PluginError
from coprocsim.hypervisor import faults, interrupts, iommu, isolation, ladder, leaks, measure
from coprocsim.hypervisor.lifecycle import apply, set_state, use
from coprocsim.hypervisor.state import Asked, Board, Coproc, Phase, Use, Vcoproc
from coprocsim.model import Charge, FaultKind, Payer, VcoprocId, VcoprocState
from coprocsim.platforms.base import Busy, Entered, Failed, Leave, Left
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Turn
from coprocsim.units import TIMELINE_END_PS, show_instant

_SLEEPING, _WAITING, _RUNNING = VcoprocState.SLEEPING, VcoprocState.WAITING, VcoprocState.RUNNING
_ASKED_TO_SLEEP = VcoprocState.ASKED_TO_SLEEP

# ---------------------------------------------------------------- the decision


def decide(board: Board, coproc: Coproc) -> None:
    """Ask the scheduler, then keep, leave, enter or idle accordingly."""
    if not coproc.phase.decides:
        return
    if board.checks:
        isolation.check_known(board, coproc)
    retry_due, coproc.retry_due = coproc.retry_due, False
    timeout_due, coproc.timeout_due = coproc.timeout_due, False
    turn = coproc.turn
    denied_since_ps = coproc.denied_since_ps if coproc.phase is Phase.DENIED else None
    answer = _sane(board, coproc, coproc.scheduler.pick(board.now_ps, turn))
    wanted = coproc.vcoprocs[answer.vcoproc] if isinstance(answer, Run) else None
    current = coproc.current
    if current is None:
        if isinstance(answer, Run) and wanted is not None:
            coproc.switched_before_ps = coproc.counters.switch_ps
            _enter(board, coproc, wanted, answer)
        else:
            _arm_turn(board, coproc, answer.until_ps if isinstance(answer, Idle) else None)
    elif wanted is current and current.state is _RUNNING and isinstance(answer, Run):
        _keep(board, coproc, answer)
    elif coproc.phase is Phase.SETTLED or retry_due:
        _leave(board, coproc, current, answer)
    else:
        _suffers(board, coproc, current, wanted)
    if board.decisions is not None:
        denied = coproc.phase is Phase.DENIED
        board.decisions.append(Asked(board.now_ps, coproc, turn, denied_since_ps, answer, denied))
    if timeout_due and coproc.phase is Phase.DENIED and current is not None:
        _force(board, coproc, current)


def _sane(board: Board, coproc: Coproc, answer: Decision) -> Decision:
    """Return an answer that can be followed; PluginError for nonsense, or what is over before it begins."""
    if not _is_one(coproc, answer):
        vcoprocs = ", ".join(map(repr, coproc.vcoprocs)) or "none"
        raise PluginError(
            f"the scheduling algorithm `{coproc.scheduler.name}` answers what is no decision: {answer!r}",
            why=f"`{coproc.spec.coproc_id}` cannot follow it at {show_instant(board.now_ps)} s",
            hint=f"a decision is `Run` or `Idle`, its times whole numbers of ps, its vcoproc one of {vcoprocs}",
        )
    ends = (answer.until_ps,) if isinstance(answer, Idle) else (answer.until_ps, answer.end_ps(board.now_ps))
    if any(end_ps is not None and end_ps <= board.now_ps for end_ps in ends):
        raise PluginError(
            f"the scheduling algorithm `{coproc.scheduler.name}` answers what is over already: {answer}",
            why=f"`{coproc.spec.coproc_id}` would decide for ever at {show_instant(board.now_ps)} s",
            hint="an `until_ps` is after the instant at which it is answered, a `length_ps` is not 0",
        )
    return answer


def _is_one(coproc: Coproc, answer: object) -> bool:
    """Return whether what an algorithm answers is a decision, about a vcoproc that there is."""
    match answer:
        case Idle(until_ps):
            return until_ps is None or isinstance(until_ps, int)
        case Run(VcoprocId() as vcoproc, length_ps, until_ps):
            times = (length_ps is None or isinstance(length_ps, int)) and (
                until_ps is None or isinstance(until_ps, int)
            )
            return times and vcoproc in coproc.vcoprocs
    return False


def _arm_turn(board: Board, coproc: Coproc, at_ps: int | None) -> None:
    """Let the coproc decide again at `at_ps`, if nothing happens before."""
    key = ("turn", coproc.spec.coproc_id)
    if at_ps is None:
        board.timeline.disarm(key)
    else:
        board.timeline.arm(key, at_ps, Order.TIMER)


def _keep(board: Board, coproc: Coproc, granted: Run) -> None:
    """Let the running one run on. That may bring its end forward, never push it out."""
    turn, current = coproc.turn, coproc.current
    assert turn is not None
    assert current is not None
    overrun_ps = 0
    if coproc.phase is Phase.DENIED:
        overrun_ps = _denial_over(board, coproc, current)
        coproc.phase = Phase.SETTLED
        board.record(coproc, "resume", current.who)
        # A driver in whose place a fault has denied has not begun to stop.
        if coproc.stopping:
            coproc.stopping = False
            coproc.platform.resume(current.vcoproc_id, board.now_ps)
            interrupts.look(board, coproc)
    if turn.over(board.now_ps):
        coproc.scheduler.ran(_closed(board, coproc, turn, overrun_ps))
        _begin_turn(board, coproc, current, granted)
        return
    ends = [end for end in (turn.end_ps, granted.end_ps(turn.since_ps)) if end is not None]
    coproc.turn = replace(turn, end_ps=min(ends, default=None), denied=False)
    _arm_turn(board, coproc, coproc.turn.end_ps)


def _begin_turn(board: Board, coproc: Coproc, vcoproc: Vcoproc, granted: Run) -> None:
    """Begin a turn now, shortened by what `vcoproc` owes for having overrun."""
    sharing = coproc.sharing
    owes = sharing.charge is not Charge.NONE and not coproc.scheduler.books_overrun
    if granted.length_ps is not None and vcoproc.owed_ps and owes:
        owed_ps = vcoproc.owed_ps // sharing.charge_factor if sharing.charge is Charge.AVERAGING else vcoproc.owed_ps
        least_ps = max(coproc.platform.switch_cost_max_ps, sharing.retry_floor_ps)
        paid_ps = min(owed_ps, max(0, granted.length_ps - least_ps))
        vcoproc.owed_ps -= paid_ps
        granted = replace(granted, length_ps=granted.length_ps - paid_ps)
    coproc.turn = Turn(vcoproc.vcoproc_id, board.now_ps, granted.end_ps(board.now_ps))
    _arm_turn(board, coproc, coproc.turn.end_ps)


def _closed(board: Board, coproc: Coproc, turn: Turn, overrun_ps: int) -> Ran:
    """Return what a turn that ends now was."""
    charged_ps, coproc.entry_cost_ps = coproc.entry_cost_ps, 0
    return Ran(turn.vcoproc, turn.since_ps, board.now_ps - turn.since_ps, overrun_ps, charged_ps, board.now_ps)


# ---------------------------------------------------------------- leaving


def _leave(board: Board, coproc: Coproc, current: Vcoproc, answer: Decision) -> None:
    """Ask the platform to stop and save the running context: done, denied, or broken."""
    who = current.who
    context: dict[str, bytes] = {}
    left: Leave | None = faults.leaving(board, coproc, current)
    if left is None:
        context = leaks.context_of(board, coproc) if board.checks else {}
        left = coproc.platform.switch_from(current.vcoproc_id, board.now_ps)
        coproc.stopping = isinstance(left, Busy)
    interrupts.look(board, coproc)
    match left:
        case Busy(retry_ps):
            # A job may be longer than the timeline, and than any column.
            retry_ps = min(retry_ps, TIMELINE_END_PS)
            board.record(coproc, "switch_from", who, "busy", retry_ps)
            _denied(board, coproc, current, answer, retry_ps)
        case Left(cost_ps):
            board.record(coproc, "switch_from", who, "left", cost_ps)
            cost_ps = isolation.checked_cost_ps(board, coproc, who, "switch_from", cost_ps)
            leaks.note_left(coproc, current, context if board.checks else None)
            _close_turn(board, coproc, current)
            coproc.answer = answer
            # What the context raised while it was being stopped is still its own, however short the switch.
            coproc.phase = Phase.LEAVING
            apply(board, coproc, interrupts.raised(board, coproc, by_hardware=False))
            _switching(board, coproc, Phase.LEAVING, cost_ps)
        case Failed(why):
            board.record(coproc, "switch_from", who, "failed", why)
            _close_turn(board, coproc, current)
            ladder.climb(board, coproc, current, why)


def _denied(board: Board, coproc: Coproc, current: Vcoproc, answer: Decision, retry_ps: int) -> None:
    """Wait as long as the driver says; whoever holds the coproc meanwhile will be charged for it."""
    sharing, timeline, coproc_id = coproc.sharing, board.timeline, coproc.spec.coproc_id
    current.counters.denials += 1
    coproc.counters.denials += 1
    if coproc.phase is not Phase.DENIED:
        assert coproc.turn is not None
        coproc.phase = Phase.DENIED
        coproc.denied_since_ps = board.now_ps
        coproc.turn = replace(coproc.turn, denied=True)
        _arm_turn(board, coproc, None)
        if sharing.switch_timeout_ps:
            timeline.arm(("timeout", coproc_id), board.now_ps + sharing.switch_timeout_ps, Order.TIMER)
    timeline.arm(("retry", coproc_id), board.now_ps + max(retry_ps, sharing.retry_floor_ps), Order.TIMER)
    _suffers(board, coproc, current, coproc.vcoprocs[answer.vcoproc] if isinstance(answer, Run) else None)


def _suffers(board: Board, coproc: Coproc, current: Vcoproc, wanted: Vcoproc | None) -> None:
    """Let `wanted` be who waits from now on because `current` denies, and book for how long another one did."""
    before = coproc.sufferer
    if before is wanted:
        return
    if before is not None:
        waited_ps = board.now_ps - coproc.suffering_since_ps
        before.counters.suffered_ps += waited_ps
        count, total_ps = coproc.suffered[current.who, before.who]
        coproc.suffered[current.who, before.who] = (count, total_ps + waited_ps)
    if wanted is not None:
        wanted.counters.suffered += 1
        count, total_ps = coproc.suffered.get((current.who, wanted.who), (0, 0))
        coproc.suffered[current.who, wanted.who] = (count + 1, total_ps)
    coproc.sufferer = wanted
    coproc.suffering_since_ps = board.now_ps


def _denial_over(board: Board, coproc: Coproc, current: Vcoproc) -> int:
    """Stop waiting for the driver; return how long it has denied."""
    denied_ps = board.now_ps - coproc.denied_since_ps
    current.counters.denied_ps += denied_ps
    _suffers(board, coproc, current, None)
    board.timeline.disarm(("retry", coproc.spec.coproc_id))
    board.timeline.disarm(("timeout", coproc.spec.coproc_id))
    return denied_ps


def retry(board: Board, coproc: Coproc) -> None:
    """The time that the driver asked for has passed: the next decision may try to leave again."""
    coproc.retry_due = True
    board.touch(coproc)


def timed_out(board: Board, coproc: Coproc) -> None:
    """The driver has denied for too long: unless a decision now ends it, the coproc is taken by force."""
    coproc.timeout_due = True
    board.touch(coproc)


def _force(board: Board, coproc: Coproc, current: Vcoproc) -> None:
    """Take the coproc from the running vcoproc, which still denies."""
    board.record(coproc, "timeout", current.who)
    _close_turn(board, coproc, current)
    ladder.climb(board, coproc, current, "the switch timed out")


def _close_turn(board: Board, coproc: Coproc, current: Vcoproc) -> None:
    """End the running one's turn now, for good; it stays the owner until it has left."""
    overrun_ps = _denial_over(board, coproc, current) if coproc.phase is Phase.DENIED else 0
    if overrun_ps:
        current.counters.overrun_ps += overrun_ps
        if coproc.sharing.charge is not Charge.NONE and not coproc.scheduler.books_overrun:
            current.owed_ps += overrun_ps
    assert coproc.turn is not None
    coproc.closed = _closed(board, coproc, coproc.turn, overrun_ps)
    coproc.turn = None
    _arm_turn(board, coproc, None)
    use(board, coproc, Use.SWITCH)
    coproc.switched_before_ps = coproc.counters.switch_ps


def _switching(board: Board, coproc: Coproc, phase: Phase, cost_ps: int) -> None:
    """Be in `phase` of a switch for `cost_ps`, then go on with `step`."""
    coproc.phase = phase
    if cost_ps:
        board.timeline.arm(("step", coproc.spec.coproc_id), board.now_ps + cost_ps, Order.TIMER)
    else:
        step(board, coproc)


def step(board: Board, coproc: Coproc) -> None:
    """The cost of a phase has elapsed: go on to the next."""
    match coproc.phase:
        case Phase.LEAVING:
            _left(board, coproc)
        case Phase.INVALIDATING:
            _enter_next(board, coproc)
        case Phase.ENTERING:
            _entered(board, coproc)
        case Phase.RESETTING:
            _enter_next(board, coproc)


def _left(board: Board, coproc: Coproc) -> None:
    """Nobody owns the coproc from now on."""
    current = coproc.current
    assert current is not None
    stale = coproc.faults and faults.due(board, coproc, FaultKind.STALE_IOMMU, current) is not None
    invalidate_ps = iommu.disable(board, coproc, current, forget=not stale)
    invalidate_ps = isolation.checked_cost_ps(board, coproc, current.who, "iommu_invalidate_ps", invalidate_ps)
    coproc.current = None
    set_state(board, current, _SLEEPING if current.state is _ASKED_TO_SLEEP else _WAITING)
    if coproc.faults:
        faults.unowned(board, coproc)
    _switching(board, coproc, Phase.INVALIDATING, invalidate_ps)


# ---------------------------------------------------------------- entering


def _enter_next(board: Board, coproc: Coproc) -> None:
    """Carry out what was decided when the switch began, unless its vcoproc has gone away meanwhile."""
    answer, coproc.answer = coproc.answer, None
    wanted = coproc.vcoprocs.get(answer.vcoproc) if isinstance(answer, Run) else None
    if isinstance(answer, Run) and wanted is not None and wanted.state is _WAITING:
        _enter(board, coproc, wanted, answer)
        return
    if isinstance(answer, Idle):
        _arm_turn(board, coproc, answer.until_ps)
    else:
        coproc.noted = True
    _settle(board, coproc, Use.IDLE, None)


def _enter(board: Board, coproc: Coproc, vcoproc: Vcoproc, granted: Run) -> None:
    """Give the coproc to `vcoproc`: its memory, then its context."""
    coproc.current = vcoproc
    coproc.answer = granted
    _arm_turn(board, coproc, None)
    use(board, coproc, Use.SWITCH)
    fault = faults.failing(board, coproc, FaultKind.IOMMU, vcoproc)
    refused = iommu.enable(board, coproc, vcoproc) if fault is None else f"IOMMU: {fault.why}"
    if refused is not None:
        ladder.climb(board, coproc, vcoproc, refused)
        return
    fault = faults.failing(board, coproc, FaultKind.FAIL_ENTER, vcoproc)
    if fault is None and board.checks:
        leaks.load_mirror(board, coproc, vcoproc)
    match fault or coproc.platform.switch_to(vcoproc.vcoproc_id, board.now_ps):
        case Entered(cost_ps):
            board.record(coproc, "switch_to", vcoproc.who, "entered", cost_ps)
            cost_ps = isolation.checked_cost_ps(board, coproc, vcoproc.who, "switch_to", cost_ps)
            _switching(board, coproc, Phase.ENTERING, cost_ps)
            # What the driver has set going comes to its end while the cost elapses.
            interrupts.look(board, coproc)
        case Failed(why):
            board.record(coproc, "switch_to", vcoproc.who, "failed", why)
            ladder.climb(board, coproc, vcoproc, why)


def _entered(board: Board, coproc: Coproc) -> None:
    """The context is loaded: its turn begins."""
    vcoproc, granted = coproc.current, coproc.answer
    assert vcoproc is not None
    assert isinstance(granted, Run)
    coproc.answer = None
    vcoproc.counters.switches += 1
    coproc.counters.switches += 1
    _settle(board, coproc, Use.RUN, vcoproc)
    set_state(board, vcoproc, _RUNNING)
    _begin_turn(board, coproc, vcoproc, granted)
    if vcoproc.sleep_noted:
        # The scheduler was told when it happened.
        vcoproc.sleep_noted = False
        set_state(board, vcoproc, _ASKED_TO_SLEEP)
        board.touch(coproc)
    leaks.refresh_mirror(board, coproc)
    effects = coproc.platform.start(vcoproc.vcoproc_id, board.now_ps)
    leaks.check_entered(board, coproc, vcoproc)
    if board.checks:
        isolation.check_own(board, vcoproc, "the start", effects)
    apply(board, coproc, effects)
    interrupts.look(board, coproc)


def _settle(board: Board, coproc: Coproc, now_for: Use, entered: Vcoproc | None) -> None:
    """End a switch: book its time, charge whoever pays, tell the scheduler what ran."""
    use(board, coproc, now_for)
    if entered is None:
        board.record(coproc, "idle")
    coproc.phase = Phase.SETTLED
    cost_ps = coproc.counters.switch_ps - coproc.switched_before_ps
    if entered is not None:
        measure.entry(entered, cost_ps)
        if coproc.sharing.payer is Payer.ENTERING:
            entered.counters.switch_ps += cost_ps
            coproc.entry_cost_ps = cost_ps
    closed, coproc.closed = coproc.closed, None
    if closed is not None:
        if coproc.sharing.payer is Payer.LEAVING:
            leaver = coproc.vcoprocs.get(closed.vcoproc)
            if leaver is not None:
                leaver.counters.switch_ps += cost_ps
            closed = replace(closed, switch_ps=closed.switch_ps + cost_ps)
        coproc.scheduler.ran(closed)
    if coproc.noted:
        coproc.noted = False
        board.touch(coproc)
