"""What two have and one only may have: register ranges of coprocs, what is passed through, the machine's memory."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from coprocsim.errors import FullReport, LookupFailed, NodePlace
from coprocsim.hypervisor.state import Board
from coprocsim.model import CoprocSpec, DomainSpec, MachineSpec
from coprocsim.toolstack.lookup import coproc_named

_HINT = "what is passed through is one domain's alone: take it out of all but one"


def warn_of_overlaps(machine: MachineSpec, report: FullReport) -> None:
    """Warn of coprocs whose ranges lie upon each other: who shares one reaches the other."""
    ranges = sorted(
        ((region, coproc) for coproc in (*machine.coprocs, *machine.broken) for region in coproc.regions),
        key=lambda each: each[0].base,
    )
    for (region, coproc), (above, other) in pairwise(ranges):
        if coproc is not other and region.base + region.size_bytes > above.base:
            what = (
                f"range `{above.name}` of `{other.coproc_id}` at {above.base:#x} lies upon range `{region.name}` "
                f"of `{coproc.coproc_id}`"
            )
            report.warn(what, NodePlace(other.path, "reg"), "who has a vcoproc of one of them reaches the other")


def warn_of_shared_passthrough(board: Board, guests: Sequence[tuple[str, DomainSpec]], report: FullReport) -> None:
    """Warn of ranges and lines that a guest is given as a whole, and that a coproc or another guest has, too.

    Those of a vcoproc of its own are warned of where it is created.
    """
    for number, (path, spec) in enumerate(guests):
        own = _own(board, spec)
        coprocs = [coproc.spec for coproc in board.coprocs.values() if coproc.spec.coproc_id not in own]
        before = [other for _, other in guests[:number]]
        with report.reading(path):
            for passed, place in spec.iomem:
                for holder in _holders_of_range(passed, coprocs, before):
                    report.warn(f"`iomem` {passed.start:#x} belongs to {holder}", place, _HINT)
            for intid, place in spec.irqs:
                for holder in _holders_of_line(intid, coprocs, before):
                    report.warn(f"`irqs` {intid} belongs to {holder}", place, _HINT)


def warn_of_memory(memory_bytes: int, guests: Sequence[tuple[str, DomainSpec]], report: FullReport) -> None:
    """Warn where the guests have more memory together than the machine: at the first that finds too little left."""
    asked_mib = list(accumulate(spec.memory_mib for _, spec in guests))
    memory_mib = memory_bytes // 2**20
    first = next((guest for guest, total in zip(guests, asked_mib, strict=True) if total > memory_mib), None)
    if first is not None:
        path, spec = first
        each = ", ".join(f"`{its.name}` {its.memory_mib} MiB" for _, its in guests)
        what = f"the guests have {asked_mib[-1]} MiB of memory, and the machine {memory_mib} MiB: {each}"
        with report.reading(path):
            report.warn(what, spec.memory_place or spec.name_place, "xl creates no domain whose memory is not there")


def _holders_of_range(passed: range, coprocs: Sequence[CoprocSpec], guests: Sequence[DomainSpec]) -> Iterator[str]:
    for coproc in coprocs:
        if any(_meet(passed, range(each.base, each.base + each.size_bytes)) for each in coproc.regions):
            yield f"`{coproc.coproc_id}`, which is shared"
    for guest in guests:
        if any(_meet(passed, its) for its, _ in guest.iomem):
            yield f"`{guest.name}`, too"


def _holders_of_line(intid: int, coprocs: Sequence[CoprocSpec], guests: Sequence[DomainSpec]) -> Iterator[str]:
    for coproc in coprocs:
        if any(line.intid == intid for line in coproc.lines):
            yield f"`{coproc.coproc_id}`, which is shared"
    for guest in guests:
        if any(its == intid for its, _ in guest.irqs):
            yield f"`{guest.name}`, too"


def _own(board: Board, spec: DomainSpec) -> set[str]:
    """Return the coprocs that a guest shares."""
    own = set()
    for request in spec.coprocs:
        try:
            own.add(coproc_named(board, request.name).spec.coproc_id)
        except LookupFailed:
            continue
    return own


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop
