"""`acme,vault-1`: jobs that cannot be cut, and a key that each domain has for itself and nobody can read."""

from dataclasses import replace
from pathlib import Path

from coprocsim.datasheets import crypto as reg
from coprocsim.datasheets import jobunit
from coprocsim.hardware.crypto import CryptoHardware
from coprocsim.hypervisor import mmio
from coprocsim.hypervisor.mmio import Outcome, Route
from coprocsim.hypervisor.state import Vcoproc
from coprocsim.model import Region, VcoprocId
from coprocsim.platforms.base import Busy, Left
from coprocsim.platforms.crypto import CryptoPlatform
from coprocsim.snapshot import CoprocRow, DomainRow, VcoprocRow
from coprocsim.store import read
from coprocsim.toolstack import boot, control, domain
from tests.machines import MS, US, Machine, described_for, spec

ROOT = Path(__file__).parents[1]
# By hand, in accesses of 100 ns: 27 registers of the unit and 8 of the key; 3 to stop, look and clear, 1 to start.
LEAVE_PS, ENTER_PS = 38 * 100_000, 36 * 100_000


def machine_of(platform: type[CryptoPlatform] = CryptoPlatform, hz: int = 400_000_000) -> Machine:
    machine = Machine()
    described = described_for(platform, "crypto0", hz=hz)
    machine.coproc("crypto0", platform, settings={"slice": MS}, described=described)
    return machine


def touch(machine: Machine, vcoproc: Vcoproc, offset: int, value: int | None, size: int = 4) -> Outcome:
    """Do one access of a domain, and let follow what follows at once."""
    outcome = mmio.access(machine.board, vcoproc.domain, vcoproc.windows[0].base + offset, size, value)
    machine.hypervisor.settle()
    return outcome


def job(machine: Machine, vcoproc: Vcoproc, work_cycles: int) -> None:
    """Submit a job by hand, of which nothing is said to be uncuttable."""
    touch(machine, vcoproc, jobunit.WORK_LO, work_cycles, 8)
    touch(machine, vcoproc, jobunit.UNCUTTABLE_LO, 0, 8)
    touch(machine, vcoproc, jobunit.DOORBELL, 1)


def key(machine: Machine) -> list[int]:
    """Return the key that is in the silicon."""
    context = machine.board.coprocs["crypto0"].hardware.context()
    return [int.from_bytes(context[f"key {n}"], "little") for n in range(8)]


def load_key(machine: Machine, vcoproc: Vcoproc, first: int) -> None:
    for n, offset in enumerate(reg.KEY_OFFSETS):
        touch(machine, vcoproc, offset, first + n)


# ---------------------------------------------------------------- jobs


def test_a_denial_lasts_exactly_until_the_job_s_end():
    """3 ms are 1,200,000 cycles. `a` begins to run when it has entered and is to leave 1 ms later, 2 ms too early."""
    machine = machine_of()
    a, b = machine.vcoproc("a", "crypto0"), machine.vcoproc("b", "crypto0")
    job(machine, a, 1_200_000)
    job(machine, b, 400_000)
    machine.run(10 * MS)
    end_ps = ENTER_PS + 3 * MS
    assert [row[:2] + row[3:] for row in machine.rows("switch_from")[:2]] == [
        (ENTER_PS + MS, "crypto0", "d1v0", "busy", 2 * MS),
        (end_ps, "crypto0", "d1v0", "left", LEAVE_PS),
    ]
    assert (a.counters.denials, a.counters.denied_ps) == (1, 2 * MS)
    # The IOMMU is made to forget in between, which takes 2 us.
    assert machine.rows("switch_to")[1][0] == end_ps + LEAVE_PS + 2 * US


def test_the_second_job_has_not_begun_when_the_first_ends_and_the_switch_is_due():
    machine = machine_of()
    a, b = machine.vcoproc("a", "crypto0"), machine.vcoproc("b", "crypto0")
    job(machine, a, 1_200_000)
    job(machine, a, 1_200_000)
    job(machine, b, 4_000)
    machine.run(4 * MS)
    assert a.counters.denials == 1
    assert touch(machine, a, jobunit.DONE_COUNT, None).value == 1
    machine.run(10 * MS)
    assert touch(machine, a, jobunit.DONE_COUNT, None).value == 2
    assert machine.rows("finding") == []


def test_a_job_that_is_given_up_runs_to_its_end_all_the_same():
    machine = machine_of()
    a = machine.vcoproc("a", "crypto0")
    job(machine, a, 1_200_000)
    machine.run(MS)
    touch(machine, a, jobunit.CONTROL, jobunit.CONTROL_ENABLE | jobunit.CONTROL_ABORT)
    machine.run(ENTER_PS + 3 * MS - 1)
    assert touch(machine, a, jobunit.DONE_COUNT, None).value == 0
    machine.run(ENTER_PS + 3 * MS)
    assert touch(machine, a, jobunit.DONE_COUNT, None).value == 1


def test_the_driver_promises_the_end_to_the_cycle():
    """600 MHz: of 1000 cycles, 400 have passed after 2/3 us; 600 are left, which take 1 us."""
    machine = machine_of(hz=600_000_000)
    a, b = machine.vcoproc("a", "crypto0"), machine.vcoproc("b", "crypto0")
    coproc = machine.board.coprocs["crypto0"]
    job(machine, a, 1000)
    driver, now_ps = coproc.platform, machine.board.now_ps
    driver.switch_to(a.vcoproc_id, now_ps)
    driver.start(a.vcoproc_id, now_ps)
    machine.board.timeline.now_ps = now_ps = -(-2 * US // 3)
    assert driver.switch_from(a.vcoproc_id, now_ps) == Busy(US)
    machine.board.timeline.now_ps += US
    assert driver.switch_from(a.vcoproc_id, machine.board.now_ps) == Left(LEAVE_PS)
    assert b.vcoproc_id == VcoprocId(2, 0)


# ---------------------------------------------------------------- the key


def test_the_key_is_never_mapped_and_read_as_0():
    machine = machine_of()
    a = machine.vcoproc("a", "crypto0")
    for _ in range(2):
        for size in (1, 4, 8):
            assert touch(machine, a, reg.KEY, 0xA5, size).route is Route.TRAPPED
            got = touch(machine, a, reg.KEY, None, size)
            assert (got.route, got.value) == (Route.TRAPPED, 0)
        job(machine, a, 10**9)
        machine.run(MS)
        assert machine.running("crypto0") == a.vcoproc_id
        assert touch(machine, a, jobunit.ID, None).route is Route.DIRECT


def test_a_key_is_in_the_silicon_while_its_domain_runs_and_gone_afterwards():
    machine = machine_of()
    a, b = machine.vcoproc("a", "crypto0"), machine.vcoproc("b", "crypto0")
    load_key(machine, a, 100)
    assert key(machine) == [0] * 8
    job(machine, a, 1_200_000)
    machine.run(MS)
    assert key(machine) == list(range(100, 108))
    # Written while it runs, it is in the silicon at once, and kept.
    touch(machine, a, reg.KEY, 0x1_0000_0007, 8)
    assert key(machine)[:3] == [7, 1, 102]
    job(machine, b, 400_000)
    job(machine, a, 400_000)
    machine.run(ENTER_PS + 3 * MS + LEAVE_PS + 2 * US + ENTER_PS)
    assert machine.running("crypto0") == b.vcoproc_id
    assert key(machine) == [0] * 8
    machine.run(machine.board.now_ps + MS + LEAVE_PS + 2 * US + ENTER_PS)
    assert machine.running("crypto0") == a.vcoproc_id
    assert key(machine) == [7, 1, *range(102, 108)]
    machine.run(20 * MS)
    assert (machine.running("crypto0"), key(machine)) == (None, [0] * 8)
    assert machine.rows("finding") == []


def test_a_reset_takes_the_job_and_leaves_the_key():
    machine = machine_of()
    a = machine.vcoproc("a", "crypto0")
    load_key(machine, a, 100)
    job(machine, a, 10**9)
    machine.run(MS)
    coproc = machine.board.coprocs["crypto0"]
    coproc.platform.reset(a.vcoproc_id, machine.board.now_ps)
    assert key(machine) == [0] * 8
    coproc.platform.switch_to(a.vcoproc_id, machine.board.now_ps)
    coproc.platform.start(a.vcoproc_id, machine.board.now_ps)
    assert key(machine) == list(range(100, 108))


class ScrubsSeven(CryptoPlatform):
    name = "scrubs-seven"

    def clear_more(self) -> None:
        for offset in reg.KEY_OFFSETS[:-1]:
            self.port.write("0", offset, 4, 0)


class ForgetsToLoad(CryptoPlatform):
    name = "forgets-to-load"

    def load_more(self, vcoproc, context) -> None:
        pass


def test_a_key_that_is_not_scrubbed_is_found_with_its_register_and_origin():
    """`a` leaves at the end of its job of 3 ms; `b`, which has no key, enters."""
    machine = machine_of(ScrubsSeven)
    a, b = machine.vcoproc("a", "crypto0"), machine.vcoproc("b", "crypto0")
    load_key(machine, a, 100)
    job(machine, a, 1_200_000)
    job(machine, b, 400_000)
    found_ps = ENTER_PS + 3 * MS + LEAVE_PS + 2 * US + ENTER_PS
    machine.run(found_ps)
    what = "key 7 holds 0x6b of d1v0 (domain `a`)"
    assert machine.rows("finding") == [(found_ps, "crypto0", "finding", "d2v0", "leak", what)]


def test_a_key_that_is_not_loaded_again_is_found():
    machine = machine_of(ForgetsToLoad)
    a, b = machine.vcoproc("a", "crypto0"), machine.vcoproc("b", "crypto0")
    job(machine, a, 1_200_000)
    job(machine, a, 400_000)
    machine.run(MS)
    touch(machine, a, reg.KEY, 5)
    job(machine, b, 400_000)
    machine.run(10 * MS)
    (found,) = machine.rows("finding")
    assert found[3:] == ("d1v0", "leak", "key 0 is not what it was when it left: it holds 0x0")


# ---------------------------------------------------------------- the node, the guest, the example


def test_a_node_without_a_page_for_the_key_is_refused():
    described = described_for(CryptoPlatform)
    assert CryptoPlatform.unfit(described) is None
    small = replace(described, regions=(Region("0", 0x1000, 0x1000),))
    assert CryptoPlatform.unfit(small) == "no range of `reg` holds the 4128 bytes of its registers"
    assert CryptoPlatform.unfit(spec()) is not None


def test_each_domain_s_driver_loads_a_key_of_its_own_before_the_first_job():
    keys: dict[str, list[int]] = {}
    machine = machine_of()
    for name in ("a", "b"):
        machine.domain(name, "crypto0 kind=backlog,work=1ms")
    machine.run(20 * MS)
    for name in ("a", "b"):
        (writes,) = [
            [row for row in machine.rows("trap") if row[3] == vcoproc.who and row[5] >= reg.KEY]
            for vcoproc in machine.board.vcoprocs.values()
            if vcoproc.domain.name == name
        ]
        assert [row[5] for row in writes] == list(reg.KEY_OFFSETS)
    for _ in range(6):
        machine.run(machine.board.now_ps + MS)
        running = machine.running("crypto0")
        if running is not None:
            keys[str(running)] = key(machine)
    assert len(keys) == 2
    first, second = keys.values()
    assert first != second
    assert 0 not in {*first, *second}
    assert machine.rows("finding") == []


def test_over_a_run_of_several_guests_nothing_is_found():
    machine = machine_of()
    for name, workload in (
        ("a", "kind=periodic,period=7ms,work=2ms,dma=200000"),
        ("b", "kind=backlog,work=uniform:100us-3ms,dma=65536"),
        ("c", "kind=poisson,rate=100,work=exp:1ms,deadline=9ms,on_miss=abandon"),
    ):
        machine.domain(name, f"crypto0 {workload}")
    machine.run(500 * MS)
    coproc = machine.board.coprocs["crypto0"]
    assert min(coproc.counters.switches, coproc.counters.denials) > 50
    assert machine.rows("finding", "iommu_fault", "abort", "reset") == []
    machine.check_time()


def test_a_job_longer_than_the_switch_timeout_is_lost_and_its_domain_told():
    """The default timeout is 40 ms from the first refusal, which comes after a turn of 1 ms."""
    machine = machine_of()
    a, b = machine.vcoproc("a", "crypto0"), machine.vcoproc("b", "crypto0")
    touch(machine, a, jobunit.IRQ_ENABLE, jobunit.IRQ_DONE | jobunit.IRQ_ERROR)
    job(machine, a, 400_000 * 100)
    job(machine, b, 400_000)
    machine.run(60 * MS)
    assert [row[0] for row in machine.rows("reset")] == [ENTER_PS + 41 * MS]
    assert touch(machine, a, jobunit.ERROR, None).value == jobunit.ERROR_RESET
    assert touch(machine, b, jobunit.DONE_COUNT, None).value == 1


def test_the_example_runs_on_the_cockpit_s_crypto_engine(tmp_path: Path):
    path = tmp_path / "machine.sqlite"
    boot.boot(path, str(ROOT / "dts" / "automotive.dtb"), boot.BootOptions({}))
    domain.create(path, str(ROOT / "domains" / "keystore.cfg"), (), paused=False, dry_run=False)
    control.run(path, 10**12, lambda done, total: True)
    with read(path) as file:
        (coproc,) = [row for row in file.rows(CoprocRow) if row.coproc_id == "crypto0"]
        assert (coproc.platform, coproc.hardware) == ("crypto", CryptoHardware.name)
        assert coproc.counters.findings == 0
        assert {row.aborts for row in file.rows(DomainRow)} == {0}
        (user,) = [row.counters for row in file.rows(VcoprocRow) if row.domain_id == 1]
        assert user.ended > 200
        assert (user.failed, user.faults) == (0, 0)
