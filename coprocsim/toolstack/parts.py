"""From names to parts: platforms, hardware models and algorithms, and the parameters that an algorithm takes."""

from collections.abc import Iterable, Mapping

from coprocsim.errors import LookupFailed, PluginError, did_you_mean
from coprocsim.guests import WORKLOADS
from coprocsim.hardware import MODELS
from coprocsim.hypervisor.machine import Parts
from coprocsim.model import UNSCHEDULED, Setting
from coprocsim.options.build import Build, algorithm_symbol, platform_symbol
from coprocsim.parameters import BadSetting, BadValue, Scope, Value, named, of_scope
from coprocsim.platforms import PLATFORMS
from coprocsim.platforms.base import Platform
from coprocsim.schedulers import ALGORITHMS
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.snapshot import CoprocRow, WorkloadRow


def check_installed() -> None:
    """Raise PluginError if a part that another package adds will not do, of whatever kind, used or not."""
    for registry in (PLATFORMS, MODELS, ALGORITHMS, WORKLOADS):
        registry.check()
    for name, platform in PLATFORMS.items():
        if platform.hardware not in MODELS:
            raise PluginError(
                f"the hardware model `{platform.hardware}` is not installed",
                why=f"platform `{name}` drives it",
                hint=did_you_mean(platform.hardware, MODELS, "there are"),
            )


def has_platform(name: str, build: Build) -> bool:
    """Return whether a platform is built in; those of other packages always are."""
    return not PLATFORMS.is_ours(name) or build.has(platform_symbol(name))


def has_algorithm(name: str, build: Build) -> bool:
    """Return whether an algorithm is built in; those of other packages always are."""
    return not ALGORITHMS.is_ours(name) or build.has(algorithm_symbol(name))


def platform_named(name: str, build: Build) -> type[Platform]:
    """Return the platform of that name; LookupFailed with the nearest, or with the option that builds it in."""
    if name not in PLATFORMS:
        known = [each for each in PLATFORMS if has_platform(each, build)]
        raise LookupFailed(f"no platform `{name}`", hint=_there_are(name, known))
    if not has_platform(name, build):
        raise LookupFailed(f"the platform `{name}` is not built in", hint=builds_in(platform_symbol(name)))
    return PLATFORMS[name]


def platform_for(compatible: Iterable[str], build: Build) -> type[Platform] | None:
    """Return the platform that claims the first of these strings that any claims."""
    for string in compatible:
        for name, platform in PLATFORMS.items():
            if string in platform.compatible and has_platform(name, build):
                return platform
    return None


def algorithm_named(name: str, build: Build) -> type[Scheduler]:
    """Return the algorithm of that name; LookupFailed with the nearest, or with the option that builds it in."""
    if name not in ALGORITHMS:
        known = [each for each in ALGORITHMS if has_algorithm(each, build)]
        raise LookupFailed(f"no scheduling algorithm `{name}`", hint=_there_are(name, known))
    if not has_algorithm(name, build):
        what = f"the scheduling algorithm `{name}` is not built in"
        raise LookupFailed(what, hint=builds_in(algorithm_symbol(name)))
    return ALGORITHMS[name]


def _there_are(name: str, known: list[str]) -> str:
    return did_you_mean(name, known, "there are" if known else "built in is")


def builds_in(symbol: str) -> str:
    """Return the hint for what an option that is off leaves out."""
    return f"`CONFIG_{symbol}=y` in the file of `boot --config` builds it in"


def parts_of(row: CoprocRow) -> Parts:
    """Return the classes of a stored coproc; PluginError if one of them is not there any more."""
    algorithms: Mapping[str, type[Scheduler]] = ALGORITHMS
    if row.algorithm == UNSCHEDULED:
        algorithms = {UNSCHEDULED: Unscheduled}
    for name, known, what in (
        (row.hardware, MODELS, "hardware model"),
        (row.platform, PLATFORMS, "platform"),
        (row.algorithm, algorithms, "scheduling algorithm"),
    ):
        if name not in known:
            why = f"`{row.coproc_id}` of this machine was made with it"
            raise PluginError(f"the {what} `{name}` is not installed", why=why, hint="install it again, or boot anew")
    return Parts(MODELS[row.hardware], PLATFORMS[row.platform], algorithms[row.algorithm])


def require_workloads(rows: Iterable[WorkloadRow]) -> None:
    """Raise PluginError if a stored machine has a workload that is not installed any more."""
    for row in rows:
        if row.name == "kind" and row.value not in WORKLOADS:
            raise PluginError(
                f"the workload `{row.value}` is not installed",
                why=f"d{row.domain_id}v{row.number} of this machine has it",
                hint="install it again, or boot anew",
            )


def check_settings(scheduler: type[Scheduler], scope: Scope, settings: Iterable[Setting]) -> dict[str, Value]:
    """Return the values that a user gave to parameters of an algorithm; BadSetting names the one that is wrong."""
    known = of_scope(scheduler.parameters, scope)
    values: dict[str, Value] = {}
    for setting in settings:
        try:
            values[setting.name] = named(setting.name, known, f"`{scheduler.name}`").parse(setting.value)
        except BadValue as error:
            hint = _hint(scheduler, scope, setting.name, error.hint)
            raise BadSetting(setting, str(error), hint) from error
    return values


def _hint(scheduler: type[Scheduler], scope: Scope, name: str, otherwise: str) -> str:
    """Return what to do about a parameter that is none of this scope's, or has a wrong value."""
    other = Scope.VCOPROC if scope is Scope.COPROC else Scope.COPROC
    if name in of_scope(scheduler.parameters, other):
        return "it is a domain's own: `-d DOMAIN`" if other is Scope.VCOPROC else "it is the coproc's, not a domain's"
    if of_scope(scheduler.parameters, scope):
        return otherwise
    return f"`{scheduler.name}` has no parameters of a single {scope.value}"
