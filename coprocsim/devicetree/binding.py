"""What `/chosen` shares: each child with `compatible = "xen,coproc"` becomes a CoprocSpec.

The properties are those of `dts/README.md`. Whether an algorithm exists and takes its settings, and whether a
platform drives the device, is checked by whoever knows them, with the places that stand in the spec. The forms of
older trees are read by `older`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from coprocsim.devicetree import device
from coprocsim.devicetree.sharing import PROPERTIES, sharing
from coprocsim.devicetree.tree import Node, Tree, shortened, show
from coprocsim.errors import DeviceTreeError, NodePlace, Report, nearest
from coprocsim.model import CoprocSpec, Line, Region, Sharing, TreeSetting

_Wire: TypeAlias = tuple[Node, tuple[int, ...]]

COMPATIBLE = "xen,coproc"
COPROCS_MAX = 256
ID_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,14}")
ID_RULE = "a letter or digit, then up to 14 letters, digits, `_` or `-`"

_SETTING = "coproc-sched-"
_EVERYWHERE = ("compatible", "status", "phandle", "linux,phandle", "name")
_KNOWN = (
    *_EVERYWHERE,
    "coproc-device",
    "coproc-path",
    "coproc-id",
    "coproc-sched",
    "coproc-clock-hz",
    *PROPERTIES,
)
_DOMAIN_COMPATIBLE = "xen,vcoproc"
_DOMAIN_KNOWN = (*_EVERYWHERE, "domain")
_DOMAIN_FORM = re.compile(r"[A-Za-z0-9_.+-]{1,64}")
# The algorithms know their settings; these are what something near to them most often means.
_LIKELY = (f"{_SETTING}slice-us", f"{_SETTING}weight", f"{_SETTING}priority")


@dataclass(frozen=True, slots=True)
class Shared:
    """A device that the tree shares: under which identifier, and where that is said."""

    coproc_id: str
    node: Node
    place: NodePlace
    chosen: Node | None = None


# ---------------------------------------------------------------- which devices


def chosen_devices(tree: Tree, report: Report) -> Iterator[Shared]:
    """Yield what the children of `/chosen` share."""
    chosen = tree.find("/chosen")
    for child in chosen.children.values() if chosen else ():
        if child.available and is_binding(child):
            _check_known(child, _KNOWN, report)
            coproc_id = report.attempt(partial(_identifier, child), None)
            node = report.attempt(partial(_device, tree, child), None)
            if coproc_id is not None and node is not None:
                yield Shared(coproc_id, node, child.place(), child)
            else:
                # Nothing is shared by it; what else it says can be wrong all the same.
                _domain_settings(child, report)
                sharing(child, Sharing(), report)


def is_binding(node: Node) -> bool:
    """Return whether `node` says of itself that it shares something; what cannot be read does not."""
    try:
        return COMPATIBLE in node.strings("compatible")
    except DeviceTreeError:
        return False


def _check_known(node: Node, known: tuple[str, ...], report: Report) -> None:
    for name in node.properties:
        if name not in known and not (name.startswith(_SETTING) and len(name) > len(_SETTING)):
            near = nearest(name, (*known, *_LIKELY))
            listed = ", ".join(f"`{each}`" for each in known if each not in _EVERYWHERE)
            hint = f"did you mean `{near}`?" if near else f"it takes {listed} and `{_SETTING}<parameter>`"
            with report.one():
                raise node.refused(name, f"unknown property `{name}`", hint)


def _identifier(child: Node) -> str:
    if "coproc-id" not in child.properties:
        hint = 'write `coproc-id = "gpu0"`: the name that domain configs use'
        raise child.refused("coproc-id", "no `coproc-id`", hint)
    coproc_id = child.string("coproc-id")
    if not ID_FORM.fullmatch(coproc_id):
        raise child.refused("coproc-id", f"`{shortened(coproc_id)}` cannot be an identifier", f"it is {ID_RULE}")
    return coproc_id


def _device(tree: Tree, child: Node) -> Node:
    by_phandle, by_path = ("coproc-device" in child.properties, "coproc-path" in child.properties)
    if by_phandle == by_path:
        what = "both `coproc-device` and `coproc-path`" if by_phandle else "no device"
        hint = 'write either `coproc-device = <&label>` or `coproc-path = "/path/of/the/device"`'
        raise child.refused("coproc-device", f"{what} in `{child.name}`", hint)
    if by_phandle:
        return _by_phandle(tree, child)
    path = child.string("coproc-path")
    found = tree.resolve(path)
    if found is None:
        what = f"no node has the path or alias `{shortened(path)}`"
        raise child.refused("coproc-path", what, tree.suggestion(path))
    return found


def _by_phandle(tree: Tree, child: Node) -> Node:
    data = child.properties["coproc-device"]
    if len(data) != 4:
        hint = "write `coproc-device = <&label>`; a path or an alias is given by `coproc-path`"
        raise child.refused("coproc-device", f"`coproc-device` = {show(data)} is not a phandle", hint)
    return device.target(tree, child, "coproc-device", child.cell("coproc-device"))


def distinct(tree: Tree, found: list[Shared], report: Report) -> list[Shared]:
    """Return `found` without a device that is shared twice, and an identifier that could mean two: mistakes both."""
    if len(found) > COPROCS_MAX:
        last = found[COPROCS_MAX]
        what = f"more than {COPROCS_MAX} coprocs"
        raise DeviceTreeError(what, last.place, hint=f"a machine shares up to {COPROCS_MAX}")
    ids: dict[str, Shared] = {}
    devices: dict[Node, Shared] = {}
    for shared in found:
        with report.one():
            _check_distinct(tree, shared, ids, devices)
            ids[shared.coproc_id] = devices[shared.node] = shared
    return list(ids.values())


def _check_distinct(tree: Tree, shared: Shared, ids: dict[str, Shared], devices: dict[Node, Shared]) -> None:
    if shared.node in devices:
        what = f"`{shortened(shared.node.path)}` is shared already, as `{devices[shared.node].coproc_id}`"
        raise DeviceTreeError(what, shared.place, hint="share a device once; any number of domains may use it")
    if shared.coproc_id in ids:
        what = f"`{shared.coproc_id}` is already the identifier of `{shortened(ids[shared.coproc_id].node.path)}`"
        raise DeviceTreeError(what, _id_place(shared), hint="give each coproc a `coproc-id` of its own")
    alias = tree.aliases.get(shared.coproc_id)
    if alias is not None and tree.find(alias) is not shared.node:
        what = f"the identifier `{shared.coproc_id}` is also an alias, of `{shortened(alias)}`"
        raise DeviceTreeError(what, _id_place(shared), hint="choose another `coproc-id`: domain configs take both")


def _id_place(shared: Shared) -> NodePlace:
    return NodePlace(shared.place.node, "coproc-id" if shared.chosen else shared.place.property)


# ---------------------------------------------------------------- one of them


def coproc(
    tree: Tree, shared: Shared, aliases: tuple[str, ...], defaults: Sharing, report: Report
) -> tuple[CoprocSpec, bool]:
    """Return everything that the tree says of one shared device, and whether nothing is missing that it must say."""
    node, chosen = shared.node, shared.chosen
    usual = (device.CLOCK_DEFAULT_HZ, "default")
    with report.one():
        _check_usable(shared)
    _warn_of_disabled_bus(shared, report)
    interrupts = report.attempt(lambda: device.interrupts(tree, node), None)
    hz, source = report.attempt(lambda: _clock(shared, report), usual)
    compatible = report.attempt(lambda: node.strings("compatible"), None)
    regions = report.attempt(lambda: device.regions(node), None)
    lines = None if interrupts is None else report.attempt(partial(device.lines, node, interrupts), None)
    streams = report.attempt(lambda: device.streams(tree, node), None)
    algorithm = report.attempt(lambda: _algorithm(chosen), "")
    spec = CoprocSpec(
        coproc_id=shared.coproc_id,
        path=node.path,
        compatible=compatible or (),
        regions=regions or (),
        lines=lines or (),
        streams=streams or (),
        clock_hz=hz,
        clock_source=source,
        place=shared.place,
        aliases=aliases,
        algorithm=algorithm,
        settings=_settings(chosen) if chosen else (),
        domain_settings=_domain_settings(chosen, report) if chosen else {},
        sharing=sharing(chosen, defaults, report) if chosen else defaults,
    )
    whole = None not in {compatible, regions, lines, streams} and algorithm != ""
    if whole:
        _warn_of_doubts(tree, shared, spec, report)
    return spec, whole


def _algorithm(chosen: Node | None) -> str | None:
    return chosen.string("coproc-sched") if chosen and "coproc-sched" in chosen.properties else None


def _check_usable(shared: Shared) -> None:
    node = shared.node
    if not node.available:
        what = f"`{shortened(node.path)}` is disabled (`status` = {show(node.properties['status'])})"
        hint = f'enable it (`status = "okay"`), or do not share it as `{shared.coproc_id}`'
        raise node.refused("status", what, hint)
    if "xen,passthrough" in node.properties:
        what = f"`{shortened(node.path)}` is given to one domain as a whole (`xen,passthrough`)"
        raise node.refused("xen,passthrough", what, "remove `xen,passthrough` to share it")


def _clock(shared: Shared, report: Report) -> tuple[int, str]:
    for node, name in ((shared.chosen, "coproc-clock-hz"), (shared.node, "clock-frequency")):
        hz = device.clock_hz(node, name) if node else None
        # Boot loaders fill in a zero; one that nobody has filled in says nothing.
        if node is None or hz is None or (hz == 0 and name == "clock-frequency"):
            continue
        if not 1 <= hz <= device.CLOCK_MAX_HZ:
            raise node.refused(name, f"`{name}` = {hz} Hz is out of range", f"it is 1 to {device.CLOCK_MAX_HZ} Hz")
        return hz, name
    report.note(
        f"coproc `{shared.coproc_id}`: `{shared.node.path}` states no clock, 1 GHz is assumed; "
        "`coproc-clock-hz` sets it"
    )
    return device.CLOCK_DEFAULT_HZ, "default"


def _settings(node: Node) -> tuple[TreeSetting, ...]:
    return tuple(
        TreeSetting(name.removeprefix(_SETTING), data, node.place(name))
        for name, data in node.properties.items()
        if name.startswith(_SETTING)
    )


def _domain_settings(chosen: Node, report: Report) -> dict[str, tuple[TreeSetting, ...]]:
    found: dict[str, tuple[TreeSetting, ...]] = {}
    for child in chosen.children.values():
        if child.available:
            with report.one():
                domain = _domain(child, report)
                if domain in found:
                    raise child.refused("domain", f"a second subnode for domain `{domain}`", "put all into one")
                found[domain] = _settings(child)
    return found


def _domain(child: Node, report: Report) -> str:
    """Return the domain that a subnode says something of."""
    if _DOMAIN_COMPATIBLE not in child.strings("compatible"):
        hint = f'a subnode says something of one domain: `compatible = "{_DOMAIN_COMPATIBLE}"`'
        raise child.refused("compatible", f"subnode `{child.name}` is none of a vcoproc", hint)
    _check_known(child, _DOMAIN_KNOWN, report)
    domain = child.string("domain") if "domain" in child.properties else ""
    if not _DOMAIN_FORM.fullmatch(domain):
        what = f"`domain` = `{shortened(domain)}` is no domain's name" if domain else "no `domain`"
        raise child.refused("domain", what, 'write `domain = "NAME"` with the `name` of its config')
    return domain


# ---------------------------------------------------------------- doubts


def _warn_of_doubts(tree: Tree, shared: Shared, spec: CoprocSpec, report: Report) -> None:
    node = shared.node

    def warn(name: str, what: str) -> None:
        report.warn(f"coproc `{spec.coproc_id}`: {what}", node.place(name))

    for what in _unnamed(node, "reg-names", spec.regions, "register ranges"):
        warn("reg-names", what)
    for what in _unnamed(node, "interrupt-names", spec.lines, "interrupt lines"):
        warn("interrupt-names", what)
    if not spec.lines:
        warn("interrupts", "no interrupt: drivers have to poll it")
    for region in spec.regions:
        if region.base % device.PAGE_BYTES or region.size_bytes % device.PAGE_BYTES:
            where = f"range `{region.name}` ({region.size_bytes:#x} bytes from {region.base:#x})"
            warn("reg", f"{where} is not page-aligned: mapping it exposes its neighbours")
    for stream in spec.streams:
        iommu = tree.find(stream.iommu)
        if iommu is not None and not iommu.available:
            warn("iommus", f"its IOMMU `{stream.iommu}` is disabled")


def _unnamed(
    node: Node, names_property: str, entries: tuple[Region, ...] | tuple[Line, ...], what: str
) -> Iterator[str]:
    unnamed = len(entries) - sum(map(bool, node.strings(names_property)))
    if len(entries) > 1 and unnamed:
        yield f"{unnamed} of {len(entries)} {what} have no name in `{names_property}`: they go by their index"


def _warn_of_disabled_bus(shared: Shared, report: Report) -> None:
    bus = shared.node.parent
    while bus is not None:
        if not bus.available:
            what = f"coproc `{shared.coproc_id}`: it stands below `{bus.path}`, which is disabled"
            report.warn(what, bus.place("status"))
        bus = bus.parent


def warn_of_shared_interrupts(tree: Tree, found: list[Shared], report: Report) -> None:
    """Warn of interrupts of shared devices that other nodes use too."""
    users: dict[_Wire, dict[Node, None]] = {}
    for shared in found:
        for interrupt in _readable_interrupts(tree, shared.node):
            users.setdefault(interrupt.wire, {})
    for node in tree.nodes():
        for interrupt in _readable_interrupts(tree, node) if node.available else ():
            if interrupt.wire in users:
                users[interrupt.wire][node] = None
    for shared in found:
        for interrupt in _readable_interrupts(tree, shared.node):
            others = [shortened(node.path) for node in users[interrupt.wire] if node is not shared.node]
            if others:
                more = f" and {len(others) - 1} more" if len(others) > 1 else ""
                what = f"interrupt {interrupt.label} is also used by `{others[0]}`{more}"
                report.warn(f"coproc `{shared.coproc_id}`: {what}", shared.node.place("interrupts"))


def _readable_interrupts(tree: Tree, node: Node) -> tuple[device.Interrupt, ...]:
    """Return the interrupts of a node; what is wrong with them is not our business, or is known already."""
    try:
        return device.interrupts(tree, node)
    except DeviceTreeError:
        return ()
