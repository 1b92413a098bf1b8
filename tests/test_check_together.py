"""`check`: what only shows when a tree and all its guests are looked at together, each with its whole message."""

import re

import pytest

from tests.devicetree_blobs import NodeDict, blob, gpu, machine
from tests.homes import Home
from tests.installed import needs_dtc

# Leaves in 25 us, enters in 25 us.
DEVICE = {"compatible": "coprocsim,generic", "interrupts": [0, 20, 4]}


def tree(home: Home, shared: NodeDict | None = None, **others: object) -> None:
    """Write `own.dtb`, in which nothing is wrong but what `shared` and `others` say."""
    (home.folder / "own.dtb").write_bytes(blob(machine(gpu(**DEVICE), shared, **others)))


def config(home: Home, name: str, text: str) -> None:
    (home.folder / f"{name}.cfg").write_text(f'name = "{name}"\nmemory = 64\n{text}\n')


def said(home: Home, line: str) -> list[str]:
    """Return what `check` says of each problem, all of it; but that the device has no IOMMU, as here none has."""
    found = re.split(r"^(?=error: |warning: |\d+ errors?, )", home.quickly(f"check {line}"), flags=re.MULTILINE)
    return [each for each in found[1:-1] if "no `iommus`" not in each]


def test_what_is_wrong_in_two_files_is_said_once_of_each(home: Home):
    tree(home)
    config(home, "one", "vcpu = 2")
    config(home, "two", "vcpu = 2")
    assert said(home, "own.dtb one.cfg two.cfg") == [
        f"warning: xl does not know `vcpu` and ignores it; did you mean `vcpus`?\n --> {name}.cfg:3:1\n"
        "3 | vcpu = 2\n"
        "  | ^^^^\n"
        for name in ("one", "two")
    ]


def test_what_is_wrong_in_a_tree_that_two_guests_name_is_said_once(home: Home):
    tree(home)
    nodes = {"dsp": {"xen,vcoproc": 7}, "xxx": {"xen,vcoproc": "xxx0"}}
    (home.folder / "part.dtb").write_bytes(blob({"#address-cells": 1, "#size-cells": 1, **nodes}))
    for name in ("one", "two"):
        config(home, name, 'device_tree = "part.dtb"')
    assert said(home, "own.dtb one.cfg two.cfg") == [
        *(
            "warning: `device_tree`: node `/xxx` is about no shared coproc, `xxx0`\n"
            f" --> {name}.cfg:3:15\n"
            '3 | device_tree = "part.dtb"\n'
            "  |               ^^^^^^^^^^\n"
            " hint: this machine shares `gpu0`\n"
            for name in ("one", "two")
        ),
        "error: `xen,vcoproc` = <0x7> is not a string\n"
        " --> part.dtb: /dsp: xen,vcoproc\n"
        ' hint: write `xen,vcoproc = "…"`; strings are printable and end with a zero byte\n',
    ]


def test_a_partial_tree_that_cannot_be_read_is_warned_of_at_its_place(home: Home):
    tree(home)
    config(home, "one", 'device_tree = "gone.dtb"')
    assert said(home, "own.dtb one.cfg") == [
        "warning: cannot read `device_tree` `gone.dtb` (No such file or directory): "
        "the vcoprocs are at the coprocs' physical addresses\n"
        " --> one.cfg:3:15\n"
        '3 | device_tree = "gone.dtb"\n'
        "  |               ^^^^^^^^^^\n"
    ]


def test_a_guest_is_called_like_an_earlier_one(home: Home):
    tree(home)
    config(home, "one", "")
    (home.folder / "two.cfg").write_text('name = "one"\nmemory = 64\n')
    assert said(home, "own.dtb one.cfg two.cfg") == [
        "error: the name `one` is that of `one.cfg`, too\n"
        " --> two.cfg:1:8\n"
        '1 | name = "one"\n'
        "  |        ^^^^^\n"
        " hint: no two domains have the same name\n"
    ]


def test_guests_have_more_memory_than_there_is(home: Home):
    # Two banks of 64 MiB and 32 MiB; a third one is disabled.
    banks: NodeDict = {
        "memory@40000000": {"device_type": "memory", "reg": [0x4000_0000, 64 << 20, 0x5000_0000, 32 << 20]},
        "memory@80000000": {"device_type": "memory", "reg": [0x8000_0000, 64 << 20], "status": "disabled"},
    }
    tree(home, None, **banks)
    for name in ("one", "two"):
        config(home, name, "")
    assert said(home, "own.dtb one.cfg") == []
    assert said(home, "own.dtb one.cfg two.cfg") == [
        "warning: the guests have 128 MiB of memory, and the machine 96 MiB: `one` 64 MiB, `two` 64 MiB\n"
        " --> two.cfg:2:10\n"
        "2 | memory = 64\n"
        "  |          ^^\n"
        " hint: xl creates no domain whose memory is not there\n"
    ]


def test_ranges_and_lines_are_passed_through_that_are_shared_or_another_guest_s(home: Home):
    tree(home)
    # Page 1 is the GPU's, line 20 of the GIC is INTID 52.
    config(home, "one", 'iomem = [ "0x1,1", "0x30,2" ]\nirqs = [ "52", "99" ]')
    config(home, "two", 'iomem = [ "0x31,1" ]\nirqs = [ "99" ]')
    alone = " hint: what is passed through is one domain's alone: take it out of all but one\n"
    assert said(home, "own.dtb one.cfg two.cfg") == [
        "warning: `iomem` 0x1000 belongs to `gpu0`, which is shared\n"
        " --> one.cfg:3:11\n"
        '3 | iomem = [ "0x1,1", "0x30,2" ]\n'
        f"  |           ^^^^^^^\n{alone}",
        "warning: `irqs` 52 belongs to `gpu0`, which is shared\n"
        " --> one.cfg:4:10\n"
        '4 | irqs = [ "52", "99" ]\n'
        f"  |          ^^^^\n{alone}",
        "warning: `iomem` 0x31000 belongs to `one`, too\n"
        " --> two.cfg:3:11\n"
        '3 | iomem = [ "0x31,1" ]\n'
        f"  |           ^^^^^^^^\n{alone}",
        f'warning: `irqs` 99 belongs to `one`, too\n --> two.cfg:4:10\n4 | irqs = [ "99" ]\n  |          ^^^^\n{alone}',
    ]


@pytest.mark.parametrize("algorithm", ["rtds", "cbs"])
def test_guests_reserve_more_than_there_is_though_none_does_alone(home: Home, algorithm: str):
    tree(home, {"coproc-sched": algorithm})
    for name, budget in (("one", "5ms"), ("two", "3ms"), ("three", "4ms")):
        config(home, name, f'coproc = [ "gpu0,period=10ms,budget={budget}" ]')
    # 5/10 + 3/10 + 4/10.
    assert said(home, "own.dtb one.cfg two.cfg three.cfg") == [
        "warning: 120 % of `gpu0` are reserved: `one` 50 %, `two` 30 %, `three` 40 %\n"
        " --> three.cfg:3:13\n"
        '3 | coproc = [ "gpu0,period=10ms,budget=4ms" ]\n'
        "  |             ^^^^\n"
        " hint: reserve less, or for fewer domains: nobody is sure of its part now\n"
    ]


def test_a_budget_longer_than_its_period_is_said_once(home: Home):
    tree(home, {"coproc-sched": "rtds"})
    config(home, "one", 'coproc = [ "gpu0,period=10ms,budget=11ms" ]')
    assert said(home, "own.dtb one.cfg") == [
        "error: `budget` = 11ms is longer than `period` = 10ms\n"
        " --> one.cfg:3:18\n"
        '3 | coproc = [ "gpu0,period=10ms,budget=11ms" ]\n'
        "  |                  ^^^^^^^^^^^\n"
        " hint: there is no more than the whole coproc: make `budget` shorter or `period` longer\n"
    ]


def test_a_slice_is_no_longer_than_a_switch(home: Home):
    tree(home, {"coproc-sched": "rrobin", "coproc-sched-slice-us": 50})
    # 25 us to leave, 25 us to enter.
    assert said(home, "own.dtb") == [
        "error: a turn of 50 us on `gpu0` is no longer than a context switch, which takes up to 50 us\n"
        " --> own.dtb: /chosen/scf-0: coproc-sched-slice-us\n"
        " hint: no useful time would be left; make the turn longer\n"
    ]


def test_a_deadline_can_be_missed(home: Home):
    tree(home)
    work = "gpu0,kind=periodic,period=10ms,work=4ms,deadline=3ms,reaction=5us"
    config(home, "one", f'coproc = [ "gpu0" ]\ncoproc_workload = [ "{work}" ]')
    # Its work, two switches of 50 us, one of which is under way when it comes, and 5 us until its driver knows.
    assert said(home, "own.dtb one.cfg") == [
        "warning: on `gpu0` deadlines can be missed: `one` is due after 3 ms, and a job may take 4.105 ms\n"
        " --> one.cfg:4:27\n"
        f'4 | coproc_workload = [ "{work}" ]\n'
        "  |                           ^^^^^^^^^^^^^\n"
        " hint: less work, longer periods or fewer domains help\n"
    ]


def two_devices(home: Home, one: NodeDict, other: NodeDict, address: str) -> None:
    """Write `own.dtb` with a second device, `dsp0`, and an IOMMU whose phandle is 7."""
    iommu: NodeDict = {"compatible": "arm,smmu-v3", "#iommu-cells": 1, "phandle": 7, "reg": [0x9000, 0x1000]}
    root = machine(gpu(**DEVICE, **one), **{f"dsp@{address}": gpu(**DEVICE | other), "iommu@9000": iommu})
    root["chosen"]["scf-1"] = {"compatible": "xen,coproc", "coproc-path": f"/dsp@{address}", "coproc-id": "dsp0"}
    (home.folder / "own.dtb").write_bytes(blob(root))


def test_two_coprocs_have_one_iommu_stream_for_their_dma(home: Home):
    line = {"reg": [0x3000, 0x1000], "interrupts": [0, 21, 4]}
    two_devices(home, {"iommus": [7, 5]}, {**line, "iommus": [7, 5]}, "3000")
    assert said(home, "own.dtb") == [
        "error: IOMMU stream `/iommu@9000:5` of `dsp0` is one of `gpu0`, too\n"
        " --> own.dtb: /dsp@3000: iommus\n"
        " why: a stream translates for one domain's context at a time\n"
        " hint: share only one of the two\n"
    ]


def test_two_coprocs_have_ranges_that_overlap_and_one_line(home: Home):
    two_devices(home, {"reg": [0x1000, 0x2000]}, {"reg": [0x2000, 0x1000]}, "2000")
    assert said(home, "own.dtb") == [
        "warning: coproc `gpu0`: interrupt GIC 52 is also used by `/dsp@2000`\n --> own.dtb: /gpu@1000: interrupts\n",
        "warning: coproc `dsp0`: interrupt GIC 52 is also used by `/gpu@1000`\n --> own.dtb: /dsp@2000: interrupts\n",
        "warning: range `0` of `dsp0` at 0x2000 lies upon range `0` of `gpu0`\n"
        " --> own.dtb: /dsp@2000: reg\n"
        " hint: who has a vcoproc of one of them reaches the other\n",
    ]


def test_a_second_guest_has_no_room_on_a_coproc_that_nobody_shares(home: Home):
    tree(home, {"coproc-sched": "null"})
    for name in ("one", "two"):
        config(home, name, 'coproc = [ "gpu0" ]')
    assert said(home, "own.dtb one.cfg two.cfg") == [
        "error: `null` has no room for another vcoproc of `gpu0`: `one` has it\n"
        " --> two.cfg:3:13\n"
        '3 | coproc = [ "gpu0" ]\n'
        "  |             ^^^^\n"
        ' hint: `coproc-sched = "rrobin"` in the device tree lets it be shared, and so does `sched set` after `boot`\n'
    ]


def test_arrivals_that_cannot_be_read_hide_nothing_else_of_their_workload(home: Home):
    tree(home)
    options = "gpu0,kind=trace,file=gone.csv,deadline=x,frequency=2"
    config(home, "one", f'coproc = [ "gpu0" ]\ncoproc_workload = [ "{options}" ]')
    found = said(home, "own.dtb one.cfg")
    assert found[0] == (
        "error: cannot read `gone.csv`: No such file or directory\n"
        " --> one.cfg:4:38\n"
        f'4 | coproc_workload = [ "{options}" ]\n'
        "  |                                      ^^^^^^^^^^^^^\n"
        " hint: the file is looked for in `.`\n"
    )
    assert [each.splitlines()[0] for each in found[1:]] == [
        "error: `deadline=x` makes no sense",
        "error: a workload of this kind has no option `frequency`",
    ]


def test_nothing_is_said_of_the_jobs_of_arrivals_that_cannot_be_read(home: Home):
    tree(home)
    # A job of any length would be late.
    options = "gpu0,kind=trace,file=gone.csv,deadline=1us"
    config(home, "one", f'coproc = [ "gpu0" ]\ncoproc_workload = [ "{options}" ]')
    assert [each.splitlines()[0] for each in said(home, "own.dtb one.cfg")] == [
        "error: cannot read `gone.csv`: No such file or directory"
    ]


# ---------------------------------------------------------------- what dtc says


def test_all_errors_of_dtc_are_told_each_at_its_place(home: Home):
    needs_dtc()
    (home.folder / "own.dts").write_text("/dts-v1/;\n/ { };\n&gone { };\n&lost { a; };\n")
    assert said(home, "own.dts") == [
        "error: dtc: Label or path gone not found\n --> own.dts:3:1\n3 | &gone { };\n  | ^^^^^\n",
        "error: dtc: Label or path lost not found\n --> own.dts:4:1\n4 | &lost { a; };\n  | ^^^^^\n",
    ]
    assert home.quickly("boot own.dts").startswith("error: dtc: Label or path gone not found\n")


def test_an_error_in_what_a_source_includes_is_told_at_its_place_there(home: Home):
    needs_dtc()
    (home.folder / "board").mkdir()
    (home.folder / "board/own.dts").write_text('/dts-v1/;\n/include/ "part.dtsi"\n')
    (home.folder / "board/part.dtsi").write_text("/ { a = ; };\n")
    assert said(home, "board/own.dts") == [
        "error: dtc: syntax error\n --> board/part.dtsi:1:9\n1 | / { a = ; };\n  |         ^\n"
        " hint: look before this place too: a `;` may be missing there\n"
    ]


def test_warnings_of_dtc_are_warnings(home: Home):
    needs_dtc()
    source = (home.folder / "dts/minimal.dts").read_text()
    (home.folder / "own.dts").write_text(f"{source}/ {{ spare@0 {{ }}; }};\n")
    line = source.count("\n") + 1
    assert said(home, "own.dts") == [
        "warning: dtc: (unit_address_vs_reg): /spare@0: node has a unit name, but no reg or ranges property\n"
        f" --> own.dts:{line}:13\n{line} | / {{ spare@0 {{ }}; }};\n   |             ^^^^\n"
    ]
    assert home.quickly("boot own.dts").count("warning") == home.quickly("boot dts/minimal.dtb --force").count(
        "warning"
    )
