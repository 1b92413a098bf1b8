"""A guest gone wrong hurts nobody but itself: what it takes from others is time on a coproc that they share."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.datasheets import vgpu
from coprocsim.guests import guest_of
from coprocsim.guests.base import DataAbort, GuestSite
from coprocsim.guests.fuzz import Fuzz
from coprocsim.hypervisor import domains, iommu, mmio
from coprocsim.hypervisor.mmio import Route
from coprocsim.hypervisor.state import Domain
from coprocsim.model import Effect, RaiseIrq, VcoprocId
from coprocsim.observe.verify import verified
from coprocsim.observe.view import view
from coprocsim.parameters import BadSetting
from coprocsim.platforms import PLATFORMS
from coprocsim.platforms.base import Answer, Platform, Refused
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.vgpu import VirtualGpuPlatform
from coprocsim.platforms.xxc import XxcPlatform
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.store import read
from coprocsim.toolstack import control
from coprocsim.toolstack import domain as toolstack_domain
from coprocsim.toolstack.boot import BootOptions, boot
from tests.machines import MS, US, Machine, S, described_for, settings_of, spec
from tests.wrong_guests import KINDS, PERIOD_PS, Side, end_ps, harm_done, shared_by

PROJECT = Path(__file__).parent.parent
EVERY = list(PLATFORMS.values())
NAMES = [each.name for each in EVERY]
RATE = 20_000

per_platform = pytest.mark.parametrize("platform", EVERY, ids=NAMES)
per_kind = pytest.mark.parametrize("kind", KINDS)


# ---------------------------------------------------------------- at random


def both(platform: type[Platform], kind: str, accesses: int, *, seed: int = 1) -> tuple[Side, Side]:
    """Return the machine with the wrong guest after so many of its accesses, and the one without it."""
    shared = shared_by(kind)
    until_ps = end_ps(accesses, RATE, len(shared))
    beside, alone = Side(platform, KINDS[kind], rate=RATE, seed=seed), Side(platform, seed=seed)
    for side in (beside, alone):
        side.run(until_ps)
    return beside, alone


@per_platform
@per_kind
def test_it_takes_nothing_but_time_from_others_and_each_abort_is_its_own(platform: type[Platform], kind: str):
    beside, alone = both(platform, kind, 2_000)
    assert harm_done(beside, alone, shared=shared_by(kind)) == []
    assert beside.accesses > 1_500
    # Of windows a part of the accesses is misaligned or outside; of all addresses, most are.
    assert 0.2 < beside.aborts / beside.accesses < 0.8
    assert alone.jobs("gpu0") == (end_ps(2_000, RATE, len(shared_by(kind))) + MS) // PERIOD_PS


@pytest.mark.slow
@per_platform
@per_kind
def test_a_hundred_thousand_accesses_do_no_harm(platform: type[Platform], kind: str):
    beside, alone = both(platform, kind, 100_000 // (len(EVERY) * len(KINDS)) + 1, seed=7)
    assert harm_done(beside, alone, shared=shared_by(kind)) == []


def test_what_it_does_is_more_than_to_be_refused():
    """It rings the doorbell, keeps the coproc by force, faults, and is heard by the driver while it is away."""
    side = Side(PLATFORMS["generic"], ("gpu0 kind=fuzz",), rate=RATE)
    side.machine.run(S)
    seen = {row[2] for row in side.machine.rows() if "d2v0" in row[3:4]}
    assert seen >= {"trap", "switch_to", "switch_from", "timeout", "reset", "iommu_fault", "irq", "state"}


# ---------------------------------------------------------------- a hole is seen


class NoTableCheck(XxcPlatform):
    """Lets a domain write any entry into the table of the coproc's own MMU."""

    def _refused(self, vcoproc: VcoprocId, offset: int, word: int) -> Refused | None:
        return None


class WritesThrough(GenericPlatform):
    """Lets a trapped write of a context that is away reach the hardware, whoever has it."""

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        if not self.is_live(vcoproc):
            self.port.write(region, offset, size, value)
        return super().write(vcoproc, region, offset, size, value)


class TellsTheOther(GenericPlatform):
    """Sends interrupts to all domains."""

    def interrupt(self, vcoproc: VcoprocId, line: str, now_ps: int) -> tuple[Effect, ...]:
        return tuple(RaiseIrq(each, line) for each in self._contexts)


class OneForAll(VirtualGpuPlatform):
    """Tells the silicon that every access is the first domain's."""

    def bus_id(self, vcoproc: VcoprocId) -> int:
        return 0


HOLES = (NoTableCheck, WritesThrough, TellsTheOther, OneForAll)


def harm_through(platform: type[Platform]) -> list[str]:
    """Return what a wrong guest does to others by 4,000 accesses; the rules of isolation are not asked."""
    beside, alone = Side(platform, ("gpu0 kind=fuzz",), rate=RATE), Side(platform)
    for side in (beside, alone):
        side.machine.board.checks = False
        side.run(end_ps(4_000, RATE, 1))
    return harm_done(beside, alone, shared=("gpu0",))


@pytest.mark.parametrize("hole", HOLES, ids=[each.__name__ for each in HOLES])
def test_a_hole_in_a_platform_is_seen_without_any_rule_of_isolation(hole: type[Platform]):
    assert harm_through(hole) != []


@pytest.mark.parametrize("platform", ["generic", "crypto", "dsp", "gsx", "vgpu"])
def test_an_iommu_that_lets_all_pass_is_seen_by_where_dma_went(platform: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(iommu, "_inside", lambda domain, access: True)
    assert any("DMA went astray" in each for each in harm_through(PLATFORMS[platform]))


@per_platform
def test_the_coproc_works_its_jobs_with_dma(platform: type[Platform]):
    side = Side(platform, ("gpu0 kind=fuzz",), rate=RATE)
    side.run(end_ps(4_000, RATE, 1))
    # Three jobs of the good domain are two accesses each.
    assert side.dma > 6 + 50


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(EVERY),
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 2**32),
    st.sampled_from([1_000, 5_000, 100_000]),
    st.lists(st.integers(1, 2 * PERIOD_PS), max_size=3),
)
def test_a_run_that_is_cut_is_the_same_and_does_no_harm_either(platform, kind: str, seed: int, rate: int, cuts_ps):
    until_ps = 2 * PERIOD_PS - MS if rate < 100_000 else PERIOD_PS // 6
    whole = Side(platform, KINDS[kind], rate=rate, seed=seed)
    cut = Side(platform, KINDS[kind], rate=rate, seed=seed)
    for at_ps in sorted({each for each in cuts_ps if each < until_ps}):
        cut.machine.run(at_ps)
        cut.cut()
    whole.machine.run(until_ps)
    cut.machine.run(until_ps)
    assert cut.machine.board.trace == whole.machine.board.trace
    for side in (whole, cut):
        side.run(until_ps)
        assert side.harm == []
    assert cut.accesses == whole.accesses


# ---------------------------------------------------------------- the kind


class Recorder:
    """A guest port that notes what reaches it, and refuses every third access."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, int | None]] = []

    def read(self, region: str, offset: int, size: int) -> int:
        raise AssertionError("by address only")

    def write(self, region: str, offset: int, size: int, value: int) -> None:
        raise AssertionError("by address only")

    def read_at(self, address: int, size: int) -> int:
        self._note(address, size, None)
        return 0

    def write_at(self, address: int, size: int, value: int) -> None:
        self._note(address, size, value)

    def _note(self, address: int, size: int, value: int | None) -> None:
        self.seen.append((address, size, value))
        if len(self.seen) % 3 == 0:
            raise DataAbort("refused")


PAGE = spec("gpu0").regions[0]
ELSEWHERE = spec("dsp0").regions[0]
SITE = GuestSite(
    spec("gpu0"), "generic", (range(0x4000_0000, 0x4400_0000),), MS, "1/a/gpu0", (PAGE,), (ELSEWHERE, PAGE)
)


def struck(options: str, until_ps: int = MS + S) -> tuple[Fuzz, Recorder]:
    """Return a guest and its accesses."""
    guest, port = guest_of(SITE, settings_of(f"kind=fuzz,{options}")), Recorder()
    assert isinstance(guest, Fuzz)
    while (now_ps := guest.next_ps()) is not None and now_ps <= until_ps:
        guest.act(now_ps, port)
    return guest, port


def test_it_strikes_at_its_rate_and_counts_what_was_refused():
    guest, port = struck("rate=10000")
    # Of a Poisson process with a mean of 10,000; its standard deviation is 100.
    assert abs(guest.accesses - 10_000) < 400
    assert (guest.accesses, guest.aborts) == (len(port.seen), len(port.seen) // 3)


def test_it_aims_at_its_windows_and_just_beside_them():
    _, port = struck("rate=10000")
    first, last = PAGE.base, PAGE.base + PAGE.size_bytes
    assert all(first - 32 <= address < last + 16 for address, _, _ in port.seen)
    assert any(address < first for address, _, _ in port.seen)
    assert any(address >= last for address, _, _ in port.seen)
    assert {size for _, size, _ in port.seen} == {1, 2, 4, 8, 16}
    assert {address % size == 0 for address, size, _ in port.seen} == {True, False}
    assert set(range(0, reg.BLOCK_BYTES, 4)) <= {address - first for address, *_ in port.seen}


def test_it_aims_at_others_and_at_anything_if_told_so():
    _, port = struck("rate=10000,within=anywhere")
    theirs = sum(ELSEWHERE.base <= address < ELSEWHERE.base + ELSEWHERE.size_bytes for address, _, _ in port.seen)
    assert theirs / len(port.seen) > 0.1
    assert min(address for address, *_ in port.seen) < 2**12
    assert max(address for address, *_ in port.seen) > 2**63
    assert all(0 <= address < 2**64 for address, *_ in port.seen)


def test_what_it_writes_fits_and_is_of_all_the_kinds_that_do_harm():
    _, port = struck("rate=10000")
    written = [(size, value) for _, size, value in port.seen if value is not None]
    assert all(0 <= value < 1 << 8 * size for size, value in written)
    words = {value for size, value in written if size == 8}
    assert words >= {0, 1, 2, 4, 2**64 - 1}
    assert any(value in SITE.memory[0] for value in words)
    assert any(value > 2**63 and value % 2**32 for value in words)


@pytest.mark.parametrize(
    ("options", "wrong", "what", "hint"),
    [
        ("", "kind", "a workload of kind `fuzz` needs `rate`", "add `rate=…`"),
        (",rate=0", "rate", "`rate=0` makes no sense", "how often per second"),
        (",rate=5,within=window", "within", "`within=window` makes no sense", "is one of `windows`, `anywhere`"),
        (",rate=5,work=1ms", "work", "a workload of this kind has no option `work`", "this kind has"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: str, wrong: str, what: str, hint: str):
    with pytest.raises(BadSetting) as refused:
        guest_of(SITE, settings_of(f"kind=fuzz{options}"))
    assert (refused.value.setting.name, str(refused.value)) == (wrong, what)
    assert hint in refused.value.hint


def test_what_would_have_come_during_a_pause_does_not():
    side = Side(PLATFORMS["generic"], ("gpu0 kind=fuzz",), rate=1_000)
    machine, wrong = side.machine, side.wrong
    machine.run(100 * MS)
    before = side.accesses
    domains.pause(machine.board, wrong)
    machine.run(900 * MS)
    assert side.accesses == before
    domains.unpause(machine.board, wrong)
    machine.run(900 * MS + 100 * US)
    assert side.accesses - before < 5
    machine.run(S)
    assert side.accesses - before > 50


def test_one_that_comes_once_in_a_million_seconds_may_come_after_the_end_of_the_timeline():
    rare = guest_of(SITE, settings_of("kind=fuzz,rate=0.000001"))
    assert MS < (rare.next_ps() or 0) < 2**64


# ---------------------------------------------------------------- as users see it

SYSTEMS = {
    "system": "domains/wrong-guest.cfg",
    "virtual-gpu": "domains/wrong-guest.cfg",
}
GOOD_CFG = """name = "good"
memory = 64
coproc = [ "gpu0", "xxx0" ]
coproc_workload = [ "gpu0,kind=periodic,period=50ms,work=1ms,dma=4096", "xxx0,kind=poisson,rate=40,work=exp:1ms" ]
"""


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_example_does_no_harm_and_verify_finds_nothing(tmp_path: Path, system: str):
    dumps = []
    for pieces_ps in ([500 * MS], [123 * MS, 1, 377 * MS - 1]):
        machine = tmp_path / f"{len(pieces_ps)}.sqlite"
        boot(machine, str(PROJECT / f"dts/{system}.dtb"), BootOptions({}, seed=5))
        (tmp_path / "good.cfg").write_text(GOOD_CFG)
        for cfg in (str(tmp_path / "good.cfg"), str(PROJECT / SYSTEMS[system])):
            toolstack_domain.create(machine, cfg, (), paused=False, dry_run=False)
        for duration_ps in pieces_ps:
            control.run(machine, duration_ps, lambda done, total: True)
        with read(machine) as file:
            seen = view(file)
            assert verified(seen, file).findings == ()
            rows = [row for row in file.trace(0, seen.now_ps) if row[2] == "abort"]
            dumps.append(file.dump())
        aborts = {domain.name: domain.aborts for domain in seen.domains.values()}
        assert aborts["wrong-guest"] == len(rows) > 100
        assert aborts["good"] == 0
    assert dumps[0] == dumps[1]


def test_the_torture_says_what_it_did(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", "3000"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("no harm done\n")
    assert "accesses" in done.stderr


# ---------------------------------------------------------------- on purpose


def pair() -> tuple[Machine, Domain, int]:
    """Return a machine with a good domain and a bad one, and where the bad one's job unit is."""
    machine = Machine()
    machine.coproc("gpu0", settings={"slice": 5 * MS})
    machine.domain("good", "gpu0 kind=periodic,period=100ms,work=1ms")
    bad = machine.domain("bad", "gpu0")
    return machine, bad, bad.vcoprocs[0].windows[0].base


def test_who_starts_the_unit_again_while_it_is_being_stopped_is_stopped_by_force():
    """Every 30 µs it throws away what it has, and sends a job of 100 µs that cannot be cut: a denial without end.

    Whenever the time that its driver was promised is over, another job has been at work for 10 µs.
    """
    machine, bad, unit = pair()
    for at_ps in range(30 * US, 990 * MS, 30 * US):
        machine.run(at_ps)
        for offset, size, value in (
            (reg.CONTROL, 4, reg.CONTROL_RESET),
            (reg.WORK_LO, 8, 100_000),
            (reg.UNCUTTABLE_LO, 8, 100_000),
            (reg.CONTROL, 4, reg.CONTROL_ENABLE),
            (reg.DOORBELL, 4, 1),
        ):
            mmio.access(machine.board, bad, unit + offset, size, value)
        machine.hypervisor.settle()
    good, its = (machine.board.vcoprocs[who].counters for who in ("d1v0", "d2v0"))
    assert (good.jobs, good.ended, good.late, good.resets) == (10, 10, 0, 0)
    assert its.resets >= 5
    # Its slice, the switch timeout, the reset, the switch in, the job, the handler.
    assert good.latency_ps_max <= (5_000 + 40_000 + 102 + 25 + 1_000 + 5) * US


def test_a_line_that_is_never_cleared_is_no_storm():
    machine, bad, unit = pair()
    mmio.access(machine.board, bad, unit + reg.IRQ_ENABLE, 4, reg.IRQ_DONE)
    for number in range(1, 901):
        machine.run(number * MS)
        mmio.access(machine.board, bad, unit + reg.DOORBELL, 4, 1)
        mmio.access(machine.board, bad, unit + reg.DOORBELL, 4, 1)
        mmio.access(machine.board, bad, unit + reg.IRQ_STATUS, 4, reg.IRQ_DONE)
    machine.run(990 * MS)
    good, its = (machine.board.vcoprocs[who].counters for who in ("d1v0", "d2v0"))
    assert (good.jobs, good.ended, good.late) == (10, 10, 0)
    # Once as it raises the line itself; then, with the line still up, once each time that it is back: both of its jobs,
    # which are without work, end as it comes.
    assert its.switches > 800
    assert its.irqs == its.switches + 1


@pytest.mark.parametrize(
    ("address", "size_bytes"), [(2**64 - 4096, 2**32 - 1), (0, 64), (0x3FFF_FFFF, 2), (0x43FF_FFFF, 2)]
)
def test_a_dma_window_that_leaves_the_domain_s_memory_at_either_end_or_wraps_faults(address: int, size_bytes: int):
    machine, bad, unit = pair()
    assert bad.memory == (range(0x4000_0000, 0x4400_0000),)
    machine.run(20 * MS)
    for offset, size, value in ((reg.DMA_LO, 8, address), (reg.DMA_BYTES, 4, size_bytes), (reg.DOORBELL, 4, 1)):
        mmio.access(machine.board, bad, unit + offset, size, value)
    machine.run(50 * MS)
    assert [row[3:] for row in machine.rows("iommu_fault")] == [
        ("d2v0", address, size_bytes, "read"),
        ("d2v0", address, size_bytes, "write"),
    ]
    assert machine.board.vcoprocs["d1v0"].counters.faults == 0


def virtual_gpu() -> Machine:
    machine = Machine()
    described = described_for(VirtualGpuPlatform, "gpu0")
    machine.coproc("gpu0", VirtualGpuPlatform, Unscheduled, described=described)
    return machine


def send(machine: Machine, domain: Domain, work_cycles: int, uncuttable_cycles: int) -> None:
    """Let a domain put a job into its unit on a GPU that shares itself."""
    unit = domain.vcoprocs[0].windows[0].base + vgpu.UNIT_OFFSET
    for offset, value in ((reg.WORK_LO, work_cycles), (reg.UNCUTTABLE_LO, uncuttable_cycles), (reg.IRQ_ENABLE, 3)):
        assert mmio.access(machine.board, domain, unit + offset, 8, value).route is Route.DIRECT
    mmio.access(machine.board, domain, unit + reg.DOORBELL, 4, 1)


def test_a_job_that_never_lets_go_has_a_shared_gpu_for_the_time_of_a_lockup_and_no_longer():
    machine = virtual_gpu()
    bad = machine.domain("bad", "gpu0")
    send(machine, bad, 2**64 - 1, 2**64 - 1)
    machine.domain("good", "gpu0 kind=trace,at=5ms:1ms;50ms:1ms")
    machine.run(100 * MS)
    # At 5 ms the quantum is long over: from then on what is uncuttable may take 20,000,000 cycles at 1 GHz.
    assert [row[3:] for row in machine.rows("job_end")] == [
        ("d2v0", "done", 5 * MS, 20 * MS + MS + 5 * US, -1),
        ("d2v0", "done", 50 * MS, MS + 5 * US, -1),
    ]
    unit = bad.vcoprocs[0].windows[0].base + vgpu.UNIT_OFFSET
    assert mmio.access(machine.board, bad, unit + reg.ERROR, 4, None).value == reg.ERROR_RESET
    assert mmio.access(machine.board, bad, unit + reg.STATUS, 4, None).value == reg.STATUS_STOPPED


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_nobody_starts_its_own_unit_of_a_shared_gpu_out_of_turn(size: int):
    machine = virtual_gpu()
    good, bad = machine.domain("good", "gpu0"), machine.domain("bad", "gpu0")
    send(machine, good, 10**6, 0)
    send(machine, bad, 300_000, 0)
    unit = bad.vcoprocs[0].windows[0].base + vgpu.UNIT_OFFSET
    mmio.access(machine.board, bad, unit + reg.CONTROL, size, reg.CONTROL_ENABLE)
    # The good one's quantum is 500,000 cycles, its own job 300,000.
    machine.run(799 * US)
    assert mmio.access(machine.board, bad, unit + reg.DONE_COUNT, 4, None).value == 0
    machine.run(800 * US)
    assert mmio.access(machine.board, bad, unit + reg.DONE_COUNT, 4, None).value == 1


# Two of five milliseconds before the pause of 18, three after it; or all five, and the handler after it.
@pytest.mark.parametrize(("uncuttable", "latency_us"), [("0s", 2_000 + 18_000 + 3_005), ("all", 20_005)])
def test_while_a_domain_is_paused_a_shared_gpu_does_no_work_of_it_but_what_cannot_be_cut(uncuttable, latency_us: int):
    machine = virtual_gpu()
    domain = machine.domain("a", f"gpu0 kind=trace,at=0s:5ms,dma=4096,uncuttable={uncuttable}")
    machine.run(2 * MS)
    domains.pause(machine.board, domain)
    machine.run(20 * MS)
    domains.unpause(machine.board, domain)
    machine.run(40 * MS)
    assert machine.rows("iommu_fault") == []
    assert [row[3:] for row in machine.rows("job_end")] == [("d1v0", "done", 0, latency_us * US, -1)]


def test_who_had_a_shared_gpu_may_be_destroyed_and_the_next_one_s_job_ends():
    machine = virtual_gpu()
    bad = machine.domain("bad", "gpu0")
    send(machine, bad, 2**64 - 1, 2**64 - 1)
    machine.domain("good", "gpu0 kind=trace,at=1ms:1ms")
    machine.run(3 * MS)
    domains.destroy(machine.board, bad)
    machine.run(10 * MS)
    assert [row[3:5] for row in machine.rows("job_end")] == [("d2v0", "done")]
