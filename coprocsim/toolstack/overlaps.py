"""What two have and one only may have: register ranges of coprocs, ranges and lines that are passed through."""

from collections.abc import Sequence
from itertools import pairwise

from coprocsim.errors import FullReport, LookupFailed, NodePlace
from coprocsim.hypervisor.state import Board
from coprocsim.model import DomainSpec, MachineSpec
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
        report.path = path
        own = _own(board, spec)
        others = [coproc.spec for coproc in board.coprocs.values() if coproc.spec.coproc_id not in own]
        before = [other for _, other in guests[:number]]
        for passed, place in spec.iomem:
            holders = [
                f"`{coproc.coproc_id}`, which is shared"
                for coproc in others
                if any(_meet(passed, range(each.base, each.base + each.size_bytes)) for each in coproc.regions)
            ]
            holders += [f"`{other.name}`, too" for other in before if any(_meet(passed, its) for its, _ in other.iomem)]
            for holder in holders:
                report.warn(f"`iomem` {passed.start:#x} belongs to {holder}", place, _HINT)
        for intid, place in spec.irqs:
            holders = [
                f"`{coproc.coproc_id}`, which is shared"
                for coproc in others
                if any(line.intid == intid for line in coproc.lines)
            ]
            holders += [f"`{other.name}`, too" for other in before if any(its == intid for its, _ in other.irqs)]
            for holder in holders:
                report.warn(f"`irqs` {intid} belongs to {holder}", place, _HINT)


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
