"""How a coproc is shared whatever its algorithm: the `coproc-…` properties with limits of their own.

What the algorithm's own parameters (`coproc-sched-…`) mean, the algorithm knows.
"""

from coprocsim.devicetree.tree import Node, show
from coprocsim.model import Charge, Payer, Sharing
from coprocsim.parameters import BadValue, Kind, Parameter, Value
from coprocsim.units import PS_PER_US

_DEFAULT = Sharing()
_TIME_MAX_PS = (2**32 - 1) * PS_PER_US
_TEXT_MAX = 64

SHARING = (
    Parameter(
        "switch-timeout",
        Kind.TIME,
        _DEFAULT.switch_timeout_ps,
        "how long a vcoproc may deny a switch before it is reset; 0: for ever",
        0,
        _TIME_MAX_PS,
        bare_unit="us",
    ),
    Parameter(
        "retry-floor",
        Kind.TIME,
        _DEFAULT.retry_floor_ps,
        "the least time between two attempts to switch",
        PS_PER_US,
        _TIME_MAX_PS,
        bare_unit="us",
    ),
    Parameter(
        "charge",
        Kind.CHOICE,
        _DEFAULT.charge.value,
        "what a vcoproc owes for the time by which it overran its turn",
        choices=tuple(Charge),
    ),
    Parameter(
        "charge-factor",
        Kind.NUMBER,
        _DEFAULT.charge_factor,
        "with `charge` = averaging, the part of the debt that each turn pays: one over this",
        1,
        60,
    ),
    Parameter(
        "switch-cost-payer",
        Kind.CHOICE,
        _DEFAULT.payer.value,
        "whom the time of a context switch is charged to",
        choices=tuple(Payer),
    ),
)
"""The settings of every coproc; in the tree their names begin with `coproc-`, and times end in `-us`."""

PROPERTIES = {f"coproc-{parameter.property_name()}": parameter for parameter in SHARING}


def sharing(node: Node) -> Sharing:
    """Return what a child of `/chosen` says of the sharing, with the defaults for what it leaves out."""
    values: dict[str, Value] = {}
    for name, parameter in PROPERTIES.items():
        values[parameter.name] = _value(node, name, parameter) if name in node.properties else parameter.default
    return Sharing(
        switch_timeout_ps=int(values["switch-timeout"]),
        retry_floor_ps=int(values["retry-floor"]),
        charge=Charge(str(values["charge"])),
        charge_factor=int(values["charge-factor"]),
        payer=Payer(str(values["switch-cost-payer"])),
    )


def _value(node: Node, name: str, parameter: Parameter) -> Value:
    data = node.properties[name]
    if len(data) > _TEXT_MAX:
        raise node.refused(name, f"`{name}` = {show(data)}", f"it is {parameter.limits()}")
    try:
        return parameter.from_tree(data)
    except BadValue as error:
        raise node.refused(name, str(error), error.hint) from error
