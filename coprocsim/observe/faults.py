"""The faults that are still to come."""

from typing import TYPE_CHECKING, NamedTuple

from coprocsim.snapshot import FaultRow

if TYPE_CHECKING:
    from coprocsim.observe.view import View
    from coprocsim.store import MachineFile


class FaultLine(NamedTuple):
    """A fault to come; `domain` is None where it hits whoever comes, `times` where it goes on until it is ended."""

    coproc: str
    kind: str
    domain: str | None
    times: int | None
    time_ps: int | None


def fault_lines(seen: "View", file: "MachineFile") -> list[FaultLine]:
    """Return a line for each fault, in the order in which they were injected."""
    return [
        FaultLine(
            row.coproc_id,
            row.kind,
            None if row.who is None else seen.called(row.who),
            row.times,
            row.time_ps if row.kind == "deny" else None,
        )
        for row in file.rows(FaultRow)
    ]
