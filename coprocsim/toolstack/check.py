"""`check`: all that is wrong with a device tree and the configs of its guests, as far as it is known without running.

The machine is built in memory, with as much of it as is right; what is wrong goes into a full report. An error is
what `boot` or `domain create` would refuse, a warning what they would accept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coprocsim import devicetree, xlcfg
from coprocsim.errors import CfgError, CoprocsimError, FullReport, LookupFailed, NodePlace, Problem, SourceError, Span
from coprocsim.hypervisor import domains
from coprocsim.hypervisor.state import Board, Domain, Vcoproc
from coprocsim.model import DOMAIN_0_NAME, DomainSpec, Setting
from coprocsim.options.build import Build
from coprocsim.parameters import BadSetting, MissingSetting
from coprocsim.toolstack.analyse import deadlines_at_risk
from coprocsim.toolstack.boot import BootOptions, blob_of, power_on
from coprocsim.toolstack.config import build_of_file
from coprocsim.toolstack.domain import plan_domain, uncuttable
from coprocsim.toolstack.files import contents
from coprocsim.toolstack.fitting import over_reserved
from coprocsim.toolstack.lookup import coproc_named
from coprocsim.toolstack.overlaps import warn_of_overlaps, warn_of_shared_passthrough
from coprocsim.toolstack.parts import check_installed

# What an option may be, where what it was given makes no sense: so that the other options can be judged.
_STAND_INS = ("1ms", "1", "1ms:1ms")


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
        system = report.attempt(lambda: devicetree.loads(blob_of(tree_path), build.sharing, report), None)
        if system is not None:
            board, _ = power_on(system.machine, options, build, report)
            warn_of_overlaps(system.machine, report)
    guests = _read(cfg_paths, report)
    if system is not None and board is not None:
        paths = _check_guests(board, guests, devicetree.names_meant(system.tree), report)
        _check_together(board, {DOMAIN_0_NAME: tree_path, **paths}, build, report)
        warn_of_shared_passthrough(board, [(guest.path, guest.spec) for guest in guests], report)
    order = {path: number for number, path in enumerate((options.config_path, tree_path, *cfg_paths))}
    problems = sorted(report.problems, key=lambda each: (order.get(each.path, len(order)), *_position(each)))
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


def _check_guests(board: Board, guests: Sequence[_Guest], meant: frozenset[str], report: FullReport) -> dict[str, str]:
    """Check what each guest asks for, then create all of them on the board; return their configs by their names."""
    plans = []
    for guest in guests:
        with report.reading(guest.path):
            spec = _without_broken(board, guest.spec, meant)
            plans.append(plan_domain(board, spec, Path(guest.path).parent, report)[0])
    of_machine = {domain.name for domain in board.domains.values()}
    paths: dict[str, str] = {}
    for guest, plan in zip(guests, plans, strict=True):
        with report.reading(guest.path), report.one():
            if plan.name in paths:
                what = f"the name `{plan.name}` is that of `{paths[plan.name]}`, too"
                raise CfgError(what, guest.spec.name_place, hint="no two domains have the same name")
            # One that is called as a domain of the machine is refused already.
            if plan.name not in of_machine:
                paths[plan.name] = guest.path
                _create_and_look(board, plan, report)
    return paths


def _create_and_look(board: Board, plan: domains.DomainPlan, report: FullReport) -> None:
    domain = _create(board, plan, report)
    for vcoproc in domain.vcoprocs if domain else ():
        for what in uncuttable([vcoproc]):
            report.warn(what, _place(vcoproc))


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


def _create(board: Board, plan: domains.DomainPlan, report: FullReport) -> Domain | None:
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
                raise
            left = tuple(each for each in plan.vcoprocs if each.place != error.place)
            if len(left) == len(plan.vcoprocs):
                return None
            plan = replace(plan, vcoprocs=left)
        else:
            # A mended workload says nothing of what is asked for.
            wrong = {coproc_id for coproc_id, _ in stand_ins}
            for vcoproc in domain.vcoprocs:
                if vcoproc.coproc.spec.coproc_id in wrong and vcoproc.guest is not None:
                    domains.take_work(board, vcoproc)
            return domain


def _mended(workload: tuple[Setting, ...], name: str, value: str | None) -> tuple[Setting, ...]:
    """Return a workload with another value of an option; without that one if no value will do, or none of them."""
    others = tuple(each for each in workload if each.name != name)
    if value is not None:
        return (*others, Setting(name, value))
    return others if len(others) < len(workload) and name != "kind" else ()


def _place(vcoproc: Vcoproc) -> Span | NodePlace | None:
    return vcoproc.workload[0].place if vcoproc.workload else None


# ---------------------------------------------------------------- all together


def _check_together(board: Board, paths: Mapping[str, str], build: Build, report: FullReport) -> None:
    """Warn of what the guests ask for together and a coproc cannot give, each at the first of them."""

    def warn(vcoproc: Vcoproc, what: str, hint: str) -> None:
        with report.reading(paths[vcoproc.domain.name]):
            report.warn(what, _place(vcoproc), hint)

    for coproc in board.coprocs.values():
        over = over_reserved(coproc)
        if over is not None:
            warn(*over)
        for risk in deadlines_at_risk([coproc], build):
            cure = risk.cures
            if risk.algorithm is not None:
                cure = f'`coproc-sched = "{risk.algorithm}"` in the device tree lets all be met'
            warn(risk.vcoprocs[0], risk.what, cure)
