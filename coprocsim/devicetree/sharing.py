"""How a coproc is shared whatever its algorithm: the `coproc-…` properties with limits of their own.

What the algorithm's own parameters (`coproc-sched-…`) mean, the algorithm knows.
"""

from coprocsim.devicetree.tree import Node, show
from coprocsim.errors import Report
from coprocsim.model import Sharing
from coprocsim.parameters import BadValue, Parameter, Value
from coprocsim.sharing import SHARING, sharing_of, values_of

_TEXT_MAX = 64

PROPERTIES = {f"coproc-{parameter.property_name()}": parameter for parameter in SHARING.values()}


def sharing(node: Node, defaults: Sharing, report: Report) -> Sharing:
    """Return what a child of `/chosen` says of the sharing, with the defaults for what it leaves out."""
    values = values_of(defaults)
    for name, parameter in PROPERTIES.items():
        if name in node.properties:
            with report.one():
                values[parameter.name] = _value(node, name, parameter)
    return sharing_of(values)


def _value(node: Node, name: str, parameter: Parameter) -> Value:
    data = node.properties[name]
    if len(data) > _TEXT_MAX:
        raise node.refused(name, f"`{name}` = {show(data)}", f"it is {parameter.limits()}")
    try:
        return parameter.from_tree(data)
    except BadValue as error:
        raise node.refused(name, str(error), error.hint) from error
