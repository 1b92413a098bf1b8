"""How much memory a machine has, as its nodes for memory say."""

from coprocsim.devicetree import device
from coprocsim.devicetree.tree import Tree
from coprocsim.errors import DeviceTreeError


def size_bytes(tree: Tree) -> int | None:
    """Return it, or None where the tree does not say it properly: a boot loader may fill it in."""
    found = 0
    for node in tree.root.children.values():
        if node.available and node.properties.get("device_type") == b"memory\0":
            try:
                found += sum(region.size_bytes for region in device.regions(node))
            except DeviceTreeError:
                return None
    return found or None
