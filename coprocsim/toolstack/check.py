"""`check`: all that is wrong with a device tree and the configs of its guests, as far as it is known without running.

The machine is built in memory, with as much of it as is right; what is wrong goes into a full report. An error is
what `boot` or `domain create` would refuse, a warning what they would accept.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from coprocsim import devicetree, xlcfg
from coprocsim.errors import CfgError, CoprocsimError, FullReport, LookupFailed, NodePlace, Problem, SourceError, Span
from coprocsim.hypervisor import domains
from coprocsim.hypervisor.state import Board, Domain, Vcoproc
from coprocsim.model import DOMAIN_0_NAME, DomainSpec, Setting, VcoprocId
from coprocsim.options.build import Build
from coprocsim.parameters import BadSetting, MissingSetting
from coprocsim.toolstack.analyse import risks
from coprocsim.toolstack.boot import BootOptions, blob_of, power_on
from coprocsim.toolstack.config import build_of_file
from coprocsim.toolstack.domain import plan_domain, uncuttable, with_arrivals
from coprocsim.toolstack.files import contents
from coprocsim.toolstack.fitting import over_reserved
from coprocsim.toolstack.lookup import coproc_named
from coprocsim.toolstack.overlaps import warn_of_memory, warn_of_overlaps, warn_of_shared_passthrough
from coprocsim.toolstack.parts import check_installed

Place: TypeAlias = Span | NodePlace | None

# What an option may be, where what it was given makes no sense: so that the other options can be judged.
_STAND_INS = ("1ms", "1", "1ms:1ms")
_ARRIVALS = "1ms:1ms"
_MORE_ROOM = '`coproc-sched = "rrobin"` in the device tree lets it be shared, and so does `sched set` after `boot`'


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` tells: problems in the order of the files, and of their lines."""

    problems: tuple[Problem, ...]
    files: int


@dataclass(frozen=True, slots=True)
class _Guest:
    path: str
    spec: DomainSpec


def check(tree_path: str, cfg_paths: Sequence[str], options: BootOptions) -> Checked:
    """Check a device tree, and the configs of guests that are to be created one after the other."""
    check_installed()
    report = FullReport()
    build = _build(options, report)
    board: Board | None = None
    with report.reading(tree_path):
        system = report.attempt(lambda: devicetree.loads(blob_of(tree_path, report), build.sharing, report), None)
        if system is not None:
            board, _ = power_on(system.machine, options, build, report)
            warn_of_overlaps(system.machine, report)
    guests = _read(cfg_paths, report)
    if system is not None and board is not None:
        paths, asked = _check_guests(board, guests, devicetree.names_meant(system.tree), report)
        _check_together(board, {DOMAIN_0_NAME: tree_path, **paths}, asked, build, report)
        specs = [(guest.path, guest.spec) for guest in guests]
        warn_of_shared_passthrough(board, specs, report)
        memory_bytes = devicetree.memory_bytes(system.tree)
        if memory_bytes is not None:
            warn_of_memory(memory_bytes, specs, report)
    order = {path: number for number, path in enumerate((options.config_path, tree_path, *cfg_paths))}
    # What is wrong with a file that two guests name is said once.
    found = dict.fromkeys(report.problems)
    problems = sorted(found, key=lambda each: (order.get(each.path, len(order)), *_position(each)))
    return Checked(tuple(problems), 1 + len(cfg_paths) + (options.config_path is not None))


def _position(problem: Problem) -> tuple[int, int]:
    return (problem.place.line, problem.place.column) if isinstance(problem.place, Span) else (0, 0)


def _build(options: BootOptions, report: FullReport) -> Build:
    path = options.config_path
    if path is None:
        return Build()
    with report.reading(path):
        build, warnings = report.attempt(lambda: build_of_file(path), (Build(), ()))
        for warning in warnings:
            report.warn(warning)
    return build


# ---------------------------------------------------------------- each guest


def _read(cfg_paths: Sequence[str], report: FullReport) -> list[_Guest]:
    """Return the guests whose configs can be read."""
    guests = []
    for path in cfg_paths:
        with report.reading(path), report.one():
            try:
                data = contents(path)
            except OSError as error:
                what = f"cannot read `{path}`: {error.strerror}"
                raise CoprocsimError(what, hint="name a domain config") from error
            spec = xlcfg.read_domain(data, path, report=report)
            # The others' warnings have to call a domain something, also one without a name of its own.
            guests.append(_Guest(path, spec if spec.name else replace(spec, name=Path(path).stem)))
    return guests


def _check_guests(
    board: Board, guests: Sequence[_Guest], meant: frozenset[str], report: FullReport
) -> tuple[dict[str, str], dict[VcoprocId, Place]]:
    """Check what each guest asks for, then create all of them on the board.

    Return their configs by their names, and where each vcoproc is asked for.
    """
    plans = []
    unread: set[Setting] = set()
    for guest in guests:
        with report.reading(guest.path):
            base = Path(guest.path).parent
            spec = _with_arrivals(_without_broken(board, guest.spec, meant), base, unread, report)
            plans.append(plan_domain(board, spec, base, report)[0])
    of_machine = {domain.name for domain in board.domains.values()}
    paths: dict[str, str] = {}
    asked: dict[VcoprocId, Place] = {}
    for guest, plan in zip(guests, plans, strict=True):
        with report.reading(guest.path), report.one():
            if plan.name in paths:
                what = f"the name `{plan.name}` is that of `{paths[plan.name]}`, too"
                raise CfgError(what, guest.spec.name_place, hint="no two domains have the same name")
            # One that is called as a domain of the machine is refused already.
            if plan.name not in of_machine:
                paths[plan.name] = guest.path
                domain = _create(board, plan, unread, report)
                places = {each.coproc_id: each.place for each in plan.vcoprocs}
                for vcoproc in domain.vcoprocs if domain else ():
                    asked[vcoproc.vcoproc_id] = places[vcoproc.coproc.spec.coproc_id]
                    for what in uncuttable([vcoproc]):
                        report.warn(what, _work_of(vcoproc))
    return paths, asked


def _without_broken(board: Board, spec: DomainSpec, meant: frozenset[str]) -> DomainSpec:
    """Return `spec` without what it says of coprocs that the tree means to share and cannot: that is reported."""

    def is_there(name: str) -> bool:
        try:
            coproc_named(board, name)
        except LookupFailed:
            return name not in meant
        return True

    coprocs = tuple(each for each in spec.coprocs if is_there(each.name))
    workloads = tuple(each for each in spec.workloads if is_there(each.coproc))
    return replace(spec, coprocs=coprocs, workloads=workloads)


def _with_arrivals(spec: DomainSpec, base: Path, unread: set[Setting], report: FullReport) -> DomainSpec:
    """Return `spec` with what its lists of arrivals say; of one that cannot be read, a stand-in, which is `unread`."""

    def of(option: Setting) -> Setting:
        with report.one():
            try:
                [found] = with_arrivals((option,), base)
            except BadSetting as error:
                raise CfgError(str(error), option.place, hint=error.hint) from error
            return found
        stand_in = replace(option, name="at", value=_ARRIVALS)
        unread.add(stand_in)
        return stand_in

    workloads = tuple(replace(each, options=tuple(map(of, each.options))) for each in spec.workloads)
    return replace(spec, workloads=workloads)


def _create(board: Board, plan: domains.DomainPlan, unread: Set[Setting], report: FullReport) -> Domain | None:
    """Create as much of a domain as can be: each refusal is noted, and what is refused left out."""
    stand_ins: dict[tuple[str, str], Iterator[str]] = {}
    while True:
        try:
            domain = domains.create(board, plan)
        except BadSetting as error:
            name = error.name if isinstance(error, MissingSetting) else error.setting.name
            mine = next((each for each in plan.vcoprocs if error.setting in each.workload), None)
            if mine is None or (mine.coproc_id, name) not in stand_ins:
                with report.one():
                    raise CfgError(str(error), error.setting.place, hint=error.hint) from error
            if mine is None:
                return None
            value = next(stand_ins.setdefault((mine.coproc_id, name), iter(_STAND_INS)), None)
            mended = replace(mine, workload=_mended(mine.workload, name, value))
            plan = replace(plan, vcoprocs=tuple(mended if each is mine else each for each in plan.vcoprocs))
        except SourceError as error:
            with report.one():
                if isinstance(error, domains.NoRoom):
                    raise CfgError(error.what, error.place, hint=_MORE_ROOM) from error
                raise
            left = tuple(each for each in plan.vcoprocs if each.place != error.place)
            if len(left) == len(plan.vcoprocs):
                return None
            plan = replace(plan, vcoprocs=left)
        else:
            # A mended workload says nothing of what is asked for.
            wrong = {coproc_id for coproc_id, _ in stand_ins}
            for vcoproc in domain.vcoprocs:
                stands_in = vcoproc.coproc.spec.coproc_id in wrong or not unread.isdisjoint(vcoproc.workload)
                if stands_in and vcoproc.guest is not None:
                    domains.take_work(board, vcoproc)
            return domain


def _mended(workload: tuple[Setting, ...], name: str, value: str | None) -> tuple[Setting, ...]:
    """Return a workload with another value of an option; without that one if no value will do, or none of them."""
    others = tuple(each for each in workload if each.name != name)
    if value is not None:
        return (*others, Setting(name, value))
    return others if len(others) < len(workload) and name != "kind" else ()


def _work_of(vcoproc: Vcoproc) -> Place:
    """Return where it is said what a vcoproc has to do."""
    return vcoproc.workload[0].place if vcoproc.workload else None


# ---------------------------------------------------------------- all together


def _check_together(
    board: Board, paths: Mapping[str, str], asked: Mapping[VcoprocId, Place], build: Build, report: FullReport
) -> None:
    """Warn of what the guests ask for together and a coproc cannot give, each at the first of them."""

    def warn(vcoproc: Vcoproc, what: str, place: Place, hint: str) -> None:
        with report.reading(paths[vcoproc.domain.name]):
            report.warn(what, place, hint)

    for coproc in board.coprocs.values():
        over = over_reserved(coproc)
        if over is not None:
            vcoproc, what, hint = over
            warn(vcoproc, what, asked.get(vcoproc.vcoproc_id), hint)
        for risk in risks([coproc], build):
            cure = risk.cures
            if risk.algorithm is not None:
                cure = f'`coproc-sched = "{risk.algorithm}"` in the device tree lets all be met'
            warn(risk.vcoprocs[0], risk.what, _work_of(risk.vcoprocs[0]), cure)
