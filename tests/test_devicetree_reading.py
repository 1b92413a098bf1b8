"""Trees read right: where registers are, which interrupt is which, who translates DMA, how fast the clock is."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocsim.devicetree import loads
from coprocsim.errors import DeviceTreeError, NodePlace
from coprocsim.model import CoprocSpec, Line, Region, Stream
from tests.devicetree_blobs import END, GIC, NodeDict, blob, flat, gpu, joined, machine


def coproc(root: NodeDict) -> CoprocSpec:
    (found,) = loads(blob(root)).machine.coprocs
    return found


def on_buses(path: str, **root: object) -> NodeDict:
    shared = {"compatible": "xen,coproc", "coproc-path": path, "coproc-id": "gpu0"}
    return {"chosen": {"scf-0": shared}, **root}


def refusal(root: NodeDict) -> DeviceTreeError:
    with pytest.raises(DeviceTreeError) as caught:
        loads(blob(root))
    return caught.value


# ---------------------------------------------------------------- registers


def test_the_gpu_of_a_bcm2711_is_where_its_bus_puts_it():
    scb = {
        "#address-cells": 2,
        "#size-cells": 1,
        "ranges": [0x0, 0x7C000000, 0x0, 0xFC000000, 0x03800000, 0x6, 0x0, 0x6, 0x0, 0x40000000],
        "gpu@7ec00000": {"reg": [0x0, 0x7EC00000, 0x4000, 0x0, 0x7EC04000, 0x4000], "reg-names": ["hub", "core0"]},
    }
    found = coproc(on_buses("/scb/gpu@7ec00000", **{"#address-cells": 2, "#size-cells": 1, "scb": scb}))
    assert found.regions == (Region("hub", 0xFEC00000, 0x4000), Region("core0", 0xFEC04000, 0x4000))


def test_a_pru_of_an_am335x_is_translated_through_every_bus_above_it():
    def bus(ranges: list[int], **children: object) -> NodeDict:
        return {"#address-cells": 1, "#size-cells": 1, "ranges": ranges, **children}

    pru = {"reg": [0x38000, 0x2000, 0x24000, 0x400], "reg-names": ["iram", "control"]}
    pruss = bus([0x0, 0x0, 0x80000], **{"pru@38000": pru})
    target = bus([0x0, 0x300000, 0x80000], **{"pruss@0": pruss})
    fast = bus([0x0, 0x4A000000, 0x1000000], **{"target-module@300000": target})
    ocp = bus([], **{"interconnect@4a000000": fast})
    ocp["ranges"] = True
    path = "/ocp/interconnect@4a000000/target-module@300000/pruss@0/pru@38000"
    found = coproc(on_buses(path, **{"#address-cells": 1, "#size-cells": 1, "ocp": ocp}))
    assert found.regions == (Region("iram", 0x4A338000, 0x2000), Region("control", 0x4A324000, 0x400))


def test_cell_counts_are_two_and_one_where_the_parent_states_none_and_are_not_inherited():
    bus = {"ranges": True, "gpu@1000": {"reg": [0x1, 0x1000, 0x2000]}}
    found = coproc(on_buses("/bus/gpu@1000", **{"#address-cells": 1, "#size-cells": 2, "bus": bus}))
    assert found.regions == (Region("0", 0x1_0000_1000, 0x2000),)


def test_a_range_must_lie_in_one_entry_as_a_whole():
    bus = {
        "#address-cells": 1,
        "#size-cells": 1,
        "ranges": [0x0, 0x8000_0000, 0x1000, 0x1000, 0x8000_1000, 0x1000],
        "gpu@800": {"reg": [0x800, 0x1000]},
    }
    error = refusal(on_buses("/bus/gpu@800", **{"#address-cells": 1, "#size-cells": 1, "bus": bus}))
    assert str(error) == "0x1000 bytes from 0x800 lie in no entry of the `ranges` of `/bus`"
    assert error.place == NodePlace("/bus/gpu@800", "reg")


def test_a_bus_without_ranges_cannot_be_looked_through():
    bus = {"#address-cells": 1, "#size-cells": 1, "gpu@800": {"reg": [0x800, 0x1000]}}
    error = refusal(on_buses("/bus/gpu@800", bus=bus))
    assert str(error) == "0x800 has no physical address: `/bus` has no `ranges`"


@given(st.integers(0, 2**31), st.integers(0, 2**31 - 1), st.integers(1, 2**31), st.integers(0, 2**63))
def test_translation_moves_a_range_by_as_much_as_its_bus(inner: int, offset: int, size: int, outer: int):
    size = min(size, 2**31 - offset)
    bus = {
        "#address-cells": 1,
        "#size-cells": 1,
        "ranges": [inner, outer >> 32, outer & 0xFFFFFFFF, 2**31],
        "gpu": {"reg": [inner + offset, size]},
    }
    if inner + offset < 2**32:
        found = coproc(on_buses("/bus/gpu", **{"#address-cells": 2, "bus": bus}))
        assert found.regions == (Region("0", outer + offset, size),)


@pytest.mark.parametrize(
    ("device", "what"),
    [
        ({"interrupts": [0, 20, 4]}, "`/gpu@1000` has no `reg`"),
        ({"reg": True}, "`/gpu@1000` has no `reg`"),
        ({"reg": [0x1000, 0x1000, 0x2000]}, "`reg` has 3 cells; its entries have 1 + 1"),
        ({"reg": [0x1000, 0]}, "range `0` at 0x1000 has no size"),
        ({"reg": b"\0\0\x10"}, "`reg` has 3 bytes"),
        ({"reg": [0x1000, 0x1000], "reg-names": ["a", "b"]}, "`reg-names` has 2 names for 1 entries of `reg`"),
        ({"reg": [0x1000, 0x1000, 0x2000, 0x1000], "reg-names": ["a", "a"]}, "`reg-names` has `a` twice"),
        ({"reg": [0x1000, 0x1000], "reg-names": b"a"}, "`reg-names` = [61] is not a string"),
        ({"reg": [0x1000, 0x1000], "interrupts": [0, 20]}, "`interrupts` has 2 cells; entries of `gic` have 3"),
        (
            {"reg": [0x1000, 0x1000], "interrupts": [0, 20, 4], "interrupt-names": ["a", "b"]},
            "`interrupt-names` has 2 names for 1 entries of `interrupts`",
        ),
        (
            {"reg": [0x1000, 0x1000], "interrupts": [0, 20, 4], "interrupt-parent": 9},
            "`interrupt-parent` refers to phandle 0x9, which no node has",
        ),
        (
            {"reg": [0x1000, 0x1000], "interrupts-extended": [1, 0]},
            "`interrupts-extended` ends within an entry of `gic`",
        ),
        ({"reg": [0x1000, 0x1000], "iommus": [1]}, "`/gic` has no `#iommu-cells`"),
        ({"reg": [0x1000, 0x1000], "clock-frequency": [1, 2, 3]}, "`clock-frequency` has 12 bytes"),
        (
            {"reg": [0x1000, 0x1000], "clock-frequency": [0x1000, 0]},
            "`clock-frequency` = 17592186044416 Hz is out of range",
        ),
        ({"reg": [i for i in range(257) for _ in (0, 1)]}, "`reg` has 257 entries"),
    ],
)
def test_a_device_that_cannot_be_read_is_refused(device: NodeDict, what: str):
    error = refusal(machine(device))
    assert str(error) == what
    assert error.hint
    assert isinstance(error.place, NodePlace)


def test_a_range_beyond_64_bits_is_refused():
    gpu_node = {"reg": [0xFFFFFFFF, 0xFFFFF000, 0, 0x1000]}
    last = coproc(on_buses("/gpu", **{"#size-cells": 2, "gpu": gpu_node}))
    assert last.regions == (Region("0", 0xFFFF_FFFF_FFFF_F000, 0x1000),)
    gpu_node["reg"][3] = 0x1001
    error = refusal(on_buses("/gpu", **{"#size-cells": 2, "gpu": gpu_node}))
    assert str(error) == "range `0`, 0x1001 bytes from 0xfffffffffffff000, lies beyond 64 bits"


def test_more_looking_up_than_a_real_bus_needs_is_refused():
    bus = {"#address-cells": 1, "#size-cells": 1, "ranges": [5, 0, 5, 1] * 4000, "gpu": {"reg": [1, 1] * 256}}
    error = refusal(on_buses("/bus/gpu", bus=bus))
    assert str(error) == "`reg` has 256 entries to look up in 64000 bytes of `ranges`"


# ---------------------------------------------------------------- interrupts


def test_an_interrupt_of_a_gic_has_its_intid():
    found = coproc(machine(gpu(interrupts=[0, 119, 4, 1, 9, 0xF04], interrupt_names=["job", "timer"])))
    assert found.lines == (Line("job", "GIC 151", 151), Line("timer", "GIC 25", 25))


def test_a_gic_with_four_cells_is_read_by_its_own_count():
    gic = {**GIC, "compatible": ["arm,gic-v3"], "#interrupt-cells": 4}
    found = coproc(machine(gpu(interrupts=[0, 20, 4, 0, 0, 21, 4, 0]), gic=gic))
    assert [line.intid for line in found.lines] == [52, 53]


def test_other_controllers_show_their_cells_and_get_no_number():
    gpio = {"interrupt-controller": True, "#interrupt-cells": 2, "phandle": 7, "compatible": "acme,gpio"}
    found = coproc(machine(gpu(interrupt_parent=7, interrupts=[27, 8]), **{"gpio@5": gpio}))
    assert found.lines == (Line("0", "gpio@5:27,8", None),)


@pytest.mark.parametrize("cells", [[2, 5, 4], [0, 988, 4], [1, 16, 4]])
def test_a_kind_or_number_that_a_gic_has_not_gets_no_intid(cells: list[int]):
    (line,) = coproc(machine(gpu(interrupts=cells))).lines
    assert line == Line("0", f"gic:{','.join(map(str, cells))}", None)


def test_interrupts_extended_wins_and_each_entry_is_as_long_as_its_controller_says():
    pdc = {"interrupt-controller": True, "#interrupt-cells": 2, "phandle": 7}
    device = gpu(interrupts_extended=[1, 0, 266, 1, 7, 3, 1, 1, 0, 20, 4])
    found = coproc(machine(device, pdc=pdc))
    assert [line.label for line in found.lines] == ["GIC 298", "pdc:3,1", "GIC 52"]


def test_the_nearest_ancestor_names_the_interrupt_parent():
    inner = {"interrupt-controller": True, "#interrupt-cells": 1, "phandle": 7}
    bus = {"#address-cells": 1, "#size-cells": 1, "ranges": True, "interrupt-parent": 7, "gpu": gpu(interrupts=[6])}
    root = machine(gpu(), {"coproc-path": "/bus/gpu"}, bus=bus, inner=inner)
    assert coproc(root).lines == (Line("0", "inner:6", None),)


def test_a_circle_of_interrupt_parents_ends():
    root = machine(
        gpu(interrupt_parent=8), a={"phandle": 8, "interrupt-parent": 9}, b={"phandle": 9, "interrupt-parent": 8}
    )
    assert str(refusal(root)) == "`interrupts` goes to no interrupt controller"


# ---------------------------------------------------------------- IOMMUs, clocks, status


@pytest.mark.parametrize("cells", [(), (5,), (5, 6)])
def test_a_stream_has_as_many_cells_as_its_iommu_says(cells: tuple[int, ...]):
    root = machine(gpu(iommus=[7, *cells, 7, *cells]), mmu={"phandle": 7, "#iommu-cells": len(cells)})
    assert coproc(root).streams == (Stream("/mmu", cells), Stream("/mmu", cells))


@given(hz=st.integers(1, 10**12))
def test_a_clock_is_one_cell_or_two(hz: int):
    forms = [struct.pack(">Q", hz)] + ([struct.pack(">I", hz)] if hz < 2**32 else [])
    for form in forms:
        found = coproc(machine(gpu(clock_frequency=form)))
        assert (found.clock_hz, found.clock_source) == (hz, "clock-frequency")


def test_the_binding_overrides_the_clock_of_the_device():
    found = coproc(machine(gpu(), {"coproc-clock-hz": [0, 700_000_000]}))
    assert (found.clock_hz, found.clock_source) == (700_000_000, "coproc-clock-hz")


@pytest.mark.parametrize("stated", [{}, {"clock-frequency": 0}])
def test_a_device_without_a_clock_gets_1_ghz_and_a_note(stated: NodeDict):
    device = {"reg": [0x1000, 0x1000], "interrupts": [0, 20, 4], **stated}
    found = loads(blob(machine(device))).machine
    assert (found.coprocs[0].clock_hz, found.coprocs[0].clock_source) == (10**9, "default")
    assert found.notes == ("coproc `gpu0`: `/gpu@1000` states no clock, 1 GHz is assumed; `coproc-clock-hz` sets it",)


@pytest.mark.parametrize("status", ["okay", "ok"])
def test_a_device_that_is_okay_can_be_shared(status: str):
    assert coproc(machine(gpu(status=status))).path == "/gpu@1000"


@pytest.mark.parametrize("status", ["disabled", "reserved", "fail", "OK", b""])
def test_any_other_status_is_not_available(status: str):
    error = refusal(machine(gpu(status=status)))
    assert str(error).startswith("`/gpu@1000` is disabled (`status` = ")
    assert error.place == NodePlace("/gpu@1000", "status")


# ---------------------------------------------------------------- properties have no types of their own


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=24),
            st.lists(st.sampled_from(["", "a", "ok", "b\tc"]), max_size=4).map(
                lambda texts: "".join(f"{text}\0" for text in texts).encode()
            ),
        ),
        max_size=8,
    )
)
def test_the_bytes_of_a_property_come_back_whatever_they_look_like(values: list[bytes]):
    stated = {f"p{index}": value for index, value in enumerate(values)}
    node = loads(blob({"a": {"b": stated}})).tree.find("/a/b")
    assert node is not None
    assert node.properties == stated


def test_cells_that_spell_a_word_are_still_cells():
    found = coproc(machine(gpu(reg=[0x41424000, 0x61626300], clock_frequency=0x61626300)))
    assert found.regions == (Region("0", 0x41424000, 0x61626300),)
    assert found.clock_hz == 0x61626300


def test_the_reservations_of_one_tree_do_not_leak_into_the_next():
    strings = bytearray()
    structure = flat({}, strings) + END
    first = loads(joined(structure, reserved=struct.pack(">QQ", 0x1000, 0x2000)))
    second = loads(joined(structure))
    assert (first.tree.reservations, second.tree.reservations) == (((0x1000, 0x2000),), ())


def test_nodes_come_in_the_order_of_the_tree():
    names = [node.path for node in loads(blob({"b": {"d": {}, "c": {}}, "a": {}})).tree.nodes()]
    assert names == ["/", "/b", "/b/d", "/b/c", "/a"]


def test_a_path_is_matched_exactly():
    tree = loads(blob({"aliases": {"gpu_0": "/soc/gpu@1"}, "soc": {"gpu@1": {}, "gpu@10": {}}})).tree
    node = tree.find("/soc/gpu@1")
    assert node is not None
    assert node.path == "/soc/gpu@1"
    assert tree.resolve("gpu_0") is node
    for name in ("/soc/gpu", "/soc/gpu@", "/soc/gpu@1/", "//soc/gpu@1", "soc", "", "/soc/", "gpu_0/"):
        assert tree.resolve(name) is None
