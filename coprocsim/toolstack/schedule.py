"""How a coproc is shared from now on: what a user wrote, checked, and done.

Raises LookupFailed for a name, CoprocsimError for a value or what cannot be; then nothing is changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from coprocsim.errors import CoprocsimError
from coprocsim.hypervisor import tuning
from coprocsim.hypervisor.state import Board, Coproc, Vcoproc
from coprocsim.model import Setting
from coprocsim.options.build import Build
from coprocsim.parameters import BadSetting, BadValue, Scope, Value, of_scope
from coprocsim.schedulers.base import Scheduler
from coprocsim.sharing import SHARING
from coprocsim.toolstack.fitting import check_fit
from coprocsim.toolstack.parts import algorithm_named, check_settings


def set_vcoproc(board: Board, vcoproc: Vcoproc, settings: Sequence[Setting]) -> None:
    """Change a vcoproc's own parameters of its coproc's algorithm."""
    scheduler = type(vcoproc.coproc.scheduler)
    with _values():
        values = check_settings(scheduler, Scope.VCOPROC, settings)
        check_fit(vcoproc.coproc, scheduler, Scope.VCOPROC, {**vcoproc.settings, **values})
    tuning.set_vcoproc_parameters(board, vcoproc, values)


def set_coproc(
    board: Board, coproc: Coproc, algorithm: str | None, settings: Sequence[Setting], build: Build
) -> tuple[str, ...]:
    """Change a coproc's algorithm, its parameters, its sharing; return warnings of what is lost by that."""
    if not coproc.platform.scheduled:
        raise CoprocsimError(
            f"`{coproc.spec.coproc_id}` shares itself: nothing of it is scheduled",
            why=f"platform `{coproc.platform.name}` drives hardware-virtualised silicon",
        )
    with _values():
        return _set_coproc(board, coproc, algorithm, settings, build)


def _set_coproc(
    board: Board, coproc: Coproc, algorithm: str | None, settings: Sequence[Setting], build: Build
) -> tuple[str, ...]:
    scheduler = type(coproc.scheduler) if algorithm is None else algorithm_named(algorithm, build)
    sharing = _sharing([setting for setting in settings if setting.name in SHARING])
    own = [setting for setting in settings if setting.name not in SHARING]
    values = check_settings(scheduler, Scope.COPROC, own)
    base = coproc.settings if scheduler is type(coproc.scheduler) else scheduler.defaults(Scope.COPROC)
    check_fit(coproc, scheduler, Scope.COPROC, {**base, **values})
    if scheduler.vcoprocs_max is not None and len(coproc.vcoprocs) > scheduler.vcoprocs_max:
        sharers = ", ".join(f"`{vcoproc.domain.name}`" for vcoproc in coproc.vcoprocs.values())
        raise CoprocsimError(
            f"`{scheduler.name}` shares a coproc among {scheduler.vcoprocs_max} at most, `{coproc.spec.coproc_id}` has "
            f"{len(coproc.vcoprocs)} vcoprocs",
            hint=f"destroy all but one of {sharers} first, or choose another algorithm",
        )
    dropped: tuple[str, ...] = ()
    if scheduler is not type(coproc.scheduler):
        dropped = tuple(_dropped(coproc, scheduler, {**base, **values}, [setting.name for setting in own]))
        for vcoproc in coproc.vcoprocs.values():
            its = {**scheduler.defaults(Scope.VCOPROC), **tuning.kept(scheduler, vcoproc.settings)}
            check_fit(coproc, scheduler, Scope.VCOPROC, its)
        tuning.set_algorithm(board, coproc, scheduler, {**base, **values}, scheduler.defaults(Scope.VCOPROC))
    elif values:
        tuning.set_parameters(board, coproc, values)
    if sharing:
        tuning.set_sharing(board, coproc, sharing)
    return dropped


def _dropped(
    coproc: Coproc, scheduler: type[Scheduler], settings: Mapping[str, Value], given: Sequence[str]
) -> Iterator[str]:
    """Yield a warning for the coproc, and for each domain, whose parameters another algorithm does not take over.

    It gets `settings`, of which those that are `given` are meant to be others.
    """
    known = of_scope(coproc.scheduler.parameters, Scope.COPROC)
    lost = [
        f"`{name}={parameter.show(coproc.settings[name])}`"
        for name, parameter in known.items()
        if name not in given and coproc.settings[name] not in {parameter.default, settings.get(name)}
    ]
    if lost:
        yield f"`{coproc.spec.coproc_id}`: `{scheduler.name}` does not take {', '.join(lost)} over"
    known = of_scope(coproc.scheduler.parameters, Scope.VCOPROC)
    for vcoproc in coproc.vcoprocs.values():
        kept = tuning.kept(scheduler, vcoproc.settings)
        lost = [
            f"`{name}={parameter.show(vcoproc.settings[name])}`"
            for name, parameter in known.items()
            if name not in kept and vcoproc.settings.get(name, parameter.default) != parameter.default
        ]
        if lost:
            yield f"`{vcoproc.domain.name}`: `{scheduler.name}` does not take {', '.join(lost)} over"


def _sharing(settings: Sequence[Setting]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for setting in settings:
        try:
            values[setting.name] = SHARING[setting.name].parse(setting.value)
        except BadValue as error:
            raise BadSetting(setting, str(error), error.hint) from error
    return values


def understood(scheduler: type[Scheduler], settings: Sequence[Setting]) -> tuple[str, ...]:
    """Return settings that were taken as they were understood, with their units: `slice=5ms` for `slice=5`."""
    known = {**SHARING, **{parameter.name: parameter for parameter in scheduler.parameters}}
    return tuple(f"{each.name}={known[each.name].show(known[each.name].parse(each.value))}" for each in settings)


@contextmanager
def _values() -> Iterator[None]:
    """Let a value that is refused be the user's mistake."""
    try:
        yield
    except BadValue as error:
        raise CoprocsimError(str(error), hint=error.hint) from error
