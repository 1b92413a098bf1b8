"""The binding: what `/chosen` shares, under which settings; and every way to get it wrong."""

import struct

import pytest

from coprocsim.devicetree import load_domain_nodes, loads
from coprocsim.errors import DeviceTreeError, NodePlace
from coprocsim.model import Charge, CoprocSpec, MachineSpec, Payer, Region, Setting, Sharing, TreeSetting, VcoprocNode
from coprocsim.units import PS_PER_US
from tests.devicetree_blobs import NodeDict, blob, gpu, machine

SCF = "/chosen/scf-0"


def machine_of(root: NodeDict) -> MachineSpec:
    return loads(blob(root)).machine


def coproc(shared: NodeDict | None = None, **others: object) -> CoprocSpec:
    return machine_of(machine(gpu(), shared, **others)).coprocs[0]


def refusal(root: NodeDict) -> DeviceTreeError:
    with pytest.raises(DeviceTreeError) as caught:
        loads(blob(root))
    return caught.value


def chosen(root: NodeDict) -> NodeDict:
    found: NodeDict = root["chosen"]
    return found


def shared_by(root: NodeDict, **properties: object) -> NodeDict:
    """Return `root` with what `scf-0` says replaced by `properties`."""
    stated = {name.replace("_", "-"): value for name, value in properties.items()}
    chosen(root)["scf-0"] = {"compatible": "xen,coproc", **stated}
    return root


def second(path: str, coproc_id: str) -> NodeDict:
    return {"compatible": "xen,coproc", "coproc-path": path, "coproc-id": coproc_id}


# ---------------------------------------------------------------- what it says


def test_a_device_is_found_by_reference_path_or_alias():
    aliases = {"gpu-alias": "/gpu@1000"}
    by_path = shared_by(machine(gpu(), aliases=aliases), coproc_path="/gpu@1000", coproc_id="gpu0")
    by_alias = shared_by(machine(gpu(), aliases=aliases), coproc_path="gpu-alias", coproc_id="gpu0")
    by_reference = shared_by(machine(gpu(phandle=5), aliases=aliases), coproc_device=5, coproc_id="gpu0")
    for root in (by_path, by_alias, by_reference):
        (found,) = machine_of(root).coprocs
        assert (found.coproc_id, found.path, found.aliases) == ("gpu0", "/gpu@1000", ("gpu-alias",))
        assert found.place == NodePlace(SCF)


def test_without_settings_the_defaults_hold():
    found = coproc()
    assert (found.algorithm, found.settings, found.domain_settings) == (None, (), {})
    assert found.sharing == Sharing()


def test_the_settings_of_the_sharing_are_read():
    found = coproc(
        {
            "coproc-switch-timeout-us": 0,
            "coproc-retry-floor-us": 25,
            "coproc-charge": "debt",
            "coproc-charge-factor": 60,
            "coproc-switch-cost-payer": "leaving",
        }
    )
    assert found.sharing == Sharing(0, 25 * PS_PER_US, Charge.DEBT, 60, Payer.LEAVING)


def test_the_settings_of_the_algorithm_are_passed_on_as_they_are():
    found = coproc({"coproc-sched": "rrobin", "coproc-sched-slice-us": 10000, "coproc-sched-wake": "head"})
    assert found.algorithm == "rrobin"
    assert found.settings == (
        TreeSetting("slice-us", struct.pack(">I", 10000), NodePlace(SCF, "coproc-sched-slice-us")),
        TreeSetting("wake", b"head\0", NodePlace(SCF, "coproc-sched-wake")),
    )


def test_a_subnode_sets_what_one_domain_differs_in():
    vcoproc = {"compatible": "xen,vcoproc", "domain": "Domain-0", "coproc-sched-weight": 512}
    off = {"compatible": "xen,vcoproc", "domain": "guest", "status": "disabled", "nonsense": 1}
    place = NodePlace(f"{SCF}/dom0", "coproc-sched-weight")
    found = coproc({"dom0": vcoproc, "off": off}).domain_settings
    assert found == {"Domain-0": (TreeSetting("weight", struct.pack(">I", 512), place),)}


def test_a_child_that_is_not_okay_or_not_ours_is_ignored():
    root = machine(gpu(), {"status": "disabled", "coproc-id": "not an id"})
    chosen(root)["module@1"] = {"compatible": b"\xff", "reg": [1, 1]}
    found = machine_of(root)
    assert found.coprocs == ()
    assert found.warnings == ('this tree shares no coproc: a child of `/chosen` with `compatible = "xen,coproc"` does',)


def test_coprocs_come_in_the_order_of_the_tree_and_the_model_is_named():
    root = machine(gpu(), **{"model": "Board", "dsp@2000": gpu(reg=[0x2000, 0x1000], interrupts=[0, 21, 4])})
    chosen(root)["a-dsp"] = second("/dsp@2000", "dsp0")
    found = machine_of(root)
    assert [spec.coproc_id for spec in found.coprocs] == ["gpu0", "dsp0"]
    assert found.model == "Board"
    assert found.warnings == ()


# ---------------------------------------------------------------- every way to get it wrong


@pytest.mark.parametrize(
    ("stated", "place", "what", "hint"),
    [
        ({"coproc-id": "gpu0"}, "coproc-device", "no device in `scf-0`", "write either `coproc-device = <&label>`"),
        (
            {"coproc-id": "gpu0", "coproc-path": "/gpu@1000", "coproc-device": 5},
            "coproc-device",
            "both `coproc-device` and `coproc-path` in `scf-0`",
            "write either",
        ),
        (
            {"coproc-id": "gpu0", "coproc-device": 6},
            "coproc-device",
            "`coproc-device` refers to phandle 0x6, which no node has",
            "write `<&label>`",
        ),
        (
            {"coproc-id": "gpu0", "coproc-device": "/gpu@1000"},
            "coproc-device",
            '`coproc-device` = "/gpu@1000" is not a phandle',
            "a path or an alias is given by `coproc-path`",
        ),
        ({"coproc-id": "gpu0", "coproc-path": 5}, "coproc-path", "`coproc-path` = <0x5> is not a string", "write"),
        (
            {"coproc-id": "gpu0", "coproc-path": "/gpu@100"},
            "coproc-path",
            "no node has the path or alias `/gpu@100`",
            "`/` has no child `gpu@100`; did you mean `/gpu@1000`?",
        ),
        (
            {"coproc-id": "gpu0", "coproc-path": "graphic"},
            "coproc-path",
            "no node has the path or alias `graphic`",
            "did you mean the alias `graphics`?",
        ),
        (
            {"coproc-id": "gpu0", "coproc-path": "dangling"},
            "coproc-path",
            "no node has the path or alias `dangling`",
            "`/aliases` gives `dangling` the path `/gone`, which is not there",
        ),
        ({"coproc-path": "/gpu@1000"}, "coproc-id", "no `coproc-id`", 'write `coproc-id = "gpu0"`'),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "-gpu"},
            "coproc-id",
            "`-gpu` cannot be an identifier",
            "it is a letter or digit, then up to 14 letters, digits, `_` or `-`",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "a23456789012345x"},
            "coproc-id",
            "`a23456789012345x` cannot be an identifier",
            "up to 14",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "camera"},
            "coproc-id",
            "the identifier `camera` is also an alias, of `/cam@3000`",
            "choose another `coproc-id`",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "coproc-slice-us": 5},
            "coproc-slice-us",
            "unknown property `coproc-slice-us`",
            "did you mean `coproc-sched-slice-us`?",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "coproc-timeout": 5},
            "coproc-timeout",
            "unknown property `coproc-timeout`",
            "did you mean `coproc-switch-timeout-us`?",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "x": 5},
            "x",
            "unknown property `x`",
            "it takes `coproc-device`, `coproc-path`, `coproc-id`, `coproc-sched`, `coproc-clock-hz`",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "coproc-charge": "debit"},
            "coproc-charge",
            "`charge` cannot be `debit`",
            "it takes `none`, `averaging`, `debt`; did you mean `debt`?",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "coproc-charge-factor": 61},
            "coproc-charge-factor",
            "`charge-factor` = 61 is out of range",
            "`charge-factor` is 1 to 60",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "coproc-retry-floor-us": 0},
            "coproc-retry-floor-us",
            "`retry-floor` = 0s is out of range",
            "`retry-floor` is 1us to",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "coproc-switch-timeout-us": [1, 2]},
            "coproc-switch-timeout-us",
            "8 bytes are not one u32 cell",
            "write `<N>`",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "coproc-switch-cost-payer": "x" * 100},
            "coproc-switch-cost-payer",
            f'`coproc-switch-cost-payer` = "{"x" * 58}…',
            "it is system or entering or leaving",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "coproc-clock-hz": 0},
            "coproc-clock-hz",
            "`coproc-clock-hz` = 0 Hz is out of range",
            "it is 1 to 1000000000000 Hz",
        ),
        (
            {"coproc-path": "/gpu@1000", "coproc-id": "gpu0", "coproc-sched": ["a", "b"]},
            "coproc-sched",
            '`coproc-sched` = "a", "b" is not one string',
            "write",
        ),
    ],
)
def test_a_mistake_in_a_node_is_refused_at_its_property(stated: NodeDict, place: str, what: str, hint: str):
    aliases = {"camera": "/cam@3000", "graphics": "/gpu@1000", "dangling": "/gone"}
    root = machine(gpu(phandle=5), aliases=aliases, **{"cam@3000": {}})
    chosen(root)["scf-0"] = {"compatible": "xen,coproc", **stated}
    error = refusal(root)
    assert str(error) == what
    assert error.place == NodePlace(SCF, place)
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("child", "place", "what"),
    [
        ({"domain": "a"}, "compatible", "subnode `v` is none of a vcoproc"),
        ({"compatible": "xen,vcoproc"}, "domain", "no `domain`"),
        ({"compatible": "xen,vcoproc", "domain": "a b"}, "domain", "`domain` = `a b` is no domain's name"),
        ({"compatible": "xen,vcoproc", "domain": "a", "weight": 5}, "weight", "unknown property `weight`"),
        ({"compatible": "xen,vcoproc", "domain": "taken"}, "domain", "a second subnode for domain `taken`"),
    ],
)
def test_a_mistake_in_a_subnode_is_refused_at_its_property(child: NodeDict, place: str, what: str):
    first = {"compatible": "xen,vcoproc", "domain": "taken"}
    error = refusal(machine(gpu(), {"first": first, "v": child}))
    assert str(error) == what
    assert error.place == NodePlace(f"{SCF}/v", place)
    assert error.hint


def test_a_misspelt_setting_of_a_domain_is_met_with_the_right_spelling():
    error = refusal(machine(gpu(), {"v": {"compatible": "xen,vcoproc", "domain": "a", "coproc-weight": 5}}))
    assert error.hint == "did you mean `coproc-sched-weight`?"


def test_a_device_is_shared_once():
    root = machine(gpu(), aliases={"graphics": "/gpu@1000"})
    chosen(root)["scf-1"] = second("graphics", "gpu1")
    error = refusal(root)
    assert str(error) == "`/gpu@1000` is shared already, as `gpu0`"
    assert error.place == NodePlace("/chosen/scf-1")


def test_an_identifier_is_used_once():
    root = machine(gpu(), **{"dsp@2000": gpu(reg=[0x2000, 0x1000])})
    chosen(root)["scf-1"] = second("/dsp@2000", "gpu0")
    error = refusal(root)
    assert str(error) == "`gpu0` is already the identifier of `/gpu@1000`"
    assert error.place == NodePlace("/chosen/scf-1", "coproc-id")


def test_an_identifier_may_be_the_alias_of_its_own_device():
    assert coproc(aliases={"gpu0": "/gpu@1000"}).aliases == ("gpu0",)


def test_a_device_that_is_passed_through_cannot_be_shared():
    error = refusal(machine(gpu() | {"xen,passthrough": True}))
    assert str(error) == "`/gpu@1000` is given to one domain as a whole (`xen,passthrough`)"
    assert error.place == NodePlace("/gpu@1000", "xen,passthrough")


def test_more_coprocs_than_a_machine_has_are_refused():
    devices = {f"dsp@{n:x}000": gpu(reg=[n << 12, 0x1000]) for n in range(2, 300)}
    root = machine(gpu(), **devices)
    chosen(root).update({f"scf-{n}": second(f"/dsp@{n:x}000", f"dsp{n}") for n in range(2, 300)})
    assert str(refusal(root)) == "more than 256 coprocs"


# ---------------------------------------------------------------- doubts


@pytest.mark.parametrize(
    ("device", "warning"),
    [
        (gpu(reg=[0x1000, 0x1000, 0x3000, 0x1000]), "2 of 2 register ranges have no name in `reg-names`"),
        (
            gpu(reg=[0x1000, 0x1000, 0x3000, 0x1000], reg_names="op"),
            "1 of 2 register ranges have no name in `reg-names`: they go by their index",
        ),
        (gpu(interrupts=[0, 1, 4, 0, 2, 4]), "2 of 2 interrupt lines have no name in `interrupt-names`"),
        (gpu(interrupts=True), "no interrupt: drivers have to poll it"),
        (gpu(reg=[0x1000, 0x800]), "range `0` (0x800 bytes from 0x1000) is not page-aligned"),
        (gpu(reg=[0x1800, 0x1000]), "range `0` (0x1000 bytes from 0x1800) is not page-aligned"),
        (gpu(interrupts=[0, 77, 4]), "interrupt GIC 109 is also used by `/uart`"),
        (gpu(interrupts=[0, 78, 4]), "interrupt GIC 110 is also used by `/uart` and 1 more"),
        (gpu(iommus=[9]), "its IOMMU `/mmu` is disabled"),
    ],
)
def test_a_doubt_is_a_warning(device: NodeDict, warning: str):
    others = {
        "uart": {"interrupts": [0, 77, 1, 0, 78, 4]},
        "off": {"interrupts": [0, 77, 4], "status": "disabled"},
        "unreadable": {"interrupts": [0, 78]},
        "timer": {"interrupts-extended": [1, 0, 78, 4]},
        "mmu": {"phandle": 9, "#iommu-cells": 0, "status": "disabled"},
    }
    (found,) = machine_of(machine(device, **others)).warnings
    assert found.startswith(f"coproc `gpu0`: {warning}")


def test_two_coprocs_on_one_line_are_warned_of():
    root = machine(gpu(), **{"dsp@2000": gpu(reg=[0x2000, 0x1000])})
    chosen(root)["scf-1"] = second("/dsp@2000", "dsp0")
    assert machine_of(root).warnings == (
        "coproc `gpu0`: interrupt GIC 52 is also used by `/dsp@2000`",
        "coproc `dsp0`: interrupt GIC 52 is also used by `/gpu@1000`",
    )


def test_a_device_below_a_disabled_bus_is_warned_of():
    bus = {"#address-cells": 1, "#size-cells": 1, "ranges": True, "status": "disabled", "gpu": gpu()}
    found = machine_of(machine(gpu(interrupts=[0, 1, 4]), {"coproc-path": "/bus/gpu"}, bus=bus))
    assert found.warnings == ("coproc `gpu0`: it stands below `/bus`, which is disabled",)


def test_a_binding_outside_of_chosen_is_warned_of():
    found = machine_of(machine(gpu(), stray=second("/gpu@1000", "gpu1")))
    assert found.warnings == ("`/stray` shares nothing: only a child of `/chosen` does",)


# ---------------------------------------------------------------- older trees


def test_a_marked_device_is_shared_under_its_alias_or_its_name():
    root = {
        "#address-cells": 1,
        "#size-cells": 1,
        "interrupt-parent": 1,
        "aliases": {"pcoproc_0": "/gpu@1000", "another": "/gpu@1000"},
        "gic": machine(gpu())["gic"],
        "gpu@1000": {**gpu(), "xen,coproc": True},
        "dsp@2000": {**gpu(reg=[0x2000, 0x1000], interrupts=[0, 21, 4]), "xen,coproc": True},
    }
    found = machine_of(root).coprocs
    assert [(spec.coproc_id, spec.path, spec.algorithm) for spec in found] == [
        ("pcoproc_0", "/gpu@1000", None),
        ("dsp", "/dsp@2000", None),
    ]
    assert found[0].place == NodePlace("/gpu@1000", "xen,coproc")
    assert found[0].aliases == ("pcoproc_0", "another")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("vendor,dsp@2000", "the name `vendor,dsp` of a shared device cannot be its identifier"),
        ("gpu0@2000", "`gpu0` is already the identifier of `/gpu@1000`"),
        ("camera@2000", "the identifier `camera` is also an alias, of `/gpu@1000`"),
    ],
)
def test_a_mark_whose_name_is_unfit_or_taken_is_refused(name: str, what: str):
    marked = {**gpu(reg=[0x2000, 0x1000]), "xen,coproc": True}
    error = refusal(machine(gpu(), aliases={"camera": "/gpu@1000"}, **{name: marked}))
    assert str(error).startswith(what)
    assert error.place == NodePlace(f"/{name}", "xen,coproc")
    assert error.hint


def test_a_device_both_marked_and_chosen_is_refused():
    error = refusal(machine({**gpu(), "xen,coproc": True}))
    assert str(error) == "`/gpu@1000` is shared already, as `gpu0`"


def with_arguments(arguments: str, /, **others: object) -> NodeDict:
    others |= {"soc": {"ranges": True, "#address-cells": 1, "#size-cells": 1, "v,dsp@2000": gpu(reg=[0x2000, 0x1000])}}
    root = machine(gpu(), aliases={"graphics": "/gpu@1000"}, **others)
    chosen(root)["scf-1"] = second("/soc/v,dsp@2000", "dsp0")
    chosen(root)["xen,xen-bootargs"] = arguments
    return root


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ("gpu0", ["gpu0"]),
        ("dsp0,gpu0", ["dsp0", "gpu0"]),
        ("graphics,dsp0", ["graphics", "dsp0"]),
        ("/soc/v,dsp@2000,/gpu@1000", ["/soc/v,dsp@2000", "/gpu@1000"]),
    ],
)
def test_dom0_has_the_coprocs_that_its_argument_lists(listed: str, names: list[str]):
    found = machine_of(with_arguments(f"dom0_mem=512M dom0_coprocs={listed} sync_console"))
    place = NodePlace("/chosen", "xen,xen-bootargs")
    assert found.dom0_coprocs == tuple(Setting("dom0_coprocs", name, place) for name in names)


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (
            "dom0_coprocs=gpu1",
            "no shared coproc `gpu1` for dom0",
            "this tree shares `gpu0`, `dsp0`; did you mean `gpu0`?",
        ),
        ("dom0_coprocs=gpu0,nothing,dsp0", "no shared coproc `nothing` for dom0", "this tree shares"),
        ("dom0_coprocs=gpu0,graphics", "`dom0_coprocs` names `gpu0` twice", "name each coproc once"),
        ("dom0_coprocs=", "`dom0_coprocs` says nothing", "or leave it out"),
        ("dom0_coprocs=" + "x," * 20000, "no shared coproc `x` for dom0", "this tree shares"),
    ],
)
def test_a_mistake_in_the_argument_is_refused(arguments: str, what: str, hint: str):
    error = refusal(with_arguments(arguments))
    assert str(error) == what
    assert error.place == NodePlace("/chosen", "xen,xen-bootargs")
    assert hint in (error.hint or "")


def test_the_default_algorithm_is_the_last_one_that_the_arguments_name():
    found = machine_of(with_arguments("vcoproc_sched=edf vcoproc_sched=credit"))
    assert found.default_algorithm == Setting("vcoproc_sched", "credit", NodePlace("/chosen", "xen,xen-bootargs"))


def test_nodes_of_vcoprocs_in_the_system_tree_are_those_of_dom0():
    nodes = {"v0": {"xen,vcoproc": "graphics"}, "v1": {"xen,vcoproc": "/soc/v,dsp@2000", "status": "disabled"}}
    found = machine_of(with_arguments("console=dtuart", **nodes))
    assert found.dom0_coprocs == (Setting("xen,vcoproc", "graphics", NodePlace("/v0", "xen,vcoproc")),)
    repeated = machine_of(with_arguments("dom0_coprocs=gpu0", **nodes))
    assert [setting.value for setting in repeated.dom0_coprocs] == ["gpu0"]


def test_a_vcoproc_of_dom0_needs_a_shared_coproc():
    error = refusal(with_arguments("console=dtuart", v0={"xen,vcoproc": "/gic"}))
    assert str(error) == "no shared coproc `/gic` for dom0"
    assert error.place == NodePlace("/v0", "xen,vcoproc")


# ---------------------------------------------------------------- a domain's partial tree


def partial(**nodes: object) -> NodeDict:
    bus = {"compatible": "simple-bus", "#address-cells": 2, "#size-cells": 2, "ranges": True, **nodes}
    return {"#address-cells": 2, "#size-cells": 2, "passthrough": bus}


def test_a_partial_tree_says_where_a_domain_sees_its_coprocs():
    dsp = {"xen,vcoproc": "dsp", "reg": [0, 0x5000, 0, 0x1000, 1, 0, 0, 0x2000], "reg-names": ["op", "mmu"]}
    found = load_domain_nodes(blob(partial(**{"dsp@5000": dsp, "gpu": {"xen,vcoproc": "/soc/gpu@1"}, "other": {}})))
    windows = (Region("op", 0x5000, 0x1000), Region("mmu", 0x1_0000_0000, 0x2000))
    assert found == (
        VcoprocNode("dsp", "/passthrough/dsp@5000", windows),
        VcoprocNode("/soc/gpu@1", "/passthrough/gpu", ()),
    )


@pytest.mark.parametrize(
    ("node", "what"),
    [
        ({"xen,vcoproc": True}, "`xen,vcoproc` = (empty) is not one string"),
        ({"xen,vcoproc": "gpu"}, "a second node for coproc `gpu`, after `/passthrough/first`"),
        ({"xen,vcoproc": "dsp", "reg": [1, 2]}, "`reg` has 2 cells; its entries have 2 + 2"),
    ],
)
def test_a_mistake_in_a_partial_tree_is_refused(node: NodeDict, what: str):
    with pytest.raises(DeviceTreeError) as caught:
        load_domain_nodes(blob(partial(first={"xen,vcoproc": "gpu"}, v=node)))
    assert str(caught.value) == what
    assert isinstance(caught.value.place, NodePlace)
    assert caught.value.place.node == "/passthrough/v"
