"""All that is known of a domain, and what its drivers do."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from coprocsim.observe.listing import domain_state, state
from coprocsim.observe.stats import VcoprocStats, vcoproc_stats
from coprocsim.observe.view import View, who
from coprocsim.snapshot import BankRow, ConfigRow, HistogramRow, JobRow, LineRow, VcoprocRow, WindowRow, WorkloadRow

if TYPE_CHECKING:
    from coprocsim.store import MachineFile


class Workload(NamedTuple):
    """What a domain's driver does with a coproc; no options where it does nothing."""

    domain: str
    domain_id: int
    coproc: str
    options: dict[str, str]


class Bank(NamedTuple):
    """A range of guest addresses."""

    start: int
    size_bytes: int


class Window(NamedTuple):
    """Where the domain sees a range of a coproc."""

    region: str
    base: int
    size_bytes: int


class Line(NamedTuple):
    """An interrupt line of a coproc."""

    name: str
    label: str
    intid: int | None


class VcoprocShown(NamedTuple):
    """A vcoproc with all that it has; `owed_ps` is what it still owes for overrunning its turns."""

    vcoproc: str
    coproc: str
    state: str
    windows: tuple[Window, ...]
    lines: tuple[Line, ...]
    pending_lines: tuple[str, ...]
    workload: dict[str, str]
    owed_ps: int
    stats: VcoprocStats


class DomainShown(NamedTuple):
    """A domain with all that it has; `config` is what its config said and nothing here depends on."""

    domain: str
    domain_id: int
    state: str
    uuid: str | None
    memory_mib: int
    maxmem_mib: int
    vcpus: int
    aborts: int
    memory: tuple[Bank, ...]
    config: dict[str, str]
    vcoprocs: tuple[VcoprocShown, ...]


def shown(view: View, file: "MachineFile", name: str) -> DomainShown:
    """Return all that is known of a domain; LookupFailed if there is none."""
    domain = view.domain_named(name)
    mine = domain.domain_id
    return DomainShown(
        domain.name,
        mine,
        domain_state(domain),
        domain.uuid,
        domain.memory_mib,
        domain.maxmem_mib,
        domain.vcpus,
        domain.aborts,
        tuple(Bank(row.start, row.stop - row.start) for row in file.rows(BankRow) if row.domain_id == mine),
        {row.name: row.value for row in file.rows(ConfigRow) if row.domain_id == mine},
        tuple(_vcoprocs(view, file, domain.name)),
    )


def _vcoprocs(view: View, file: "MachineFile", domain: str) -> Iterator[VcoprocShown]:
    windows, lines, options = file.rows(WindowRow), file.rows(LineRow), file.rows(WorkloadRow)
    figures = vcoproc_stats(view, file.rows(JobRow), domain=domain, histograms=file.rows(HistogramRow))
    stats = {each.vcoproc: each for each in figures}
    for row in view.of(None, domain):
        key = (row.domain_id, row.number)
        yield VcoprocShown(
            who(row),
            row.coproc_id,
            state(view, row),
            tuple(Window(w.region, w.base, w.size_bytes) for w in windows if (w.domain_id, w.number) == key),
            tuple(Line(each.name, each.label, each.intid) for each in lines if each.coproc_id == row.coproc_id),
            tuple(row.held_lines.split("\n")) if row.held_lines else (),
            _options(row, options),
            row.owed_ps,
            stats[who(row)],
        )


def workloads(
    view: View, options: list[WorkloadRow], coproc: str | None = None, domain: str | None = None
) -> Iterator[Workload]:
    """Yield what the drivers do; only with a coproc, or only a domain's."""
    for row in view.of(coproc, domain):
        yield Workload(view.domains[row.domain_id].name, row.domain_id, row.coproc_id, _options(row, options))


def _options(row: VcoprocRow, options: list[WorkloadRow]) -> dict[str, str]:
    return {each.name: each.value for each in options if (each.domain_id, each.number) == (row.domain_id, row.number)}
