"""`domain …`: from a config to a domain with all its vcoprocs, or to an error at its place and nothing else."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from coprocsim.errors import (
    CfgError,
    CoprocsimError,
    DeviceTreeError,
    LookupFailed,
    NodePlace,
    Report,
    Span,
    StateError,
    did_you_mean,
)
from coprocsim.guests.options import arrivals_of_file
from coprocsim.hypervisor import domains
from coprocsim.hypervisor.state import Board, Coproc, Vcoproc
from coprocsim.model import (
    DOMAIN_0,
    DOMAIN_0_NAME,
    CfgValue,
    CoprocRequest,
    DomainSpec,
    Region,
    Setting,
    VcoprocNode,
    WorkloadRequest,
)
from coprocsim.parameters import BadSetting, BadValue, Scope, Value
from coprocsim.toolstack import typed
from coprocsim.toolstack.analyse import risks
from coprocsim.toolstack.boot import ADDRESS_STOP, FDT_MAGIC, vcoproc_settings
from coprocsim.toolstack.deeds import CreateDomain, DestroyDomain, PauseDomain, UnpauseDomain
from coprocsim.toolstack.files import contents
from coprocsim.toolstack.fitting import check_fit
from coprocsim.toolstack.lookup import coproc_named, domain_named
from coprocsim.toolstack.parts import check_settings
from coprocsim.toolstack.session import session
from coprocsim.units import Work, show_duration, show_size


@dataclass(frozen=True, slots=True)
class Created:
    """What `domain create` tells."""

    domain_id: int
    name: str
    coprocs: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """What `domain destroy` tells: `dying` if a context has yet to leave its coproc, which takes time."""

    domain_id: int
    name: str
    dying: bool


def create(machine_path: Path, cfg_path: str, extra: Sequence[str], *, paused: bool, dry_run: bool) -> Created:
    """Create the domain that a config describes, `extra` being `key=value` arguments that are added to it.

    Raises CfgError at the place in the config; nothing is changed then, nor with `dry_run`.
    """
    from coprocsim import xlcfg  # noqa: PLC0415 - the parser takes longer to import than most commands to run

    try:
        data = contents(cfg_path)
    except OSError as error:
        raise CoprocsimError(f"cannot read `{cfg_path}`: {error.strerror}", hint="name a domain config") from error
    spec = xlcfg.read_domain(data, cfg_path, extra)
    with session(machine_path) as machine:
        plan, warnings = plan_domain(machine.board, spec, Path(cfg_path).parent)
        try:
            domain = domains.create(machine.board, plan, paused=paused)
        except BadSetting as error:
            raise CfgError(str(error), error.setting.place, hint=error.hint) from error
        machine.keep = not dry_run
        warnings += tuple(uncuttable(domain.vcoprocs))
        warnings += tuple(map(str, risks([each.coproc for each in domain.vcoprocs], machine.build)))
        coprocs = tuple(vcoproc.coproc.spec.coproc_id for vcoproc in domain.vcoprocs)
        how = ("--paused",) if paused else ()
        command = typed.typed("domain create", typed.file(cfg_path), *extra, *how)
        machine.did(CreateDomain.of(plan, paused=paused), command, f"domain {domain.domain_id} `{domain.name}`")
        return Created(domain.domain_id, domain.name, coprocs, (*spec.warnings, *warnings))


def plan_domain(
    board: Board, spec: DomainSpec, base: Path, report: Report | None = None
) -> tuple[domains.DomainPlan, tuple[str, ...]]:
    """Resolve and check all that a config names; `base` is the folder that its own file names start from.

    Raises what is wrong. With a full report that goes there, and is left out of the plan.
    """
    report = report or Report()
    with report.one():
        _check_name(board, spec)
    nodes = report.attempt(lambda: _partial_tree(spec, base, report), ())
    _warn_of_lost(board, spec, nodes, report)
    plans: dict[str, domains.VcoprocPlan] = {}
    for request in spec.coprocs:
        with report.one():
            plan = _plan_vcoproc(board, spec.name, request, nodes, report)
            if plan.coproc_id in plans:
                raise CfgError(f"`{plan.coproc_id}` is shared twice", request.place, hint="one vcoproc per coproc")
            plans[plan.coproc_id] = plan
    _check_windows(plans, report)
    for workload in spec.workloads:
        with report.one():
            _add_workload(board, plans, workload, base)
    _warn_of_passed_through(board, spec, plans, report)
    config = {name: _shown(value) for name, value in spec.shown.items()}
    plan_of_domain = domains.DomainPlan(
        spec.name, spec.memory_mib, spec.maxmem_mib, spec.vcpus, tuple(plans.values()), spec.uuid, config
    )
    return plan_of_domain, tuple(report.warnings)


def _check_name(board: Board, spec: DomainSpec) -> None:
    for domain in board.domains.values():
        if domain.name == spec.name:
            hint = "choose another name" + (
                f", or end that one with `coprocsim domain destroy {spec.name}`" if domain.domain_id != DOMAIN_0 else ""
            )
            raise CfgError(f"the name `{spec.name}` is taken by domain {domain.domain_id}", spec.name_place, hint=hint)
    if spec.name == str(DOMAIN_0):
        what = f"the name `{spec.name}` is the id of {DOMAIN_0_NAME}"
        raise CfgError(what, spec.name_place, why="commands would take it for that", hint="choose another name")


def _shown(value: CfgValue) -> str:
    return value if isinstance(value, str) else _quoted(value)


def _quoted(value: CfgValue) -> str:
    """Return a value as a config has it, so that it is seen where an element of a list ends."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "[" + ", ".join(map(_quoted, value)) + "]"


def _plan_vcoproc(
    board: Board, domain: str, request: CoprocRequest, nodes: tuple[VcoprocNode, ...], report: Report
) -> domains.VcoprocPlan:
    try:
        coproc = coproc_named(board, request.name)
    except LookupFailed as error:
        raise CfgError(error.what, request.place, hint=error.hint) from error
    scheduler = type(coproc.scheduler)
    given: dict[str, Value] = {}
    for option in request.options:
        with report.one():
            try:
                given |= check_settings(scheduler, Scope.VCOPROC, [option])
            except BadSetting as error:
                raise CfgError(str(error), error.setting.place, hint=error.hint) from error
    settings = vcoproc_settings(board, coproc, domain, given)
    if len(given) == len(request.options):
        with report.one():
            try:
                check_fit(coproc, scheduler, Scope.VCOPROC, settings)
            except BadValue as error:
                place = request.options[0].place if request.options else request.place
                # What follows from these is not said once more.
                settings = vcoproc_settings(board, coproc, domain, {})
                raise CfgError(str(error), place, hint=error.hint) from error
    windows = report.attempt(lambda: _windows(board, coproc, request, nodes), coproc.spec.regions)
    return domains.VcoprocPlan(coproc.spec.coproc_id, windows, settings, place=request.place)


# ---------------------------------------------------------------- guest addresses


def _partial_tree(spec: DomainSpec, base: Path, report: Report) -> tuple[VcoprocNode, ...]:
    """Return what the domain's partial device tree says of vcoprocs; one that cannot be read is a warning."""
    if spec.device_tree is None:
        return ()
    path = base / spec.device_tree.value
    try:
        blob = contents(path)
    except OSError as error:
        report.warn(
            f"cannot read `device_tree` `{spec.device_tree.value}` ({error.strerror}): "
            "the vcoprocs are at the coprocs' physical addresses",
            _span(spec.device_tree),
        )
        return ()
    from coprocsim import devicetree  # noqa: PLC0415 - few configs name a tree

    try:
        with report.reading(str(path)):
            return devicetree.load_domain_nodes(blob, report)
    except DeviceTreeError as error:
        where = f" at {error.place.node}" if isinstance(error.place, NodePlace) else ""
        # A machine's tree may be a source; a domain's is a blob.
        hint = error.hint if blob.startswith(FDT_MAGIC) else "give a `.dtb`"
        raise CfgError(
            f"`{spec.device_tree.value}`: {error.what}{where}", _span(spec.device_tree), hint=hint
        ) from error


def _span(setting: Setting | None) -> Span | None:
    return setting.place if setting is not None and isinstance(setting.place, Span) else None


def _warn_of_lost(board: Board, spec: DomainSpec, nodes: tuple[VcoprocNode, ...], report: Report) -> None:
    """Warn of each node of a partial tree that is about no coproc of this machine."""
    for node in nodes:
        try:
            coproc_named(board, node.coproc)
        except LookupFailed as error:
            what = f"`device_tree`: node `{node.path}` is about no shared coproc, `{node.coproc}`"
            report.warn(what, _span(spec.device_tree), error.hint)


def _windows(
    board: Board, coproc: Coproc, request: CoprocRequest, nodes: tuple[VcoprocNode, ...]
) -> tuple[Region, ...]:
    """Return where the domain sees each range: as its partial tree says, else where the range physically is."""
    for node in nodes:
        try:
            named = coproc_named(board, node.coproc)
        except LookupFailed:
            continue
        if named is not coproc:
            continue
        sizes = {region.name: region.size_bytes for region in coproc.spec.regions}
        for window in node.windows:
            if sizes.get(window.name) != window.size_bytes:
                what = f"node `{node.path}` of the domain's device tree: range `{window.name}` is not one of"
                hint = ", ".join(f"`{name}` ({show_size(size)})" for name, size in sizes.items())
                raise CfgError(f"{what} `{coproc.spec.coproc_id}`'s", request.place, hint=f"its ranges are {hint}")
            if window.base + window.size_bytes > ADDRESS_STOP:
                raise CfgError(
                    f"node `{node.path}` of the domain's device tree: range `{window.name}` at {window.base:#x} "
                    "lies beyond what a domain can address",
                    request.place,
                    hint="a guest physical address has at most 52 bits",
                )
        missing = [name for name in sizes if name not in {window.name for window in node.windows}]
        if node.windows and missing:
            raise CfgError(
                f"node `{node.path}` of the domain's device tree says nothing of range `{missing[0]}`",
                request.place,
                hint=f"give all ranges of `{coproc.spec.coproc_id}` an address there, or none",
            )
        return node.windows or coproc.spec.regions
    return coproc.spec.regions


def _check_windows(plans: Mapping[str, domains.VcoprocPlan], report: Report) -> None:
    """Refuse vcoprocs of one domain that lie upon each other."""
    windows = sorted(
        ((window, plan) for plan in plans.values() for window in plan.windows), key=lambda each: each[0].base
    )
    for (window, plan), (above, other) in pairwise(windows):
        with report.one():
            if window.base + window.size_bytes > above.base:
                what = f"`{other.coproc_id}` is at {above.base:#x}, inside `{plan.coproc_id}`"
                raise CfgError(what, _span_of(other), hint=None)


def _span_of(plan: domains.VcoprocPlan) -> Span | None:
    return plan.place if isinstance(plan.place, Span) else None


def _warn_of_passed_through(
    board: Board, spec: DomainSpec, plans: Mapping[str, domains.VcoprocPlan], report: Report
) -> None:
    """Warn of ranges and lines that are passed through and belong to a vcoproc, which wins."""
    for plan in plans.values():
        coproc = board.coprocs[plan.coproc_id].spec
        for region in coproc.regions:
            for passed, span in spec.iomem:
                if passed.start < region.base + region.size_bytes and region.base < passed.stop:
                    what = f"`iomem` {passed.start:#x} belongs to `{plan.coproc_id}`, which is shared: not mapped"
                    report.warn(what, span)
        for line in coproc.lines:
            for intid, span in spec.irqs:
                if intid == line.intid:
                    what = f"`irqs` {intid} belongs to `{plan.coproc_id}`, which is shared: not routed"
                    report.warn(what, span)


# ---------------------------------------------------------------- workloads


def _add_workload(board: Board, plans: dict[str, domains.VcoprocPlan], workload: WorkloadRequest, base: Path) -> None:
    """Give a workload to the vcoproc that it names."""
    try:
        coproc_id = coproc_named(board, workload.coproc).spec.coproc_id
    except LookupFailed as error:
        raise CfgError(error.what, workload.place, hint=error.hint) from error
    plan = plans.get(coproc_id)
    if plan is None:
        hint = did_you_mean(workload.coproc, plans, "`coproc` names")
        raise CfgError(f"a workload for `{coproc_id}`, which `coproc` does not share", workload.place, hint=hint)
    if plan.workload:
        raise CfgError(f"two workloads for `{coproc_id}`", workload.place, hint="a vcoproc's driver does one thing")
    try:
        plans[coproc_id] = replace(plan, workload=with_arrivals(workload.options, base))
    except BadSetting as error:
        raise CfgError(str(error), error.setting.place, hint=error.hint) from error


def with_arrivals(options: tuple[Setting, ...], base: Path) -> tuple[Setting, ...]:
    """Return workload options in which `file=` has become `at=` with what that file says; BadSetting if it cannot."""
    return tuple(_arrivals(option, base) if option.name == "file" else option for option in options)


def _arrivals(option: Setting, base: Path) -> Setting:
    try:
        text = contents(base / option.value).decode()
        return replace(option, name="at", value=arrivals_of_file(csv.reader(text.splitlines())))
    except UnicodeDecodeError as error:
        raise BadSetting(option, f"`{option.value}` is no list of arrivals", "it is no text in UTF-8") from error
    except OSError as error:
        hint = f"the file is looked for in `{base}`"
        raise BadSetting(option, f"cannot read `{option.value}`: {error.strerror}", hint) from error
    except (ValueError, csv.Error) as error:
        raise BadSetting(option, f"`{option.value}` is no list of arrivals", str(error)) from error


def uncuttable(vcoprocs: Iterable[Vcoproc]) -> Iterator[str]:
    """Yield a warning for each of these whose jobs can keep others out for longer than the switch timeout allows."""
    for vcoproc in vcoprocs:
        coproc = vcoproc.coproc
        cycles = None if vcoproc.guest is None else vcoproc.guest.uncuttable_cycles()
        timeout_ps = coproc.sharing.switch_timeout_ps
        if cycles is None or not coproc.platform.scheduled or timeout_ps == 0:
            continue
        time_ps = Work(cycles=cycles).in_ps(coproc.spec.clock_hz)
        if time_ps > timeout_ps:
            yield (
                f"a job of `{vcoproc.domain.name}` keeps `{coproc.spec.coproc_id}` from switching for up to "
                f"{show_duration(time_ps)}, and the switch timeout is {show_duration(timeout_ps)}: "
                "who is to be next may have it reset, and the job is lost"
            )


# ---------------------------------------------------------------- the other verbs


def destroy(machine_path: Path, name: str) -> Ended:
    """Destroy a domain; Domain-0 is refused. One whose context will not leave its coproc goes on dying."""
    with session(machine_path) as machine:
        domain = domain_named(machine.board, name)
        if domain.domain_id == DOMAIN_0:
            raise StateError("Domain-0 ends with the machine", hint="`coprocsim shutdown`")
        if domain.dying:
            raise StateError(f"domain `{domain.name}` is dying already", hint="`coprocsim run 50ms` lets time pass")
        machine.do(DestroyDomain(domain.domain_id), typed.typed("domain destroy", typed.called(machine.board, domain)))
        machine.hypervisor.settle()
        return Ended(domain.domain_id, domain.name, dying=domain.domain_id in machine.board.domains)


def pause(machine_path: Path, name: str) -> str:
    """Pause a domain; StateError for Domain-0, and if it is paused already. Returns its name."""
    with session(machine_path) as machine:
        domain = domain_named(machine.board, name)
        if domain.domain_id == DOMAIN_0:
            raise StateError(
                "Domain-0 cannot be paused",
                why="who pauses and unpauses domains is in it",
                hint="`coprocsim workload clear Domain-0 COPROC` stops its driver",
            )
        if domain.paused:
            raise StateError(f"domain `{domain.name}` is paused already")
        machine.do(PauseDomain(domain.domain_id), typed.typed("domain pause", typed.called(machine.board, domain)))
        return domain.name


def unpause(machine_path: Path, name: str) -> str:
    """Let a paused domain go on; StateError if it is not paused. Returns its name."""
    with session(machine_path) as machine:
        domain = domain_named(machine.board, name)
        if not domain.paused:
            raise StateError(f"domain `{domain.name}` is not paused")
        machine.do(UnpauseDomain(domain.domain_id), typed.typed("domain unpause", typed.called(machine.board, domain)))
        return domain.name
