"""Bytes that are no device tree, or one that is malformed or monstrous: refused with a reason, and quickly."""

import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocsim.devicetree import load_domain_nodes, loads
from coprocsim.errors import DeviceTreeError, FullReport, NodePlace
from tests.devicetree_blobs import BEGIN, END, END_NODE, NOP, PROP, begin, blob, flat, gpu, joined, machine, mutated

EXAMPLES = sorted((Path(__file__).parents[1] / "dts").glob("*.dtb"))
ROOT = begin("")
SIZE_MAX = 2 * 2**20


def refusal(data: bytes) -> DeviceTreeError:
    with pytest.raises(DeviceTreeError) as caught:
        loads(data)
    return caught.value


def prop(size: int = 0, name: int = 0) -> bytes:
    return PROP + struct.pack(">II", size, name)


def with_field(index: int, value: int) -> bytes:
    """Return a sound blob of 9 header words and one of them replaced."""
    data = bytearray(blob({"a": "text"}))
    struct.pack_into(">I", data, 4 * index, value)
    return bytes(data)


# ---------------------------------------------------------------- malformed


@pytest.mark.parametrize(
    ("data", "what", "why"),
    [
        (b"", "not a device tree blob", "it begins with nothing, not d0 0d fe ed"),
        (b"/dts-v1/;", "not a device tree blob", "it begins with 2f 64 74 73, not d0 0d fe ed"),
        (b"\xd0\x0d\xfe\xed", "the blob ends within its header", "it has 4 of 40 bytes"),
        (blob({})[:-1], "the blob is cut short", "its header says 72 bytes, 71 are there"),
        (with_field(5, 3), "blob of version 3, compatible with 16; this reads 16 and 17", None),
        (
            joined(ROOT + END_NODE + END, version=15, compatible=2),
            "blob of version 15, compatible with 2; this reads 16 and 17",
            None,
        ),
        (with_field(6, 18), "blob of version 17, compatible with 18; this reads 16 and 17", None),
        (with_field(2, 2**32 - 4), "the structure block lies outside of the blob or is misaligned", None),
        (with_field(2, 58), "the structure block lies outside of the blob or is misaligned", None),
        (with_field(3, 10**6), "the strings block lies outside of the blob or is misaligned", None),
        (with_field(8, 2**31), "the strings block lies outside of the blob or is misaligned", None),
        (with_field(4, 44), "the reservation block lies outside of the blob or is misaligned", None),
        (with_field(4, 72), "the reservation block has no end", "an entry of two zeros ends it"),
    ],
)
def test_a_bad_header_is_refused(data: bytes, what: str, why: str | None):
    error = refusal(data)
    assert error.what == what
    assert why is None or error.why == why
    assert error.hint


@pytest.mark.parametrize(
    ("structure", "what", "path"),
    [
        (b"", "the structure block ends too early", None),
        (END, "the tree ends before its root does", None),
        (ROOT, "the structure block ends too early", "/"),
        (ROOT + END_NODE, "the structure block ends too early", None),
        (ROOT + END, "the tree ends before its root does", "/"),
        (END_NODE + END, "a node ends that has not begun", None),
        (ROOT + END_NODE + END_NODE + END, "a node ends that has not begun", None),
        (ROOT + END_NODE + ROOT + END_NODE + END, "a second root node", None),
        (begin("a") + END_NODE + END, "the root node has a name", None),
        (ROOT + begin("") + END_NODE * 2 + END, "`` is no name", "/"),
        (ROOT + begin("a/b") + END_NODE * 2 + END, "`a/b` is no name", "/"),
        (ROOT + begin("a b") + END_NODE * 2 + END, "`a b` is no name", "/"),
        (ROOT + begin("é") + END_NODE * 2 + END, "`\\xc3\\xa9` is no name", "/"),
        (ROOT + begin("a") + END_NODE + begin("a") + END_NODE * 2 + END, "the node `a` is there twice", "/"),
        (ROOT + begin("a") + prop() + prop() + END_NODE * 2 + END, "the property `p` is there twice", "/a"),
        (ROOT + begin("a") + END_NODE + prop() + END_NODE + END, "a property stands outside of its node", "/"),
        (prop() + ROOT + END_NODE + END, "a property stands outside of its node", None),
        (ROOT + prop(100) + END_NODE + END, "`p` is longer than the structure block", "/"),
        (ROOT + prop(0, 7) + END_NODE + END, "a property's name has no end, or more than 128 characters", "/"),
        (ROOT + prop(0, 1) + END_NODE + END, "`` is no name", "/"),
        (ROOT + b"\0\0\0\5" + END_NODE + END, "unknown tag 0x5", "/"),
        (ROOT + BEGIN + b"a" * 129 + b"\0", "a node's name has no end, or more than 128 characters", "/"),
        (ROOT + begin("a") * 64, "nodes nest deeper than 64", "/" + "/".join("a" * 63)),
    ],
)
def test_a_malformed_structure_is_refused_where_it_is(structure: bytes, what: str, path: str | None):
    error = refusal(joined(structure, b"p\0"))
    assert error.what.startswith(what)
    assert error.place == (NodePlace(path) if path else None)
    assert error.why
    assert error.why.startswith("at byte ")
    assert error.hint


@pytest.mark.parametrize(
    ("nodes", "what", "place"),
    [
        ({"a": {"phandle": 0}}, "0x0 cannot be a phandle", NodePlace("/a", "phandle")),
        ({"a": {"phandle": 0xFFFFFFFF}}, "0xffffffff cannot be a phandle", NodePlace("/a", "phandle")),
        ({"a": {"phandle": [1, 2]}}, "`phandle` = <0x1 0x2> is not one cell", NodePlace("/a", "phandle")),
        (
            {"a": {"phandle": 3}, "b": {"phandle": 3}},
            "the phandle 0x3 is also that of `/a`",
            NodePlace("/b", "phandle"),
        ),
        (
            {"a": {"phandle": 3, "linux,phandle": 4}},
            "0x4 cannot be a phandle",
            NodePlace("/a", "linux,phandle"),
        ),
    ],
)
def test_a_bad_phandle_is_refused(nodes: dict[str, object], what: str, place: NodePlace):
    error = refusal(blob(nodes))
    assert (error.what, error.place) == (what, place)
    assert error.hint


# ---------------------------------------------------------------- unusual but right


def test_nops_are_legal_everywhere():
    strings = bytearray()
    plain = flat(machine(gpu()), strings) + END
    words = [plain[at : at + 4] for at in range(0, len(plain), 4)]
    sparse = b""
    for at, word in enumerate(words):
        # A tag stands where the same bytes, walked as a tree, begin a new item.
        sparse += NOP * 3 + word if at in tag_positions(plain) else word
    found = loads(joined(sparse, bytes(strings)))
    assert found.machine == loads(joined(plain, bytes(strings))).machine
    assert len(found.machine.coprocs) == 1


def tag_positions(structure: bytes) -> set[int]:
    """Return at which words of a sound structure block the tags stand."""
    found, at = set(), 0
    while at < len(structure):
        found.add(at // 4)
        tag = structure[at : at + 4]
        at += 4
        if tag == BEGIN:
            at = structure.index(b"\0", at) + 4 & ~3
        elif tag == PROP:
            at += 8 + int.from_bytes(structure[at : at + 4], "big") + 3 & ~3
    return found


def test_what_follows_the_blob_is_ignored():
    data = blob(machine(gpu()))
    assert loads(data + b"\xff" * 1000).machine == loads(data).machine


def test_version_16_has_no_size_of_its_structure():
    root = machine(gpu())
    strings = bytearray()
    structure = flat(root, strings) + END
    data = bytearray(joined(structure, bytes(strings), version=16))
    struct.pack_into(">I", data, 36, 0xFFFFFFFF)
    assert loads(bytes(data)).machine == loads(blob(root)).machine


def test_names_may_be_suffixes_of_one_string():
    structure = ROOT + prop(0, 0) + prop(0, 1) + prop(0, 3) + END_NODE + END
    assert list(loads(joined(structure, b"long\0")).tree.root.properties) == ["long", "ong", "g"]


# ---------------------------------------------------------------- whatever the bytes


def survives(data: bytes) -> bool:
    """Return whether `data` is taken; anything but DeviceTreeError is a failure of the test."""
    taken = True
    for read in (loads, load_domain_nodes, lambda data: loads(data, report=FullReport())):
        try:
            read(data)
        except DeviceTreeError:
            taken = False
    return taken


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(data: bytes):
    assert not survives(data)


@given(st.binary(max_size=400), st.binary(max_size=40))
def test_random_blocks_raise_nothing_else(structure: bytes, strings: bytes):
    survives(joined(structure, strings))


TAGS = st.sampled_from([ROOT, begin("a"), begin("b"), END_NODE, NOP, END, prop(), prop(4, 2) + b"\0\0\0\1"])


@given(st.lists(TAGS, max_size=12))
def test_tags_in_any_order_raise_nothing_else(tags: list[bytes]):
    survives(joined(b"".join(tags), b"p\0phandle\0"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_mutated_examples_raise_nothing_else(example: Path):
    data = example.read_bytes()
    dice = random.Random(example.name)
    taken = [survives(mutated(data, dice)) for _ in range(500)]
    assert True in taken
    assert False in taken


# ---------------------------------------------------------------- monsters


def filled(count: int, item: bytes, strings: bytes = b"p\0") -> bytes:
    return joined(ROOT + item * count + END_NODE + END, strings)


def children(count: int) -> bytes:
    nodes = b"".join(begin(f"{n:06x}") + END_NODE for n in range(count))
    return joined(ROOT + nodes + END_NODE + END)


def suffixes(count: int) -> bytes:
    properties = b"".join(prop(0, n) for n in range(count))
    return joined(ROOT + properties + END_NODE + END, b"x" * count + b"\0")


def crowd(marked: bytes) -> bytes:
    """Return as many nodes as fit, as deep as they may be, each with the property `marked`."""
    path = begin("n" * 126) * 61
    nodes = b"".join(begin(f"{n:03}") + prop() + END_NODE for n in range(100))
    groups = (SIZE_MAX - 2**14) // (len(nodes) + 16)
    crowded = b"".join(begin(f"{group:05}") + nodes + END_NODE for group in range(groups))
    return joined(ROOT + path + crowded + END_NODE * 62 + END, marked + b"\0")


def test_a_blob_beyond_the_limit_of_xen_is_refused():
    assert refusal(filled(SIZE_MAX // 4, NOP)).what.endswith("bytes; Xen takes up to 2097152")


def device(**properties: object) -> bytes:
    """Return a machine whose device has these properties, `_` for `-`; beside it an IOMMU without cells."""
    return blob(machine(gpu(**properties), mmu={"phandle": 5, "#iommu-cells": 0}))


MONSTERS = {
    "siblings": lambda: children(40_000),
    "suffixes": lambda: suffixes(5_000),
    "deep": lambda: joined(ROOT + begin("a") * 63 + END_NODE * 64 + END),
    "nops": lambda: filled(500_000, NOP),
    "ranges": lambda: device(reg=[1, 1] * 250_000),
    "streams": lambda: device(iommus=[5] * 500_000),
}
HEAVY_MONSTERS = {
    "interrupts": lambda: device(interrupts_extended=[1, 0, 20, 4] * 120_000),
    "interrupts-elsewhere": lambda: blob(machine(gpu(), other={"interrupts": [0, 20, 4] * 170_000})),
    "marked": lambda: crowd(b"xen,coproc"),
    "vcoprocs": lambda: crowd(b"xen,vcoproc"),
    "arguments": lambda: blob({"chosen": {"xen,xen-bootargs": "dom0_coprocs=" + "x," * 900_000}}),
    "path": lambda: blob(machine(gpu(), {"coproc-path": "/" * 2_000_000})),
    "identifier": lambda: blob(machine(gpu(), {"coproc-id": "x" * 2_000_000})),
    "strings": lambda: device(compatible=b"a\0" * 1_000_000),
}


def check_quick(data: bytes) -> None:
    """Fail if reading `data` takes a processor long; a monster that gets through takes it many minutes."""
    assert len(data) <= SIZE_MAX
    began_s = time.process_time()
    survives(data)
    assert time.process_time() - began_s < 100


@pytest.mark.parametrize("name", MONSTERS)
def test_a_monster_costs_little_time(name: str):
    check_quick(MONSTERS[name]())


@pytest.mark.slow
@pytest.mark.parametrize("name", HEAVY_MONSTERS)
def test_a_heavy_monster_costs_little_time(name: str):
    check_quick(HEAVY_MONSTERS[name]())


READ_WITHIN = """
import resource, sys
from coprocsim.devicetree import load_domain_nodes, loads
from coprocsim.errors import DeviceTreeError
data = open(sys.argv[1], "rb").read()
resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
for read in (loads, load_domain_nodes):
    try:
        read(data)
    except DeviceTreeError:
        pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MONSTERS, *HEAVY_MONSTERS])
def test_a_monster_costs_little_memory(name: str, tmp_path: Path):
    path = tmp_path / "monster.dtb"
    path.write_bytes((MONSTERS | HEAVY_MONSTERS)[name]())
    code = READ_WITHIN.replace("MEMORY_BYTES", str(400 * 2**20))
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_that_parses_is_imported_when_a_tree_is_read():
    code = "import sys, coprocsim.devicetree; print('fdt' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
