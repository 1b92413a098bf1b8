"""A device tree in memory: nodes with raw properties, found by path, alias or phandle.

A property has no type of its own; whoever asks for one says what it should be, and gets that or an error with its
place. What devices and `/chosen` mean by their properties is left to `device` and `binding`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from coprocsim.errors import DeviceTreeError, NodePlace, nearest

_SHOWN_MAX = 60
_COMPARED_MAX = 1000


@dataclass(slots=True, eq=False)
class Node:
    """A node as the blob has it: properties are bytes, in order, as are the children. To be read only."""

    name: str
    parent: "Node | None" = field(default=None, repr=False)
    properties: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, "Node"] = field(default_factory=dict, repr=False)

    @property
    def path(self) -> str:
        """The full path, `/` for the root."""
        names = []
        node = self
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        return "/" + "/".join(reversed(names))

    @property
    def available(self) -> bool:
        """Whether `status` is absent or okay."""
        status = self.properties.get("status")
        return status is None or status.rstrip(b"\0") in {b"okay", b"ok"}

    def place(self, name: str | None = None) -> NodePlace:
        """Return this node, or its property `name`, as the place of an error."""
        return NodePlace(self.path, name)

    def refused(self, name: str | None, what: str, hint: str) -> DeviceTreeError:
        """Return the error that says what is wrong with the property `name`, or with this node."""
        return DeviceTreeError(what, self.place(name), hint=hint)

    def cells(self, name: str) -> tuple[int, ...]:
        """Return the property as u32 cells; none where it is absent."""
        data = self.properties.get(name, b"")
        if len(data) % 4:
            raise self.refused(name, f"`{name}` has {len(data)} bytes", "it is made of cells of four bytes")
        return tuple(int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4))

    def cell(self, name: str) -> int:
        """Return the property as one u32 cell."""
        data = self.properties[name]
        if len(data) != 4:
            raise self.refused(name, f"`{name}` = {show(data)} is not one cell", f"write `{name} = <N>`")
        return int.from_bytes(data, "big")

    def strings(self, name: str) -> tuple[str, ...]:
        """Return the property as a list of strings; none where it is absent."""
        data = self.properties.get(name, b"")
        found = _decoded(data)
        if found is None:
            hint = f'write `{name} = "…"`; strings are printable and end with a zero byte'
            raise self.refused(name, f"`{name}` = {show(data)} is not a string", hint)
        return found

    def string(self, name: str) -> str:
        """Return the property as one string that is not empty."""
        found = self.strings(name)
        if len(found) != 1 or not found[0]:
            what = f"`{name}` = {show(self.properties.get(name, b''))} is not one string"
            raise self.refused(name, what, f'write `{name} = "…"`')
        return found[0]


def _decoded(data: bytes) -> tuple[str, ...] | None:
    """Return the strings of a property, or None where it is not made of strings."""
    if not data:
        return ()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    parts = text.split("\0")
    if parts[-1] or not all(part.isprintable() for part in parts):
        return None
    return tuple(parts[:-1])


def show(data: bytes) -> str:
    """Return a property's bytes as dtc would write them, as far as they can be guessed, and not too long."""
    found = _decoded(data[: 8 * _SHOWN_MAX])
    if not data:
        text = "(empty)"
    elif found is not None and any(found):
        text = ", ".join(f'"{part}"' for part in found)
    elif len(data) % 4 == 0:
        cells = (data[at : at + 4] for at in range(0, min(len(data), 8 * _SHOWN_MAX), 4))
        text = f"<{' '.join(hex(int.from_bytes(cell, 'big')) for cell in cells)}>"
    else:
        text = f"[{data[: 8 * _SHOWN_MAX].hex(' ')}]"
    return shortened(text)


def shortened(text: str) -> str:
    """Return `text`, cut where it would fill the screen."""
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole device tree; `aliases` are the paths that `/aliases` gives, whether or not they lead anywhere."""

    root: Node
    reservations: tuple[tuple[int, int], ...]
    phandles: Mapping[int, Node] = field(repr=False)
    aliases: Mapping[str, str]

    def nodes(self) -> Iterator[Node]:
        """Yield every node in the order of the blob, the root first."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children.values()))

    def find(self, path: str) -> Node | None:
        """Return the node of that full path, matched exactly, or None."""
        if path == "/":
            return self.root
        first, *names = path.split("/")
        if first or not names:
            return None
        node: Node | None = self.root
        for name in names:
            node = node.children.get(name) if node else None
        return node

    def resolve(self, name: str) -> Node | None:
        """Return the node of that full path or alias, matched exactly, or None."""
        return self.find(name if name.startswith("/") else self.aliases.get(name, ""))

    def suggestion(self, name: str) -> str:
        """Return what the user may have meant by a path or an alias that leads nowhere."""
        if name.startswith("/"):
            return self._nearest_path(name)
        if name in self.aliases:
            return f"`/aliases` gives `{name}` the path `{shortened(self.aliases[name])}`, which is not there"
        near = nearest(name, list(self.aliases)[:_COMPARED_MAX])
        return f"did you mean the alias `{near}`?" if near else "write a full path, or an alias of `/aliases`"

    def _nearest_path(self, path: str) -> str:
        node = self.root
        for name in path.strip("/").split("/"):
            if name not in node.children:
                near = nearest(name, list(node.children)[:_COMPARED_MAX]) or _same_kind(name, node)
                where = f"`{shortened(node.path)}` has no child `{shortened(name)}`"
                return f"{where}; did you mean `{node.children[near].path}`?" if near else where
            node = node.children[name]
        return f"did you mean `{node.path}`?"


def _same_kind(name: str, parent: Node) -> str | None:
    """Return the first child that differs from `name` in nothing but its unit address."""
    base = name.partition("@")[0]
    return next((child for child in parent.children if child.partition("@")[0] == base), None)


def build(root: Node, reservations: tuple[tuple[int, int], ...]) -> Tree:
    """Return the tree below `root`, its phandles and aliases indexed; DeviceTreeError for bad phandles."""
    phandles: dict[int, Node] = {}
    tree = Tree(root, reservations, phandles, _aliases(root))
    for node in tree.nodes():
        phandle = _phandle(node)
        if phandle is None:
            continue
        if phandle in phandles:
            what = f"the phandle {phandle:#x} is also that of `{phandles[phandle].path}`"
            raise node.refused("phandle", what, "a phandle names one node; let dtc number them")
        phandles[phandle] = node
    return tree


def _phandle(node: Node) -> int | None:
    found = {name: node.cell(name) for name in ("phandle", "linux,phandle") if name in node.properties}
    for name, value in found.items():
        if value in {0, 0xFFFFFFFF} or value != next(iter(found.values())):
            hint = "it is a number other than 0 and 0xffffffff, the same in `linux,phandle`; let dtc choose it"
            raise node.refused(name, f"{value:#x} cannot be a phandle", hint)
    return next(iter(found.values()), None)


def _aliases(root: Node) -> dict[str, str]:
    node = root.children.get("aliases")
    properties = node.properties if node else {}
    found = {name: _decoded(data) for name, data in properties.items()}
    return {name: paths[0] for name, paths in found.items() if paths and paths[0].startswith("/")}
