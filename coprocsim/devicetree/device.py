"""What a device says of itself: its registers, its interrupt lines, its IOMMU streams, its clock.

Which devices are shared, and how, is read by `binding`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from coprocsim.devicetree.tree import Node, Tree, shortened
from coprocsim.model import Line, Region, Stream

CLOCK_DEFAULT_HZ = 10**9
CLOCK_MAX_HZ = 10**12
PAGE_BYTES = 4096
# Far more than any coprocessor has; they bound the work that a hostile tree can ask for.
ENTRIES_MAX = 256
_TRANSLATIONS_MAX = 1 << 14
_CELLS_MAX = 16
_HOPS_MAX = 100

GIC_COMPATIBLE = frozenset(
    {
        "arm,arm11mp-gic",
        "arm,cortex-a5-gic",
        "arm,cortex-a7-gic",
        "arm,cortex-a9-gic",
        "arm,cortex-a15-gic",
        "arm,eb11mp-gic",
        "arm,gic-400",
        "arm,gic-v3",
        "arm,pl390",
        "arm,tc11mp-gic",
        "brcm,brahma-b15-gic",
        "qcom,msm-8660-qgic",
        "qcom,msm-qgic2",
    }
)
# The first cell of a GIC's specifier: the interrupt's kind, its first INTID and how many there are.
_GIC_KINDS = {0: (32, 988), 1: (16, 16)}


# ---------------------------------------------------------------- registers


def regions(node: Node) -> tuple[Region, ...]:
    """Return the ranges of `reg` at their physical addresses, with the names of `reg-names`."""
    if node.parent is None or not node.properties.get("reg"):
        raise node.refused(
            "reg", f"`{shortened(node.path)}` has no `reg`", "only a device with registers can be shared"
        )
    address_cells, size_cells = _widths(node.parent)
    entries = _entries(node, "reg", (address_cells, size_cells))
    _check_work(node, len(entries))
    labels = names(node, "reg-names", "reg", len(entries))
    return tuple(_region(node, name, *entry) for name, entry in zip(labels, entries, strict=True))


def _widths(bus: Node) -> tuple[int, int]:
    """Return how many cells addresses and sizes have on `bus`; nothing is inherited."""
    address = bus.cell("#address-cells") if "#address-cells" in bus.properties else 2
    size = bus.cell("#size-cells") if "#size-cells" in bus.properties else 1
    if not 1 <= address <= 4:
        raise bus.refused("#address-cells", f"addresses of {address} cells", "they have 1 to 4, mostly 1 or 2")
    if size > 4:
        raise bus.refused("#size-cells", f"sizes of {size} cells", "they have up to 4, mostly 1 or 2")
    return address, size


def _entries(node: Node, name: str, widths: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the entries of a property whose fields have so many cells each."""
    cells = node.cells(name)
    if len(cells) % sum(widths):
        what = f"`{name}` has {len(cells)} cells; its entries have {' + '.join(map(str, widths))}"
        raise node.refused(name, what, "the cell counts are those of the parent, 2 and 1 where it states none")
    entries = []
    for start in range(0, len(cells), sum(widths)):
        fields = []
        at = start
        for width in widths:
            fields.append(_number(cells[at : at + width]))
            at += width
        entries.append(tuple(fields))
    return entries


def _number(cells: tuple[int, ...]) -> int:
    number = 0
    for cell in cells:
        number = number << 32 | cell
    return number


def _check_work(node: Node, entries: int) -> None:
    if entries > ENTRIES_MAX:
        raise node.refused("reg", f"`reg` has {entries} entries", f"a coprocessor has up to {ENTRIES_MAX}")
    bus = node.parent
    ranges_bytes = 0
    while bus is not None:
        ranges_bytes += len(bus.properties.get("ranges", b""))
        bus = bus.parent
    if entries * ranges_bytes // 12 > _TRANSLATIONS_MAX:
        what = f"`reg` has {entries} entries to look up in {ranges_bytes} bytes of `ranges`"
        raise node.refused("reg", what, "no real bus has so many; check the `ranges` above this node")


def _region(node: Node, name: str, base: int, size_bytes: int) -> Region:
    if not size_bytes:
        hint = "share a device whose registers are mapped into memory; one on I2C, SPI or the like is not"
        raise node.refused("reg", f"range `{name}` at {base:#x} has no size", hint)
    physical = _translated(node, base, size_bytes)
    if physical + size_bytes > 2**64:
        what = f"range `{name}`, {size_bytes:#x} bytes from {physical:#x}, lies beyond 64 bits"
        raise node.refused("reg", what, "check `reg` and the cell counts of its parent")
    return Region(name, physical, size_bytes)


def _translated(node: Node, base: int, size_bytes: int) -> int:
    """Return a range's physical address: through the `ranges` of every bus up to the root."""
    bus = node.parent
    while bus is not None and bus.parent is not None:
        if "ranges" not in bus.properties:
            raise node.refused(
                "reg",
                f"{base:#x} has no physical address: `{shortened(bus.path)}` has no `ranges`",
                "an empty `ranges;` there says that addresses are the same on both sides",
            )
        if bus.properties["ranges"]:
            base = _through(node, bus, base, size_bytes)
        bus = bus.parent
    return base


def _through(node: Node, bus: Node, base: int, size_bytes: int) -> int:
    assert bus.parent is not None
    address_cells, size_cells = _widths(bus)
    widths = (address_cells, _widths(bus.parent)[0], size_cells)
    for inner, outer, length in _entries(bus, "ranges", widths):
        if inner <= base and base + size_bytes <= inner + length:
            return base - inner + outer
    raise node.refused(
        "reg",
        f"{size_bytes:#x} bytes from {base:#x} lie in no entry of the `ranges` of `{shortened(bus.path)}`",
        "a range must lie in one entry as a whole",
    )


# ---------------------------------------------------------------- names


def names(node: Node, names_property: str, entries_property: str, count: int) -> tuple[str, ...]:
    """Return a name for each of `count` entries: the stated one, else the entry's index."""
    stated = node.strings(names_property)
    if len(stated) > count:
        what = f"`{names_property}` has {len(stated)} names for {count} entries of `{entries_property}`"
        raise node.refused(names_property, what, "names and entries pair by their position")
    found = tuple(name or str(index) for index, name in enumerate(stated))
    found += tuple(str(index) for index in range(len(stated), count))
    seen: set[str] = set()
    for name in found:
        if name in seen:
            what = f"`{names_property}` has `{shortened(name)}` twice"
            raise node.refused(names_property, what, "give each entry a name of its own")
        seen.add(name)
    return found


# ---------------------------------------------------------------- interrupts


@dataclass(frozen=True, slots=True)
class Interrupt:
    """An interrupt specifier and the controller that it goes to."""

    controller: Node
    cells: tuple[int, ...]

    @property
    def intid(self) -> int | None:
        """The number by which a GIC knows it; None for other controllers."""
        if len(self.cells) < 3 or GIC_COMPATIBLE.isdisjoint(self.controller.strings("compatible")):
            return None
        first, count = _GIC_KINDS.get(self.cells[0], (0, 0))
        return first + self.cells[1] if self.cells[1] < count else None

    @property
    def wire(self) -> tuple[Node, tuple[int, ...]]:
        """What two specifiers of the same interrupt have in common: on a GIC, all but the trigger."""
        return self.controller, self.cells if self.intid is None else self.cells[:2]

    @property
    def label(self) -> str:
        """For people: `GIC 151`, or `controller:cells`."""
        intid = self.intid
        cells = ",".join(map(str, self.cells))
        return f"{self.controller.name}:{cells}" if intid is None else f"GIC {intid}"


def interrupts(tree: Tree, node: Node) -> tuple[Interrupt, ...]:
    """Return the node's interrupts; `interrupts-extended` wins over `interrupts`."""
    if "interrupts-extended" in node.properties:
        found = references(tree, node, "interrupts-extended", "#interrupt-cells")
        return tuple(Interrupt(controller, cells) for controller, cells in found)
    cells = node.cells("interrupts")
    if not cells:
        return ()
    controller = _interrupt_parent(tree, node)
    width = _width(controller, "#interrupt-cells")
    if len(cells) % width:
        what = f"`interrupts` has {len(cells)} cells; entries of `{controller.name}` have {width}"
        raise node.refused("interrupts", what, "check `interrupt-parent` and its `#interrupt-cells`")
    return tuple(Interrupt(controller, cells[at : at + width]) for at in range(0, len(cells), width))


def _interrupt_parent(tree: Tree, node: Node) -> Node:
    """Return the controller: `interrupt-parent` of the nearest ancestor, unless one is a controller itself."""
    at: Node | None = node
    for _ in range(_HOPS_MAX):  # references may lead in a circle
        if at is None:
            break
        if "interrupt-parent" in at.properties:
            at = target(tree, at, "interrupt-parent", at.cell("interrupt-parent"))
        else:
            at = at.parent
        if at is not None and "#interrupt-cells" in at.properties:
            return at
    hint = "put `interrupt-parent = <&gic>` into this node or one above it"
    raise node.refused("interrupts", "`interrupts` goes to no interrupt controller", hint)


def lines(node: Node, found: tuple[Interrupt, ...]) -> tuple[Line, ...]:
    """Return the node's interrupts as lines, with the names of `interrupt-names`."""
    used = "interrupts-extended" if "interrupts-extended" in node.properties else "interrupts"
    if len(found) > ENTRIES_MAX:
        hint = f"a coprocessor has up to {ENTRIES_MAX}"
        raise node.refused(used, f"`{used}` has {len(found)} entries", hint)
    labels = names(node, "interrupt-names", used, len(found))
    return tuple(Line(name, each.label, each.intid) for name, each in zip(labels, found, strict=True))


# ---------------------------------------------------------------- IOMMU streams and the clock


def streams(tree: Tree, node: Node) -> tuple[Stream, ...]:
    """Return the entries of `iommus`."""
    found = list(islice(references(tree, node, "iommus", "#iommu-cells"), ENTRIES_MAX + 1))
    if len(found) > ENTRIES_MAX:
        hint = f"a coprocessor has up to {ENTRIES_MAX}"
        raise node.refused("iommus", f"`iommus` has more than {ENTRIES_MAX} entries", hint)
    return tuple(Stream(iommu.path, cells) for iommu, cells in found)


def clock_hz(node: Node, name: str) -> int | None:
    """Return a frequency, one or two cells by its length; None where it is absent."""
    data = node.properties.get(name)
    if data is None:
        return None
    if len(data) not in {4, 8}:
        raise node.refused(name, f"`{name}` has {len(data)} bytes", "a frequency is one u32 or one u64, in Hz")
    return int.from_bytes(data, "big")


# ---------------------------------------------------------------- references


def references(tree: Tree, node: Node, name: str, cells_name: str) -> Iterator[tuple[Node, tuple[int, ...]]]:
    """Yield what a list of phandles refers to, each with as many cells as its target's `cells_name` says."""
    cells = node.cells(name)
    at = 0
    while at < len(cells):
        referred = target(tree, node, name, cells[at])
        end = at + 1 + _width(referred, cells_name, least=0)
        if end > len(cells):
            what = f"`{name}` ends within an entry of `{referred.name}`"
            raise node.refused(name, what, f"that has {end - at - 1} cells after its phandle (`{cells_name}`)")
        yield referred, cells[at + 1 : end]
        at = end


def target(tree: Tree, node: Node, name: str, phandle: int) -> Node:
    """Return the node that `phandle`, found in the property `name`, refers to."""
    if phandle not in tree.phandles:
        raise node.refused(name, f"`{name}` refers to phandle {phandle:#x}, which no node has", "write `<&label>`")
    return tree.phandles[phandle]


def _width(node: Node, name: str, least: int = 1) -> int:
    if name not in node.properties:
        raise node.refused(name, f"`{shortened(node.path)}` has no `{name}`", "what refers to it needs it")
    count = node.cell(name)
    if not least <= count <= _CELLS_MAX:
        raise node.refused(name, f"`{name}` = <{count}>", f"it is {least} to {_CELLS_MAX}")
    return count
