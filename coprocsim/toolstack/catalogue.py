"""What is installed, and how each coproc is shared: parameters with their values, defaults and limits."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from coprocsim.observe.view import view
from coprocsim.options.build import algorithm_symbol, platform_symbol
from coprocsim.parameters import Kind, Parameter, Scope, Value, of_scope
from coprocsim.platforms import PLATFORMS
from coprocsim.schedulers import ALGORITHMS
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.sharing import SHARING, values_of
from coprocsim.snapshot import CoprocRow, CoprocSettingRow, VcoprocSettingRow
from coprocsim.store import read
from coprocsim.toolstack.config import build_of
from coprocsim.toolstack.parts import has_algorithm, has_platform


class ParameterLine(NamedTuple):
    """A parameter: whose it is (`coproc` or `vcoproc`), its default as a user writes it, what it may be.

    `bare_unit` is what a number without a unit is in; None where one must be written, or there is none.
    """

    name: str
    scope: str
    default: str
    limits: str
    bare_unit: str | None
    help: str


class Algorithm(NamedTuple):
    """An installed scheduling algorithm."""

    scheduler: str
    summary: str
    parameters: tuple[ParameterLine, ...]


class PlatformLine(NamedTuple):
    """An installed platform; `compatible` are the device tree strings that it drives."""

    platform: str
    hardware: str
    scheduled: bool
    compatible: tuple[str, ...]
    summary: str


class SettingLine(NamedTuple):
    """A parameter's value, as a user writes it; `value_ps` is None where it is not a time.

    `bare_unit` is as in `ParameterLine`.
    """

    name: str
    value: str
    value_ps: int | None
    limits: str
    bare_unit: str | None
    help: str


class DomainSettings(NamedTuple):
    """What a domain's vcoproc was given."""

    domain: str
    domain_id: int
    settings: tuple[SettingLine, ...]


class Schedule(NamedTuple):
    """How a coproc is shared: the algorithm's parameters, those that any algorithm has, and the vcoprocs' own.

    `own` says what a vcoproc's own may be.
    """

    coproc: str
    scheduler: str
    settings: tuple[SettingLine, ...]
    sharing: tuple[SettingLine, ...]
    own: tuple[ParameterLine, ...]
    vcoprocs: tuple[DomainSettings, ...]


class Algorithms(NamedTuple):
    """The algorithms that there are, and what is set for each of them; `left_out` are options that are off."""

    schedulers: tuple[Algorithm, ...]
    sharing: tuple[ParameterLine, ...]
    left_out: tuple[str, ...]


class Platforms(NamedTuple):
    """The platforms that there are; `left_out` are options that are off."""

    platforms: tuple[PlatformLine, ...]
    left_out: tuple[str, ...]


def algorithms(machine_path: Path) -> Algorithms:
    """Return the scheduling algorithms that are installed, and built into the machine if one is up."""
    build = build_of(machine_path)
    defaults = values_of(build.sharing)
    return Algorithms(
        tuple(
            Algorithm(name, algorithm.summary, tuple(_parameter(each, each.default) for each in algorithm.parameters))
            for name, algorithm in ALGORITHMS.items()
            if has_algorithm(name, build)
        ),
        tuple(_parameter(each, defaults[name]) for name, each in SHARING.items()),
        tuple(algorithm_symbol(name) for name in ALGORITHMS if not has_algorithm(name, build)),
    )


def _parameter(parameter: Parameter, default: Value) -> ParameterLine:
    return ParameterLine(
        parameter.name,
        parameter.scope.value,
        parameter.show(default),
        parameter.limits(),
        _bare_unit(parameter),
        parameter.help,
    )


def _bare_unit(parameter: Parameter) -> str | None:
    return parameter.bare_unit or parameter.unit or None


def platforms(machine_path: Path) -> Platforms:
    """Return the platforms that are installed, and built into the machine if one is up."""
    build = build_of(machine_path)
    return Platforms(
        tuple(
            PlatformLine(name, platform.hardware, platform.scheduled, platform.compatible, platform.summary)
            for name, platform in PLATFORMS.items()
            if has_platform(name, build)
        ),
        tuple(platform_symbol(name) for name in PLATFORMS if not has_platform(name, build)),
    )


def schedule(machine_path: Path, coproc_name: str) -> Schedule:
    """Return how a coproc is shared. A parameter of an algorithm that is gone is shown as it is stored."""
    with read(machine_path) as file:
        seen, own, given = view(file), file.rows(CoprocSettingRow), file.rows(VcoprocSettingRow)
    coproc = seen.coproc_named(coproc_name)
    algorithm = ALGORITHMS.get(coproc.algorithm)
    stated = {} if algorithm is None else {parameter.name: parameter for parameter in algorithm.parameters}
    vcoprocs = []
    for row in seen.of(coproc.coproc_id, None):
        mine = {each.name: each.value for each in given if (each.domain_id, each.number) == (row.domain_id, row.number)}
        vcoprocs.append(DomainSettings(seen.domains[row.domain_id].name, row.domain_id, _lines(stated, mine)))
    return Schedule(
        coproc.coproc_id,
        coproc.algorithm,
        _lines(stated, {each.name: each.value for each in own if each.coproc_id == coproc.coproc_id}),
        () if coproc.algorithm == Unscheduled.name else _lines(SHARING, _sharing(coproc)),
        tuple(_parameter(each, each.default) for each in of_scope(stated.values(), Scope.VCOPROC).values()),
        tuple(vcoprocs),
    )


def _sharing(coproc: CoprocRow) -> dict[str, Value]:
    return {
        "charge": coproc.charge,
        "charge-factor": coproc.charge_factor,
        "switch-cost-payer": coproc.payer,
        "switch-timeout": coproc.switch_timeout_ps,
        "retry-floor": coproc.retry_floor_ps,
    }


def _lines(stated: Mapping[str, Parameter], values: Mapping[str, Value]) -> tuple[SettingLine, ...]:
    return tuple(_setting(stated.get(name), name, value) for name, value in values.items())


def _setting(parameter: Parameter | None, name: str, value: Value) -> SettingLine:
    if parameter is None:
        return SettingLine(name, str(value), None, "", None, "")
    value_ps = value if parameter.kind is Kind.TIME and isinstance(value, int) else None
    return SettingLine(name, parameter.show(value), value_ps, parameter.limits(), _bare_unit(parameter), parameter.help)
