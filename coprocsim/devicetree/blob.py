"""A flattened device tree: bytes to nodes, and a reasoned refusal for bytes that are none.

The `fdt` package parses; it does not defend itself. So every byte is walked once before it sees them, and it is handed
a blob that is well-formed, bounded and free of NOPs. What the properties mean is the business of the other modules.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Protocol

from coprocsim.devicetree.tree import Node, Tree, build
from coprocsim.errors import DeviceTreeError, NodePlace

MAGIC = 0xD00DFEED
BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9

SIZE_MAX = 2 * 2**20  # Xen's own limit
DEPTH_MAX = 64
NAME_MAX = 128
# `fdt` searches all earlier siblings for each new one: 40,000 of them would take a minute.
SEARCH_MAX = 20_000_000

_PROPERTY_NAME = re.compile(rb"[!-~]+")
_NODE_NAME = re.compile(rb"[!-.0-~]+")  # without the slash
_HEADER = struct.Struct(">10I")
_RESERVATION = struct.Struct(">QQ")
_WORD = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The three parts of a blob, cut out and within its bounds."""

    reservations: bytes
    structure: bytes
    strings: bytes


@dataclass(slots=True)
class _Open:
    """A node whose end the walk has not met yet."""

    name: str
    properties: set[str] = field(default_factory=set)
    children: set[str] = field(default_factory=set)


def parse(blob: bytes) -> Tree:
    """Return the tree of a blob; DeviceTreeError if it is malformed or beyond the limits."""
    blocks = _blocks(blob)
    structure = _Walk(blocks.structure, blocks.strings).cleaned()
    return _parsed(_joined(blocks.reservations, structure, blocks.strings))


def _refusal(what: str, *, why: str | None = None, path: str | None = None) -> DeviceTreeError:
    hint = "build it again with `dtc -I dts -O dtb`, and check that it was copied whole"
    return DeviceTreeError(what, NodePlace(path) if path else None, why=why, hint=hint)


# ---------------------------------------------------------------- the header and its blocks


def _blocks(blob: bytes) -> _Blocks:
    if len(blob) < 4 or _WORD.unpack_from(blob)[0] != MAGIC:
        start = blob[:4].hex(" ") or "nothing"
        raise DeviceTreeError(
            "not a device tree blob",
            None,
            why=f"it begins with {start}, not d0 0d fe ed",
            hint="give a `.dtb`, or a `.dts` source whose name ends so",
        )
    if len(blob) < _HEADER.size:
        raise _refusal("the blob ends within its header", why=f"it has {len(blob)} of {_HEADER.size} bytes")
    _, total, at_structure, at_strings, at_reservations, version, compatible, _, strings, structure = (
        _HEADER.unpack_from(blob)
    )
    _check_version(version, compatible)
    _check_size(total, len(blob))
    if version < 17:  # no such field yet: the next block or the end bounds it
        structure = total - min(at_structure, total)
    for name, start, size, alignment in (
        ("structure", at_structure, structure, 4),
        ("strings", at_strings, strings, 1),
        ("reservation", at_reservations, _RESERVATION.size, 8),
    ):
        if start < _HEADER.size - 4 or start + size > total or start % alignment:
            why = f"{size} bytes from {start}, aligned to {alignment}, of {total}"
            raise _refusal(f"the {name} block lies outside of the blob or is misaligned", why=why)
    return _Blocks(
        _reservations(blob[at_reservations:total]),
        blob[at_structure : at_structure + structure],
        blob[at_strings : at_strings + strings],
    )


def _check_version(version: int, compatible: int) -> None:
    if version < 16 or compatible > 17 or version < compatible:
        raise DeviceTreeError(
            f"blob of version {version}, compatible with {compatible}; this reads 16 and 17",
            None,
            hint="convert it: `dtc -I dtb -O dtb -V 17 -o new.dtb old.dtb`",
        )


def _check_size(total: int, present: int) -> None:
    if total > present:
        raise _refusal("the blob is cut short", why=f"its header says {total} bytes, {present} are there")
    if total > SIZE_MAX:
        raise DeviceTreeError(
            f"the blob has {total} bytes; Xen takes up to {SIZE_MAX}",
            None,
            hint="remove what the machine does not need, or the symbols (`dtc -@`)",
        )


def _reservations(block: bytes) -> bytes:
    """Return the reservation entries with their terminator."""
    for at in range(0, len(block) - _RESERVATION.size + 1, _RESERVATION.size):
        if _RESERVATION.unpack_from(block, at) == (0, 0):
            return block[: at + _RESERVATION.size]
    raise _refusal("the reservation block has no end", why="an entry of two zeros ends it")


# ---------------------------------------------------------------- the walk over the structure block


class _Walk:
    """One pass over the structure block: tags, names, bounds, duplicates."""

    def __init__(self, structure: bytes, strings: bytes) -> None:
        self._structure = structure
        self._strings = strings
        self._names: dict[int, str] = {}
        self._open: list[_Open] = []
        self._search = 0
        self._rooted = False
        self._at = 0

    def cleaned(self) -> bytes:
        """Return the block without its NOPs and without what follows its end."""
        kept: list[bytes] = []
        while True:
            start = self._at
            tag = self._word()
            if tag == NOP:
                continue
            if tag == BEGIN_NODE:
                self._begin()
            elif tag == PROP:
                self._property()
            elif tag == END_NODE:
                self._end()
            elif tag == END and self._rooted and not self._open:
                return b"".join((*kept, self._structure[start : self._at]))
            else:
                self._refuse_tag(tag, start)
            kept.append(self._structure[start : self._at])

    def _word(self) -> int:
        if self._at + 4 > len(self._structure):
            raise self._bad("the structure block ends too early", self._at)
        word: int = _WORD.unpack_from(self._structure, self._at)[0]
        self._at += 4
        return word

    def _begin(self) -> None:
        at = self._at
        end = self._structure.find(b"\0", at, at + NAME_MAX + 1)
        if end < 0:
            raise self._bad(f"a node's name has no end, or more than {NAME_MAX} characters", at)
        raw = self._structure[at:end]
        if not self._open:
            if self._rooted:
                raise self._bad("a second root node", at)
            if raw:
                raise self._bad("the root node has a name", at)
        else:
            self._check_name(raw, at, _NODE_NAME)
            self._add(self._open[-1].children, raw.decode("ascii"), "node", at)
        if len(self._open) == DEPTH_MAX:
            raise self._bad(f"nodes nest deeper than {DEPTH_MAX}", at)
        self._rooted = True
        self._open.append(_Open(raw.decode("ascii")))
        self._at = _aligned(end + 1)

    def _property(self) -> None:
        at = self._at
        if not self._open or self._open[-1].children:
            raise self._bad("a property stands outside of its node or after a child of it", at)
        size = self._word()
        name = self._property_name(self._word())
        self._add(self._open[-1].properties, name, "property", at)
        if self._at + size > len(self._structure):
            raise self._bad(f"`{name}` is longer than the structure block", at)
        self._at = _aligned(self._at + size)

    def _property_name(self, offset: int) -> str:
        if offset not in self._names:
            end = self._strings.find(b"\0", offset, offset + NAME_MAX + 1)
            if end < 0:
                why = f"a property's name has no end, or more than {NAME_MAX} characters"
                raise self._bad(why, self._at)
            raw = self._strings[offset:end]
            self._check_name(raw, self._at, _PROPERTY_NAME)
            self._names[offset] = raw.decode("ascii")
        return self._names[offset]

    def _end(self) -> None:
        if not self._open:
            raise self._bad("a node ends that has not begun", self._at)
        closed = self._open.pop()
        self._search += len(closed.children) ** 2 + len(closed.properties) ** 2
        if self._search > SEARCH_MAX:
            raise self._bad("too many nodes or properties beside each other", self._at)

    def _add(self, known: set[str], name: str, what: str, at: int) -> None:
        if name in known:
            raise self._bad(f"the {what} `{name}` is there twice", at)
        known.add(name)

    def _check_name(self, raw: bytes, at: int, form: re.Pattern[bytes]) -> None:
        if not form.fullmatch(raw):
            raise self._bad(f"`{raw.decode('ascii', 'backslashreplace')}` is no name", at)

    def _refuse_tag(self, tag: int, at: int) -> None:
        if tag == END:
            raise self._bad("the tree ends before its root does", at)
        raise self._bad(f"unknown tag {tag:#x}", at)

    def _bad(self, what: str, at: int) -> DeviceTreeError:
        path = "/" + "/".join(node.name for node in self._open[1:]) if self._open else None
        return _refusal(what, why=f"at byte {at} of the structure block", path=path)


def _aligned(at: int) -> int:
    return (at + 3) & ~3


# ---------------------------------------------------------------- through the fdt package


def _joined(reservations: bytes, structure: bytes, strings: bytes) -> bytes:
    at_structure = _HEADER.size + len(reservations)
    at_strings = at_structure + len(structure)
    total = at_strings + len(strings)
    header = _HEADER.pack(MAGIC, total, at_structure, at_strings, _HEADER.size, 17, 16, 0, len(strings), len(structure))
    return header + reservations + structure + strings


def _parsed(blob: bytes) -> Tree:
    import fdt  # noqa: PLC0415 - only what reads a tree needs it

    # Its constructor has a shared mutable default: reservations of one tree would show up in the next.
    shared = fdt.FDT.__init__.__defaults__[1]
    if isinstance(shared, list):
        shared.clear()
    parsed = fdt.parse_dtb(blob)
    reservations = tuple((int(entry["address"]), int(entry["size"])) for entry in parsed.entries)
    return build(_node(parsed.root, None), reservations)


class _Parsed(Protocol):
    """What is used of the package's nodes, which have no types."""

    name: str
    props: "list[_Parsed]"
    nodes: "list[_Parsed]"


def _node(parsed: _Parsed, parent: Node | None) -> Node:
    node = Node(parsed.name, parent, {each.name: _raw(each) for each in parsed.props})
    node.children.update((each.name, _node(each, node)) for each in parsed.nodes)
    return node


def _raw(parsed: _Parsed) -> bytes:
    """Return a property's bytes: the package has guessed a type for them, and keeps only that."""
    data: object = getattr(parsed, "data", b"")
    if isinstance(data, bytearray):
        return bytes(data)
    if not isinstance(data, list):
        return b""
    if isinstance(data[0], str):
        return b"".join(text.encode("ascii") + b"\0" for text in data)
    return struct.pack(f">{len(data)}I", *data)
