"""A whole machine from its tree: what it shares, which vcoprocs dom0 has, what Xen's boot arguments say."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from coprocsim.devicetree import binding, meant, older
from coprocsim.devicetree.tree import Tree, shortened
from coprocsim.errors import DeviceTreeError, NodePlace, Report, did_you_mean
from coprocsim.model import CoprocSpec, MachineSpec, Setting, Sharing

_BOOTARGS = "xen,xen-bootargs"
_DOM0 = "dom0_coprocs"
_ALGORITHM = "vcoproc_sched"
_COMMAS_MAX = 8


def read(tree: Tree, defaults: Sharing, report: Report) -> MachineSpec:
    """Return what the tree shares, as `defaults` where it says nothing; DeviceTreeError for the first mistake.

    With a full report all mistakes go into that.
    """
    shared = chain(binding.chosen_devices(tree, report), older.marked_devices(tree, report))
    found = binding.distinct(tree, list(islice(shared, binding.COPROCS_MAX + 1)), report)
    aliases: dict[str, list[str]] = {}
    for name, path in tree.aliases.items():
        aliases.setdefault(path, []).append(name)
    read = [binding.coproc(tree, each, tuple(aliases.get(each.node.path, ())), defaults, report) for each in found]
    coprocs = tuple(spec for spec, whole in read if whole)
    binding.warn_of_shared_interrupts(tree, found, report)
    _warn_of_nothing(tree, coprocs, report)
    arguments = _boot_arguments(tree, report)
    return MachineSpec(
        model=_model(tree),
        coprocs=coprocs,
        dom0_coprocs=_dom0_coprocs(tree, coprocs, arguments.get(_DOM0), report),
        default_algorithm=arguments.get(_ALGORITHM),
        aliases=tree.aliases,
        notes=tuple(report.notes),
        warnings=tuple(report.warnings),
        broken=tuple(spec for spec, whole in read if not whole),
    )


def _model(tree: Tree) -> str:
    """Return what the machine calls itself; a tree that does not say so properly is none the worse for it."""
    for name in ("model", "compatible"):
        try:
            stated = tree.root.strings(name)
        except DeviceTreeError:
            continue
        if stated and stated[0]:
            return shortened(stated[0])
    return ""


def _warn_of_nothing(tree: Tree, coprocs: tuple[CoprocSpec, ...], report: Report) -> None:
    chosen = tree.find("/chosen")
    for node in tree.nodes():
        if node.parent is not chosen and binding.is_binding(node):
            report.warn(f"`{shortened(node.path)}` shares nothing: only a child of `/chosen` does", node.place())
    if not coprocs and not meant.names(tree):
        report.warn(f'this tree shares no coproc: a child of `/chosen` with `compatible = "{binding.COMPATIBLE}"` does')


# ---------------------------------------------------------------- boot arguments and dom0


def _boot_arguments(tree: Tree, report: Report) -> Mapping[str, Setting]:
    """Return the arguments that are ours; of one given twice the last holds, as in Xen."""
    chosen = tree.find("/chosen")
    if chosen is None or _BOOTARGS not in chosen.properties:
        return {}
    found = {}
    for argument in " ".join(report.attempt(lambda: chosen.strings(_BOOTARGS), ())).split():
        name, _, value = argument.partition("=")
        if name in {_DOM0, _ALGORITHM}:
            with report.one():
                if not value:
                    raise chosen.refused(_BOOTARGS, f"`{name}` says nothing", f"write `{name}=…`, or leave it out")
                found[name] = Setting(name, value, chosen.place(_BOOTARGS))
    return found


def _dom0_coprocs(
    tree: Tree, coprocs: tuple[CoprocSpec, ...], argument: Setting | None, report: Report
) -> tuple[Setting, ...]:
    """Return one setting for each vcoproc of dom0; those of its nodes repeat those of its arguments."""
    found: dict[str, Setting] = {}
    broken = meant.names(tree)
    for setting, spec in _listed(tree, coprocs, argument) if argument else ():
        with report.one():
            if spec is not None and spec.coproc_id in found:
                raise _refused(setting, f"`{_DOM0}` names `{spec.coproc_id}` twice", "name each coproc once")
            if spec is not None:
                found[spec.coproc_id] = setting
            elif setting.value not in broken:
                raise _unknown(setting, coprocs)
    for node in older.vcoproc_nodes(tree):
        with report.one():
            setting = Setting(older.VCOPROC, node.string(older.VCOPROC), node.place(older.VCOPROC))
            named = _named(tree, coprocs, setting.value)
            if named is not None:
                found.setdefault(named.coproc_id, setting)
            elif setting.value not in broken:
                raise _unknown(setting, coprocs)
    return tuple(found.values())


def _listed(
    tree: Tree, coprocs: tuple[CoprocSpec, ...], argument: Setting
) -> Iterator[tuple[Setting, CoprocSpec | None]]:
    """Yield the coprocs of a comma-separated list, in which the names of nodes may hold commas too."""
    name = ""
    for part in argument.value.split(","):
        name = f"{name},{part}" if name else part
        named = _named(tree, coprocs, name)
        if named is not None:
            yield Setting(_DOM0, name, argument.place), named
            name = ""
        elif name.count(",") > _COMMAS_MAX:
            break
    if name:
        yield Setting(_DOM0, name, argument.place), None


def _named(tree: Tree, coprocs: tuple[CoprocSpec, ...], name: str) -> CoprocSpec | None:
    """Return the coproc of that identifier, path or alias."""
    path = tree.aliases.get(name, name)
    by_id = (spec for spec in coprocs if spec.coproc_id == name)
    return next(by_id, next((spec for spec in coprocs if spec.path == path), None))


def _unknown(setting: Setting, coprocs: tuple[CoprocSpec, ...]) -> DeviceTreeError:
    # A misspelt name swallows what follows it in a list; its first part is the one that is wrong.
    name = shortened(setting.value if setting.name != _DOM0 else setting.value.split(",")[0])
    hint = did_you_mean(name, [spec.coproc_id for spec in coprocs], "this tree shares")
    return _refused(setting, f"no shared coproc `{name}` for dom0", hint)


def _refused(setting: Setting, what: str, hint: str) -> DeviceTreeError:
    assert isinstance(setting.place, NodePlace)
    return DeviceTreeError(what, setting.place, hint=hint)
