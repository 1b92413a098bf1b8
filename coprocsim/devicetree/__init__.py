"""The device tree that a machine is booted from: bytes to nodes, nodes to what is shared.

`loads` is the way in. The `fdt` package is used in `blob` only, and imported when the first tree is read.
"""

from dataclasses import dataclass

from coprocsim.devicetree import blob as _blob
from coprocsim.devicetree import machine as _machine
from coprocsim.devicetree import meant as _meant
from coprocsim.devicetree import memory as _memory
from coprocsim.devicetree import older as _older
from coprocsim.devicetree.source import compile_source
from coprocsim.devicetree.tree import Node, Tree
from coprocsim.errors import Report
from coprocsim.model import MachineSpec, Sharing, VcoprocNode

__all__ = ["Node", "System", "Tree", "compile_source", "load_domain_nodes", "loads", "memory_bytes", "names_meant"]

_USUAL = Sharing()


@dataclass(frozen=True, slots=True)
class System:
    """A device tree and what it shares."""

    tree: Tree
    machine: MachineSpec


def loads(blob: bytes, defaults: Sharing = _USUAL, report: Report | None = None) -> System:
    """Return the system that a device tree blob describes; `defaults` are for where it says nothing of the sharing.

    Raises DeviceTreeError, and nothing else, if it is not right. With a full report that is so only for a blob that
    is none; all other mistakes go into the report.
    """
    tree = _blob.parse(blob)
    return System(tree, _machine.read(tree, defaults, report or Report()))


def names_meant(tree: Tree) -> frozenset[str]:
    """Return the identifiers, paths and aliases of all that the tree means to share, whether or not it can."""
    return _meant.names(tree)


def memory_bytes(tree: Tree) -> int | None:
    """Return how much memory the machine has, None where its tree does not say."""
    return _memory.size_bytes(tree)


def load_domain_nodes(blob: bytes, report: Report | None = None) -> tuple[VcoprocNode, ...]:
    """Return the vcoprocs of a domain's partial device tree; DeviceTreeError, as of `loads`, if it is not right."""
    return _older.domain_nodes(_blob.parse(blob), report or Report())
