"""A machine put to rest as rows, and woken again from them: a run that is cut in two this way is the same run."""

from collections.abc import Callable
from dataclasses import replace

import msgspec

from coprocsim import snapshot as rows
from coprocsim.engine import Due, Key, Timeline
from coprocsim.engine import Phase as Order
from coprocsim.errors import NodePlace, PluginError
from coprocsim.guests import guest_of
from coprocsim.histogram import Histogram
from coprocsim.hypervisor import leaks
from coprocsim.hypervisor.domains import site_of, streams_of
from coprocsim.hypervisor.machine import Parts, build_coproc
from coprocsim.hypervisor.state import Board, Coproc, Departed, Domain, Fault, OpenJob, Phase, Spread, Use, Vcoproc
from coprocsim.model import (
    Charge,
    CoprocSpec,
    CoprocState,
    FaultKind,
    Json,
    Line,
    Payer,
    Region,
    Setting,
    Sharing,
    Stream,
    VcoprocId,
    VcoprocState,
)
from coprocsim.schedulers.base import Idle, Ran, Run, Turn
from coprocsim.snapshot import Snapshot


class _Switching(msgspec.Struct):
    """How far a coproc's switch is: the columns of no interest to anybody else."""

    version: int
    phase: Phase
    turn: Turn | None
    run: Run | None
    idle: Idle | None
    closed: Ran | None
    entry_cost_ps: int
    switched_before_ps: int
    denied_since_ps: int
    stopping: bool
    sufferer: str | None
    suffering_since_ps: int
    last: str | None
    noted: bool
    asserted: tuple[str, ...]


# ---------------------------------------------------------------- to rows


def to_rows(board: Board, machine: rows.MachineRow) -> Snapshot:
    """Return all of a machine; `machine` is the row that it came with."""
    timeline = board.timeline
    snapshot = Snapshot(
        machine._replace(
            seed=board.seed,
            now_ps=timeline.now_ps,
            armed=timeline.order,
            next_domain_id=board.next_domain_id,
            checks=board.checks,
        )
    )
    snapshot.aliases = [rows.AliasRow(alias, path) for alias, path in board.aliases.items()]
    snapshot.domain_settings = list(board.domain_settings)
    for coproc in board.coprocs.values():
        _add_coproc(snapshot, board, coproc)
    for domain in board.domains.values():
        _add_domain(snapshot, domain)
    for due in timeline.pending():
        kind, owner, *tag = due.key
        snapshot.events.append(rows.EventRow(kind, owner, "".join(tag), due.at_ps, due.phase, due.order))
    return snapshot


def _text(kind: str, name: str, saved: Json) -> str:
    """Return what a part has saved as text; PluginError where it is no JSON."""
    try:
        return msgspec.json.encode(saved).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PluginError(
            f"the {kind} `{name}` saves what is no JSON", why=str(error), hint="`coprocsim conformance` checks it"
        ) from error


def coproc_state(phase: Phase) -> CoprocState:
    """Return what an administrator calls a coproc in `phase`; one that denies is online, its context runs."""
    if phase is Phase.FAILED:
        return CoprocState.FAILED
    return CoprocState.ONLINE if phase.decides else CoprocState.SWITCHING


def _add_coproc(snapshot: Snapshot, board: Board, coproc: Coproc) -> None:
    spec, sharing, coproc_id = coproc.spec, coproc.sharing, coproc.spec.coproc_id
    snapshot.coprocs.append(
        rows.CoprocRow(
            coproc_id,
            spec.path,
            "\n".join(spec.compatible),
            "\n".join(spec.aliases),
            coproc.platform.name,
            coproc.hardware.name,
            coproc.scheduler.name,
            spec.clock_hz,
            spec.clock_source,
            sharing.switch_timeout_ps,
            sharing.retry_floor_ps,
            sharing.charge.value,
            sharing.charge_factor,
            sharing.payer.value,
            coproc_state(coproc.phase).value,
            coproc.failure,
            None if coproc.current is None else coproc.current.who,
            coproc.use.value,
            coproc.use_since_ps,
            msgspec.json.encode(_switching_of(coproc)).decode(),
            replace(coproc.counters),
        )
    )
    snapshot.regions += (rows.RegionRow(coproc_id, r.name, r.base, r.size_bytes) for r in spec.regions)
    snapshot.lines += (rows.LineRow(coproc_id, line.name, line.label, line.intid) for line in spec.lines)
    for number, stream in enumerate(spec.streams):
        holder, stale = board.attached.get(str(stream)), board.stale.get(str(stream))
        cells = " ".join(str(cell) for cell in stream.cells)
        snapshot.streams.append(
            rows.StreamRow(
                coproc_id,
                number,
                stream.iommu,
                cells,
                None if holder is None else str(holder),
                None if stale is None else str(stale),
            )
        )
    snapshot.coproc_settings += (
        rows.CoprocSettingRow(coproc_id, name, value) for name, value in coproc.settings.items()
    )
    snapshot.denials += (
        rows.DenialRow(coproc_id, denier, sufferer, count, time_ps)
        for (denier, sufferer), (count, time_ps) in coproc.suffered.items()
    )
    snapshot.faults += (
        rows.FaultRow(coproc_id, number, fault.kind.value, fault.who, fault.times, fault.time_ps)
        for number, fault in enumerate(coproc.faults)
    )
    plugins = [
        ("hardware", coproc.hardware.name, coproc.hardware.save()),
        ("platform", coproc.platform.name, coproc.platform.save()),
        ("scheduler", coproc.scheduler.name, coproc.scheduler.save()),
    ]
    if coproc.mirror is not None:
        plugins += [
            ("mirror-hardware", coproc.mirror.hardware.name, coproc.mirror.hardware.save()),
            ("mirror-platform", coproc.mirror.platform.name, coproc.mirror.platform.save()),
        ]
    for kind, name, saved in plugins:
        snapshot.plugins.append(rows.PluginRow(kind, coproc_id, _text(kind.removeprefix("mirror-"), name, saved)))
    if coproc.departed is not None:
        departed = msgspec.json.encode(coproc.departed).decode()
        snapshot.plugins.append(rows.PluginRow("departed", coproc_id, departed))


def _switching_of(coproc: Coproc) -> _Switching:
    return _Switching(
        1,
        coproc.phase,
        coproc.turn,
        coproc.answer if isinstance(coproc.answer, Run) else None,
        coproc.answer if isinstance(coproc.answer, Idle) else None,
        coproc.closed,
        coproc.entry_cost_ps,
        coproc.switched_before_ps,
        coproc.denied_since_ps,
        coproc.stopping,
        None if coproc.sufferer is None else coproc.sufferer.who,
        coproc.suffering_since_ps,
        coproc.last,
        coproc.noted,
        coproc.asserted,
    )


def _add_domain(snapshot: Snapshot, domain: Domain) -> None:
    snapshot.domains.append(
        rows.DomainRow(
            domain.domain_id,
            domain.name,
            domain.uuid,
            domain.memory_mib,
            domain.maxmem_mib,
            domain.vcpus,
            domain.paused,
            domain.dying,
            domain.aborts,
        )
    )
    snapshot.banks += (rows.BankRow(domain.domain_id, bank.start, bank.stop) for bank in domain.memory)
    snapshot.config += (rows.ConfigRow(domain.domain_id, name, value) for name, value in domain.config.items())
    for vcoproc in domain.vcoprocs:
        _add_vcoproc(snapshot, vcoproc)


def _add_vcoproc(snapshot: Snapshot, vcoproc: Vcoproc) -> None:
    domain_id, number = vcoproc.vcoproc_id
    snapshot.vcoprocs.append(
        rows.VcoprocRow(
            domain_id,
            number,
            vcoproc.coproc.spec.coproc_id,
            vcoproc.state.value,
            vcoproc.state_since_ps,
            vcoproc.owed_ps,
            vcoproc.sleep_noted,
            vcoproc.wake_held,
            vcoproc.workload_since_ps,
            "\n".join(vcoproc.held_lines),
            vcoproc.changed,
            replace(vcoproc.counters),
        )
    )
    snapshot.windows += (rows.WindowRow(domain_id, number, w.name, w.base, w.size_bytes) for w in vcoproc.windows)
    snapshot.vcoproc_settings += (
        rows.VcoprocSettingRow(domain_id, number, name, value) for name, value in vcoproc.settings.items()
    )
    snapshot.workloads += (
        rows.WorkloadRow(domain_id, number, option.name, option.value) for option in vcoproc.workload
    )
    snapshot.jobs += (rows.JobRow(domain_id, number, place, *job) for place, job in enumerate(vcoproc.open_jobs))
    for kind, histogram in _histograms(vcoproc.spread):
        if histogram.encoded():
            snapshot.histograms.append(rows.HistogramRow(domain_id, number, kind, histogram.encoded()))
    if vcoproc.left is not None:
        snapshot.plugins.append(rows.PluginRow("left", vcoproc.who, msgspec.json.encode(vcoproc.left).decode()))
    if vcoproc.guest is not None:
        snapshot.plugins.append(
            rows.PluginRow("guest", vcoproc.who, _text("workload", vcoproc.guest.kind, vcoproc.guest.save()))
        )


def _histograms(spread: Spread) -> tuple[tuple[str, Histogram], ...]:
    return ("latency", spread.latency), ("wait", spread.wait), ("entry", spread.entry)


# ---------------------------------------------------------------- from rows


def from_rows(snapshot: Snapshot, parts_of: Callable[[rows.CoprocRow], Parts]) -> Board:
    """Return the machine that `snapshot` describes; `parts_of` finds the classes that a coproc is made of."""
    machine = snapshot.machine
    board = Board(machine.seed, Timeline(machine.now_ps), checks=machine.checks)
    board.aliases = {row.alias: row.path for row in snapshot.aliases}
    board.domain_settings = list(snapshot.domain_settings)
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
        _restore_switching(board, coproc, coproc_row)
    pending: dict[Key, Due] = {}
    for event in snapshot.events:
        if event.owner not in board.vcoprocs and event.owner not in board.coprocs:
            raise ValueError(f"an event `{event.kind}` is of `{event.owner}`, which is not there")
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
    coproc.counters = row.counters
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


def _restore_switching(board: Board, coproc: Coproc, row: rows.CoprocRow) -> None:
    saved = msgspec.json.decode(row.switching, type=_Switching)
    coproc.phase = saved.phase
    coproc.turn = saved.turn
    coproc.answer = saved.run if saved.run is not None else saved.idle
    coproc.closed = saved.closed
    coproc.entry_cost_ps = saved.entry_cost_ps
    coproc.switched_before_ps = saved.switched_before_ps
    coproc.denied_since_ps = saved.denied_since_ps
    coproc.stopping = saved.stopping
    coproc.sufferer = None if saved.sufferer is None else board.vcoprocs.get(saved.sufferer)
    coproc.suffering_since_ps = saved.suffering_since_ps
    coproc.last = saved.last
    coproc.noted, coproc.asserted = saved.noted, saved.asserted
    coproc.current = None if row.current is None else board.vcoprocs[row.current]
    coproc.use, coproc.use_since_ps = Use(row.use), row.use_since_ps
    coproc.failure = row.failure
