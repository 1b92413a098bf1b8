"""The example systems: what their sources say, what is committed beside them, and what others read in them."""

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coprocsim.devicetree import compile_source, load_domain_nodes, loads
from coprocsim.errors import CoprocsimError, DeviceTreeError, Span
from coprocsim.model import CoprocSpec, Line, Region, Stream
from tests.devicetree_blobs import NodeDict, blob, gpu, machine, mutated
from tests.installed import needs, needs_dtc

DTS = Path(__file__).parents[1] / "dts"
SOURCES = sorted(DTS.glob("*.dts"))
NAMES = [source.stem for source in SOURCES]
# The part of a domain shares nothing; all others are systems.
SYSTEMS = [name for name in NAMES if not name.endswith("-guest")]


@pytest.fixture
def dtc() -> None:
    needs_dtc()


def example(name: str) -> bytes:
    return (DTS / f"{name}.dtb").read_bytes()


def coprocs(name: str) -> dict[str, CoprocSpec]:
    return {spec.coproc_id: spec for spec in loads(example(name)).machine.coprocs}


# ---------------------------------------------------------------- the examples


def test_the_examples_are_there():
    assert NAMES == ["automotive", "cockpit-guest", "minimal", "system", "virtual-gpu"]


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_blob_is_what_dtc_makes_of_its_source(name: str, dtc: None):
    assert compile_source(str(DTS / f"{name}.dts")) == example(name)


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_example_raises_no_doubts(name: str):
    found = loads(example(name)).machine
    assert (found.notes, found.warnings) == ((), ())
    assert {spec.algorithm for spec in found.coprocs} <= {"rrobin", None}
    assert found.default_algorithm is None or found.default_algorithm.value == "rrobin"


def test_the_system_is_the_worked_example():
    found = coprocs("system")
    assert list(found) == ["gpu0", "xxx0", "xxc0"]
    assert found["gpu0"].path == "/soc/gsx@fd000000"
    assert found["gpu0"].regions == (Region("0", 0xFD000000, 0x40000),)
    assert found["gpu0"].lines == (Line("0", "GIC 151", 151),)
    assert found["gpu0"].streams == (Stream("/soc/mmu@fd800000", (0,)), Stream("/soc/mmu@fd950000", (0,)))
    assert (found["gpu0"].clock_hz, found["gpu0"].clock_source) == (600_000_000, "clock-frequency")
    assert found["xxx0"].compatible == ("vendor_xxx,coproc_xxx",)
    assert found["xxx0"].aliases == ("pcoproc0",)
    assert found["xxx0"].clock_source == "coproc-clock-hz"
    assert [region.name for region in found["xxc0"].regions] == ["op", "mmu", "sram"]
    assert found["xxc0"].regions[2] == Region("sram", 0xE6188000, 0x8000)
    assert [(line.name, line.intid) for line in found["xxc0"].lines] == [("op", 194), ("mmu", 197)]
    assert [setting.value for setting in loads(example("system")).machine.dom0_coprocs] == ["gpu0"]


def test_the_bus_of_the_cockpit_moves_its_devices():
    found = coprocs("automotive")
    assert list(found) == ["gpu0", "dsp0", "codec0", "crypto0"]
    assert {spec.compatible[-1] for spec in found.values()} == {"coprocsim,generic"}
    assert found["dsp0"].regions[2] == Region("control", 0xE4200000, 0x1000)
    assert found["codec0"].streams == (
        Stream("/bus@e0000000/iommu@0", (0x20, 0)),
        Stream("/bus@e0000000/iommu@0", (0x21, 0)),
    )
    assert found["codec0"].clock_hz == 450_000_000


def test_the_cockpit_s_domain_sees_its_ranges_elsewhere_and_in_another_order():
    xxc, xxx = load_domain_nodes(example("cockpit-guest"))
    assert (xxc.coproc, xxx.coproc) == ("xxc0", "pcoproc0")
    assert xxc.windows == (
        Region("sram", 0x10000000, 0x8000),
        Region("op", 0x10010000, 0x1000),
        Region("mmu", 0x10020000, 0x1000),
    )
    assert xxx.windows == (Region("0", 0x1_0000_0000, 0x1000),)
    assert [region.name for region in coprocs("system")["xxc0"].regions] == ["op", "mmu", "sram"]


def test_every_property_of_the_binding_is_in_its_reference():
    reference = (DTS / "README.md").read_text()
    schema = (DTS / "xen,coproc.yaml").read_text()
    for name in re.findall(r"^  (coproc-[a-z-]+):", schema, re.MULTILINE):
        assert f"`{name}`" in reference


# ---------------------------------------------------------------- the schema


def validated(blob_path: Path) -> str:
    """Return what dt-validate has to say; its exit status says nothing."""
    tool = shutil.which("dt-validate", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    needs(tool, "dt-validate (Python package dtschema)")
    done = subprocess.run(
        [str(tool), "-s", str(DTS), "-l", "xen,coproc", str(blob_path)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_example_keeps_to_the_schema(name: str):
    assert validated(DTS / f"{name}.dtb") == ""


@pytest.mark.parametrize(
    ("stated", "complaint"),
    [
        ({"coproc-id": "gpu 0"}, "coproc-id:0: 'gpu 0' does not match"),
        ({"coproc-slice-us": 5}, "coproc-slice-us"),
        ({"coproc-charge": "debit"}, "'debit' is not one of ['none', 'averaging', 'debt']"),
        ({"coproc-charge-factor": 61}, "61 is greater than the maximum of 60"),
        ({"coproc-device": 1}, "is valid under each of"),
        ({"v": {"compatible": "xen,vcoproc"}}, "'domain' is a required property"),
    ],
)
def test_the_schema_and_the_reader_refuse_the_same(stated: NodeDict, complaint: str, tmp_path: Path):
    path = tmp_path / "broken.dtb"
    path.write_bytes(blob(machine(gpu(), stated)))
    assert complaint in validated(path)
    with pytest.raises(DeviceTreeError):
        loads(path.read_bytes())


def test_the_schema_and_the_reader_take_the_same(tmp_path: Path):
    stated = {
        "coproc-clock-hz": [1, 2],
        "coproc-sched": "credit",
        "coproc-sched-weight": 5,
        "coproc-sched-wake": "head",
        "coproc-switch-timeout-us": 0,
        "v": {"compatible": "xen,vcoproc", "domain": "Domain-0", "coproc-sched-cap": 5},
    }
    path = tmp_path / "sound.dtb"
    path.write_bytes(blob(machine(gpu(), stated)))
    assert validated(path) == ""
    assert len(loads(path.read_bytes()).machine.coprocs) == 1


# ---------------------------------------------------------------- libfdt, which Xen reads trees with


def libfdt_offsets(theirs: Any) -> Iterator[tuple[int, int]]:
    """Yield where each node begins, with 0 and then with where each of its properties does."""
    libfdt = pytest.importorskip("libfdt")
    offset, depth = 0, 0
    while offset >= 0 and depth >= 0:
        yield offset, 0
        at = theirs.first_property_offset(offset, [libfdt.NOTFOUND])
        while at >= 0:
            yield offset, at
            at = theirs.next_property_offset(at, [libfdt.NOTFOUND])
        offset, depth = theirs.next_node(offset, depth, [libfdt.NOTFOUND])


def read_by_libfdt(data: bytes) -> dict[str, dict[str, bytes]]:
    """Return the nodes, by path, and their properties; for sound blobs only, it crashes on others."""
    libfdt = pytest.importorskip("libfdt")
    theirs = libfdt.FdtRo(data)
    found: dict[str, dict[str, bytes]] = {}
    for node, at in libfdt_offsets(theirs):
        properties = found.setdefault(theirs.get_path(node), {})
        if at:
            stated = theirs.get_property_by_offset(at)
            properties[stated.name] = bytes(stated)
    return found


def read_by_us(data: bytes) -> dict[str, dict[str, bytes]]:
    return {node.path: node.properties for node in loads(data).tree.nodes()}


@pytest.mark.parametrize("name", SYSTEMS)
def test_libfdt_reads_the_same_nodes_and_properties(name: str):
    assert read_by_us(example(name)) == read_by_libfdt(example(name))


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_libfdt_refuses_is_refused_and_what_is_taken_is_read_alike(name: str):
    libfdt = pytest.importorskip("libfdt")
    dice = random.Random(name)
    refused, taken = 0, 0
    for _ in range(1000):
        data = mutated(example(name), dice)
        try:
            ours = read_by_us(data)
        except DeviceTreeError:
            refused += 1
            continue
        taken += 1
        try:
            assert ours == read_by_libfdt(data)
        except libfdt.FdtException:
            pytest.fail(f"libfdt refuses {data.hex()}")
    assert min(refused, taken) > 20


# ---------------------------------------------------------------- sources


def source_file(folder: Path, text: str) -> str:
    path = folder / "system.dts"
    path.write_text(text)
    return str(path)


def test_without_dtc_a_source_is_refused_with_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CoprocsimError) as caught:
        compile_source("system.dts")
    assert str(caught.value) == "`system.dts` is a source, and there is no `dtc` to compile it"
    assert "package device-tree-compiler" in (caught.value.hint or "")


def test_a_source_that_is_not_there_is_refused(dtc: None):
    with pytest.raises(CoprocsimError) as caught:
        compile_source("nowhere.dts")
    assert str(caught.value) == "cannot read `nowhere.dts`"
    assert caught.value.why == "No such file or directory"


@pytest.mark.parametrize(
    ("text", "line", "marked", "hint"),
    [
        ("/dts-v1/;\n/ {\n a = <1>\n b = <2>;\n};\n", 4, "b", "a `;` may be missing"),
        ("/dts-v1/;\n#include <a.h>\n/ { };\n", 2, "#include", "C preprocessor"),
    ],
)
def test_a_syntax_error_is_shown_at_its_place(text: str, line: int, marked: str, hint: str, tmp_path: Path, dtc: None):
    path = source_file(tmp_path, text)
    with pytest.raises(DeviceTreeError) as caught:
        compile_source(path)
    assert str(caught.value) == "dtc: syntax error"
    source = text.splitlines()[line - 1]
    assert caught.value.place == Span(path, line, source.index(marked) + 1, len(marked), source)
    assert hint in (caught.value.hint or "")


def test_a_reference_to_nothing_is_shown_at_its_place(tmp_path: Path, dtc: None):
    path = source_file(tmp_path, "/dts-v1/;\n/ {\n\tchosen { x = <&gone>; };\n};\n")
    with pytest.raises(DeviceTreeError) as caught:
        compile_source(path)
    assert "(phandle_references)" in str(caught.value)
    assert "gone" in str(caught.value)
    assert isinstance(caught.value.place, Span)
    assert caught.value.place.line == 3


def test_a_source_that_dtc_gives_up_on_is_shown_with_its_words(tmp_path: Path, dtc: None):
    path = source_file(tmp_path, '/include/ "gone.dtsi"\n')
    with pytest.raises(DeviceTreeError) as caught:
        compile_source(path)
    assert str(caught.value) == f"dtc refuses `{path}`"
    assert "gone.dtsi" in (caught.value.why or "")


def test_a_source_may_be_called_like_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtc: None):
    monkeypatch.chdir(tmp_path)
    Path("-f.dts").write_text("/dts-v1/;\n/ { };\n")
    assert loads(compile_source("-f.dts")).tree.root.children == {}
