"""The job unit: silicon held against a model that steps every cycle, and a context that is away against silicon."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.jobunit import JobUnit
from coprocsim.model import DmaAccess, Sleep, VcoprocId, Wake
from coprocsim.platforms.base import Answer, Busy, Done, Left
from coprocsim.platforms.jobunit import JobUnitPlatform
from coprocsim.units import PS_PER_S, Clock
from tests.machines import MS, US, Machine

WORD = 0xFFFF_FFFF
WORDS = range(0, reg.BLOCK_BYTES, 4)


# ---------------------------------------------------------------- the slow model


@dataclass
class SlowJob:
    work: int
    uncuttable: int
    address: int
    size: int
    begun: bool = False
    worked: bool = False


@dataclass
class SlowUnit:
    """The job unit, one cycle after the other, as plainly as its datasheet can be read.

    `cycle` is under way; the oldest job is worked in every cycle from `first` on, None while the unit stands still.
    """

    hz: int
    cycle: int = 0
    first: int | None = None
    enabled: bool = False
    jobs: list[SlowJob] = field(default_factory=list)
    words: dict[int, int] = field(default_factory=dict)
    dma: list[DmaAccess] = field(default_factory=list)

    def begins_ps(self, cycle: int) -> int:
        return -(-cycle * PS_PER_S // self.hz)

    def advance(self, now_ps: int) -> None:
        self.at_edge()
        while self.begins_ps(self.cycle + 1) <= now_ps:
            if self.first is not None and self.cycle >= self.first:
                self.jobs[0].worked = True
                self.jobs[0].work -= 1
                self.jobs[0].uncuttable -= self.jobs[0].uncuttable > 0
            self.cycle += 1
            self.at_edge()

    def at_edge(self) -> None:
        """See what has come to its end: a job, or the part of one after which the unit may stop."""
        while self.first is not None and self.cycle >= self.first:
            job = self.jobs[0]
            if (job.work if self.enabled else self.to_cut(job)) > 0:
                return
            if job.work == 0:
                del self.jobs[0]
                self.access(job, write=True)
                self.words[reg.DONE_COUNT] = self.words.get(reg.DONE_COUNT, 0) + 1 & WORD
                self.words[reg.IRQ_STATUS] = self.words.get(reg.IRQ_STATUS, 0) | reg.IRQ_DONE
            self.first = None
            self.begin(self.cycle)

    def begin(self, cycle: int) -> None:
        if self.first is None and self.enabled and self.jobs:
            self.first = cycle
            if not self.jobs[0].begun:
                self.jobs[0].begun = True
                self.access(self.jobs[0], write=False)

    def to_cut(self, job: SlowJob) -> int:
        return job.uncuttable if job.worked else 0

    def access(self, job: SlowJob, *, write: bool) -> None:
        if job.size:
            self.dma.append(DmaAccess(0, job.address, job.size, write))

    def read(self, offset: int) -> int:
        place, register = divmod(offset - reg.PLACE_0, reg.PLACE_BYTES)
        if offset >= reg.PLACE_0:
            return self.read_place(self.jobs[place], register) if place < len(self.jobs) else 0
        status = bool(self.jobs) * reg.STATUS_BUSY | (len(self.jobs) == reg.PLACES) * reg.STATUS_FULL
        fixed = {
            reg.ID: 0x1234,
            reg.VERSION: 1,
            reg.CONTROL: int(self.enabled),
            reg.STATUS: status | (self.first is None) * reg.STATUS_STOPPED,
        }
        return fixed[offset] if offset in fixed else self.words.get(offset, 0)

    def read_place(self, job: SlowJob, register: int) -> int:
        state = reg.PLACE_BEGUN if job.begun else reg.PLACE_NEW
        long = [job.work, job.uncuttable, job.address]
        return [*(half for each in long for half in (each & WORD, each >> 32)), job.size, state][register // 4]

    def write(self, offset: int, value: int, now_ps: int) -> None:
        if reg.PLACE_0 <= offset < reg.BLOCK_BYTES:
            self.write_place(*divmod(offset - reg.PLACE_0, reg.PLACE_BYTES), value)
        elif offset == reg.CONTROL:
            self.control(value)
        elif offset == reg.DOORBELL and len(self.jobs) < reg.PLACES:
            self.jobs.append(self.job(reg.WORK_LO))
        elif offset == reg.IRQ_CLEAR:
            self.words[reg.IRQ_STATUS] = self.words.get(reg.IRQ_STATUS, 0) & ~value
        elif offset in {reg.IRQ_STATUS, reg.IRQ_ENABLE}:
            self.words[offset] = value & (reg.IRQ_DONE | reg.IRQ_ERROR)
        elif offset in {*reg.STAGED, reg.DONE_COUNT, reg.ERROR}:
            self.words[offset] = value
        self.begin(self.cycle if self.begins_ps(self.cycle) == now_ps else self.cycle + 1)

    def control(self, value: int) -> None:
        if value & reg.CONTROL_RESET:
            self.jobs, self.words, self.enabled, self.first = [], {}, False, None
            return
        self.enabled = bool(value & reg.CONTROL_ENABLE)
        if self.jobs and value & reg.CONTROL_ABORT:
            self.jobs[0].work = self.to_cut(self.jobs[0])
            self.jobs[0].uncuttable = min(self.jobs[0].uncuttable, self.jobs[0].work)
        if self.jobs and not self.to_cut(self.jobs[0]) and not (self.enabled and self.jobs[0].work):
            self.first = None

    def write_place(self, place: int, register: int, value: int) -> None:
        if register != reg.PLACE_STATE:
            self.words[reg.PLACE_0 + place * reg.PLACE_BYTES + register] = value
            return
        if place == 0:
            self.first = None
        job = self.job(reg.PLACE_0 + place * reg.PLACE_BYTES)
        job.begun = value == reg.PLACE_BEGUN
        self.jobs[place : place + 1] = [job] if value != reg.PLACE_EMPTY else []

    def job(self, base: int) -> SlowJob:
        words = [self.words.get(base + 4 * n, 0) for n in range(7)]
        work, uncuttable, address = (words[2 * n] | words[2 * n + 1] << 32 for n in range(3))
        return SlowJob(work, min(work, uncuttable), address, words[6])

    @property
    def asserted(self) -> bool:
        return self.words.get(reg.IRQ_STATUS, 0) & self.words.get(reg.IRQ_ENABLE, 0) != 0


class Pair:
    """The unit and the model, side by side; whatever is done to both must show the same."""

    def __init__(self, hz: int) -> None:
        self.unit = JobUnit(0x1234, Clock(hz))
        self.slow = SlowUnit(hz)
        self.dma: list[DmaAccess] = []
        self.now_ps = 0

    def advance(self, to_ps: int) -> None:
        """Let time pass, stopping at each instant at which the unit says that something happens."""
        while (next_ps := self.unit.next_ps()) is not None and next_ps <= to_ps:
            if next_ps > self.now_ps:
                self.slow.advance(next_ps - 1)
            before = (len(self.slow.jobs), self.slow.first)
            self.slow.advance(next_ps)
            assert before != (len(self.slow.jobs), self.slow.first), "nothing happens at this instant"
            self.unit.advance(next_ps)
            self.now_ps = next_ps
            self.compare(next_ps)
        self.now_ps = to_ps
        self.slow.advance(to_ps)
        self.unit.advance(to_ps)
        self.compare(to_ps)

    def write(self, offset: int, size: int, value: int, now_ps: int) -> None:
        self.unit.write(offset, size, value, now_ps)
        value &= (1 << 8 * size) - 1
        if size < 4:
            shift = 8 * (offset % 4)
            word = self.slow.read(offset - offset % 4)
            value = word & ~((1 << 8 * size) - 1 << shift) | value << shift
        for n in range(max(1, size // 4)):
            self.slow.write(offset - offset % 4 + 4 * n, value >> 32 * n & WORD, now_ps)
        self.advance(now_ps)

    def compare(self, now_ps: int) -> None:
        assert {at: self.unit.read(at, 4, now_ps) for at in WORDS} == {at: self.slow.read(at) for at in WORDS}
        assert self.unit.asserted == self.slow.asserted
        self.dma += self.unit.take_dma()
        assert self.dma == self.slow.dma


# ---------------------------------------------------------------- silicon against the model


SIZES = (1, 2, 4, 8)
SMALL = st.integers(0, 25)
USEFUL = st.one_of(
    st.tuples(st.just(reg.CONTROL), st.just(4), st.integers(0, 3)),
    st.tuples(st.just(reg.DOORBELL), st.just(4), st.just(1)),
    st.tuples(st.sampled_from([reg.WORK_LO, reg.UNCUTTABLE_LO, reg.DMA_LO]), st.just(8), SMALL),
    st.tuples(st.sampled_from([reg.DMA_BYTES, reg.IRQ_ENABLE, reg.IRQ_CLEAR]), st.just(4), SMALL),
    st.tuples(st.sampled_from([reg.PLACE_0 + n * 0x20 + m for n in (0, 1) for m in (0, 8, 0x1C)]), st.just(4), SMALL),
)
ANY = st.sampled_from(SIZES).flatmap(
    lambda size: st.tuples(
        st.integers(0, reg.BLOCK_BYTES // size - 1).map(lambda n: n * size),
        st.just(size),
        st.integers(0, 2**64 - 1) | SMALL,
    )
)
GAPS_PS = st.just(0) | st.integers(0, 40_000)
WRITES = st.integers(0, 3).flatmap(lambda n: USEFUL if n else ANY)
SCENES = st.lists(st.tuples(GAPS_PS, WRITES), max_size=40)


@settings(max_examples=300)
@given(st.sampled_from([600_000_000, 10**9, 333_333_333, 7 * 10**9]), SCENES)
def test_the_unit_is_what_stepping_every_cycle_would_give(hz: int, scenes):
    pair, now_ps = Pair(hz), 0
    pair.write(reg.CONTROL, 4, reg.CONTROL_ENABLE, 0)
    for gap_ps, (offset, size, value) in scenes:
        now_ps += gap_ps
        pair.advance(now_ps)
        pair.write(offset, size, value, now_ps)
    pair.advance(now_ps + 60_000)


@settings(max_examples=100)
@given(SCENES, st.integers(0, 40))
def test_a_saved_unit_goes_on_as_the_same(scenes, cut: int):
    unit, other = JobUnit(0, Clock(600_000_000)), JobUnit(0, Clock(600_000_000))
    now_ps = 0
    for number, (gap_ps, (offset, size, value)) in enumerate(scenes):
        if number == cut:
            unit.take_dma()
            other.restore(unit.save())
            unit = other
        now_ps += gap_ps
        unit.advance(now_ps)
        unit.write(offset, size, value, now_ps)
    uncut = JobUnit(0, Clock(600_000_000))
    now_ps = 0
    for gap_ps, (offset, size, value) in scenes:
        now_ps += gap_ps
        uncut.advance(now_ps)
        uncut.write(offset, size, value, now_ps)
    assert unit.save() == uncut.save()
    assert unit.next_ps() == uncut.next_ps()


@pytest.mark.parametrize("size", SIZES)
def test_of_a_value_no_more_is_taken_than_the_access_has_bytes(size: int):
    for offset in range(0, reg.BLOCK_BYTES, size):
        taken, whole = JobUnit(0, Clock(10**9)), JobUnit(0, Clock(10**9))
        taken.write(offset, size, 0xA1A2_A3A4_A5A6_A7A9 & (1 << 8 * size) - 1, 0)
        whole.write(offset, size, 0xFFFF_A1A2_A3A4_A5A6_A7A9, 0)
        assert taken.save() == whole.save()
        assert all(whole.read(at, 4, 0) <= WORD for at in WORDS)


def enabled_pair(*jobs: tuple[int, int]) -> Pair:
    """Return an enabled unit at 1 GHz with jobs of (work, uncuttable) in ns, begun at instant 0."""
    pair = Pair(10**9)
    pair.write(reg.IRQ_ENABLE, 4, reg.IRQ_DONE, 0)
    for work, uncuttable in jobs:
        pair.write(reg.WORK_LO, 8, work, 0)
        pair.write(reg.UNCUTTABLE_LO, 8, uncuttable, 0)
        pair.write(reg.DOORBELL, 4, 1, 0)
    pair.write(reg.CONTROL, 4, reg.CONTROL_ENABLE, 0)
    return pair


def test_a_job_takes_its_cycles_and_then_interrupts():
    pair = enabled_pair((100, 0), (50, 0))
    lines = []
    for instant_ps in (99_999, 100_000):
        pair.advance(instant_ps)
        lines.append(pair.unit.asserted)
    assert lines == [False, True]
    assert pair.unit.next_ps() == 150_000


def test_a_stop_waits_for_the_uncuttable_part_and_no_longer():
    pair = enabled_pair((100, 60))
    pair.advance(10_000)
    pair.write(reg.CONTROL, 4, 0, 10_000)
    assert not pair.unit.read(reg.STATUS, 4, 10_000) & reg.STATUS_STOPPED
    assert pair.unit.next_ps() == 60_000
    pair.advance(60_000)
    assert pair.unit.read(reg.STATUS, 4, 60_000) & reg.STATUS_STOPPED
    assert pair.unit.read(reg.PLACE_0, 4, 60_000) == 40


def test_an_aborted_job_ends_after_its_uncuttable_part():
    pair = enabled_pair((100, 60), (50, 0))
    pair.advance(10_000)
    pair.write(reg.CONTROL, 4, reg.CONTROL_ENABLE | reg.CONTROL_ABORT, 10_000)
    pair.advance(60_000)
    assert pair.unit.read(reg.DONE_COUNT, 4, 60_000) == 1
    assert pair.unit.next_ps() == 110_000


def test_a_job_that_is_given_up_before_its_first_cycle_is_over_has_no_uncuttable_part_left():
    """So it is the same when it is put back into its place, where no more is uncuttable than there is."""
    pair = enabled_pair((100, 60))
    pair.write(reg.CONTROL, 4, reg.CONTROL_ABORT, 0)
    assert pair.unit.read(reg.PLACE_0 + reg.PLACE_WORK_LO, 8, 0) == 0
    assert pair.unit.read(reg.PLACE_0 + reg.PLACE_UNCUTTABLE_LO, 8, 0) == 0


def test_what_is_aborted_within_a_cycle_ends_at_its_edge_where_the_next_begins():
    pair = enabled_pair((100, 0), (50, 0))
    pair.advance(10_500)
    pair.write(reg.CONTROL, 4, reg.CONTROL_ENABLE | reg.CONTROL_ABORT, 10_500)
    assert pair.unit.next_ps() == 11_000
    pair.advance(11_000)
    assert pair.unit.next_ps() == 61_000


def test_a_reset_is_power_up_whatever_runs():
    pair = enabled_pair((100, 100), (50, 0))
    pair.advance(10_000)
    pair.write(reg.CONTROL, 4, reg.CONTROL_RESET | reg.CONTROL_ENABLE, 10_000)
    assert pair.unit.save() == JobUnit(0x1234, Clock(10**9)).save()


def test_a_doorbell_without_room_is_not_heard():
    pair = enabled_pair((100, 0), (50, 0), (7, 0))
    pair.advance(10**6)
    assert pair.unit.read(reg.DONE_COUNT, 4, 10**6) == reg.PLACES


def test_the_count_of_done_jobs_wraps_at_32_bits():
    pair = enabled_pair((5, 0))
    pair.write(reg.DONE_COUNT, 4, WORD, 0)
    pair.advance(10_000)
    assert pair.unit.read(reg.DONE_COUNT, 4, 10_000) == 0


@pytest.mark.parametrize("offset", [reg.ID, reg.VERSION, reg.STATUS, 0x08, 0x2C, 0x50])
def test_a_write_to_what_is_read_only_or_no_register_is_ignored(offset: int):
    pair = enabled_pair()
    before = pair.unit.save()
    pair.write(offset, 4, WORD, 0)
    assert pair.unit.save() == before


def test_a_job_reads_its_window_when_it_begins_and_writes_it_when_it_ends():
    pair = Pair(10**9)
    pair.write(reg.WORK_LO, 8, 100, 0)
    pair.write(reg.DMA_LO, 8, 0x1_4000_0000, 0)
    pair.write(reg.DMA_BYTES, 4, 256, 0)
    pair.write(reg.DOORBELL, 4, 1, 0)
    assert pair.dma == []
    pair.write(reg.CONTROL, 4, reg.CONTROL_ENABLE, 0)
    assert pair.dma == [DmaAccess(0, 0x1_4000_0000, 256, write=False)]
    pair.advance(100_000)
    assert pair.dma[1:] == [DmaAccess(0, 0x1_4000_0000, 256, write=True)]


def test_a_bus_error_is_an_interrupt_of_its_own():
    unit = enabled_pair().unit
    unit.write(reg.IRQ_ENABLE, 4, reg.IRQ_ERROR, 0)
    unit.bus_error()
    assert unit.asserted
    assert (unit.read(reg.ERROR, 4, 0), unit.read(reg.IRQ_STATUS, 4, 0)) == (reg.ERROR_DMA, reg.IRQ_ERROR)


# ---------------------------------------------------------------- the context that is away


RAM = (range(0x4000_0000, 0x4400_0000),)
A, B = VcoprocId(1, 0), VcoprocId(2, 0)
# What a guest may do to its unit at any time; CONTROL's enable and the places are the driver's.
GUEST_OFFSETS = [*reg.STAGED, reg.DOORBELL, reg.IRQ_STATUS, reg.IRQ_CLEAR, reg.IRQ_ENABLE, reg.DONE_COUNT, reg.ERROR]
GUEST_READS = [at for at in WORDS if at != reg.CONTROL]
GUEST_WRITES = st.lists(st.tuples(st.sampled_from(GUEST_OFFSETS), st.integers(0, 2**32 - 1) | SMALL), max_size=30)


def platform_at_rest() -> JobUnitPlatform:
    """Return a driver with room for two contexts, none of which is loaded."""
    platform = Machine().coproc().platform
    assert isinstance(platform, JobUnitPlatform)
    for vcoproc in (A, B):
        assert platform.domain_create(vcoproc, RAM) is None
    return platform


def trap(platform: JobUnitPlatform, offset: int, value: int | None = None, size: int = 4) -> Answer:
    answer = platform.read(A, "r0", offset, size) if value is None else platform.write(A, "r0", offset, size, value)
    assert isinstance(answer, Answer)
    return answer


@given(GUEST_WRITES)
def test_a_context_that_is_away_answers_as_the_unit_would_that_is_stopped(writes):
    platform, unit = platform_at_rest(), JobUnit(trap(platform_at_rest(), reg.ID).value, Clock(10**9))
    for offset, value in writes:
        trap(platform, offset, value)
        unit.write(offset, 4, value, 0)
        assert {at: trap(platform, at).value for at in GUEST_READS} == {at: unit.read(at, 4, 0) for at in GUEST_READS}


@given(GUEST_WRITES)
def test_a_context_is_loaded_as_it_was_left_and_saved_as_it_was_loaded(writes):
    platform = platform_at_rest()
    for offset, value in writes:
        trap(platform, offset, value)
    before = {at: trap(platform, at).value for at in GUEST_READS if at < reg.PLACE_0}
    platform.switch_to(A, 0)
    platform.start(A, 0)
    left = platform.switch_from(A, 0)
    after = {at: trap(platform, at).value for at in GUEST_READS if at < reg.PLACE_0}
    assert isinstance(left, Busy) or after == before


@given(st.lists(st.tuples(ANY, st.booleans()), max_size=30), st.booleans())
def test_no_garbage_makes_a_handler_stumble_and_what_it_answers_fits(accesses, live: bool):
    platform = platform_at_rest()
    if live:
        platform.switch_to(A, 0)
        platform.start(A, 0)
    for (offset, size, value), write in accesses:
        answer = trap(platform, offset, value if write else None, size)
        assert 0 <= answer.value < 1 << 8 * size
    assert trap(platform, reg.DONE_COUNT & ~7, size=8).value < 2**64
    done = platform.reset(A, 0)
    assert isinstance(done, Done)
    assert trap(platform, reg.ERROR).value == reg.ERROR_RESET


def test_the_first_doorbell_wakes_and_taking_back_the_last_job_sends_to_sleep():
    platform = platform_at_rest()
    assert trap(platform, reg.DOORBELL, 1).effects == (Wake(A),)
    assert trap(platform, reg.DOORBELL, 1).effects == ()
    assert trap(platform, reg.CONTROL, reg.CONTROL_RESET).effects == (Sleep(A),)


@pytest.mark.parametrize(("offset", "size"), [(reg.DOORBELL, 4), (reg.DOORBELL, 1), (0x4D, 1), (0x4E, 2), (0x48, 8)])
def test_a_doorbell_of_any_size_wakes(offset: int, size: int):
    away, live = platform_at_rest(), platform_at_rest()
    assert trap(away, offset, 1, size).effects == (Wake(A),)
    live.switch_to(A, 0)
    live.start(A, 0)
    assert trap(live, offset, 1, size).effects == (Wake(A),)


def test_an_abort_while_away_ends_what_can_be_cut_and_interrupts():
    platform = platform_at_rest()
    trap(platform, reg.IRQ_ENABLE, reg.IRQ_DONE)
    trap(platform, reg.WORK_LO, 100)
    trap(platform, reg.DOORBELL, 1)
    trap(platform, reg.DONE_COUNT, WORD)
    effects = trap(platform, reg.CONTROL, reg.CONTROL_ENABLE | reg.CONTROL_ABORT).effects
    assert [type(effect).__name__ for effect in effects] == ["RaiseIrq", "Sleep"]
    assert (trap(platform, reg.DONE_COUNT).value, trap(platform, reg.STATUS).value & reg.STATUS_BUSY) == (0, 0)


def test_a_denial_is_promised_to_end_when_the_uncuttable_part_does():
    machine = Machine()
    coproc = machine.coproc()
    platform = coproc.platform
    assert isinstance(platform, JobUnitPlatform)
    platform.domain_create(A, RAM)
    for offset, value in ((reg.WORK_LO, 5_000_000), (reg.UNCUTTABLE_LO, 3_000_000), (reg.DOORBELL, 1)):
        trap(platform, offset, value)
    platform.switch_to(A, 0)
    platform.start(A, 0)
    machine.board.timeline.now_ps = MS
    assert platform.switch_from(A, MS) == Busy(2 * MS)
    machine.board.timeline.now_ps = 3 * MS
    assert platform.switch_from(A, 3 * MS) == Left(25 * US)
    assert trap(platform, reg.PLACE_0).value == 2_000_000
