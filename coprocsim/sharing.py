"""The statement of how a coproc is shared whatever its algorithm: one for the device tree, `sched set` and the docs."""

from collections.abc import Mapping

from coprocsim.model import Charge, Payer, Sharing
from coprocsim.parameters import Kind, Parameter, Value
from coprocsim.units import PS_PER_S, PS_PER_US

_TIME_MAX_PS = 1000 * PS_PER_S
_DEFAULT = Sharing()

SHARING: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "charge",
            Kind.CHOICE,
            _DEFAULT.charge.value,
            "what a vcoproc owes for overrunning while it denies",
            choices=tuple(Charge),
        ),
        Parameter(
            "charge-factor",
            Kind.NUMBER,
            _DEFAULT.charge_factor,
            "with averaging, each turn pays 1 / this of what is owed",
            1,
            60,
        ),
        Parameter(
            "switch-cost-payer", Kind.CHOICE, _DEFAULT.payer.value, "who is charged for a switch", choices=tuple(Payer)
        ),
        Parameter(
            "switch-timeout",
            Kind.TIME,
            _DEFAULT.switch_timeout_ps,
            "how long a switch may be denied; 0 is for ever",
            0,
            _TIME_MAX_PS,
        ),
        Parameter(
            "retry-floor",
            Kind.TIME,
            _DEFAULT.retry_floor_ps,
            "the least time between two attempts to leave",
            PS_PER_US,
            _TIME_MAX_PS,
        ),
    )
}


def values_of(sharing: Sharing) -> dict[str, Value]:
    """Return the settings of a coproc's sharing, by the names in `SHARING`."""
    return {
        "charge": sharing.charge.value,
        "charge-factor": sharing.charge_factor,
        "switch-cost-payer": sharing.payer.value,
        "switch-timeout": sharing.switch_timeout_ps,
        "retry-floor": sharing.retry_floor_ps,
    }


def sharing_of(values: Mapping[str, Value]) -> Sharing:
    """Return the sharing with these settings, all of those in `SHARING`; inverse of `values_of`."""
    return Sharing(
        switch_timeout_ps=int(values["switch-timeout"]),
        retry_floor_ps=int(values["retry-floor"]),
        charge=Charge(str(values["charge"])),
        charge_factor=int(values["charge-factor"]),
        payer=Payer(str(values["switch-cost-payer"])),
    )
