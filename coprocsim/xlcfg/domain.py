"""A domain config's settings, to the `DomainSpec` that a domain is built from.

Which coprocs there are, and which options and workloads they take, is known elsewhere: here `coproc` and
`coproc_workload` are only split into names and options, each with its place.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from coprocsim.errors import CfgError, Report, Span, nearest
from coprocsim.model import CfgValue, CoprocRequest, DomainSpec, Setting, WorkloadRequest
from coprocsim.xlcfg.keys import KNOWN, SHOWN
from coprocsim.xlcfg.parse import assignments, final
from coprocsim.xlcfg.source import Source, brief
from coprocsim.xlcfg.values import Assignment, Items, Node, NotAnInteger, Text, integer, offsets, place_of, plain

# What libxl gives a domain whose config says nothing.
_DEFAULT_MEMORY_MIB = 32
_MEMORY_MIB_MAX = 2**24
_VCPUS_MAX = 128  # Xen's limit for a guest on Arm
_NAME_LENGTH_MAX = 64
_IRQ_MAX = 2**32 - 2
_PAGE_BYTES = 4096
_PAGES_MAX = 2**52

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX = r"\s*(?:0[xX])?([0-9a-fA-F]{1,16})"
_PAGES = re.compile(f"{_HEX},{_HEX}(?:@{_HEX})?")

_MEMORY = ("memory", "maxmem")


def read(source: Source, report: Report) -> DomainSpec:
    """Return the domain that a config describes; CfgError at the first thing that it must not say.

    With a full report those go into that, and are left out.
    """
    return _Config(source, final(source, assignments(source)), report).domain()


class _Config:
    """The settings of one config, and the report on what its writer should know."""

    def __init__(self, source: Source, settings: Mapping[str, Assignment], report: Report) -> None:
        self.source = source
        self.settings = settings
        self.report = report

    def domain(self) -> DomainSpec:
        attempt = self.report.attempt
        name, name_place = attempt(self.name, ("", self.source.span(0, 0)))
        memory_mib, maxmem_mib = attempt(self.memory_mib, (_DEFAULT_MEMORY_MIB, _DEFAULT_MEMORY_MIB))
        coprocs = tuple(CoprocRequest(each.name, each.options, each.place) for each in self.entries("coproc"))
        self.look_for_unknown_keys()
        vcpus = attempt(lambda: self.integer("vcpus", 1, _VCPUS_MAX), None)
        workloads = (WorkloadRequest(each.name, each.options, each.place) for each in self.entries("coproc_workload"))
        return DomainSpec(
            name=name,
            memory_mib=memory_mib,
            maxmem_mib=maxmem_mib,
            vcpus=vcpus or 1,
            coprocs=coprocs,
            workloads=tuple(workloads),
            name_place=name_place,
            memory_place=next((self.span(self.settings[key].value) for key in _MEMORY if key in self.settings), None),
            uuid=attempt(self.uuid, None),
            device_tree=attempt(self.device_tree, None),
            iomem=tuple(self.iomem()),
            irqs=tuple(self.irqs()),
            shown=self.to_show(),
            warnings=tuple(self.report.warnings),
        )

    # ------------------------------------------------------------ single values

    def name(self) -> tuple[str, Span]:
        text = self.text("name")
        if text is None:
            hint = 'add `name = "guest"`: what the domain is called from then on'
            raise CfgError("this config has no `name`", self.source.span(0, 0), hint=hint)
        name, place = text
        if not re.fullmatch(r"[A-Za-z0-9_.+-]+", name):
            hint = "letters, digits and `_ . + -`"
            raise CfgError(f"`{brief(name.encode())}` cannot be a domain's name", place, hint=hint)
        if len(name) > _NAME_LENGTH_MAX:
            what = f"a domain's name has at most {_NAME_LENGTH_MAX} characters, this one {len(name)}"
            raise CfgError(what, place, hint="shorten it")
        return name, place

    def uuid(self) -> str | None:
        text = self.text("uuid")
        if text is None:
            return None
        uuid, place = text
        if not _UUID.fullmatch(uuid):
            hint = "write it as `uuidgen` prints it, `c7a5fdb0-cdaf-4455-926a-d65c16db1809`, or leave the key out"
            raise CfgError(f"`{brief(uuid.encode())}` is not a UUID", place, hint=hint)
        return uuid.lower()

    def device_tree(self) -> Setting | None:
        text = self.text("device_tree")
        return None if text is None else Setting("device_tree", *text)

    def memory_mib(self) -> tuple[int, int]:
        """Return the memory at the start and at most, each of which stands for the other where only one is given."""
        memory = self.integer("memory", 1, _MEMORY_MIB_MAX, "MiB")
        maxmem = self.integer("maxmem", 1, _MEMORY_MIB_MAX, "MiB")
        if memory is not None and maxmem is not None and memory > maxmem:
            place = self.span(self.settings["memory"].value)
            hint = f"`maxmem` is {maxmem}: raise it or leave it out"
            raise CfgError(f"`memory` is {memory} MiB, more than `maxmem` allows", place, hint=hint)
        if memory is None and maxmem is None:
            self.warn(self.source.span(0, 0), f"no `memory`: like xl, this gives the domain {_DEFAULT_MEMORY_MIB} MiB")
        maxmem = maxmem or memory or _DEFAULT_MEMORY_MIB
        return memory or maxmem, maxmem

    def text(self, key: str, example: str = '"text"') -> tuple[str, Span] | None:
        """Return a key's text and its place; None where the config does not have the key."""
        setting = self.settings.get(key)
        if setting is None:
            return None
        place = self.span(setting.value)
        if isinstance(setting.value, Items):
            raise CfgError(f"`{key}` is one value, not a list", place, hint=f"write `{key} = {example}`")
        return self.readable(setting.value, place), place

    def integer(self, key: str, low: int, high: int, unit: str = "") -> int | None:
        """Return a key's integer, as C reads it; None where the config does not have the key."""
        setting, text = self.settings.get(key), self.text(key, "1")
        if setting is None or text is None:
            return None
        value, place = text
        what = f"a whole number of {unit}" if unit else "a whole number"
        hint = f"`{key}` is {what}, {low} to {high}"
        if setting.added:
            what = f"`+=` does not work with numbers, and `{key}` is one"
            raise CfgError(what, place, hint=f"write `{key} = ` and the number")
        try:
            number = integer(value)
        except NotAnInteger:
            raise CfgError(f"`{brief(value.encode())}` is not a number that xl can read", place, hint=hint) from None
        if not low <= number <= high:
            raise CfgError(f"`{key}` cannot be {number}", place, hint=hint)
        return number

    # ------------------------------------------------------------ coproc and coproc_workload

    def entries(self, key: str) -> "Iterator[_Entry]":
        """Yield the entries of a list whose elements are `name,option=value,…`, each name once."""
        seen: dict[str, Span] = {}
        for node in self.report.attempt(lambda: self.values(key), []):
            entry = self.report.attempt(partial(self.new_entry, key, node, seen), None)
            if entry is not None:
                seen[entry.name] = entry.place
                yield entry

    def values(self, key: str) -> list[Node]:
        """Return the elements of a list that must be one; none where the config does not have the key."""
        setting = self.settings.get(key)
        if setting is None:
            return []
        if isinstance(setting.value, Text):
            place = self.span(setting.value)
            written = brief(self.source.data[slice(*place_of(setting.value))])
            hint = f"put it in brackets: `{key} = [ {written} ]`"
            raise CfgError(f"`{key}` is a list, and this is a single value, which xl ignores", place, hint=hint)
        return setting.value.values

    def new_entry(self, key: str, node: Node, seen: Mapping[str, Span]) -> "_Entry":
        """Return one entry, whose name is not among those `seen`."""
        entry = self.entry(key, node)
        if entry.name in seen:
            first = seen[entry.name]
            where = f"it stands in line {first.line}, column {first.column} already"
            what = f"`{brief(entry.name.encode())}` is named twice in `{key}`"
            raise CfgError(what, entry.place, hint=f"{where}: keep one")
        return entry

    def entry(self, key: str, node: Node) -> "_Entry":
        """Return one entry, split; its options begin at the first part between commas that holds a `=`."""
        place = self.span(node)
        if isinstance(node, Items):
            hint = "write its elements side by side, in one list"
            raise CfgError(f"a list inside of `{key}`, where xl stops reading", place, hint=hint)
        self.readable(node, place)
        parts = list(self.parts(node))
        first = next((at for at, part in enumerate(parts) if b"=" in part.data), len(parts))
        if first == 0 or not any(part.data for part in parts):
            hint = "begin with the coproc: its identifier, path or alias"
            raise CfgError(f"this entry of `{key}` names no coproc", place, hint=hint)
        for part in parts:
            if not part.data:
                nothing = self.source.span(part.start, part.end)
                raise CfgError("nothing stands on one side of a comma", nothing, hint="leave the comma out")
        name = b",".join(part.data for part in parts[:first]).decode()
        name_place = self.source.span(parts[0].start, parts[first - 1].end)
        return _Entry(name, tuple(self.options(parts[first:])), name_place)

    def options(self, parts: "list[_Part]") -> Iterator[Setting]:
        seen: set[str] = set()
        for part in parts:
            option = self.report.attempt(partial(self.option, part, seen), None)
            if option is not None:
                seen.add(option.name)
                yield option

    def option(self, part: "_Part", seen: Collection[str]) -> Setting:
        """Return one option, whose name is not among those `seen`."""
        place = self.source.span(part.start, part.end)
        name, equals, value = (each.strip() for each in part.data.decode().partition("="))
        if not (name and equals and value):
            hint = "options are written `name=value`, with commas between them"
            raise CfgError(f"`{brief(part.data)}` is not an option with a value", place, hint=hint)
        if name in seen:
            raise CfgError(f"`{brief(name.encode())}` is given twice", place, hint="keep one")
        return Setting(name, value, place)

    def parts(self, text: Text) -> "Iterator[_Part]":
        """Yield what stands between the commas of a text, without blanks around it, each with its place."""
        (piece,) = text.pieces
        at = offsets(piece, self.source.data[piece.start : piece.end])
        begin = 0
        for part in piece.data.split(b","):
            end = begin + len(part)
            first, last = end - len(part.lstrip()), begin + len(part.rstrip())
            yield _Part(part.strip(), at[first], at[last] if first < last else at[first] + 1)
            begin = end + 1

    # ------------------------------------------------------------ iomem and irqs: nothing here depends on them

    def iomem(self) -> Iterator[tuple[range, Span]]:
        """Yield the physical ranges that the domain is given, in bytes."""
        for text, place in self.elements("iomem"):
            match = _PAGES.fullmatch(text)
            start, count = (int(match[1], 16), int(match[2], 16)) if match else (0, 0)
            if 0 < count <= _PAGES_MAX - start:
                yield range(start * _PAGE_BYTES, (start + count) * _PAGE_BYTES), place
            else:
                self.warn(place, "xl refuses this: a range is `start,count` or `start,count@gfn`, hexadecimal pages")

    def irqs(self) -> Iterator[tuple[int, Span]]:
        """Yield the interrupt numbers that the domain is given; xl reads these, unlike others, as decimal."""
        for text, place in self.elements("irqs"):
            if re.fullmatch(r"\s*\+?[0-9]{1,10}", text) and int(text) <= _IRQ_MAX:
                yield int(text), place
            else:
                self.warn(place, "xl refuses this: an interrupt is a decimal number, like `151`")

    def elements(self, key: str) -> Iterator[tuple[str, Span]]:
        """Yield the texts of a list, as far as xl reads it; a single value is none, and warned of."""
        setting = self.settings.get(key)
        if setting is None:
            return
        if isinstance(setting.value, Text):
            self.warn(self.span(setting.value), f"xl ignores `{key}`, which is a list: put it in `[ ]`")
            return
        for node in setting.value.values:
            if isinstance(node, Items):
                return
            yield node.data.decode("utf-8", "replace"), self.span(node)

    # ------------------------------------------------------------ any key

    def to_show(self) -> dict[str, CfgValue]:
        """Return what is kept only to be shown; of a list, what xl reads of it."""
        kept: dict[str, CfgValue] = {}
        for key, setting in self.settings.items():
            if key in SHOWN:
                kept[key] = self.readable_by_xl(key, setting.value)
        return kept

    def readable_by_xl(self, key: str, node: Node) -> CfgValue:
        if isinstance(node, Text):
            return plain(node, "replace")
        texts: list[CfgValue] = []
        for value in node.values:
            if isinstance(value, Items):
                self.warn(self.span(value), f"xl stops reading `{key}` at this list inside of it")
                break
            texts.append(plain(value, "replace"))
        return texts

    def look_for_unknown_keys(self) -> None:
        unknown = 0
        for key, setting in self.settings.items():
            if key not in KNOWN:
                unknown += 1
                # Looking for the nearest name is slow, and no use with what is no config at all.
                near = nearest(key, KNOWN) if len(key) < 64 and unknown < 64 else None
                hint = f"; did you mean `{near}`?" if near else ""
                place = self.source.span(setting.start, setting.end)
                self.warn(place, f"xl does not know `{brief(key.encode())}` and ignores it{hint}")

    def readable(self, text: Text, place: Span) -> str:
        """Return a text that is going to be looked up and shown."""
        try:
            value = text.data.decode()
        except UnicodeDecodeError:
            raise CfgError("this text is not in UTF-8", place, hint="save the file as UTF-8") from None
        if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
            raise CfgError("a control character in this text", place, hint="write `\\\\` for a backslash")
        return value

    def span(self, node: Node) -> Span:
        return self.source.span(*place_of(node))

    def warn(self, place: Span, what: str) -> None:
        self.report.warn(what, place)


class _Part(NamedTuple):
    """A part of an entry between commas, and where it stands."""

    data: bytes
    start: int
    end: int


class _Entry(NamedTuple):
    """An entry of `coproc` or `coproc_workload`: a coproc, and options; `place` is the name's."""

    name: str
    options: tuple[Setting, ...]
    place: Span
