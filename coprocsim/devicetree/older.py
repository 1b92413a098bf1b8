"""The forms that existing trees have: `xen,coproc` on a device, `xen,vcoproc` on a node.

Written by those who configured the original framework; new trees say the same in `/chosen`, where it can say more.
"""

from collections.abc import Iterator
from functools import partial

from coprocsim.devicetree.binding import COPROCS_MAX, ID_FORM, ID_RULE, Shared
from coprocsim.devicetree.device import regions
from coprocsim.devicetree.tree import Node, Tree, shortened
from coprocsim.errors import Report
from coprocsim.model import VcoprocNode

MARK = "xen,coproc"
VCOPROC = "xen,vcoproc"


def marked_devices(tree: Tree, report: Report) -> Iterator[Shared]:
    """Yield the devices with the boolean `xen,coproc`, under their alias or else their node's name."""
    first_alias = {path: name for name, path in reversed(list(tree.aliases.items()))}
    for node in tree.nodes():
        if MARK in node.properties:
            coproc_id = report.attempt(partial(_identifier, node, first_alias.get(node.path)), None)
            if coproc_id is not None:
                yield Shared(coproc_id, node, node.place(MARK))


def _identifier(node: Node, alias: str | None) -> str:
    coproc_id = alias or node.name.split("@")[0]
    if not ID_FORM.fullmatch(coproc_id):
        whose = "alias" if alias else "name"
        what = f"the {whose} `{shortened(coproc_id)}` of a shared device cannot be its identifier: {ID_RULE}"
        raise node.refused(MARK, what, "share it by a child of `/chosen`, which gives it a `coproc-id`")
    return coproc_id


def vcoproc_nodes(tree: Tree) -> Iterator[Node]:
    """Yield the available nodes that stand for a domain's vcoproc."""
    for node in tree.nodes():
        if VCOPROC in node.properties and node.available:
            yield node


def domain_nodes(tree: Tree) -> tuple[VcoprocNode, ...]:
    """Return what a domain's partial tree says: which coprocs, and at which guest addresses."""
    found: dict[str, VcoprocNode] = {}
    for node in vcoproc_nodes(tree):
        name = node.string(VCOPROC)
        if name in found:
            what = f"a second node for coproc `{shortened(name)}`, after `{found[name].path}`"
            raise node.refused(VCOPROC, what, "a domain has one vcoproc of each coproc")
        if len(found) == COPROCS_MAX:
            raise node.refused(VCOPROC, f"more than {COPROCS_MAX} vcoprocs", f"a domain has up to {COPROCS_MAX}")
        # Without `reg` of its own the domain sees the coproc where it physically is.
        windows = regions(node) if "reg" in node.properties else ()
        found[name] = VcoprocNode(name, node.path, windows)
    return tuple(found.values())
