"""Whether settings that are allowed one by one fit together, and fit the coproc: a switch must leave useful time."""

import math
from collections.abc import Mapping
from fractions import Fraction
from itertools import accumulate

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


def over_reserved(coproc: Coproc) -> tuple[Vcoproc, str, str] | None:
    """Return the vcoproc with which more of `coproc` is reserved than there is, a warning and a hint; None if none."""
    vcoprocs = list(coproc.vcoprocs.values())
    parts = type(coproc.scheduler).reservations([each.settings for each in vcoprocs])
    sums = list(accumulate(parts or ()))
    first = next((vcoproc for vcoproc, total in zip(vcoprocs, sums, strict=False) if total > 1), None)
    if first is None or parts is None:
        return None
    each = ", ".join(f"`{its.domain.name}` {percent(part)}" for its, part in zip(vcoprocs, parts, strict=True))
    what = f"{percent(sums[-1])} of `{coproc.spec.coproc_id}` are reserved: {each}"
    return first, what, "reserve less, or for fewer domains: nobody is sure of its part now"


def percent(part: Fraction) -> str:
    """Return a part in percent, rounded up where that makes the difference to a whole."""
    return f"{math.ceil(1000 * part) / 10:g} %"


def _switch_cost_ps(coproc: Coproc) -> int:
    iommu_ps = coproc.platform.iommu_invalidate_ps if coproc.spec.streams else 0
    return coproc.platform.switch_cost_max_ps + iommu_ps
