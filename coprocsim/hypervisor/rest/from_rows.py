"""A machine, from the rows that it was put to rest as."""

from collections.abc import Callable

import msgspec

from coprocsim import snapshot as rows
from coprocsim.engine import Due, Key, Timeline
from coprocsim.engine import Phase as Order
from coprocsim.errors import NodePlace
from coprocsim.guests import guest_of
from coprocsim.histogram import Histogram
from coprocsim.hypervisor import leaks
from coprocsim.hypervisor.domains import site_of, streams_of
from coprocsim.hypervisor.machine import Parts, build_coproc
from coprocsim.hypervisor.rest import sound, switching
from coprocsim.hypervisor.state import Board, Coproc, Departed, Domain, Fault, OpenJob, Spread, Use, Vcoproc
from coprocsim.model import (
    Charge,
    CoprocSpec,
    FaultKind,
    Line,
    Payer,
    Region,
    Setting,
    Sharing,
    Stream,
    VcoprocId,
    VcoprocState,
)
from coprocsim.snapshot import Snapshot


def from_rows(snapshot: Snapshot, parts_of: Callable[[rows.CoprocRow], Parts]) -> Board:
    """Return the machine that `snapshot` describes; `parts_of` finds the classes that a coproc is made of.

    Raises ValueError, KeyError or msgspec's for rows that no machine can have been put to rest as.
    """
    sound.check(snapshot)
    machine = snapshot.machine
    board = Board(machine.seed, Timeline(machine.now_ps), checks=machine.checks)
    board.aliases = {row.alias: row.path for row in snapshot.aliases}
    board.domain_settings = list(snapshot.domain_settings)
    board.gone = {row.domain_id: row.name for row in snapshot.gone}
    board.next_domain_id = machine.next_domain_id
    states = {(row.kind, row.owner): msgspec.json.decode(row.state) for row in snapshot.plugins}
    for coproc_row in snapshot.coprocs:
        coproc = _coproc(board, snapshot, coproc_row, parts_of(coproc_row))
        coproc.hardware.restore(states["hardware", coproc_row.coproc_id])
        coproc.platform.restore(states["platform", coproc_row.coproc_id])
        if ("mirror-hardware", coproc_row.coproc_id) in states:
            coproc.mirror = leaks.mirror_of(board.timeline, coproc)
            coproc.mirror.hardware.restore(states["mirror-hardware", coproc_row.coproc_id])
            coproc.mirror.platform.restore(states["mirror-platform", coproc_row.coproc_id])
        if ("departed", coproc_row.coproc_id) in states:
            coproc.departed = msgspec.convert(states["departed", coproc_row.coproc_id], Departed)
    for domain_row in snapshot.domains:
        _domain(board, snapshot, domain_row)
    for vcoproc_row in snapshot.vcoprocs:
        vcoproc = _vcoproc(board, snapshot, vcoproc_row)
        if ("left", vcoproc.who) in states:
            vcoproc.left = msgspec.convert(states["left", vcoproc.who], dict[str, bytes])
        saved = states.get(("guest", vcoproc.who))
        if saved is not None:
            vcoproc.guest = guest_of(site_of(board, vcoproc), vcoproc.workload)
            vcoproc.guest.restore(saved)
    for coproc_row in snapshot.coprocs:
        coproc = board.coprocs[coproc_row.coproc_id]
        coproc.scheduler.restore(states["scheduler", coproc_row.coproc_id])
        coproc.current = None if coproc_row.current is None else board.vcoprocs[coproc_row.current]
        switching.from_text(board, coproc, coproc_row.switching)
    pending: dict[Key, Due] = {}
    for event in snapshot.events:
        key = (event.kind, event.owner, event.tag) if event.tag else (event.kind, event.owner)
        pending[key] = Due(event.at_ps, Order(event.phase), event.armed, key)
    board.timeline.restore(pending, machine.armed)
    return board


def _vcoproc_id(text: str) -> VcoprocId:
    domain, _, number = text.removeprefix("d").partition("v")
    return VcoprocId(int(domain), int(number))


def spec_of(snapshot: Snapshot, row: rows.CoprocRow) -> CoprocSpec:
    """Return the part of a coproc's specification that it keeps when it is up."""
    mine = row.coproc_id
    return CoprocSpec(
        mine,
        row.path,
        tuple(row.compatible.split("\n")),
        tuple(Region(r.name, r.base, r.size_bytes) for r in snapshot.regions if r.coproc_id == mine),
        tuple(Line(line.name, line.label, line.intid) for line in snapshot.lines if line.coproc_id == mine),
        tuple(
            Stream(s.iommu, tuple(int(cell) for cell in s.cells.split()))
            for s in snapshot.streams
            if s.coproc_id == mine
        ),
        row.clock_hz,
        row.clock_source,
        NodePlace(row.path),
        tuple(row.aliases.split("\n")) if row.aliases else (),
        row.algorithm,
    )


def _coproc(board: Board, snapshot: Snapshot, row: rows.CoprocRow, parts: Parts) -> Coproc:
    settings = {s.name: s.value for s in snapshot.coproc_settings if s.coproc_id == row.coproc_id}
    sharing = Sharing(
        row.switch_timeout_ps, row.retry_floor_ps, Charge(row.charge), row.charge_factor, Payer(row.payer)
    )
    coproc = build_coproc(board, spec_of(snapshot, row), parts, settings, sharing)
    coproc.counters, coproc.failure = row.counters, row.failure
    coproc.use, coproc.use_since_ps = Use(row.use), row.use_since_ps
    coproc.suffered = {
        (denial.denier, denial.sufferer): (denial.times, denial.time_ps)
        for denial in snapshot.denials
        if denial.coproc_id == row.coproc_id
    }
    for stream_row in snapshot.streams:
        if stream_row.coproc_id == row.coproc_id and stream_row.attached is not None:
            stream = coproc.spec.streams[stream_row.number]
            board.attached[str(stream)] = _vcoproc_id(stream_row.attached)
        if stream_row.coproc_id == row.coproc_id and stream_row.stale is not None:
            board.stale[str(coproc.spec.streams[stream_row.number])] = _vcoproc_id(stream_row.stale)
    coproc.faults = [
        Fault(FaultKind(fault.kind), fault.who, fault.times, fault.time_ps)
        for fault in snapshot.faults
        if fault.coproc_id == row.coproc_id
    ]
    return coproc


def _domain(board: Board, snapshot: Snapshot, row: rows.DomainRow) -> None:
    domain = Domain(
        row.domain_id,
        row.name,
        row.memory_mib,
        row.maxmem_mib,
        row.vcpus,
        tuple(range(bank.start, bank.stop) for bank in snapshot.banks if bank.domain_id == row.domain_id),
        row.uuid,
        row.paused,
        row.dying,
        row.aborts,
        {each.name: each.value for each in snapshot.config if each.domain_id == row.domain_id},
    )
    board.domains[row.domain_id] = domain
    if domain.dying:
        board.dying[row.domain_id] = domain


def _vcoproc(board: Board, snapshot: Snapshot, row: rows.VcoprocRow) -> Vcoproc:
    vcoproc_id = VcoprocId(row.domain_id, row.number)
    coproc, domain = board.coprocs[row.coproc_id], board.domains[row.domain_id]
    mine = (row.domain_id, row.number)
    vcoproc = Vcoproc(
        vcoproc_id,
        coproc,
        domain,
        tuple(Region(w.region, w.base, w.size_bytes) for w in snapshot.windows if (w.domain_id, w.number) == mine),
        {s.name: s.value for s in snapshot.vcoproc_settings if (s.domain_id, s.number) == mine},
        VcoprocState(row.state),
        row.state_since_ps,
        row.owed_ps,
        row.sleep_noted,
        row.wake_held,
        tuple(Setting(w.name, w.value) for w in snapshot.workloads if (w.domain_id, w.number) == mine),
        row.workload_since_ps,
        changed=row.changed,
        held_lines=dict.fromkeys(row.held_lines.split("\n") if row.held_lines else ()),
        counters=row.counters,
    )
    vcoproc.open_jobs = [OpenJob(j.release_ps, j.deadline_ps) for j in snapshot.jobs if (j.domain_id, j.number) == mine]
    spread = {h.kind: Histogram(h.encoded) for h in snapshot.histograms if (h.domain_id, h.number) == mine}
    vcoproc.spread = Spread(**spread)
    vcoproc.streams = streams_of(vcoproc)
    domain.vcoprocs.append(vcoproc)
    coproc.vcoprocs[vcoproc_id] = vcoproc
    board.vcoprocs[vcoproc.who] = vcoproc
    coproc.scheduler.add(vcoproc_id, vcoproc.settings, board.now_ps)
    return vcoproc
