"""What every platform must keep: the hypervisor's driver for one kind of coproc.

A third party's driver is tested by one class, which says what its node looks like if that is not one page and one line:

    class TestMine(PlatformContract):
        @pytest.fixture
        def platform(self) -> type[Platform]:
            return Mine
"""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from coprocsim.model import CoprocSpec, VcoprocId
from coprocsim.platforms.base import Answer, Busy, Done, Entered, Left, Platform, Refused
from tests.machines import Machine, described_for, hardware_of

A, B = VcoprocId(1, 0), VcoprocId(2, 0)
ATTEMPTS_MAX = 1_000
RAM = (range(0x4000_0000, 0x4400_0000),)

Garbage = tuple[int, int, int, int]
# (number of the region, offset in units of its size, size, value)
GARBAGE_1: st.SearchStrategy[Garbage] = st.tuples(
    st.integers(0, 7),
    st.integers(0, 60) | st.integers(0, 2**20),
    st.sampled_from([1, 2, 4, 4, 8]),
    st.integers(0, 63) | st.integers(0, 2**64 - 1),
)
GARBAGE: st.SearchStrategy[list[Garbage]] = st.lists(GARBAGE_1, max_size=30)
# The same test runs for several classes, and what its fixture says does not change from example to example.
NO_HARM = [HealthCheck.differing_executors, HealthCheck.function_scoped_fixture]
inherited = settings(max_examples=40, suppress_health_check=NO_HARM)


class Desk:
    """Plays the hypervisor to a driver: contexts in and out, trapped accesses, time."""

    def __init__(self, platform: type[Platform], described: CoprocSpec) -> None:
        self.machine = Machine()
        self.coproc = self.machine.coproc("coproc", platform, described=described)
        self.platform, self.hardware = self.coproc.platform, self.coproc.hardware
        self.last_seen: dict[str, bytes] = {}
        """The context as it was just before the last attempt to save it."""
        for vcoproc in (A, B):
            assert self.platform.domain_create(vcoproc, RAM) is None

    @property
    def now_ps(self) -> int:
        return self.machine.board.now_ps

    def wait(self, time_ps: int) -> None:
        self.machine.board.timeline.now_ps += time_ps
        self.hardware.advance(self.now_ps)
        self.hardware.take_dma()

    def context(self) -> dict[str, bytes]:
        return dict(self.hardware.context())

    def enter(self, vcoproc: VcoprocId) -> int:
        """Load a context; return what it cost."""
        answer = self.platform.switch_to(vcoproc, self.now_ps)
        assert isinstance(answer, Entered), answer
        self.wait(answer.cost_ps)
        self.platform.start(vcoproc, self.now_ps)
        return answer.cost_ps

    def leave(self, vcoproc: VcoprocId) -> int | None:
        """Save a context, as often as it denies; return what it cost, None if it denies for too long."""
        for _ in range(ATTEMPTS_MAX):
            self.last_seen = self.context()
            answer = self.platform.switch_from(vcoproc, self.now_ps)
            if isinstance(answer, Left):
                return answer.cost_ps
            assert isinstance(answer, Busy), answer
            assert answer.retry_ps > 0, "it asks to be asked again at once"
            if answer.retry_ps > 10**12:
                return None
            self.wait(answer.retry_ps)
        return None

    def access(self, vcoproc: VcoprocId, garbage: Garbage, *, write: bool) -> Answer | Refused:
        """Trap one access of a domain."""
        number, unit, size, value = garbage
        region = self.coproc.spec.regions[number % len(self.coproc.spec.regions)]
        offset = unit * size % (region.size_bytes - region.size_bytes % size)
        if write:
            return self.platform.write(vcoproc, region.name, offset, size, value)
        return self.platform.read(vcoproc, region.name, offset, size)

    def scribble(self, vcoproc: VcoprocId, garbage: list[Garbage]) -> None:
        for each in garbage:
            self.access(vcoproc, each, write=True)

    def registers(self, vcoproc: VcoprocId) -> list[Answer | Refused]:
        """Return the first words of each region, as a trapped domain reads them."""
        return [
            self.platform.read(vcoproc, region.name, offset, 4)
            for region in self.coproc.spec.regions
            for offset in range(0, min(region.size_bytes, 0x200), 4)
        ]


class PlatformContract:
    """Inherit it, and say which platform in a fixture `platform`, and its node in `described`."""

    @pytest.fixture
    def platform(self) -> type[Platform]:
        raise NotImplementedError("say which platform")

    @pytest.fixture
    def described(self, platform: type[Platform]) -> CoprocSpec:
        return described_for(platform)

    def test_it_states_itself_and_drives_its_node(self, platform: type[Platform], described: CoprocSpec):
        assert platform.name
        assert platform.summary
        assert platform.compatible
        assert hardware_of(platform).name == platform.hardware
        assert platform.unfit(described) is None

    def test_a_node_without_a_range_is_refused_with_the_reason(self, platform: type[Platform], described: CoprocSpec):
        assert platform.unfit(replace(described, regions=()))

    def test_what_it_maps_lies_in_its_ranges_and_its_streams_are_the_node_s(
        self, platform: type[Platform], described: CoprocSpec
    ):
        driver = Desk(platform, described).platform
        regions = {region.name: region for region in described.regions}
        for mapped in driver.direct_ranges():
            region = regions[mapped.name]
            assert region.base <= mapped.base
            assert mapped.base + mapped.size_bytes <= region.base + region.size_bytes
        streams = driver.iommu_streams(A)
        assert len(set(streams)) == len(streams)
        assert set(streams) <= set(range(len(described.streams)))

    @inherited
    @given(garbage=GARBAGE)
    def test_a_switch_costs_no_more_than_it_states(
        self, platform: type[Platform], described: CoprocSpec, garbage: list[Garbage]
    ):
        desk = Desk(platform, described)
        desk.scribble(A, garbage)
        entered_ps = desk.enter(A)
        left_ps = desk.leave(A)
        assume(left_ps is not None)
        assert left_ps is not None
        assert min(entered_ps, left_ps) >= 0
        assert entered_ps + left_ps <= desk.platform.switch_cost_max_ps

    @inherited
    @given(garbage=GARBAGE, more=GARBAGE)
    def test_when_a_context_has_left_nothing_of_it_is_in_the_hardware(
        self, platform: type[Platform], described: CoprocSpec, garbage: list[Garbage], more: list[Garbage]
    ):
        desk = Desk(platform, described)
        clean = desk.context()
        desk.scribble(A, garbage)
        desk.enter(A)
        desk.scribble(A, more)
        desk.wait(12_345)
        assume(desk.leave(A) is not None)
        leaks = {name for name, value in desk.context().items() if value != clean[name]}
        assert not leaks, f"the leaving context shows in {sorted(leaks)}"
        assert (desk.hardware.asserted(), desk.hardware.next_ps()) == ((), None)

    @inherited
    @given(garbage=GARBAGE, more=GARBAGE, others=GARBAGE)
    def test_a_context_comes_back_as_it_left_whatever_another_one_did_meanwhile(
        self,
        platform: type[Platform],
        described: CoprocSpec,
        garbage: list[Garbage],
        more: list[Garbage],
        others: list[Garbage],
    ):
        desk = Desk(platform, described)
        desk.scribble(A, garbage)
        desk.enter(A)
        assume(desk.leave(A) is not None)
        before = desk.last_seen
        desk.scribble(B, others)
        desk.enter(B)
        desk.scribble(B, more)
        assume(desk.leave(B) is not None)
        desk.enter(A)
        assert desk.context() == before

    @settings(inherited, max_examples=200)
    @given(garbage=GARBAGE_1)
    def test_no_register_that_the_running_one_writes_is_forgotten(
        self, platform: type[Platform], described: CoprocSpec, garbage: Garbage
    ):
        desk = Desk(platform, described)
        desk.enter(A)
        desk.access(A, garbage, write=True)
        assume(desk.leave(A) is not None)
        before = desk.last_seen
        desk.enter(A)
        assert desk.context() == before

    @inherited
    @given(garbage=GARBAGE, others=GARBAGE)
    def test_a_trap_of_one_that_is_away_touches_neither_the_hardware_nor_another_context(
        self, platform: type[Platform], described: CoprocSpec, garbage: list[Garbage], others: list[Garbage]
    ):
        desk = Desk(platform, described)
        desk.scribble(A, garbage)
        desk.enter(A)
        hardware, registers = desk.hardware.save(), desk.registers(A)
        desk.scribble(B, others)
        assert (desk.hardware.save(), desk.registers(A)) == (hardware, registers)

    @inherited
    @given(garbage=GARBAGE, live=st.booleans())
    def test_no_access_makes_a_handler_stumble(
        self, platform: type[Platform], described: CoprocSpec, garbage: list[Garbage], live: bool
    ):
        desk = Desk(platform, described)
        if live:
            desk.enter(A)
        for each in garbage:
            assert isinstance(desk.access(A, each, write=True), Answer | Refused)
            answer = desk.access(A, each, write=False)
            assert isinstance(answer, Refused) or 0 <= answer.value < 1 << 8 * each[2]

    @inherited
    @given(garbage=GARBAGE, loaded=st.booleans())
    def test_a_reset_frees_the_hardware_and_hurts_no_other_context(
        self, platform: type[Platform], described: CoprocSpec, garbage: list[Garbage], loaded: bool
    ):
        desk = Desk(platform, described)
        clean = desk.context()
        desk.scribble(B, garbage)
        others = desk.registers(B)
        desk.scribble(A, garbage)
        desk.platform.switch_to(A, desk.now_ps)
        if loaded:
            desk.platform.start(A, desk.now_ps)
        assert isinstance(desk.platform.reset(A, desk.now_ps), Done)
        assert (desk.context(), desk.hardware.next_ps()) == (clean, None)
        assert desk.registers(B) == others
        desk.enter(A)

    @inherited
    @given(garbage=GARBAGE, loaded=st.booleans())
    def test_saved_and_restored_it_answers_the_same(
        self, platform: type[Platform], described: CoprocSpec, garbage: list[Garbage], loaded: bool
    ):
        desk = Desk(platform, described)
        desk.scribble(A, garbage)
        desk.scribble(B, garbage[::-1])
        if loaded:
            desk.enter(A)
        registers, saved = [desk.registers(each) for each in (A, B)], desk.platform.save()
        assert isinstance(saved, dict)
        assert isinstance(saved["version"], int), "a saved form carries its version"
        other = platform(described, desk.coproc.port)
        other.restore(json.loads(json.dumps(saved)))
        desk.platform = other
        assert other.save() == saved
        assert [desk.registers(each) for each in (A, B)] == registers
        assert not loaded or desk.leave(A) is None or desk.enter(B) >= 0

    def test_a_domain_that_is_gone_makes_room_for_another(self, platform: type[Platform], described: CoprocSpec):
        desk = Desk(platform, described)
        for number in range(3, 200):
            if desk.platform.domain_create(VcoprocId(number, 0), RAM) is not None:
                break
        desk.platform.domain_destroy(A)
        assert desk.platform.domain_create(VcoprocId(1_000, 0), RAM) is None
        assert desk.registers(VcoprocId(1_000, 0)) == Desk(platform, described).registers(B)
