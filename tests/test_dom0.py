"""Domain-0: a domain like others that is there from boot to shutdown, and sees everything.

What an unprivileged domain may name is the other side of it: what is shared, and nothing else.
"""

import json
import os
from pathlib import Path

import pytest

from coprocsim.errors import DeviceTreeError, NodePlace
from coprocsim.hypervisor import domains, mmio
from coprocsim.hypervisor.state import Phase
from coprocsim.model import DOMAIN_0, VcoprocId, VcoprocState
from coprocsim.toolstack.session import session
from tests.devicetree_blobs import NodeDict, blob, gpu
from tests.homes import PROJECT, Home
from tests.machines import Machine

# `/gpu@10000` is shared as gpu0, `/dsp@20000` as dsp0; `/secret@30000` is not shared, and has an alias.
GPU, DSP, SECRET = 0x1_0000, 0x2_0000, 0x3_0000


def tree(dom0_coprocs: str | None = None, *, subnode: NodeDict | None = None, **nodes: NodeDict) -> NodeDict:
    """Return a tree of three devices; `nodes` are added to its root, `subnode` to what shares the GPU."""
    arguments = "dom0_mem=512M" + ("" if dom0_coprocs is None else f" dom0_coprocs={dom0_coprocs}")

    def device(base: int, intid: int) -> NodeDict:
        return gpu(compatible="coprocsim,generic", reg=[base, 0x1000], interrupts=[0, intid, 4])

    def shared(path: str, coproc_id: str) -> NodeDict:
        said = {"compatible": "xen,coproc", "coproc-path": path, "coproc-id": coproc_id}
        return {**said, "coproc-sched-slice-us": 2000}

    return {
        "#address-cells": 1,
        "#size-cells": 1,
        "interrupt-parent": 1,
        "aliases": {"video": f"/gpu@{GPU:x}", "sound": f"/dsp@{DSP:x}", "hidden": f"/secret@{SECRET:x}"},
        "chosen": {
            "xen,xen-bootargs": arguments,
            "scf-gpu": {**shared(f"/gpu@{GPU:x}", "gpu0"), **({"dom0": subnode} if subnode else {})},
            "scf-dsp": shared(f"/dsp@{DSP:x}", "dsp0"),
        },
        "gic": {"compatible": "arm,gic-400", "interrupt-controller": True, "#interrupt-cells": 3, "phandle": 1},
        f"gpu@{GPU:x}": device(GPU, 20),
        f"dsp@{DSP:x}": device(DSP, 21),
        f"secret@{SECRET:x}": device(SECRET, 22),
        **nodes,
    }


class Dom0(Home):
    """A machine of these trees, and guests for it."""

    def boot(self, described: NodeDict) -> str:
        (self.folder / "own.dtb").write_bytes(blob(described))
        return self.quickly("boot own.dtb --force")

    def guest(self, coproc: str, name: str = "guest", extra: str = "") -> str:
        (self.folder / "guest.cfg").write_text(f'name = "{name}"\nmemory = 32\ncoproc = [ "{coproc}" ]\n{extra}')
        return self.quickly("domain create guest.cfg")

    def shares(self, domain: str = "Domain-0") -> list[str]:
        """Return the coprocs that a domain has a vcoproc of."""
        return [each["coproc"] for each in json.loads(self.quickly(f"domain show {domain} --json"))["vcoprocs"]]


@pytest.fixture
def home(tmp_path: Path) -> Dom0:
    return Dom0(tmp_path)


# ---------------------------------------------------------------- which vcoprocs it has


@pytest.mark.parametrize(
    ("dom0_coprocs", "shared"),
    [
        (None, []),
        ("gpu0", ["gpu0"]),
        ("/gpu@10000", ["gpu0"]),
        ("video", ["gpu0"]),
        ("dsp0,gpu0", ["dsp0", "gpu0"]),
        ("sound,/gpu@10000", ["dsp0", "gpu0"]),
    ],
)
def test_the_boot_arguments_give_it_vcoprocs_by_identifier_path_and_alias(home, dom0_coprocs, shared):
    assert "[exit" not in home.boot(tree(dom0_coprocs))
    assert home.shares() == shared


def test_nodes_of_the_tree_give_it_vcoprocs_and_may_repeat_the_arguments(home):
    home.boot(tree("gpu0", v0={"xen,vcoproc": "sound"}, v1={"xen,vcoproc": "/gpu@10000"}))
    assert home.shares() == ["gpu0", "dsp0"]


@pytest.mark.parametrize(
    ("described", "place", "what"),
    [
        (tree("gpu1"), "/chosen: xen,xen-bootargs", "no shared coproc `gpu1` for dom0"),
        (tree("gpu0,dsp1"), "/chosen: xen,xen-bootargs", "no shared coproc `dsp1` for dom0"),
        (tree("/secret@30000"), "/chosen: xen,xen-bootargs", "no shared coproc `/secret@30000` for dom0"),
        (tree("hidden"), "/chosen: xen,xen-bootargs", "no shared coproc `hidden` for dom0"),
        (tree("gpu0,video"), "/chosen: xen,xen-bootargs", "`dom0_coprocs` names `gpu0` twice"),
        (tree(v0={"xen,vcoproc": "hidden"}), "/v0: xen,vcoproc", "no shared coproc `hidden` for dom0"),
        (tree(v0={"xen,vcoproc": "gpu1"}), "/v0: xen,vcoproc", "no shared coproc `gpu1` for dom0"),
    ],
)
def test_one_that_is_not_shared_is_an_error_at_its_place(home, described, place, what):
    output = home.boot(described)
    assert output.startswith(f"error: {what}\n --> own.dtb: {place}\n hint: ")
    assert output.endswith("[exit 1]\n")
    assert "no machine is up" in home.quickly("list")


def test_one_that_has_failed_is_an_error_at_its_place():
    machine = Machine()
    coproc = machine.coproc()
    coproc.phase, coproc.failure = Phase.FAILED, "it hangs"
    place = NodePlace("/chosen", "xen,xen-bootargs")
    plan = domains.VcoprocPlan("gpu0", coproc.spec.regions, {}, place=place)
    with pytest.raises(DeviceTreeError, match="`gpu0` has failed: it hangs") as caught:
        domains.create(machine.board, domains.DomainPlan("Domain-0", 64, 64, 1, (plan,), domain_id=DOMAIN_0))
    assert caught.value.place == place
    assert not machine.board.domains


PARTS = """
from coprocsim.parameters import Kind, Parameter, Scope
from coprocsim.platforms.base import Refused
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.schedulers.rrobin import RoundRobin


class Weighted(RoundRobin):
    name = "weighted"
    weight = Parameter("weight", Kind.NUMBER, 256, "its part", 1, 65535, scope=Scope.VCOPROC)
    parameters = (*RoundRobin.parameters, weight)


class Refusing(GenericPlatform):
    name = "refusing"

    def domain_create(self, vcoproc, memory):
        return Refused("it is for guests only") if vcoproc.domain == 0 else super().domain_create(vcoproc, memory)
"""


@pytest.fixture
def parts(home: Dom0) -> Dom0:
    """A home where a package adds an algorithm with weights, and a platform that refuses Domain-0."""
    (home.folder / "parts.py").write_text(PARTS)
    info = home.folder / "parts-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parts\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[coprocsim.schedulers]\nweighted = parts:Weighted\n[coprocsim.platforms]\nrefusing = parts:Refusing\n"
    )
    home.environment["PYTHONPATH"] = os.pathsep.join([str(PROJECT), str(home.folder)])
    return home


def test_one_whose_platform_refuses_is_an_error_at_its_place(parts):
    (parts.folder / "own.dtb").write_bytes(blob(tree("dsp0,gpu0")))
    status, _, err = parts.run("boot", "own.dtb", "--platform", "gpu0=refusing")
    assert (status, err) == (
        1,
        "error: platform `refusing` refuses a vcoproc of `gpu0`: it is for guests only\n"
        " --> own.dtb: /chosen: xen,xen-bootargs\n",
    )
    assert parts.run("list")[0] == 1


def test_its_parameters_stand_in_a_subnode_of_the_tree(parts):
    subnode = {"compatible": "xen,vcoproc", "domain": "Domain-0", "coproc-sched-weight": 512}
    described = tree("gpu0,dsp0", subnode=subnode)
    for node in ("scf-gpu", "scf-dsp"):
        described["chosen"][node]["coproc-sched"] = "weighted"
    (parts.folder / "own.dtb").write_bytes(blob(described))
    assert parts.run("boot", "own.dtb")[0] == 0
    assert parts.run("sched", "gpu0")[1].splitlines()[-1].split() == ["Domain-0", "0", "weight=512"]
    assert parts.run("sched", "dsp0")[1].splitlines()[-1].split() == ["Domain-0", "0", "weight=256"]
    assert parts.run("sched", "set", "dsp0", "-d", "Domain-0", "weight=100")[0] == 0
    assert parts.run("sched", "dsp0")[1].splitlines()[-1].split() == ["Domain-0", "0", "weight=100"]


def test_a_parameter_that_its_algorithm_does_not_have_is_an_error_at_its_place(home):
    subnode = {"compatible": "xen,vcoproc", "domain": "Domain-0", "coproc-sched-weight": 512}
    output = home.boot(tree("gpu0", subnode=subnode))
    assert output.startswith(
        "error: `rrobin` has no parameter `coproc-sched-weight` here\n"
        " --> own.dtb: /chosen/scf-gpu/dom0: coproc-sched-weight\n"
    )


# ---------------------------------------------------------------- what it does


def test_its_driver_works_is_stepped_listed_and_counted(home):
    """A job of 1 ms each 5 ms, from now on: six of them in 30 ms, of which the sixth ends at 26 ms and more."""
    home.boot(tree("gpu0"))
    assert "Domain-0 on gpu0" in home.quickly("workload set Domain-0 gpu0 kind=periodic,period=5ms,work=1ms")
    assert "6 jobs done" in home.quickly("run 30ms")
    stepped = json.loads(home.quickly("step 4 --json"))["decisions"]
    assert {each["coproc"] for each in stepped} == {"gpu0"}
    assert any("Domain-0" in each["decision"] for each in stepped)
    listed = json.loads(home.quickly("list vcoprocs --json"))["vcoprocs"]
    assert [(each["domain"], each["vcoproc"], each["irqs"] >= 6) for each in listed] == [("Domain-0", "d0v0", True)]
    counted = json.loads(home.quickly("stats --json"))["vcoprocs"][0]
    assert (counted["domain_id"], counted["done"] >= 6, counted["run_ps"] >= 6 * 10**9) == (0, True, True)
    assert "Domain-0" in home.quickly("timeline")
    home.quickly("workload clear Domain-0 gpu0")
    assert home.quickly("workload show Domain-0").splitlines()[-1].split() == ["Domain-0", "gpu0", "-"]


def test_it_takes_turns_with_guests(home):
    """Two that always have work, and equal turns: they have the same but for a turn of 2 ms."""
    home.boot(tree("gpu0"))
    home.quickly("workload set Domain-0 gpu0 kind=backlog,work=1ms")
    home.guest("gpu0", extra='coproc_workload = [ "gpu0,kind=backlog,work=1ms" ]\n')
    home.quickly("run 200ms")
    dom0, guest = json.loads(home.quickly("stats --json"))["vcoprocs"]
    assert dom0["run_ps"] > 90 * 10**9
    assert abs(dom0["run_ps"] - guest["run_ps"]) <= 3 * 10**9


def test_its_accesses_trap_until_it_runs_and_go_straight_to_the_hardware_then(home):
    home.boot(tree("gpu0"))
    assert "trapped" in home.quickly(f"mmio read Domain-0 {GPU:#x}")
    assert "aborted" in home.quickly(f"mmio read Domain-0 {DSP:#x}")
    assert "aborted" in home.quickly(f"mmio read 0 {SECRET:#x}")
    home.quickly("workload set Domain-0 gpu0 kind=backlog,work=1ms")
    home.quickly("run 1ms")
    with session(home.file) as loaded:
        vcoproc = loaded.board.vcoprocs[str(VcoprocId(DOMAIN_0, 0))]
        assert vcoproc.state is VcoprocState.RUNNING
        outcome = mmio.access(loaded.board, vcoproc.domain, GPU, 4, None)
    assert outcome.route == "direct"


# ---------------------------------------------------------------- from boot to shutdown


@pytest.mark.parametrize("name", ["Domain-0", "0"])
def test_it_is_neither_destroyed_nor_paused(home, name):
    home.boot(tree("gpu0"))
    before = home.dump()
    assert home.quickly(f"domain destroy {name}") == (
        "error: Domain-0 ends with the machine\n hint: `coprocsim shutdown`\n[exit 1]\n"
    )
    assert home.quickly(f"domain pause {name}") == (
        "error: Domain-0 cannot be paused\n"
        " why: who pauses and unpauses domains is in it\n"
        " hint: `coprocsim workload clear Domain-0 COPROC` stops its driver\n[exit 1]\n"
    )
    assert home.quickly(f"domain unpause {name}") == "error: domain `Domain-0` is not paused\n[exit 1]\n"
    assert home.dump() == before


def test_it_survives_all_other_domains(home):
    home.boot(tree("gpu0"))
    home.quickly("workload set Domain-0 gpu0 kind=backlog,work=1ms")
    for name in ("one", "two"):
        home.guest("gpu0", name, 'coproc_workload = [ "gpu0,kind=backlog,work=1ms" ]\n')
    home.quickly("run 20ms")
    for name in ("one", "two"):
        home.quickly(f"domain destroy {name}")
    home.quickly("run 20ms")
    assert [each["domain"] for each in json.loads(home.quickly("list domains --json"))["domains"]] == ["Domain-0"]
    ran_ps = json.loads(home.quickly("stats --json"))["vcoprocs"][0]["run_ps"]
    home.quickly("run 20ms")
    # Alone it has all of the coproc.
    assert json.loads(home.quickly("stats --json"))["vcoprocs"][0]["run_ps"] - ran_ps > 19 * 10**9


@pytest.mark.parametrize(("name", "what"), [("Domain-0", "is taken by domain 0"), ("0", "is the id of Domain-0")])
def test_no_domain_takes_its_name_or_id(home, name, what):
    home.boot(tree())
    before = home.dump()
    output = home.guest("gpu0", name)
    assert output.startswith(f"error: the name `{name}` {what}\n --> guest.cfg:1:")
    assert home.dump() == before


# ---------------------------------------------------------------- who sees what


def test_it_sees_every_domain(home):
    home.boot(tree("gpu0"))
    home.guest("gpu0", "one")
    home.guest("dsp0", "two")
    expected = {("Domain-0", "gpu0"), ("one", "gpu0"), ("two", "dsp0")}
    for line in ("list --json", "stats --json"):
        seen = json.loads(home.quickly(line))["vcoprocs"]
        assert {(each["domain"], each["coproc"]) for each in seen} == expected
    assert home.shares("one") == ["gpu0"]
    assert home.shares("two") == ["dsp0"]


@pytest.mark.parametrize("coproc", ["secret", "/secret@30000", "hidden", "/gic", "/chosen/scf-gpu", "/", "/gpu@1000"])
def test_a_guest_cannot_name_what_is_not_shared(home, coproc):
    home.boot(tree("gpu0"))
    before = home.dump()
    output = home.guest(coproc)
    assert output.startswith(f"error: no shared coproc `{coproc}`\n --> guest.cfg:3:13\n")
    assert output.endswith("[exit 1]\n")
    assert home.dump() == before


def test_a_guest_does_not_reach_what_is_not_shared_through_its_own_tree_either(home):
    home.boot(tree("gpu0"))
    node = {"xen,vcoproc": "hidden", "reg": [SECRET, 0x1000]}
    partial: NodeDict = {"#address-cells": 1, "#size-cells": 1, "passthrough": {**node}}
    partial["passthrough"] |= {"#address-cells": 1, "#size-cells": 1}
    (home.folder / "partial.dtb").write_bytes(blob(partial))
    home.guest("gpu0", extra='device_tree = "partial.dtb"\niomem = [ "0x30,1" ]\n')
    assert home.shares("guest") == ["gpu0"]
    assert "aborted" in home.quickly(f"mmio read guest {SECRET:#x}")
    assert "trapped" in home.quickly(f"mmio read guest {GPU:#x}")
