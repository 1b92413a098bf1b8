"""Creating a domain is all or nothing: whatever fails, at whichever step, the machine is what it was."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coprocsim import devicetree
from coprocsim.errors import CfgError, CoprocsimError, DeviceTreeError
from coprocsim.hypervisor import domains, interrupts, iommu, lifecycle, rest
from coprocsim.hypervisor.mmio import Route
from coprocsim.hypervisor.state import Board
from coprocsim.options.build import Build
from coprocsim.platforms.base import Answer, Refused
from coprocsim.platforms.gsx import GsxPlatform
from coprocsim.platforms.jobunit import JobUnitPlatform
from coprocsim.platforms.reference import ReferencePlatform
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.snapshot import CoprocRow, DomainRow, VcoprocRow, WindowRow
from coprocsim.store import read
from coprocsim.toolstack import boot, control, domain
from coprocsim.toolstack.session import session

ROOT = Path(__file__).parents[1]
THREE = """name = "guest"
memory = 256
coproc = [ "gpu0", "xxx0",
           "xxc0" ]
coproc_workload = [ "xxc0,kind=periodic,period=10ms,work=1ms" ]
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return the file of the example system, up for a while, with a guest that works."""
    path = tmp_path / "machine.sqlite"
    boot.boot(path, str(ROOT / "dts" / "system.dtb"), boot.BootOptions({}))
    create(
        path, 'name = "first"\nmemory = 64\ncoproc = [ "gpu0" ]\ncoproc_workload = [ "gpu0,kind=backlog,work=1ms" ]\n'
    )
    control.run(path, 5 * 10**10, lambda done, total: True)
    return path


def create(machine: Path, text: str) -> domain.Created:
    """Create a domain from the text of a config."""
    cfg = machine.parent / "guest.cfg"
    cfg.write_text(text)
    return domain.create(machine, str(cfg), (), paused=False, dry_run=False)


def dump(machine: Path) -> str:
    with read(machine) as file:
        return file.dump()


def refused(machine: Path, text: str) -> CfgError:
    """Return the error that a config is refused with, having seen that nothing was changed."""
    before = dump(machine)
    with pytest.raises(CfgError) as caught:
        create(machine, text)
    assert dump(machine) == before
    return caught.value


def place(error: CfgError) -> tuple[int, int, int]:
    assert error.place is not None
    assert not hasattr(error.place, "node")
    return error.place.line, error.place.column, error.place.width


def test_a_domain_with_three_vcoprocs_is_created(machine: Path) -> None:
    created = create(machine, THREE)
    assert (created.domain_id, created.coprocs) == (2, ("gpu0", "xxx0", "xxc0"))


@pytest.mark.parametrize(
    ("old", "new", "what", "where"),
    [
        ('"xxx0"', '"xxx1"', "no shared coproc `xxx1`", (3, 21, 4)),
        ('"xxc0" ]', '"/soc/coproc@e6182001" ]', "no shared coproc `/soc/coproc@e6182001`", (4, 13, 20)),
        ('"xxx0"', '"gpu0"', "`gpu0` is named twice in `coproc`", (3, 21, 4)),
        ('"xxx0"', '"/soc/gsx@fd000000"', "`gpu0` is shared twice", (3, 21, 17)),
        ('"xxx0"', '"xxx0,weight=3"', "`rrobin` has no parameter `weight`", (3, 26, 8)),
        ('"guest"', '"first"', "the name `first` is taken by domain 1", (1, 8, 7)),
        ('"guest"', '"Domain-0"', "the name `Domain-0` is taken by domain 0", (1, 8, 10)),
        ("xxc0,kind", "xxx1,kind", "no shared coproc `xxx1`", (5, 22, None)),
        ("period=10ms,", "", "a workload of kind `periodic` needs `period`", (5, 27, 13)),
        ("work=1ms", "work=0ms", "`work=0ms` makes no sense", (5, 53, 8)),
        ("work=1ms", "work=1ms,rate=3", "a workload of this kind has no option `rate`", (5, 62, 6)),
    ],
)
def test_a_config_is_refused_at_its_place(
    machine: Path, old: str, new: str, what: str, where: tuple[int, int, int | None]
) -> None:
    assert old in THREE
    error = refused(machine, THREE.replace(old, new, 1))
    assert error.what == what
    assert error.hint
    line, column, width = place(error)
    assert (line, column) == where[:2]
    assert where[2] is None or width == where[2]


def test_the_third_vcoproc_of_three_is_refused_by_its_platform(machine: Path) -> None:
    """The reference platform has room for 16 contexts; the seventeenth domain also wants two other coprocs first."""
    for number in range(ReferencePlatform.contexts_max or 0):
        create(machine, f'name = "user{number}"\nmemory = 16\ncoproc = [ "xxx0" ]\n')
    error = refused(machine, 'name = "late"\nmemory = 16\ncoproc = [ "gpu0", "xxc0", "xxx0" ]\n')
    assert error.what == "platform `reference` refuses a vcoproc of `xxx0`: all 16 contexts of `xxx0` are taken"
    assert place(error) == (3, 29, 4)


def tripping(count: int, function: Callable[..., object], error: Exception) -> Callable[..., object]:
    """Return `function`, except that its `count`-th call raises `error`."""
    calls = 0

    def tripped(*arguments, **named):
        nonlocal calls
        calls += 1
        if calls == count:
            raise error
        return function(*arguments, **named)

    return tripped


STEPS = {
    "platform init": (JobUnitPlatform, "domain_create"),
    "IOMMU assignment": (iommu, "no_room"),
    "scheduler registration": (RoundRobin, "add"),
    "state": (lifecycle, "set_state"),
    "workload": (domains, "give_work"),
    "guest's first event": (interrupts, "attend"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("count", [1, 2])
def test_a_failure_at_any_step_undoes_all_before_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch, step: str, count: int
) -> None:
    owner, name = STEPS[step]
    with session(machine) as loaded:
        loaded.keep = False
        board, row = loaded.board, loaded.machine
        spec_text = THREE.replace('"xxc0,kind', '"gpu0,kind=idle", "xxc0,kind')
        before = stored(board, row)
        monkeypatch.setattr(owner, name, tripping(count, getattr(owner, name), CoprocsimError("provoked")))
        with pytest.raises(CoprocsimError, match="provoked"):
            domains.create(board, plan_of(board, spec_text))
        monkeypatch.undo()
        assert stored(board, row) == before
        # And the way is free for the same domain afterwards.
        assert domains.create(board, plan_of(board, spec_text)).domain_id == 2


def plan_of(board: Board, text: str) -> domains.DomainPlan:
    from coprocsim.xlcfg import read_domain

    return domain.plan_domain(board, read_domain(text.encode(), "guest.cfg"), Path())[0]


def stored(board: Board, row) -> object:
    """Return all that would be stored; how many events were ever armed is no part of what a machine is."""
    snapshot = rest.to_rows(board, row)
    return repr((snapshot.coprocs, snapshot.domains, snapshot.vcoprocs, snapshot.plugins, snapshot.events)), len(
        board.trace
    )


def test_an_iommu_without_room_refuses_and_undoes(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iommu, "CONTEXTS_MAX", 1)
    error = refused(machine, 'name = "second"\nmemory = 16\ncoproc = [ "xxx0", "gpu0" ]\n')
    assert error.what.startswith("IOMMU `/soc/")
    assert error.what.endswith("has no context left for `gpu0`")
    assert place(error) == (3, 21, 4)


def test_a_failed_coproc_takes_no_more_vcoprocs(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GsxPlatform, "domain_create", lambda self, vcoproc, memory: Refused("it is switched off"))
    error = refused(machine, 'name = "second"\nmemory = 16\ncoproc = [ "xxx0", "gpu0" ]\n')
    assert error.what == "platform `gsx` refuses a vcoproc of `gpu0`: it is switched off"


def test_a_dry_run_changes_nothing(machine: Path) -> None:
    before = dump(machine)
    (machine.parent / "guest.cfg").write_text(THREE)
    created = domain.create(machine, str(machine.parent / "guest.cfg"), (), paused=False, dry_run=True)
    assert created.name == "guest"
    assert dump(machine) == before


def partial_tree(machine: Path, nodes: str) -> None:
    """Put a domain's partial device tree beside its config."""
    source = f"/dts-v1/; / {{ #address-cells = <1>; #size-cells = <1>; {nodes} }};"
    command = ["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(machine.parent / "guest.dtb"), "-"]
    subprocess.run(command, input=source, text=True, check=True)


WITH_TREE = 'name = "guest"\nmemory = 64\ndevice_tree = "guest.dtb"\ncoproc = [ "xxc0" ]\n' + (
    'coproc_workload = [ "xxc0,kind=periodic,period=10ms,work=1ms" ]\n'
)


def windows(machine: Path) -> list[tuple[str, int]]:
    with read(machine) as file:
        return [(row.region, row.base) for row in file.rows(WindowRow) if row.domain_id == 2]


@pytest.mark.skipif(shutil.which("dtc") is None and "CI" not in os.environ, reason="no dtc on this machine")
class TestPartialTree:
    def test_a_guest_may_see_its_coproc_elsewhere(self, machine: Path) -> None:
        names = 'reg-names = "op", "mmu", "sram";'
        reg = "reg = <0x10000000 0x1000>, <0x10001000 0x1000>, <0x10008000 0x8000>;"
        partial_tree(machine, f'v {{ xen,vcoproc = "xxc0"; {reg} {names} }};')
        create(machine, WITH_TREE)
        assert windows(machine) == [("op", 0x10000000), ("mmu", 0x10001000), ("sram", 0x10008000)]
        control.run(machine, 10**11, lambda done, total: True)
        with read(machine) as file:
            assert [row.counters.ended for row in file.rows(VcoprocRow) if row.domain_id == 2] == [10]

    def test_without_addresses_there_it_is_where_it_physically_is(self, machine: Path) -> None:
        partial_tree(machine, 'v { xen,vcoproc = "xxc0"; };')
        create(machine, WITH_TREE)
        assert windows(machine) == [("op", 0xE6182000), ("mmu", 0xE6184000), ("sram", 0xE6188000)]

    def test_a_range_that_is_left_out_is_an_error(self, machine: Path) -> None:
        partial_tree(machine, 'v { xen,vcoproc = "xxc0"; reg = <0x10000000 0x1000>; reg-names = "mmu"; };')
        error = refused(machine, WITH_TREE)
        assert error.what == "node `/v` of the domain's device tree says nothing of range `op`"
        assert place(error) == (4, 13, 4)


class TestCockpit:
    """The example whose domain sees the three ranges of one coproc in another order, and a second coproc elsewhere."""

    @pytest.fixture
    def cockpit(self, machine: Path) -> Path:
        domain.create(machine, str(ROOT / "domains" / "cockpit.cfg"), (), paused=False, dry_run=False)
        control.run(machine, 10**11, lambda done, total: True)
        return machine

    def test_its_guest_works_through_its_own_addresses(self, cockpit: Path) -> None:
        """In 100 ms a job is released each 8 ms on the one and each 20 ms on the other, from 5 ms on."""
        with read(cockpit) as file:
            ended = {row.coproc_id: row.counters.ended for row in file.rows(VcoprocRow) if row.domain_id == 2}
            assert ended == {"xxc0": 13, "xxx0": 5}
            assert {row.aborts for row in file.rows(DomainRow)} == {0}
            assert {row.counters.findings for row in file.rows(CoprocRow)} == {0}

    @pytest.mark.parametrize(
        ("address", "coproc_id", "region", "offset", "value"),
        [
            (0x1001_0000, "xxc0", "op", 0, int.from_bytes(b"XXC1", "little")),
            (0x1002_0024, "xxc0", "mmu", 0x24, 1),  # its driver has enabled the MMU's interrupt
            (0x1000_7FFC, "xxc0", "sram", 0x7FFC, 0),
            (0x1_0000_0000, "xxx0", "0", 0, int.from_bytes(b"XXX1", "little")),
        ],
    )
    def test_an_access_goes_to_the_range_of_that_name(
        self, cockpit: Path, address: int, coproc_id: str, region: str, offset: int, value: int
    ) -> None:
        outcome = control.access(cockpit, "cockpit", address, 4, None)
        assert outcome.vcoproc is not None
        assert outcome.vcoproc.coproc.spec.coproc_id == coproc_id
        assert (outcome.region, outcome.offset, outcome.value) == (region, offset, value)

    def test_what_is_written_there_is_in_that_range_and_in_no_other(self, cockpit: Path) -> None:
        control.access(cockpit, "cockpit", 0x1000_0018, 8, 0x1122_3344_5566_7788)
        assert control.access(cockpit, "cockpit", 0x1000_001C, 4, None).value == 0x1122_3344
        assert control.access(cockpit, "cockpit", 0x1001_0018, 8, None).value != 0x1122_3344_5566_7788
        with session(cockpit) as loaded:
            vcoproc = loaded.board.domains[2].vcoprocs[0]
            platform = vcoproc.coproc.platform
            answer = platform.read(vcoproc.vcoproc_id, "sram", 0x18, 8)
            assert isinstance(answer, Answer)
            assert answer.value == 0x1122_3344_5566_7788

    @pytest.mark.parametrize("address", [0xE618_2000, 0xE618_8000, 0xE611_0000, 0x1000_8000, 0x1_0000_1000])
    def test_at_the_physical_addresses_and_behind_its_ranges_there_is_nothing(
        self, cockpit: Path, address: int
    ) -> None:
        outcome = control.access(cockpit, "cockpit", address, 4, None)
        assert (outcome.route, outcome.why) == (Route.ABORTED, "no vcoproc of this domain is there")

    def test_its_neighbour_sees_the_same_coproc_where_it_physically_is(self, cockpit: Path) -> None:
        create(cockpit, 'name = "other"\nmemory = 64\ncoproc = [ "xxc0" ]\n')
        assert control.access(cockpit, "other", 0xE618_8000, 4, None).region == "sram"
        assert control.access(cockpit, "other", 0x1000_0000, 4, None).route is Route.ABORTED


def test_a_stream_of_two_coprocs_is_refused_at_boot(tmp_path: Path) -> None:
    """Its context could translate for one of them at a time only."""
    spec = devicetree.loads((ROOT / "dts" / "system.dtb").read_bytes()).machine
    gpu, other, *_ = spec.coprocs
    both = replace(spec, coprocs=(gpu, replace(other, streams=gpu.streams[:1])))
    with pytest.raises(DeviceTreeError, match=r"IOMMU stream `.*:0` of `xxx0` is one of `gpu0`, too"):
        boot.power_on(both, boot.BootOptions({}), Build())


def test_a_node_of_the_partial_tree_that_is_about_no_shared_coproc_is_warned_of(machine: Path, tmp_path: Path) -> None:
    """The most likely mistake: without a word its domain would see the coproc at the physical addresses."""
    tree = (ROOT / "dts" / "cockpit-guest.dtb").read_bytes()
    known = b"xxc0\0"
    assert known in tree
    (tmp_path / "guest.dtb").write_bytes(tree.replace(known, b"xxz0\0"))
    cfg = tmp_path / "guest.cfg"
    cfg.write_text('name = "a"\nmemory = 16\ncoproc = [ "xxc0" ]\ndevice_tree = "guest.dtb"\n')
    created = domain.create(machine, str(cfg), (), paused=False, dry_run=False)
    (warning,) = created.warnings
    assert "is about no shared coproc, `xxz0`" in warning


def test_a_node_of_the_partial_tree_beyond_the_address_space_is_refused(machine: Path, tmp_path: Path) -> None:
    tree = (ROOT / "dts" / "cockpit-guest.dtb").read_bytes()
    known = (0x1000_0000).to_bytes(8, "big")
    assert known in tree
    (tmp_path / "guest.dtb").write_bytes(tree.replace(known, (2**63).to_bytes(8, "big")))
    cfg = tmp_path / "guest.cfg"
    cfg.write_text('name = "a"\nmemory = 16\ncoproc = [ "xxc0" ]\ndevice_tree = "guest.dtb"\n')
    with pytest.raises(CfgError, match="at 0x8000000000000000 lies beyond what a domain can address"):
        domain.create(machine, str(cfg), (), paused=False, dry_run=False)
