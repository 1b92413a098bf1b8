"""Domains come and go: all of a domain's vcoprocs, or nothing; pause and unpause; what their guests do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coprocsim.errors import CfgError, DeviceTreeError, NodePlace, SourceError, Span, StateError
from coprocsim.guests import guest_of
from coprocsim.guests.base import GuestSite
from coprocsim.hypervisor import faults, interrupts, iommu, leaks, lifecycle, measure
from coprocsim.hypervisor.mmio import VcoprocPort
from coprocsim.hypervisor.state import Board, Domain, OpenJob, Phase, Vcoproc
from coprocsim.model import (
    DOMAIN_0,
    JobDropped,
    JobEnded,
    JobReleased,
    Region,
    Setting,
    VcoprocId,
    VcoprocState,
)
from coprocsim.parameters import Value
from coprocsim.platforms.base import Refused

_PAGE_BYTES = 4096
# Where Xen on Arm puts a guest's memory (GUEST_RAM0, GUEST_RAM1).
_LOW = range(0x4000_0000, 0x1_0000_0000)
_HIGH = range(0x2_0000_0000, 0x100_0000_0000)


class NoRoom(CfgError):  # noqa: N818 - it is said of the algorithm, which is not at fault
    """An algorithm has as many vcoprocs as it can have; the hint is for a machine that is up."""


@dataclass(frozen=True, slots=True)
class VcoprocPlan:
    """A vcoproc to be built: all names resolved, all values checked; `place` is where it was asked for."""

    coproc_id: str
    windows: tuple[Region, ...]
    settings: Mapping[str, Value]
    workload: tuple[Setting, ...] = ()
    place: Span | NodePlace | None = None


@dataclass(frozen=True, slots=True)
class DomainPlan:
    """A domain to be built, its vcoprocs in order."""

    name: str
    memory_mib: int
    maxmem_mib: int
    vcpus: int
    vcoprocs: tuple[VcoprocPlan, ...]
    uuid: str | None = None
    config: Mapping[str, str] | None = None
    domain_id: int | None = None
    """Domain-0's; None is the next free one."""


def memory_of(memory_mib: int, windows: Sequence[Region]) -> tuple[range, ...]:
    """Return a domain's banks of memory in bytes: from the low base as far as it fits, the rest from the high one.

    No bank overlaps a window: the low one ends before the first, the high ones leave holes.
    """
    wanted = memory_mib * 2**20
    banks = []
    first = min((window.base for window in windows if window.base + window.size_bytes > _LOW.start), default=_LOW.stop)
    low_stop = min(first & -_PAGE_BYTES, _LOW.stop, _LOW.start + wanted)
    if low_stop > _LOW.start:
        banks.append(range(_LOW.start, low_stop))
        wanted -= low_stop - _LOW.start
    start = _HIGH.start
    holes = sorted((w.base & -_PAGE_BYTES, -(-(w.base + w.size_bytes) // _PAGE_BYTES) * _PAGE_BYTES) for w in windows)
    for hole_start, hole_stop in [*holes, (_HIGH.stop, _HIGH.stop)]:
        stop = min(hole_start, start + wanted)
        if stop > start:
            banks.append(range(start, stop))
            wanted -= stop - start
        start = max(start, hole_stop)
    return tuple(banks)


# ---------------------------------------------------------------- create


def create(board: Board, plan: DomainPlan, *, paused: bool = False) -> Domain:
    """Build a domain and its vcoprocs in order. Any failure undoes all in reverse order and is raised again."""
    windows = [window for vcoproc in plan.vcoprocs for window in vcoproc.windows]
    domain = Domain(
        board.next_domain_id if plan.domain_id is None else plan.domain_id,
        plan.name,
        plan.memory_mib,
        plan.maxmem_mib,
        plan.vcpus,
        memory_of(plan.memory_mib, windows),
        plan.uuid,
        paused,
        config=dict(plan.config or {}),
    )
    rows, undo = len(board.trace), list[Callable[[], object]]()
    board.domains[domain.domain_id] = domain
    undo.append(lambda: board.domains.pop(domain.domain_id))
    _record(board, domain, "created")
    try:
        for vcoproc_plan in plan.vcoprocs:
            _attach(board, domain, vcoproc_plan, undo)
        for vcoproc in domain.vcoprocs:
            interrupts.attend(board, vcoproc)
    except BaseException:
        for step in reversed(undo):
            step()
        del board.trace[rows:]
        raise
    if plan.domain_id is None:
        board.next_domain_id += 1
    return domain


def _record(board: Board, domain: Domain, how: str) -> None:
    """Add to the trace what became of a domain; its name is in each of these rows, for when it is gone."""
    board.trace.append((board.now_ps, "-", "domain", domain.domain_id, how, domain.name))


def _attach(board: Board, domain: Domain, plan: VcoprocPlan, undo: list[Callable[[], object]]) -> None:
    """Build one vcoproc: the platform's context, the IOMMU's, the scheduler's entry, the guest."""
    coproc = board.coprocs[plan.coproc_id]
    vcoproc = Vcoproc(
        VcoprocId(domain.domain_id, len(domain.vcoprocs)), coproc, domain, plan.windows, dict(plan.settings)
    )
    if coproc.phase is Phase.FAILED:
        raise _refusal(
            f"`{plan.coproc_id}` has failed: {coproc.failure}", plan, "boot the machine anew to bring it back"
        )
    if coproc.scheduler.vcoprocs_max is not None and len(coproc.vcoprocs) >= coproc.scheduler.vcoprocs_max:
        holders = ", ".join(f"`{each.domain.name}`" for each in coproc.vcoprocs.values())
        raise NoRoom(
            f"`{coproc.scheduler.name}` has no room for another vcoproc of `{plan.coproc_id}`: {holders} has it",
            plan.place,
            hint=f"`coprocsim sched set {plan.coproc_id} --algorithm A` lets it be shared",
        )
    refused = coproc.platform.domain_create(vcoproc.vcoproc_id, domain.memory)
    if isinstance(refused, Refused):
        name = coproc.platform.name
        raise _refusal(f"platform `{name}` refuses a vcoproc of `{plan.coproc_id}`: {refused.why}", plan)
    undo.append(lambda: coproc.platform.domain_destroy(vcoproc.vcoproc_id))
    vcoproc.streams = streams_of(vcoproc)
    full = iommu.no_room(board, coproc, domain)
    if full is not None:
        raise _refusal(f"IOMMU `{full}` has no context left for `{plan.coproc_id}`", plan)
    coproc.scheduler.add(vcoproc.vcoproc_id, vcoproc.settings, board.now_ps)
    undo.append(lambda: coproc.scheduler.remove(vcoproc.vcoproc_id, board.now_ps))
    coproc.vcoprocs[vcoproc.vcoproc_id] = vcoproc
    undo.append(lambda: coproc.vcoprocs.pop(vcoproc.vcoproc_id))
    domain.vcoprocs.append(vcoproc)
    undo.append(domain.vcoprocs.pop)
    board.vcoprocs[vcoproc.who] = vcoproc
    undo.append(lambda: board.vcoprocs.pop(vcoproc.who))
    lifecycle.set_state(board, vcoproc, VcoprocState.SLEEPING)
    if not coproc.platform.scheduled:
        # Its streams are its own as long as it lives: even while it is paused, what cannot be cut of its job runs.
        taken = iommu.enable(board, coproc, vcoproc)
        if taken is not None:
            raise _refusal(f"platform `{coproc.platform.name}` names a stream twice: {taken}", plan)
        undo.append(lambda: iommu.disable(board, coproc, vcoproc))
        if not domain.paused:
            lifecycle.begin(board, vcoproc)
            undo.append(lambda: lifecycle.end(board, vcoproc))
    undo.append(lambda: board.timeline.disarm(("guest", vcoproc.who)))
    if plan.workload:
        give_work(board, vcoproc, plan.workload)


def streams_of(vcoproc: Vcoproc) -> tuple[str, ...]:
    """Return the IOMMU streams that carry a vcoproc's DMA, by name."""
    coproc = vcoproc.coproc
    return tuple(str(coproc.spec.streams[index]) for index in coproc.platform.iommu_streams(vcoproc.vcoproc_id))


def _refusal(what: str, plan: VcoprocPlan, hint: str | None = None) -> SourceError:
    # The vcoprocs of Domain-0 stand in the device tree.
    kind = DeviceTreeError if isinstance(plan.place, NodePlace) else CfgError
    return kind(what, plan.place, hint=hint)


# ---------------------------------------------------------------- destroy, pause, unpause


def destroy(board: Board, domain: Domain) -> None:
    """Let a domain die: at once if none of its contexts is on a coproc, else when the last one has left."""
    assert domain.domain_id != DOMAIN_0, "Domain-0 ends with the machine"
    domain.dying = True
    board.dying[domain.domain_id] = domain
    for vcoproc in domain.vcoprocs:
        board.timeline.disarm(("guest", vcoproc.who))
        vcoproc.guest = None
        _stop(board, vcoproc)


def bury(board: Board) -> None:
    """Remove the dying domains whose contexts have all left, and whose last turns are booked."""
    for _, domain in sorted(board.dying.items()):
        if all(_has_left(vcoproc) for vcoproc in domain.vcoprocs):
            for vcoproc in reversed(domain.vcoprocs):
                _detach(board, vcoproc)
            del board.domains[domain.domain_id], board.dying[domain.domain_id]
            board.gone[domain.domain_id] = domain.name
            _record(board, domain, "destroyed")


def _has_left(vcoproc: Vcoproc) -> bool:
    closed = vcoproc.coproc.closed
    return vcoproc.state is VcoprocState.SLEEPING and (closed is None or closed.vcoproc != vcoproc.vcoproc_id)


def _detach(board: Board, vcoproc: Vcoproc) -> None:
    coproc, vcoproc_id = vcoproc.coproc, vcoproc.vcoproc_id
    lifecycle.set_state(board, vcoproc, VcoprocState.UNKNOWN)
    coproc.scheduler.remove(vcoproc_id, board.now_ps)
    coproc.platform.domain_destroy(vcoproc_id)
    leaks.note_destroyed(coproc, vcoproc)
    faults.forget(coproc, vcoproc)
    if not coproc.platform.scheduled:
        iommu.disable(board, coproc, vcoproc)
    if coproc.phase is not Phase.FAILED:
        # Hardware that shares itself goes on with another one's jobs now.
        interrupts.look(board, coproc)
    del coproc.vcoprocs[vcoproc_id]
    del board.vcoprocs[str(vcoproc_id)]


def _stop(board: Board, vcoproc: Vcoproc) -> None:
    """Let a vcoproc have its coproc no more."""
    if vcoproc.coproc.platform.scheduled:
        lifecycle.sleep(board, vcoproc)
    else:
        lifecycle.end(board, vcoproc)


def pause(board: Board, domain: Domain) -> None:
    """Stop a domain: its guests do nothing, its vcoprocs sleep, its interrupts pend."""
    _record(board, domain, "paused")
    for vcoproc in domain.vcoprocs:
        board.timeline.disarm(("guest", vcoproc.who))
        entering = vcoproc.coproc.current is vcoproc and vcoproc.sleep_noted
        if vcoproc.state in {VcoprocState.WAITING, VcoprocState.RUNNING} and not entering:
            vcoproc.wake_held = True
            _stop(board, vcoproc)
    domain.paused = True


def unpause(board: Board, domain: Domain) -> None:
    """Let a domain go on where it was stopped."""
    _record(board, domain, "unpaused")
    domain.paused = False
    for vcoproc in domain.vcoprocs:
        if vcoproc.wake_held:
            vcoproc.wake_held = False
            lifecycle.wake(board, vcoproc)
        if not vcoproc.coproc.platform.scheduled:
            lifecycle.begin(board, vcoproc)
        if vcoproc.guest is not None:
            vcoproc.guest.unpaused(board.now_ps)
        lines, vcoproc.held_lines = vcoproc.held_lines, {}
        for line in lines:
            interrupts.deliver(board, vcoproc, line)
        interrupts.attend(board, vcoproc)


# ---------------------------------------------------------------- guests


def site_of(board: Board, vcoproc: Vcoproc) -> GuestSite:
    """Return where a vcoproc's guest lives."""
    stream = f"{board.seed}/{vcoproc.domain.name}/{vcoproc.coproc.spec.coproc_id}"
    machine = [region for coproc in board.coprocs.values() for region in coproc.spec.regions]
    return GuestSite(
        vcoproc.coproc.spec,
        vcoproc.coproc.hardware.name,
        vcoproc.domain.memory,
        vcoproc.workload_since_ps,
        stream,
        vcoproc.windows,
        tuple(sorted(machine, key=lambda region: region.base)),
    )


def give_work(board: Board, vcoproc: Vcoproc, workload: tuple[Setting, ...]) -> None:
    """Let a vcoproc's guest do `workload` from now on; parameters.BadSetting if it makes no sense."""
    since_ps, vcoproc.workload_since_ps = vcoproc.workload_since_ps, board.now_ps
    try:
        vcoproc.guest = guest_of(site_of(board, vcoproc), workload)
    except ValueError:
        vcoproc.workload_since_ps = since_ps
        raise
    vcoproc.workload = workload
    text = ",".join(f"{setting.name}={setting.value}" for setting in workload)
    board.record(vcoproc.coproc, "workload", vcoproc.who, text)
    _give_up_jobs(board, vcoproc)
    interrupts.attend(board, vcoproc)


def take_work(board: Board, vcoproc: Vcoproc) -> None:
    """Let a vcoproc's guest do nothing more."""
    vcoproc.guest = None
    vcoproc.workload = ()
    board.record(vcoproc.coproc, "workload", vcoproc.who, "none")
    _give_up_jobs(board, vcoproc)
    interrupts.attend(board, vcoproc)


def _give_up_jobs(board: Board, vcoproc: Vcoproc) -> None:
    """End the jobs of the driver before, which are nobody's any more."""
    for job in list(vcoproc.open_jobs):
        _ended(board, vcoproc, JobEnded(job.release_ps, job.deadline_ps, abandoned=True))


def act(board: Board, vcoproc: Vcoproc) -> None:
    """Let a guest do what is due, and note what it says of its jobs."""
    guest = vcoproc.guest
    assert guest is not None
    scheduler, counters, now_ps = vcoproc.coproc.scheduler, vcoproc.counters, board.now_ps
    who = vcoproc.who
    for effect in guest.act(now_ps, VcoprocPort(board, vcoproc)):
        match effect:
            case JobReleased(release_ps, deadline_ps):
                counters.jobs += 1
                board.record(vcoproc.coproc, "job", who, release_ps, _or_none(deadline_ps))
                vcoproc.open_jobs.append(OpenJob(release_ps, deadline_ps))
                scheduler.released(vcoproc.vcoproc_id, release_ps, deadline_ps)
                _ask_again(board, vcoproc)
            case JobEnded():
                _ended(board, vcoproc, effect)
            case JobDropped(release_ps):
                counters.jobs += 1
                counters.dropped += 1
                board.record(vcoproc.coproc, "job_dropped", who, release_ps)
    interrupts.attend(board, vcoproc)


def _ended(board: Board, vcoproc: Vcoproc, job: JobEnded) -> None:
    """Count a job that is over; its latency is from its release to here, the guest's handler included."""
    counters, now_ps = vcoproc.counters, board.now_ps
    latency_ps = now_ps - job.release_ps
    if job.abandoned:
        counters.abandoned += 1
    elif job.error:
        counters.failed += 1
    else:
        counters.ended += 1
        counters.late += job.deadline_ps is not None and now_ps > job.deadline_ps
        measure.latency(vcoproc, latency_ps)
    how = "abandoned" if job.abandoned else "error" if job.error else "done"
    board.record(vcoproc.coproc, "job_end", vcoproc.who, how, job.release_ps, latency_ps, _or_none(job.deadline_ps))
    if not vcoproc.open_jobs:
        assert vcoproc.guest is not None
        raise StateError(
            f"the driver of `{vcoproc.domain.name}` on `{vcoproc.coproc.spec.coproc_id}` ends a job that is not open",
            why=f"the machine's file is damaged, or the workload `{vcoproc.guest.kind}` is at fault",
            hint="nothing was changed; put a good copy of the file back, or boot anew with `boot --force`",
        )
    del vcoproc.open_jobs[0]
    vcoproc.coproc.scheduler.finished(vcoproc.vcoproc_id, now_ps)
    _ask_again(board, vcoproc)


def _or_none(deadline_ps: int | None) -> int:
    """Return a deadline as a row of the trace has it: -1 is none."""
    return -1 if deadline_ps is None else deadline_ps


def _ask_again(board: Board, vcoproc: Vcoproc) -> None:
    """Let a decision follow on what the scheduler was told of a vcoproc's jobs, if it takes part at all."""
    if vcoproc.state is not VcoprocState.SLEEPING:
        board.touch(vcoproc.coproc)
