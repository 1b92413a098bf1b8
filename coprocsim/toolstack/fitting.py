"""Whether settings that are allowed one by one fit together, and fit the coproc: a switch must leave useful time."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

from coprocsim.guests.base import NOTHING
from coprocsim.hypervisor.state import Coproc, Vcoproc
from coprocsim.parameters import BadValue, Scope, Value
from coprocsim.schedulers.base import Scheduler
from coprocsim.units import show_duration


def check_fit(coproc: Coproc, scheduler: type[Scheduler], scope: Scope, settings: Mapping[str, Value]) -> None:
    """Raise BadValue if all the values of one scope, those of `coproc` or of one of its vcoprocs, do not fit."""
    scheduler.check_together(scope, settings)
    cost_ps = _switch_cost_ps(coproc)
    takes = (
        f"on `{coproc.spec.coproc_id}` is no longer than a context switch, which takes up to {show_duration(cost_ps)}"
    )
    if scope is Scope.COPROC:
        length_ps = scheduler.least_length_ps(settings)
        if length_ps is not None and length_ps <= cost_ps:
            hint = "no useful time would be left; make the turn longer"
            raise BadValue(f"a turn of {show_duration(length_ps)} {takes}", hint)
    else:
        budget_ps = scheduler.least_budget_ps(settings)
        if budget_ps is not None and budget_ps <= cost_ps:
            hint = "no useful time would be left; make the budget longer"
            raise BadValue(f"a budget of {show_duration(budget_ps)} {takes}", hint)


def beyond_reservations(coproc: Coproc) -> Iterator[tuple[Vcoproc, str, str]]:
    """Yield a vcoproc, a warning and a hint where more is reserved than there is, or asked for than is reserved."""
    vcoprocs = list(coproc.vcoprocs.values())
    parts = type(coproc.scheduler).reservations([each.settings for each in vcoprocs])
    if parts is None:
        return
    coproc_id = coproc.spec.coproc_id
    before = Fraction(0)
    for vcoproc, part in zip(vcoprocs, parts, strict=True):
        if before <= 1 < before + part:
            each = ", ".join(f"`{v.domain.name}` {_percent(its)}" for v, its in zip(vcoprocs, parts, strict=True))
            what = f"{_percent(sum(parts, Fraction(0)))} of `{coproc_id}` are reserved: {each}"
            yield vcoproc, what, "reserve less, or for fewer domains: nobody is sure of its part now"
        before += part
        demand = NOTHING if vcoproc.guest is None else vcoproc.guest.demand()
        if demand.work_ps and demand.period_ps and demand.deadline_ps and demand.work_ps > part * demand.period_ps:
            asked = _percent(Fraction(demand.work_ps, demand.period_ps))
            what = f"`{vcoproc.domain.name}` asks for {asked} of `{coproc_id}`, and is sure of {_percent(part)}"
            yield vcoproc, what, "its deadlines are met only by what others leave: reserve more for it"


def _percent(part: Fraction) -> str:
    """Return a part in percent, rounded up where that makes the difference to a whole."""
    return f"{math.ceil(1000 * part) / 10:g} %"


def _switch_cost_ps(coproc: Coproc) -> int:
    iommu_ps = coproc.platform.iommu_invalidate_ps if coproc.spec.streams else 0
    return coproc.platform.switch_cost_max_ps + iommu_ps
