"""How a coproc is shared whatever its algorithm: the `coproc-…` properties with limits of their own.

What the algorithm's own parameters (`coproc-sched-…`) mean, the algorithm knows.
"""

from coprocsim.devicetree.tree import Node, show
from coprocsim.model import Sharing
from coprocsim.parameters import BadValue, Parameter, Value
from coprocsim.sharing import SHARING, sharing_of

_TEXT_MAX = 64

PROPERTIES = {f"coproc-{parameter.property_name()}": parameter for parameter in SHARING.values()}


def sharing(node: Node) -> Sharing:
    """Return what a child of `/chosen` says of the sharing, with the defaults for what it leaves out."""
    values: dict[str, Value] = {}
    for name, parameter in PROPERTIES.items():
        values[parameter.name] = _value(node, name, parameter) if name in node.properties else parameter.default
    return sharing_of(values)


def _value(node: Node, name: str, parameter: Parameter) -> Value:
    data = node.properties[name]
    if len(data) > _TEXT_MAX:
        raise node.refused(name, f"`{name}` = {show(data)}", f"it is {parameter.limits()}")
    try:
        return parameter.from_tree(data)
    except BadValue as error:
        raise node.refused(name, str(error), error.hint) from error
