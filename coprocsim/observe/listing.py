"""What `list` says of coprocs, vcoprocs and domains, one line each. The fields' names are the keys of `--json`."""

from collections.abc import Iterator
from typing import NamedTuple

from coprocsim.observe.view import View, who
from coprocsim.snapshot import CoprocRow, DomainRow, VcoprocRow, VcoprocSettingRow


class CoprocLine(NamedTuple):
    """A shared coproc; `running` is the domain whose vcoproc owns it, `failure` why it has failed."""

    coproc: str
    state: str
    scheduler: str
    platform: str
    clock_hz: int
    vcoprocs: int
    running: str | None
    switches: int
    denials: int
    resets: int
    path: str
    failure: str | None


class VcoprocLine(NamedTuple):
    """A vcoproc; `weight` is None where the coproc's algorithm knows none."""

    domain: str
    domain_id: int
    vcoproc: str
    coproc: str
    state: str
    weight: int | None
    run_ps: int
    wait_ps: int
    switches: int
    denials: int
    irqs: int


class DomainLine(NamedTuple):
    """A domain; `coprocs` are those that it shares."""

    domain: str
    domain_id: int
    memory_mib: int
    vcpus: int
    state: str
    coprocs: tuple[str, ...]


def coproc_lines(view: View, coproc: str | None = None, domain: str | None = None) -> Iterator[CoprocLine]:
    """Yield the machine's coprocs, in the order of the device tree; only one's, or those that a domain shares."""
    chosen = {vcoproc.coproc_id for vcoproc in view.of(coproc, domain)} if domain is not None else set(view.coprocs)
    if coproc is not None:
        chosen &= {view.coproc_named(coproc).coproc_id}
    for row in view.coprocs.values():
        if row.coproc_id in chosen:
            yield _coproc(view, row)


def _coproc(view: View, row: CoprocRow) -> CoprocLine:
    return CoprocLine(
        row.coproc_id,
        row.state,
        row.algorithm,
        row.platform,
        row.clock_hz,
        sum(vcoproc.coproc_id == row.coproc_id for vcoproc in view.vcoprocs),
        None if row.current is None else view.called(row.current),
        row.counters.switches,
        row.counters.denials,
        row.counters.resets,
        row.path,
        row.failure,
    )


def vcoproc_lines(
    view: View, settings: list[VcoprocSettingRow], coproc: str | None = None, domain: str | None = None
) -> Iterator[VcoprocLine]:
    """Yield the machine's vcoprocs by domain; only a coproc's, or a domain's."""
    weights = {(row.domain_id, row.number): row.value for row in settings if row.name == "weight"}
    for row in view.of(coproc, domain):
        weight = weights.get((row.domain_id, row.number))
        yield VcoprocLine(
            view.domains[row.domain_id].name,
            row.domain_id,
            who(row),
            row.coproc_id,
            state(view, row),
            None if weight is None else int(weight),
            view.run_ps(row),
            view.wait_ps(row),
            row.counters.switches,
            row.counters.denials,
            row.counters.irqs,
        )


def state(view: View, vcoproc: VcoprocRow) -> str:
    """Return a vcoproc's state as it is shown: that of a coproc that has failed is parked."""
    return "parked" if view.coprocs[vcoproc.coproc_id].state == "failed" else vcoproc.state.lower()


def domain_lines(view: View, coproc: str | None = None, domain: str | None = None) -> Iterator[DomainLine]:
    """Yield the machine's domains; only one, or those that share a coproc."""
    chosen = {vcoproc.domain_id for vcoproc in view.of(coproc, domain)} if coproc is not None else set(view.domains)
    if domain is not None:
        chosen &= {view.domain_named(domain).domain_id}
    for row in view.domains.values():
        if row.domain_id in chosen:
            coprocs = tuple(vcoproc.coproc_id for vcoproc in view.vcoprocs if vcoproc.domain_id == row.domain_id)
            yield DomainLine(row.name, row.domain_id, row.memory_mib, row.vcpus, domain_state(row), coprocs)


def domain_state(domain: DomainRow) -> str:
    """Return a domain's state in a word."""
    if domain.dying:
        return "dying"
    return "paused" if domain.paused else "running"
