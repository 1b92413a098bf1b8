"""All of a machine, as rows."""

from dataclasses import replace

import msgspec

from coprocsim import snapshot as rows
from coprocsim.errors import PluginError
from coprocsim.histogram import Histogram
from coprocsim.hypervisor.rest import switching
from coprocsim.hypervisor.state import Board, Coproc, Domain, Phase, Spread, Vcoproc
from coprocsim.model import CoprocState, Json
from coprocsim.snapshot import Snapshot


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
    snapshot.gone = [rows.GoneRow(domain_id, name) for domain_id, name in board.gone.items()]
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
            switching.to_text(coproc),
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
