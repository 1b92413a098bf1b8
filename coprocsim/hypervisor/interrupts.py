"""Interrupts: from the hardware's lines, through the platform, to the domain whose context runs."""

from coprocsim.engine import Phase as Order
from coprocsim.hypervisor import isolation
from coprocsim.hypervisor.state import Board, Coproc, Vcoproc
from coprocsim.model import Effect


def look(board: Board, coproc: Coproc) -> None:
    """Take note of what register accesses have changed: when the hardware is next due, and its lines."""
    hardware, coproc_id = coproc.hardware, coproc.spec.coproc_id
    next_ps = hardware.next_ps()
    if next_ps is None:
        board.timeline.disarm(("hardware", coproc_id))
    else:
        board.timeline.arm(("hardware", coproc_id), next_ps, Order.HARDWARE)
    if hardware.dma_pending() or hardware.asserted() != coproc.asserted:
        board.timeline.arm(("lines", coproc_id), board.now_ps, Order.HARDWARE)


def raised(board: Board, coproc: Coproc, *, by_hardware: bool) -> tuple[Effect, ...]:
    """Ask the platform about every line that is asserted; return what it wants done.

    A line that stays high is asked about again when the hardware has gone on (`by_hardware`): a job that ends before
    the last one's interrupt is cleared is an interrupt, too.
    """
    effects: list[Effect] = []
    before, coproc.asserted = coproc.asserted, coproc.hardware.asserted()
    for line in coproc.asserted:
        if line not in before or by_hardware:
            effects += answered(board, coproc, line)
    return tuple(effects)


def answered(board: Board, coproc: Coproc, line: str) -> tuple[Effect, ...]:
    """Ask the platform about one line; return what it wants done. With nobody there to ask for, it is spurious.

    Whose it is is decided here: the vcoproc's that has the coproc, and of hardware that shares itself everybody's.
    """
    if not coproc.platform.scheduled:
        asked = tuple(coproc.vcoprocs.values())
    else:
        asked = () if coproc.current is None else (coproc.current,)
    if not asked:
        coproc.counters.spurious += 1
        board.record(coproc, "irq_spurious", line)
    effects: list[Effect] = []
    for vcoproc in asked:
        board.record(coproc, "raised", vcoproc.who, line)
        wanted = coproc.platform.interrupt(vcoproc.vcoproc_id, line, board.now_ps)
        if board.checks:
            isolation.check_irq(board, coproc, line, vcoproc.vcoproc_id, wanted)
        effects += wanted
    return tuple(effects)


def deliver(board: Board, vcoproc: Vcoproc, line: str) -> None:
    """Pend `line` for the vcoproc's domain; while that is paused it is held."""
    if vcoproc.domain.paused:
        vcoproc.held_lines[line] = None
        return
    vcoproc.counters.irqs += 1
    board.record(vcoproc.coproc, "irq", vcoproc.who, line)
    if vcoproc.guest is not None:
        vcoproc.guest.interrupt(line, board.now_ps)
        attend(board, vcoproc)


def attend(board: Board, vcoproc: Vcoproc) -> None:
    """Arm the guest for the next instant at which it has something to do."""
    next_ps = None if vcoproc.guest is None or vcoproc.domain.paused else vcoproc.guest.next_ps()
    if next_ps is None:
        board.timeline.disarm(("guest", vcoproc.who))
    else:
        board.timeline.arm(("guest", vcoproc.who), next_ps, Order.GUEST)
