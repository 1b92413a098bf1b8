"""How a coproc is shared from now on: what a user wrote, checked, and done.

Raises BadSetting for a value, LookupFailed for a name, CoprocsimError for what cannot be; then nothing is changed.
"""

from collections.abc import Mapping, Sequence

from coprocsim.errors import CoprocsimError
from coprocsim.hypervisor import tuning
from coprocsim.hypervisor.state import Board, Coproc, Vcoproc
from coprocsim.model import Setting
from coprocsim.options.build import Build
from coprocsim.parameters import BadSetting, BadValue, Scope, Value
from coprocsim.schedulers.base import Scheduler
from coprocsim.sharing import SHARING
from coprocsim.toolstack.parts import algorithm_named, check_settings
from coprocsim.units import show_duration


def set_vcoproc(board: Board, vcoproc: Vcoproc, settings: Sequence[Setting]) -> None:
    """Change a vcoproc's own parameters of its coproc's algorithm."""
    values = check_settings(type(vcoproc.coproc.scheduler), Scope.VCOPROC, settings)
    tuning.set_vcoproc_parameters(board, vcoproc, values)


def set_coproc(board: Board, coproc: Coproc, algorithm: str | None, settings: Sequence[Setting], build: Build) -> None:
    """Change a coproc's algorithm, its parameters, its sharing."""
    scheduler = type(coproc.scheduler) if algorithm is None else algorithm_named(algorithm, build)
    sharing = _sharing([setting for setting in settings if setting.name in SHARING])
    own = [setting for setting in settings if setting.name not in SHARING]
    values = check_settings(scheduler, Scope.COPROC, own)
    base = coproc.settings if scheduler is type(coproc.scheduler) else scheduler.defaults(Scope.COPROC)
    too_short = shorter_than_switch(coproc, scheduler, {**base, **values})
    if too_short is not None:
        raise CoprocsimError(too_short, hint="no useful time would be left; make the turn longer")
    if scheduler.vcoprocs_max is not None and len(coproc.vcoprocs) > scheduler.vcoprocs_max:
        sharers = ", ".join(f"`{vcoproc.domain.name}`" for vcoproc in coproc.vcoprocs.values())
        raise CoprocsimError(
            f"`{scheduler.name}` shares a coproc among {scheduler.vcoprocs_max} at most, `{coproc.spec.coproc_id}` has "
            f"{len(coproc.vcoprocs)} vcoprocs",
            hint=f"destroy all but one of {sharers} first, or choose another algorithm",
        )
    if scheduler is not type(coproc.scheduler):
        tuning.set_algorithm(board, coproc, scheduler, {**base, **values}, scheduler.defaults(Scope.VCOPROC))
    elif values:
        tuning.set_parameters(board, coproc, values)
    if sharing:
        tuning.set_sharing(board, coproc, sharing)


def _sharing(settings: Sequence[Setting]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for setting in settings:
        try:
            values[setting.name] = SHARING[setting.name].parse(setting.value)
        except BadValue as error:
            raise BadSetting(setting, str(error), error.hint) from error
    return values


def shorter_than_switch(coproc: Coproc, scheduler: type[Scheduler], settings: Mapping[str, Value]) -> str | None:
    """Return what is wrong if a turn under `settings` is no longer than a context switch, else None."""
    length_ps = scheduler.least_length_ps(settings)
    cost_ps = coproc.platform.switch_cost_max_ps
    if coproc.spec.streams:
        cost_ps += coproc.platform.iommu_invalidate_ps
    if length_ps is None or length_ps > cost_ps:
        return None
    return (
        f"a turn of {show_duration(length_ps)} on `{coproc.spec.coproc_id}` is no longer than a context switch, "
        f"which takes up to {show_duration(cost_ps)}"
    )
