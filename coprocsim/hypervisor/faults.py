"""Faults that somebody wants to see: what is to go wrong with a coproc, and how that looks to the framework.

The framework asks before it calls a driver's hook; a fault that is due answers in the driver's place. Only a reset is
tried all the same: whose jobs it costs is the driver's knowledge.
"""

from coprocsim.hypervisor import interrupts, iommu, lifecycle
from coprocsim.hypervisor.state import Board, Coproc, Fault, Phase, Vcoproc
from coprocsim.model import DmaAccess, FaultKind
from coprocsim.platforms.base import Busy, Failed
from coprocsim.units import PS_PER_MS

# How long a driver that hangs says it will take: it promises the same again and again.
_HANG_RETRY_PS = PS_PER_MS
_WORD_BYTES = 4
# Of those that answer `switch_from`, the first that is due.
_LEAVING = (FaultKind.FAIL_LEAVE, FaultKind.DENY, FaultKind.HANG)


def inject(board: Board, coproc: Coproc, fault: Fault) -> None:
    """Let something go wrong with a coproc, now or when it is next tried."""
    board.record(coproc, "fault", fault.who or "-", fault.kind.value, "injected")
    match fault.kind:
        case FaultKind.DMA:
            iommu.translate(board, coproc, DmaAccess(0, _nowhere(board), _WORD_BYTES, write=True))
            interrupts.look(board, coproc)
        case _:
            coproc.faults.append(fault)
            if coproc.current is None:
                unowned(board, coproc)


def _nowhere(board: Board) -> int:
    """Return the lowest address of a word at which no domain has memory."""
    address = 0
    for start, stop in sorted((bank.start, bank.stop) for domain in board.domains.values() for bank in domain.memory):
        if address + _WORD_BYTES <= start:
            break
        address = max(address, stop)
    return address


def clear(board: Board, coproc: Coproc) -> int:
    """Let nothing more go wrong on purpose; return how many faults were still to come."""
    count, coproc.faults = len(coproc.faults), []
    board.record(coproc, "fault", "-", "all", "cleared")
    return count


def unowned(board: Board, coproc: Coproc) -> None:
    """Nobody has the coproc: the instant at which a line that goes up is spurious."""
    for fault in [each for each in coproc.faults if each.kind is FaultKind.SPURIOUS_IRQ]:
        _strikes(board, coproc, fault, "-")
        for line in coproc.spec.lines[:1]:
            raise_line(board, coproc, line.name)


def raise_line(board: Board, coproc: Coproc, line: str) -> None:
    """Pulse an interrupt line of the coproc, as if its hardware had; what follows is the driver's business."""
    if coproc.phase is not Phase.FAILED:
        lifecycle.apply(board, coproc, interrupts.answered(board, coproc, line))
        interrupts.look(board, coproc)


def hides(fault: Fault, kind: FaultKind, who: str | None) -> bool:
    """Return whether `fault` answers each time before one of `kind` could that is injected now, for ever."""
    before = _LEAVING[: _LEAVING.index(kind)] if kind in _LEAVING else ()
    return fault.times is None and fault.who in {None, who} and fault.kind in {kind, *before} - {FaultKind.SPURIOUS_IRQ}


def due(board: Board, coproc: Coproc, kind: FaultKind, vcoproc: Vcoproc) -> Fault | None:
    """Return the fault that hits `vcoproc` now, and count it; None if there is none."""
    for fault in coproc.faults:
        if fault.kind is kind and fault.who in {None, vcoproc.who}:
            _strikes(board, coproc, fault, vcoproc.who)
            return fault
    return None


def _strikes(board: Board, coproc: Coproc, fault: Fault, who: str) -> None:
    """Note that a fault hits `who`, once more or for the last time."""
    board.record(coproc, "fault", who, fault.kind.value, "strikes")
    if fault.times is not None:
        fault.times -= 1
        if not fault.times:
            coproc.faults.remove(fault)


def leaving(board: Board, coproc: Coproc, vcoproc: Vcoproc) -> Busy | Failed | None:
    """Return what a fault answers to `switch_from`."""
    if not coproc.faults:
        return None
    if due(board, coproc, FaultKind.FAIL_LEAVE, vcoproc) is not None:
        return Failed("a fault was injected")
    fault = due(board, coproc, FaultKind.DENY, vcoproc)
    if fault is not None:
        return Busy(fault.time_ps)
    return Busy(_HANG_RETRY_PS) if due(board, coproc, FaultKind.HANG, vcoproc) is not None else None


def failing(board: Board, coproc: Coproc, kind: FaultKind, vcoproc: Vcoproc) -> Failed | None:
    """Return what a fault of this kind answers to the hook that it is about."""
    return Failed("a fault was injected") if coproc.faults and due(board, coproc, kind, vcoproc) else None


def forget(coproc: Coproc, vcoproc: Vcoproc) -> None:
    """Nothing more goes wrong for a vcoproc that is destroyed."""
    coproc.faults = [each for each in coproc.faults if each.who != vcoproc.who]


def freed(coproc: Coproc, vcoproc: Vcoproc) -> None:
    """A reset has succeeded: what hung does not hang any more."""
    coproc.faults = [
        each for each in coproc.faults if each.kind is not FaultKind.HANG or each.who not in {None, vcoproc.who}
    ]
