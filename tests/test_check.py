"""`check`: all that is wrong with a tree and its guests is found at once, at its place, and no machine is touched."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.devicetree_blobs import NodeDict, blob, gpu, machine
from tests.homes import Home

SCF = "/chosen/scf-0"
# Leaves in 25 us, enters in 25 us.
DEVICE = {"compatible": "coprocsim,generic", "interrupts": [0, 20, 4]}


def tree(home: Home, shared: NodeDict | None = None, **others: object) -> None:
    """Write `own.dtb`, in which nothing is wrong but what `shared` and `others` say."""
    (home.folder / "own.dtb").write_bytes(blob(machine(gpu(**DEVICE), shared, **others)))


def config(home: Home, name: str, text: str) -> None:
    (home.folder / f"{name}.cfg").write_text(f'name = "{name}"\nmemory = 64\n{text}\n')


def found(home: Home, line: str, status: int = 1) -> list[dict[str, Any]]:
    """Return the problems that `check` finds, having seen how it exits."""
    said = home.quickly(f"check {line} --json")
    ending = f"[exit {status}]\n" if status else ""
    assert said.endswith("}\n" + ending)
    problems: list[dict[str, Any]] = json.loads(said.removesuffix(ending))["problems"]
    return problems


def errors(problems: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    """Return where the errors are: node and property, or line and column."""
    return [
        (each["node"], each["property"]) if each["node"] else (each["line"], each["column"])
        for each in problems
        if each["severity"] == "error"
    ]


def warnings(problems: list[dict[str, Any]]) -> list[str]:
    """Return the warnings but the one that the trees of this file all deserve: they have no IOMMU."""
    return [each["what"] for each in problems if each["severity"] == "warning" and "no `iommus`" not in each["what"]]


# ---------------------------------------------------------------- all, and not only the first


def test_five_mistakes_of_a_tree_are_found_each_at_its_place(home: Home):
    wrong = {"coproc-charge": "never", "coproc-sched-slice-us": 1, "coproc-wieght": 2}
    chosen = {
        "xen,xen-bootargs": "dom0_coprocs=dsp0,gpu9",
        **machine(gpu(), wrong)["chosen"],
        "scf-1": {"compatible": "xen,coproc", "coproc-path": "/dsp@9000", "coproc-id": "dsp0"},
    }
    tree(home, chosen=chosen)
    assert errors(found(home, "own.dtb")) == [
        (SCF, "coproc-wieght"),
        ("/chosen/scf-1", "coproc-path"),
        (SCF, "coproc-charge"),
        # `dsp0`, too, is not there; but the tree means to share it, and why it does not is said.
        ("/chosen", "xen,xen-bootargs"),
        (SCF, "coproc-sched-slice-us"),
    ]


def test_what_is_missing_of_a_device_does_not_hide_what_is_wrong_with_its_settings(home: Home):
    tree(home, {"coproc-sched": "rrobin", "coproc-sched-sluce-us": 5000}, **{"gpu@1000": {"compatible": "acme,gpu"}})
    assert errors(found(home, "own.dtb")) == [("/gpu@1000", "reg"), (SCF, "coproc-sched-sluce-us")]


def test_four_mistakes_of_a_config_are_found_each_at_its_place(home: Home):
    tree(home)
    (home.folder / "own.cfg").write_text(
        'name = "my guest"\n'
        'memory = "lots"\n'
        'coproc = [ "gpu0,weight=2", "gpu9" ]\n'
        'coproc_workload = [ "gpu0,kind=periodic,period=never,work=1ms" ]\n'
        "vcpu = 2\n"
    )
    problems = found(home, "own.dtb own.cfg")
    # A name, a number, an option that `rrobin` does not have, a coproc that is not there, a time.
    assert errors(problems) == [(1, 8), (2, 10), (3, 18), (3, 30), (4, 41)]
    assert warnings(problems) == ["xl does not know `vcpu` and ignores it; did you mean `vcpus`?"]


def test_all_options_of_a_workload_are_judged_also_one_that_is_missing(home: Home):
    tree(home)
    text = 'coproc = [ "gpu0" ]\ncoproc_workload = [ "gpu0,kind=periodic,period=x,work=y,reaction=z" ]'
    config(home, "own", text)
    assert [each["what"] for each in found(home, "own.dtb own.cfg") if each["severity"] == "error"] == [
        "`period=x` makes no sense",
        "`work=y` makes no sense",
        "`reaction=z` makes no sense",
    ]
    config(home, "own", text.replace(",work=y", ""))
    assert [each["what"] for each in found(home, "own.dtb own.cfg") if each["severity"] == "error"] == [
        "a workload of kind `periodic` needs `work`",
        "`period=x` makes no sense",
        "`reaction=z` makes no sense",
    ]


def test_a_syntax_error_ends_its_own_file_only(home: Home):
    (home.folder / "bad.cfg").write_text('name = "bad"\ncoproc = [ "gpu0"\nmemory = 64; memroy = 32\n')
    config(home, "own", 'coproc = [ "gpu0" ]\nvcpus = 0')
    tree(home)
    assert [(each["path"], each["line"]) for each in found(home, "own.dtb bad.cfg own.cfg") if each["line"]] == [
        ("bad.cfg", 2),
        ("own.cfg", 4),
    ]
    (home.folder / "own.dtb").write_bytes(b"no tree")
    paths = [each["path"] for each in found(home, "own.dtb bad.cfg own.cfg nowhere.cfg")]
    assert paths == ["own.dtb", "bad.cfg", "own.cfg", "nowhere.cfg"]


def test_what_a_config_says_of_a_coproc_that_is_broken_in_the_tree_is_not_held_against_it(home: Home):
    tree(home, {"coproc-path": "/gpu@2000"})
    config(home, "own", 'coproc = [ "gpu0", "gpu1" ]\ncoproc_workload = [ "gpu0,kind=idle" ]')
    assert errors(found(home, "own.dtb own.cfg")) == [(SCF, "coproc-path"), (3, 21)]


def test_mistakes_of_a_domain_s_partial_tree_are_found_in_that(home: Home):
    tree(home)
    # A range takes two cells here, `#address-cells` and `#size-cells` being 1.
    nodes = {
        "gpu": {"xen,vcoproc": "gpu0", "reg": [1, 2, 3]},
        "dsp": {"xen,vcoproc": 7},
        "xxx": {"xen,vcoproc": "xxx0"},
    }
    (home.folder / "part.dtb").write_bytes(blob({"#address-cells": 1, "#size-cells": 1, **nodes}))
    config(home, "own", 'coproc = [ "gpu0" ]\ndevice_tree = "part.dtb"\nvcpus = 0')
    problems = found(home, "own.dtb own.cfg")
    assert errors(problems) == [(5, 9), ("/gpu", "reg"), ("/dsp", "xen,vcoproc")]
    assert [each["path"] for each in problems[-2:]] == ["part.dtb"] * 2
    # That a node is about no coproc of the machine is no mistake of the partial tree.
    assert [each["path"] for each in problems if "`/xxx`" in each["what"]] == ["own.cfg"]


# ---------------------------------------------------------------- what only shows together


def test_domains_of_the_same_name_are_found_and_so_is_what_else_is_wrong_with_the_second(home: Home):
    tree(home)
    config(home, "one", 'coproc = [ "gpu0" ]')
    (home.folder / "two.cfg").write_text('name = "one"\nmemory = 64\ncoproc = [ "gpu1" ]\n')
    problems = found(home, "own.dtb one.cfg two.cfg")
    assert errors(problems) == [(1, 8), (3, 13)]
    assert "the name `one` is that of `one.cfg`, too" in [each["what"] for each in problems]


def test_each_vcoproc_for_which_a_coproc_has_no_room_is_an_error(home: Home):
    dsp = gpu(compatible="coprocsim,generic", reg=[0x3000, 0x1000], interrupts=[0, 21, 4])
    root = machine(gpu(**DEVICE), {"coproc-sched": "null"}, **{"dsp@3000": dsp})
    second = {"coproc-path": "/dsp@3000", "coproc-id": "dsp0", "coproc-sched": "null"}
    root["chosen"]["scf-1"] = {"compatible": "xen,coproc", **second}
    (home.folder / "own.dtb").write_bytes(blob(root))
    config(home, "one", 'coproc = [ "gpu0", "dsp0" ]')
    config(home, "two", 'coproc = [ "gpu0", "dsp0" ]')
    problems = found(home, "own.dtb one.cfg two.cfg")
    assert errors(problems) == [(3, 13), (3, 21)]
    assert [each["path"] for each in problems if each["severity"] == "error"] == ["two.cfg", "two.cfg"]


@pytest.mark.parametrize("algorithm", ["rtds", "cbs"])
def test_more_reserved_than_there_is_is_warned_of_where_it_becomes_too_much(home: Home, algorithm: str):
    tree(home, {"coproc-sched": algorithm})
    for name, budget in (("one", "5ms"), ("two", "3ms"), ("three", "4ms")):
        config(home, name, f'coproc = [ "gpu0,period=10ms,budget={budget}" ]\ncoproc_workload = [ "gpu0,kind=idle" ]')
    # 5/10 + 3/10 are 80 %, and 4/10 more are 120 %.
    assert warnings(found(home, "own.dtb one.cfg two.cfg", 0)) == []
    problems = found(home, "own.dtb one.cfg two.cfg three.cfg", 0)
    assert warnings(problems) == ["120 % of `gpu0` are reserved: `one` 50 %, `two` 30 %, `three` 40 %"]
    assert (problems[-1]["path"], problems[-1]["line"], problems[-1]["column"]) == ("three.cfg", 3, 13)


def test_more_work_than_there_is_time_is_warned_of_where_no_theory_speaks_of_deadlines(home: Home):
    tree(home, {"coproc-sched": "credit"})
    # 5/8 are 62.5 %; with 3/6 more it is 112.5 %.
    for name, load in (("one", "period=8ms,work=5ms"), ("two", "period=6ms,work=3ms")):
        config(home, name, f'coproc = [ "gpu0" ]\ncoproc_workload = [ "gpu0,kind=periodic,{load}" ]')
    assert warnings(found(home, "own.dtb one.cfg", 0)) == []
    said = warnings(found(home, "own.dtb one.cfg two.cfg", 0))
    assert said == ["`gpu0` may be asked for 112.5 % of its time: `one` 62.5 %, `two` 50 %"]


def test_a_turn_that_a_switch_uses_up_is_an_error_and_deadlines_and_jobs_at_risk_are_warned_of(home: Home):
    tree(home, {"coproc-sched": "rrobin", "coproc-sched-slice-us": 50, "coproc-switch-timeout-us": 1000})
    assert errors(found(home, "own.dtb")) == [(SCF, "coproc-sched-slice-us")]
    tree(home, {"coproc-switch-timeout-us": 1000})
    config(
        home,
        "one",
        'coproc = [ "gpu0" ]\ncoproc_workload = [ "gpu0,kind=periodic,period=10ms,work=4ms,uncuttable=2ms" ]',
    )
    config(home, "two", 'coproc = [ "gpu0" ]\ncoproc_workload = [ "gpu0,kind=periodic,period=10ms,work=7ms" ]')
    said = warnings(found(home, "own.dtb one.cfg two.cfg", 0))
    # 4 ms and 7 ms every 10 ms are more than there is; 2 ms are longer than the timeout of 1 ms.
    assert any("keeps `gpu0` from switching for up to 2 ms, and the switch timeout is 1 ms" in each for each in said)
    assert any("on `gpu0` deadlines can be missed" in each for each in said)


def test_ranges_and_lines_that_two_have_are_warned_of(home: Home):
    second = {"compatible": "xen,coproc", "coproc-path": "/dsp@1800", "coproc-id": "dsp0"}
    dsp = gpu(compatible="coprocsim,generic", reg=[0x1800, 0x1000], interrupts=[0, 21, 4])
    root = machine(gpu(**DEVICE), **{"dsp@1800": dsp})
    root["chosen"]["scf-1"] = second
    (home.folder / "own.dtb").write_bytes(blob(root))
    # Page 1 is the GPU's, line 20 of the GIC is INTID 52.
    config(home, "one", 'iomem = [ "0x1,1", "0x30,2" ]\nirqs = [ "52", "99" ]')
    config(home, "two", 'iomem = [ "0x31,1" ]\nirqs = [ "99" ]')
    said = warnings(found(home, "own.dtb one.cfg two.cfg", 0))
    assert "range `0` of `dsp0` at 0x1800 lies upon range `0` of `gpu0`" in said
    assert [each for each in said if each.startswith(("`iomem`", "`irqs`"))] == [
        "`iomem` 0x1000 belongs to `gpu0`, which is shared",
        "`iomem` 0x1000 belongs to `dsp0`, which is shared",
        "`irqs` 52 belongs to `gpu0`, which is shared",
        "`iomem` 0x31000 belongs to `one`, too",
        "`irqs` 99 belongs to `one`, too",
    ]


# ---------------------------------------------------------------- what is said, and how it exits


def test_nothing_is_said_of_what_is_right_and_no_machine_is_made(home: Home):
    said = home.quickly("check dts/automotive.dtb domains/keystore.cfg domains/cockpit-audio.cfg --strict")
    assert said == "0 errors, 0 warnings in 3 files\n"
    assert home.quickly("check dts/virtual-gpu.dtb domains/tablet.cfg --strict") == "0 errors, 0 warnings in 2 files\n"
    assert not home.file.exists()


@pytest.mark.skipif(shutil.which("dtc") is None, reason="dtc makes blobs of sources")
def test_a_source_is_compiled_and_its_syntax_error_has_a_line(home: Home):
    shutil.copy(Path(__file__).parents[1] / "dts/automotive.dts", home.folder / "own.dts")
    assert home.quickly("check own.dts --strict") == "0 errors, 0 warnings in 1 file\n"
    (home.folder / "own.dts").write_text("/dts-v1/;\n/ {\n\tmodel = ;\n};\n")
    assert [(each["path"], each["line"]) for each in found(home, "own.dts")] == [("own.dts", 3)]


def test_what_boot_is_told_about_platforms_and_options_holds_here_too(home: Home):
    (home.folder / "own.dtb").write_bytes(blob(machine(gpu(compatible="acme,gpu"))))
    assert errors(found(home, "own.dtb")) == [("/gpu@1000", "compatible")]
    assert errors(found(home, "own.dtb --platform gpu0=generic", 0)) == []
    (home.folder / "own.config").write_text("# CONFIG_COPROC_SCHED_RROBIN is not set\nCONFIG_NO_SUCH=y\n")
    problems = found(home, "own.dtb --platform gpu0=generic --config own.config", 0)
    assert [each["path"] for each in problems] == ["own.config", "own.dtb"]


def test_a_warning_fails_only_where_strict_is_asked_for(home: Home):
    tree(home)
    config(home, "own", "vcpu = 2")
    said = home.quickly("check own.dtb own.cfg")
    assert said.endswith("0 errors, 2 warnings in 2 files\n")
    assert "warning: xl does not know `vcpu` and ignores it; did you mean `vcpus`?\n --> own.cfg:3:1\n" in said
    assert home.quickly("check own.dtb own.cfg --strict") == f"{said}[exit 1]\n"


def test_it_is_all_on_stdout(home: Home):
    status, out, err = home.run("check", "dts/system.dtb", "domains/refused.cfg")
    assert (status, err) == (1, "")
    assert "error: no shared coproc `gpu1`\n --> domains/refused.cfg:" in out
    assert out.endswith("1 error, 1 warning in 2 files\n")


def test_every_problem_has_all_keys(home: Home):
    tree(home, {"coproc-wieght": 2})
    config(home, "own", 'coproc = [ "gpu9" ]')
    document = json.loads(home.quickly("check own.dtb own.cfg --json").removesuffix("[exit 1]\n"))
    assert {name: value for name, value in document.items() if name != "problems"} == {
        "errors": 2,
        "warnings": 1,
        "files": 2,
    }
    in_tree, _, in_config = document["problems"]
    keys = ["severity", "what", "why", "hint", "path", "line", "column", "node", "property"]
    assert [list(each) for each in document["problems"]] == [keys] * 3
    assert [in_tree[key] for key in keys[4:]] == ["own.dtb", None, None, SCF, "coproc-wieght"]
    assert [in_config[key] for key in keys[4:]] == ["own.cfg", 3, 13, None, None]
    assert (in_config["severity"], in_config["hint"]) == ("error", "this machine shares `gpu0`")


def test_boot_and_domain_create_still_stop_at_the_first_mistake(home: Home):
    tree(home, {"coproc-wieght": 2, "coproc-charge": "never"})
    said = home.quickly("boot own.dtb")
    assert said.count("error:") == 1
    assert " --> own.dtb: /chosen/scf-0: coproc-wieght\n" in said
    home.quickly("boot dts/minimal.dtb")
    config(home, "own", 'coproc = [ "gpu0", "gpu9" ]\nvcpus = 0')
    said = home.quickly("domain create own.cfg")
    assert said.count("error:") == 1
    assert " --> own.cfg:4:9\n" in said
