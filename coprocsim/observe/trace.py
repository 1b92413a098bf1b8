"""The rows of the trace by name: what each column is, of which kind a row is, whose it is, and which are chosen."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.store import MachineFile

Watch: TypeAlias = "Callable[[Iterator[TraceRow]], Iterator[TraceRow]]"
"""Yields the rows that it is given, and sees how far they are."""

KINDS: dict[str, tuple[str, ...]] = {
    "state": ("state",),
    "switch": ("switch_from", "switch_to", "idle"),
    "denial": ("resume", "timeout"),
    "iommu": ("iommu_disable", "iommu_enable"),
    "job": ("job", "job_end", "job_dropped"),
    "irq": ("raised", "irq", "irq_spurious"),
    "access": ("trap", "abort"),
    "dma": ("iommu_fault", "dma_unprotected", "iommu_stale"),
    "fault": ("fault",),
    "reset": ("reset", "reset_coproc", "failed"),
    "finding": ("finding",),
    "setting": ("algorithm", "setting", "workload"),
    "domain": ("domain",),
}
"""The kinds of rows, and what is of each; a `switch_from` that is refused is a denial."""
_KIND_OF = {what: kind for kind, whats in KINDS.items() for what in whats}

_DMA = ("vcoproc", "address", "size_bytes", "direction")
_BY_ANSWER = {"left": "cost_ps", "entered": "cost_ps", "busy": "retry_ps", "failed": "why"}
_COLUMNS: dict[str, tuple[str, ...]] = {
    "state": ("vcoproc", "old", "new"),
    "switch_from": ("vcoproc", "answer"),
    "switch_to": ("vcoproc", "answer"),
    "iommu_disable": ("vcoproc",),
    "iommu_enable": ("vcoproc",),
    "idle": (),
    "resume": ("vcoproc",),
    "timeout": ("vcoproc",),
    "reset": ("vcoproc", "why"),
    "reset_coproc": ("vcoproc", "why"),
    "failed": ("why",),
    "fault": ("vcoproc", "fault", "happens"),
    "job": ("vcoproc", "release_ps", "deadline_ps"),
    "job_end": ("vcoproc", "how", "release_ps", "latency_ps", "deadline_ps"),
    "job_dropped": ("vcoproc", "release_ps"),
    "raised": ("vcoproc", "line"),
    "irq": ("vcoproc", "line"),
    "irq_spurious": ("line",),
    "trap": ("vcoproc", "range", "offset", "size_bytes", "direction"),
    "abort": ("domain_id", "address", "size_bytes", "direction", "why"),
    "iommu_fault": _DMA,
    "dma_unprotected": _DMA,
    "iommu_stale": (*_DMA, "of_vcoproc"),
    "finding": ("vcoproc", "rule", "why"),
    "algorithm": ("value",),
    "setting": ("vcoproc", "name", "number", "value"),
    "workload": ("vcoproc", "value"),
    "domain": ("domain_id", "how", "name"),
}
FIELDS = tuple(
    dict.fromkeys(
        name for name in (*(name for names in _COLUMNS.values() for name in names), *_BY_ANSWER.values())
        if name not in {"vcoproc", "domain_id"}
    )
)  # fmt: skip
"""Every name that `fields` knows, `vcoproc` and `domain_id` apart: those say whose a row is."""


def kind_of(row: "TraceRow") -> str:
    """Return of which kind a row is."""
    match row[2:]:
        case ("switch_from", _, "busy", _):
            return "denial"
    return _KIND_OF[row[2]]


def fields(row: "TraceRow") -> dict[str, str | int]:
    """Return what a row says besides when, where and what, by name; what there is none of is left out."""
    names, values = _COLUMNS[row[2]], row[3:]
    if names[1:] == ("answer",):
        names = (*names, _BY_ANSWER[str(values[1])])
    found = dict(zip(names, values, strict=False))
    if found.get("vcoproc") == "-":
        del found["vcoproc"]
    if found.get("deadline_ps") == -1:
        del found["deadline_ps"]
    return found


def domain_of(row: "TraceRow") -> int | None:
    """Return the id of the domain that a row is about, if it is about one."""
    match row[2:]:
        case ("abort" | "domain", int(domain_id), *_):
            return domain_id
        case (str(what), str(who), *_) if who != "-" and _COLUMNS[what][0] == "vcoproc":
            return int(who[1:].partition("v")[0])
    return None


def is_missed(row: "TraceRow") -> bool:
    """Return whether by this row a job is over and was not in time: it was done late, given up, lost, or dropped."""
    match row[2:]:
        case ("job_end", _, how, int(release_ps), int(latency_ps), int(deadline_ps)):
            return how != "done" or -1 < deadline_ps < release_ps + latency_ps
        case ("job_dropped", *_):
            return True
    return False


class Choice(NamedTuple):
    """Which rows are wanted: between two instants, both included; of a coproc, a domain, some kinds; the last ones.

    `late` wants the ends of jobs that were not in time only.
    """

    from_ps: int
    to_ps: int
    coproc: str | None = None
    domain_id: int | None = None
    kinds: frozenset[str] = frozenset()
    late: bool = False
    last: int | None = None

    def rows(self, file: "MachineFile", watch: Watch = iter) -> "Iterator[TraceRow]":
        """Yield the rows that are wanted, in order; what lies outside of the two instants is not even unpacked.

        All that are read go through `watch`: backwards, where the last ones are wanted.
        """
        if self.last is None:
            return filter(self._wants, watch(file.trace(self.from_ps, self.to_ps)))
        found = filter(self._wants, watch(file.trace_backwards(self.from_ps, self.to_ps)))
        return reversed(list(islice(found, self.last)))

    def _wants(self, row: "TraceRow") -> bool:
        return (
            self.coproc in {None, row[1]}
            and (not self.kinds or kind_of(row) in self.kinds)
            and (self.domain_id is None or domain_of(row) == self.domain_id)
            and (not self.late or is_missed(row))
        )
