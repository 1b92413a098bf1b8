"""Under which names a tree means to share something, whether or not it can.

For who goes on after a mistake: what names a coproc whose own node is wrong is not wrong for that.
"""

from collections.abc import Iterator

from coprocsim.devicetree import binding, older
from coprocsim.devicetree.tree import Node, Tree
from coprocsim.errors import DeviceTreeError


def names(tree: Tree) -> frozenset[str]:
    """Return the identifiers, paths and aliases of all that the tree means to share."""
    found = set(_names(tree))
    return frozenset(found | {alias for alias, path in tree.aliases.items() if path in found})


def _names(tree: Tree) -> Iterator[str]:
    chosen = tree.find("/chosen")
    for child in chosen.children.values() if chosen else ():
        if child.available and binding.is_binding(child):
            for name in ("coproc-id", "coproc-path"):
                for text in _strings(child, name):
                    yield tree.aliases.get(text, text) if name == "coproc-path" else text
            phandle = int.from_bytes(child.properties.get("coproc-device", b""), "big")
            if phandle in tree.phandles:
                yield tree.phandles[phandle].path
    for node in tree.nodes():
        if older.MARK in node.properties:
            yield node.path
            yield node.name.split("@")[0]


def _strings(node: Node, name: str) -> tuple[str, ...]:
    """Return the strings of a property, none if it is something else."""
    try:
        return node.strings(name)
    except DeviceTreeError:
        return ()
