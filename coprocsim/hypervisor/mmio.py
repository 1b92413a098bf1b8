"""A guest's access to a register: straight to the hardware, trapped into the platform's handler, or a data abort."""

from dataclasses import dataclass
from enum import StrEnum

from coprocsim.guests.base import DataAbort
from coprocsim.hypervisor import interrupts, isolation, leaks, lifecycle
from coprocsim.hypervisor.state import Board, Coproc, Domain, Phase, Vcoproc
from coprocsim.model import Region, VcoprocState
from coprocsim.platforms.base import Refused

SIZES = (1, 2, 4, 8)


class Route(StrEnum):
    """What became of an access."""

    DIRECT = "direct"
    TRAPPED = "trapped"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`value` is what a read got; `why` an aborted access was."""

    route: Route
    value: int = 0
    why: str | None = None
    vcoproc: Vcoproc | None = None
    region: str | None = None
    offset: int = 0


def access(board: Board, domain: Domain, address: int, size: int, value: int | None) -> Outcome:
    """Do one access of `domain` at a guest address: a write of `value`, or a read if that is None."""
    for vcoproc in domain.vcoprocs:
        for window in vcoproc.windows:
            if window.base <= address < window.base + window.size_bytes:
                return _to_vcoproc(board, vcoproc, window, address - window.base, size, value)
    return _abort(board, domain, address, size, value, "no vcoproc of this domain is there")


def _to_vcoproc(board: Board, vcoproc: Vcoproc, window: Region, offset: int, size: int, value: int | None) -> Outcome:
    if size not in SIZES or offset % size:
        why = f"{size} bytes at offset {offset:#x} are not aligned" if size in SIZES else f"no access has {size} bytes"
        return _abort(board, vcoproc.domain, window.base + offset, size, value, why, vcoproc)
    if offset + size > window.size_bytes:
        why = f"it reaches past the end of `{window.name}`"
        return _abort(board, vcoproc.domain, window.base + offset, size, value, why, vcoproc)
    coproc = vcoproc.coproc
    if _mapped(vcoproc, window.name, offset, size):
        uses = coproc.port.uses
        got = _direct(vcoproc, window.name, offset, size, value)
        if board.checks:
            isolation.check_access(board, vcoproc, window.name, offset, uses)
        interrupts.look(board, coproc)
        return Outcome(Route.DIRECT, got, None, vcoproc, window.name, offset)
    return _trap(board, vcoproc, window, offset, size, value)


def _direct(vcoproc: Vcoproc, region: str, offset: int, size: int, value: int | None) -> int:
    """Reach the hardware; return what a read gets."""
    platform, port = vcoproc.coproc.platform, vcoproc.coproc.port
    if value is None and platform.scheduled:
        return port.read(region, offset, size)
    if value is None:
        return port.read_as(platform.bus_id(vcoproc.vcoproc_id), region, offset, size)
    if platform.scheduled:
        port.write(region, offset, size, value)
    else:
        port.write_as(platform.bus_id(vcoproc.vcoproc_id), region, offset, size, value)
    return 0


def _mapped(vcoproc: Vcoproc, region: str, offset: int, size: int) -> bool:
    """Return whether the domain reaches these bytes without a trap: its context runs, and the platform maps them."""
    coproc = vcoproc.coproc
    if vcoproc.state is not VcoprocState.RUNNING or not coproc.phase.decides:
        return False
    if coproc.current is not vcoproc and coproc.platform.scheduled:
        return False
    return any(name == region and start <= offset and offset + size <= stop for name, start, stop in coproc.direct)


def _trap(board: Board, vcoproc: Vcoproc, window: Region, offset: int, size: int, value: int | None) -> Outcome:
    coproc, uses = vcoproc.coproc, vcoproc.coproc.port.uses
    if coproc.phase is Phase.FAILED:
        why = f"`{coproc.spec.coproc_id}` has failed"
        return _abort(board, vcoproc.domain, window.base + offset, size, value, why, vcoproc)
    if value is None:
        answer = coproc.platform.read(vcoproc.vcoproc_id, window.name, offset, size)
    else:
        if board.checks:
            leaks.check_before_change(board, vcoproc)
        answer = coproc.platform.write(vcoproc.vcoproc_id, window.name, offset, size, value)
        vcoproc.changed = True
    if board.checks:
        isolation.check_access(board, vcoproc, window.name, offset, uses)
    if isinstance(answer, Refused):
        return _abort(board, vcoproc.domain, window.base + offset, size, value, answer.why, vcoproc)
    vcoproc.counters.traps += 1
    board.record(coproc, "trap", vcoproc.who, window.name, offset, size, "read" if value is None else "write")
    if board.checks:
        isolation.check_own(board, vcoproc, "an access", answer.effects)
    lifecycle.apply(board, coproc, answer.effects)
    interrupts.look(board, coproc)
    return Outcome(Route.TRAPPED, answer.value, None, vcoproc, window.name, offset)


def _abort(
    board: Board, domain: Domain, address: int, size: int, value: int | None, why: str, vcoproc: Vcoproc | None = None
) -> Outcome:
    """Answer with a data abort: the domain's own business, nothing else is disturbed."""
    domain.aborts += 1
    coproc_id = "-" if vcoproc is None else vcoproc.coproc.spec.coproc_id
    direction = "read" if value is None else "write"
    board.trace.append((board.now_ps, coproc_id, "abort", domain.domain_id, address, size, direction, why))
    return Outcome(Route.ABORTED, 0, why, vcoproc)


class VcoprocPort:
    """A guest port (see `guests.base`): the accesses of one vcoproc's driver, at the domain's own addresses."""

    def __init__(self, board: Board, vcoproc: Vcoproc) -> None:
        self._board = board
        self._domain = vcoproc.domain
        self._bases = {window.name: window.base for window in vcoproc.windows}

    def read(self, region: str, offset: int, size: int) -> int:
        """Return what the access gets; DataAbort if it is refused."""
        return self._access(self._bases[region] + offset, size, None).value

    def write(self, region: str, offset: int, size: int, value: int) -> None:
        """Write; DataAbort if it is refused."""
        self._access(self._bases[region] + offset, size, value)

    def read_at(self, address: int, size: int) -> int:
        """Read at any address of the domain's; DataAbort if nothing is there, or it is refused."""
        return self._access(address, size, None).value

    def write_at(self, address: int, size: int, value: int) -> None:
        """Write at any address of the domain's; DataAbort if nothing is there, or it is refused."""
        self._access(address, size, value)

    def _access(self, address: int, size: int, value: int | None) -> Outcome:
        outcome = access(self._board, self._domain, address, size, value)
        if outcome.route is Route.ABORTED:
            raise DataAbort(outcome.why)
        return outcome


def direct_offsets(coproc: Coproc) -> tuple[tuple[str, int, int], ...]:
    """Return what the platform maps, as (region, first offset, offset behind the last)."""
    bases = {region.name: region.base for region in coproc.spec.regions}
    return tuple(
        (mapped.name, mapped.base - bases[mapped.name], mapped.base - bases[mapped.name] + mapped.size_bytes)
        for mapped in coproc.platform.direct_ranges()
    )
