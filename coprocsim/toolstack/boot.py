"""`boot`: from a device tree to a machine that is up, or an error at its place in the tree."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from coprocsim import devicetree
from coprocsim.engine import Timeline
from coprocsim.errors import (
    CoprocsimError,
    DeviceTreeError,
    LookupFailed,
    NodePlace,
    Report,
    SourceError,
    Span,
    StateError,
    did_you_mean,
)
from coprocsim.hardware import MODELS
from coprocsim.hypervisor import domains, rest
from coprocsim.hypervisor.machine import Hypervisor, Parts, build_coproc
from coprocsim.hypervisor.state import Board, Coproc
from coprocsim.model import DOMAIN_0, DOMAIN_0_NAME, CoprocSpec, MachineSpec, TreeSetting
from coprocsim.options.build import FRAMEWORK, Build, platform_symbol
from coprocsim.parameters import BadValue, Parameter, Scope, Value, of_scope
from coprocsim.platforms.base import Platform
from coprocsim.schedulers import DEFAULT_ALGORITHM
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.snapshot import DomainSettingRow, HistoryRow, MachineRow, Snapshot
from coprocsim.store import no_machine, opened, require
from coprocsim.toolstack import typed
from coprocsim.toolstack.config import build_of_file
from coprocsim.toolstack.deeds import Boot, to_json
from coprocsim.toolstack.files import contents, shown_path
from coprocsim.toolstack.fitting import check_fit
from coprocsim.toolstack.lookup import coproc_named
from coprocsim.toolstack.parts import algorithm_named, builds_in, check_installed, platform_for, platform_named
from coprocsim.units import format_size

DEFAULT_SEED = 1
_DOMAIN_0_MEMORY_MIB = 1024
# An Arm physical address has at most 52 bits.
ADDRESS_STOP = 2**52
FDT_MAGIC = b"\xd0\x0d\xfe\xed"


@dataclass(frozen=True, slots=True)
class BootOptions:
    """What the command line adds to the device tree; `platforms` by coproc identifier.

    Without a `.config` everything is built in, and the trace limit is that of the options where none is given.
    """

    platforms: Mapping[str, str]
    seed: int = DEFAULT_SEED
    trace_limit_bytes: int | None = None
    force: bool = False
    config_path: str | None = None


@dataclass(frozen=True, slots=True)
class Booted:
    """What `boot` tells: the machine as rows, and what its user should know or be warned of."""

    snapshot: Snapshot
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def boot(machine_path: Path, tree_path: str, options: BootOptions) -> Booted:
    """Boot the machine at `machine_path` from a .dtb, or a .dts through dtc.

    Raises DeviceTreeError for what is wrong with the tree, OptionError for the `.config`, PluginError for a part of
    another package that will not do, and StateError if the machine is up already.
    """
    check_installed()
    build, config_warnings = (Build(), ()) if options.config_path is None else build_of_file(options.config_path)
    blob = blob_of(tree_path)
    try:
        spec = devicetree.loads(blob, build.sharing).machine
        board, warnings = power_on(spec, options, build)
    except SourceError as error:
        error.path = tree_path
        raise
    limit_bytes = build.trace_limit_bytes if options.trace_limit_bytes is None else options.trace_limit_bytes
    path = shown_path(tree_path)
    machine = MachineRow(options.seed, 0, 0, 1, spec.model, path, blob, limit_bytes, board.checks, build.config)
    with keeping_in(machine_path.parent), opened(machine_path) as file:
        if file.is_up and not options.force:
            raise StateError(
                "a machine is up already",
                hint="`coprocsim shutdown` ends it, `boot --force` replaces it, `--machine NAME` boots one beside it",
            )
        if file.is_up:
            file.clear()
        snapshot = rest.to_rows(board, machine)
        file.save(snapshot)
        file.append_trace(board.trace, limit_bytes)
        deed = to_json(Boot(dict(sorted(options.platforms.items()))))
        file.append_history([HistoryRow(0, 0, _typed(tree_path, options), f"seed {options.seed}", deed)])
    return Booted(snapshot, spec.notes, (*config_warnings, *spec.warnings, *warnings))


def _typed(tree_path: str, options: BootOptions) -> str:
    """Return the command that boots a machine so, where none is up."""
    words = []
    for coproc_id, name in options.platforms.items():
        words += ["--platform", f"{coproc_id}={name}"]
    if options.seed != DEFAULT_SEED:
        words += ["--seed", str(options.seed)]
    if options.trace_limit_bytes is not None:
        words += ["--trace-limit", format_size(options.trace_limit_bytes)]
    if options.config_path is not None:
        words += ["--config", typed.file(options.config_path)]
    return typed.typed("boot", typed.file(tree_path), *words)


def shutdown(machine_path: Path) -> None:
    """End the machine; StateError if none is up."""
    require(machine_path)
    with opened(machine_path) as file:
        if not file.is_up:
            raise no_machine()
        file.clear()


@contextmanager
def keeping_in(folder: Path) -> Iterator[None]:
    """Make the folder in which a machine is to be kept; StateError where it cannot be.

    If there is an exception, what was made of it goes again, unless something is in it by now.
    """
    missing = [each for each in (folder, *folder.parents) if not os.path.exists(each)]  # which raises nothing
    try:
        _make(folder)
        yield
    except BaseException:
        with suppress(OSError):
            for each in missing:
                each.rmdir()
        raise


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"cannot make the folder `{folder}`: {error.strerror}",
            why="the machine is kept there between two commands",
            hint="`COPROCSIM_STATE_DIR` names another folder",
        ) from error


def blob_of(tree_path: str, report: Report | None = None) -> bytes:
    """Return the device tree in a file, a source through dtc; CoprocsimError if there is none.

    With a full report all that dtc says of a source goes there.
    """
    try:
        blob = contents(tree_path)
    except OSError as error:
        raise CoprocsimError(f"cannot read `{tree_path}`: {error.strerror}", hint="name a .dtb or .dts file") from error
    if not blob.startswith(FDT_MAGIC) and Path(tree_path).suffix in {".dts", ".dtsi"} and Path(tree_path).is_file():
        return devicetree.compile_source(tree_path, report)
    return blob


def power_on(
    spec: MachineSpec, options: BootOptions, build: Build, report: Report | None = None
) -> tuple[Board, tuple[str, ...]]:
    """Return the machine that a device tree describes, at instant 0 with Domain-0 in it, and warnings.

    Raises what is wrong. With a full report that goes there, and what cannot be brought up is left out.
    """
    report = report or Report()
    board = Board(options.seed, Timeline(), checks=build.checks)
    board.aliases = dict(spec.aliases)
    known = [coproc.coproc_id for coproc in (*spec.coprocs, *spec.broken)]
    for coproc_id in options.platforms:
        with report.one():
            if coproc_id not in known:
                hint = did_you_mean(coproc_id, known, "the tree shares")
                raise LookupFailed(f"`--platform`: no shared coproc `{coproc_id}`", hint=hint)
    with report.one():
        _check_framework(spec, build)
    _check_streams(spec, report)
    for coproc_spec in spec.coprocs:
        _check_regions(coproc_spec, report)
        platform = report.attempt(partial(_platform, coproc_spec, options, build), None)
        coproc = _bring_up(board, spec, coproc_spec, platform, build, report)
        if coproc is not None:
            if not coproc_spec.streams and not coproc.platform.own_mmu:
                what = f"`{coproc_spec.coproc_id}`: no `iommus`, so nothing contains its DMA"
                report.warn(what, NodePlace(coproc_spec.path))
            coproc.platform.probe(board.now_ps)
    for coproc_spec in spec.broken:
        _check_regions(coproc_spec, report)
        _bring_up(board, spec, coproc_spec, None, build, report)
    _create_domain_0(board, spec, report)
    Hypervisor(board).settle()
    return board, tuple(report.warnings)


def _check_framework(machine: MachineSpec, build: Build) -> None:
    """Refuse to share anything without what shares it."""
    if machine.coprocs and not build.has(FRAMEWORK):
        first = machine.coprocs[0]
        raise DeviceTreeError(
            "the shared coprocessor framework is not built in",
            first.place,
            why=f"the tree shares `{first.coproc_id}`",
            hint=builds_in(FRAMEWORK),
        )


def _check_streams(machine: MachineSpec, report: Report) -> None:
    """Refuse a stream of two coprocs: it can translate for one context at a time."""
    holders: dict[str, CoprocSpec] = {}
    for coproc in machine.coprocs:
        for stream in coproc.streams:
            other = holders.setdefault(str(stream), coproc)
            with report.one():
                if other is not coproc:
                    raise DeviceTreeError(
                        f"IOMMU stream `{stream}` of `{coproc.coproc_id}` is one of `{other.coproc_id}`, too",
                        NodePlace(coproc.path, "iommus"),
                        why="a stream translates for one domain's context at a time",
                        hint="share only one of the two",
                    )


def _check_regions(spec: CoprocSpec, report: Report) -> None:
    for region in spec.regions:
        with report.one():
            if region.base + region.size_bytes > ADDRESS_STOP:
                what = f"range `{region.name}` ends at {region.base + region.size_bytes:#x}"
                raise DeviceTreeError(what, NodePlace(spec.path, "reg"), hint="a physical address has at most 52 bits")


def _bring_up(
    board: Board,
    machine: MachineSpec,
    spec: CoprocSpec,
    platform: type[Platform] | None,
    build: Build,
    report: Report,
) -> Coproc | None:
    """Put a coproc on the board; without a platform it is only checked what can be, and None returned."""
    scheduler = report.attempt(lambda: _scheduler(machine, spec, platform, build), None)
    if scheduler is None:
        return None
    given = _settings(scheduler, Scope.COPROC, spec.settings, report)
    settings = {**scheduler.defaults(Scope.COPROC), **given}
    coproc: Coproc | None = None
    if platform is not None:
        parts = Parts(MODELS[platform.hardware], platform, scheduler)
        coproc = build_coproc(board, spec, parts, settings, spec.sharing)
        if len(given) == len(spec.settings):
            with report.one():
                place = next((setting.place for setting in spec.settings), spec.place)
                _check_fit(coproc, Scope.COPROC, settings, place)
    for domain, stated in spec.domain_settings.items():
        given = _settings(scheduler, Scope.VCOPROC, stated, report)
        for name, value in given.items():
            board.domain_settings.append(DomainSettingRow(spec.coproc_id, domain, name, value))
        if coproc is not None and stated and len(given) == len(stated):
            with report.one():
                _check_fit(coproc, Scope.VCOPROC, vcoproc_settings(board, coproc, domain, {}), stated[0].place)
    return coproc


def _scheduler(
    machine: MachineSpec, spec: CoprocSpec, platform: type[Platform] | None, build: Build
) -> type[Scheduler] | None:
    """Return the algorithm of a coproc, or what stands for it; None if the tree's name for it cannot be read."""
    if platform is not None and not platform.scheduled:
        return _no_algorithm(spec, platform)
    return None if spec.algorithm == "" else _algorithm(machine, spec, build)


def _platform(spec: CoprocSpec, options: BootOptions, build: Build) -> type[Platform]:
    chosen = options.platforms.get(spec.coproc_id)
    platform = platform_for(spec.compatible, build) if chosen is None else platform_named(chosen, build)
    if platform is None:
        raise _no_platform(spec)
    unfit = platform.unfit(spec)
    if unfit is not None:
        raise DeviceTreeError(f"platform `{platform.name}` cannot drive this node: {unfit}", NodePlace(spec.path))
    return platform


def _no_platform(spec: CoprocSpec) -> DeviceTreeError:
    strings = ", ".join(f"`{string}`" for string in spec.compatible) or "nothing"
    why = f"the node is compatible with {strings}"
    hint = f"`boot --platform {spec.coproc_id}=generic` emulates any node"
    left_out = platform_for(spec.compatible, Build())
    if left_out is not None:
        why, hint = f"the platform `{left_out.name}` is not built in", builds_in(platform_symbol(left_out.name))
    what = f"no platform drives `{spec.coproc_id}`"
    return DeviceTreeError(what, NodePlace(spec.path, "compatible"), why=why, hint=hint)


def _algorithm(machine: MachineSpec, spec: CoprocSpec, build: Build) -> type[Scheduler]:
    place = NodePlace(spec.place.node, "coproc-sched")
    name = spec.algorithm
    if name is None and machine.default_algorithm is not None:
        name = machine.default_algorithm.value
        if isinstance(machine.default_algorithm.place, NodePlace):
            place = machine.default_algorithm.place
    try:
        return algorithm_named(name or build.default_algorithm or DEFAULT_ALGORITHM, build)
    except LookupFailed as error:
        raise DeviceTreeError(error.what, place, hint=error.hint) from error


def _no_algorithm(spec: CoprocSpec, platform: type[Platform]) -> type[Scheduler]:
    """Return what stands for the algorithm of hardware that shares itself; refuse a tree that names one."""
    if spec.algorithm is not None or spec.settings:
        raise DeviceTreeError(
            f"`{spec.coproc_id}` takes no scheduling algorithm",
            spec.settings[0].place if spec.algorithm is None else NodePlace(spec.place.node, "coproc-sched"),
            why=f"platform `{platform.name}` drives hardware that shares itself",
            hint="leave `coproc-sched` and `coproc-sched-…` out",
        )
    return Unscheduled


def _settings(
    scheduler: type[Scheduler], scope: Scope, given: tuple[TreeSetting, ...], report: Report
) -> dict[str, Value]:
    """Return the values of `coproc-sched-…` properties, checked against the algorithm's statement."""
    known: dict[str, Parameter] = {
        parameter.property_name(): parameter for parameter in of_scope(scheduler.parameters, scope).values()
    }
    values: dict[str, Value] = {}
    for setting in given:
        with report.one():
            parameter = known.get(setting.name)
            if parameter is None:
                names = [f"coproc-sched-{name}" for name in known]
                raise DeviceTreeError(
                    f"`{scheduler.name}` has no parameter `coproc-sched-{setting.name}` here",
                    setting.place,
                    hint=did_you_mean(f"coproc-sched-{setting.name}", names, "it has"),
                )
            try:
                values[parameter.name] = parameter.from_tree(setting.data)
            except BadValue as error:
                raise DeviceTreeError(str(error), setting.place, hint=error.hint) from error
    return values


def _check_fit(coproc: Coproc, scope: Scope, settings: Mapping[str, Value], place: Span | NodePlace | None) -> None:
    try:
        check_fit(coproc, type(coproc.scheduler), scope, settings)
    except BadValue as error:
        raise DeviceTreeError(str(error), place, hint=error.hint) from error


def _create_domain_0(board: Board, machine: MachineSpec, report: Report) -> None:
    """Create Domain-0 with the vcoprocs that the tree gives to it, of the coprocs that could be brought up."""
    plans = []
    for request in machine.dom0_coprocs:
        try:
            coproc = coproc_named(board, request.value)
        except LookupFailed:
            continue  # the tree shares it, or its reader had refused: why it is not there, is reported
        settings = vcoproc_settings(board, coproc, DOMAIN_0_NAME, {})
        with report.one():
            _check_fit(coproc, Scope.VCOPROC, settings, request.place)
        plans.append(domains.VcoprocPlan(coproc.spec.coproc_id, coproc.spec.regions, settings, place=request.place))
    memory_mib = _DOMAIN_0_MEMORY_MIB
    plan = domains.DomainPlan(DOMAIN_0_NAME, memory_mib, memory_mib, 1, tuple(plans), domain_id=DOMAIN_0)
    with report.one():
        domains.create(board, plan)


def vcoproc_settings(board: Board, coproc: Coproc, domain: str, given: Mapping[str, Value]) -> dict[str, Value]:
    """Return a vcoproc's parameters: the defaults, then the device tree's for that domain, then `given`."""
    tree = {
        row.name: row.value
        for row in board.domain_settings
        if row.coproc_id == coproc.spec.coproc_id and row.domain == domain
    }
    return {**coproc.scheduler.defaults(Scope.VCOPROC), **tree, **given}
