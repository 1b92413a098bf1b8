"""From names to parts: platforms, hardware models and algorithms, and the parameters that an algorithm takes."""

from collections.abc import Iterable, Mapping

from coprocsim.errors import LookupFailed, PluginError, did_you_mean
from coprocsim.guests import WORKLOADS
from coprocsim.hardware import MODELS
from coprocsim.hypervisor.machine import Parts
from coprocsim.model import Setting
from coprocsim.parameters import BadSetting, BadValue, Scope, Value, named, of_scope
from coprocsim.platforms import PLATFORMS
from coprocsim.platforms.base import Platform
from coprocsim.schedulers import ALGORITHMS
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.snapshot import CoprocRow, WorkloadRow


def platform_named(name: str) -> type[Platform]:
    """Return the platform of that name; LookupFailed with the nearest."""
    if name not in PLATFORMS:
        raise LookupFailed(f"no platform `{name}`", hint=did_you_mean(name, PLATFORMS, "there are"))
    return PLATFORMS[name]


def platform_for(compatible: Iterable[str]) -> type[Platform] | None:
    """Return the platform that claims the first of these strings that any claims."""
    for string in compatible:
        for platform in PLATFORMS.values():
            if string in platform.compatible:
                return platform
    return None


def algorithm_named(name: str) -> type[Scheduler]:
    """Return the algorithm of that name; LookupFailed with the nearest."""
    if name not in ALGORITHMS:
        raise LookupFailed(f"no scheduling algorithm `{name}`", hint=did_you_mean(name, ALGORITHMS, "there are"))
    return ALGORITHMS[name]


def parts_of(row: CoprocRow) -> Parts:
    """Return the classes of a stored coproc; PluginError if one of them is not there any more."""
    algorithms: Mapping[str, type[Scheduler]] = ALGORITHMS
    if row.algorithm == Unscheduled.name:
        algorithms = {Unscheduled.name: Unscheduled}
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
            hint = error.hint if known else f"`{scheduler.name}` has no parameters of a single {scope.value}"
            raise BadSetting(setting, str(error), hint) from error
    return values
