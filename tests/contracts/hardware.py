"""What every hardware model must keep.

A third party's model is tested by one class, which says what its node looks like if that is not one page and one line:

    class TestMine(HardwareContract):
        @pytest.fixture
        def model(self) -> type[Hardware]:
            return Mine
"""

import json
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coprocsim.hardware.base import Hardware
from coprocsim.model import CoprocSpec, DmaAccess
from tests.machines import spec

Access = tuple[int, int, int, int, int | None]
# (gap in ps, number of the region, offset in units of its size, size, value or None to read)
ACCESSES: st.SearchStrategy[list[Access]] = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 999, 12_345, 10**6, 10**9]),
        st.integers(0, 7),
        st.integers(0, 40) | st.integers(0, 2**20),
        st.sampled_from([1, 2, 4, 4, 8]),
        st.none() | st.integers(0, 63) | st.integers(0, 2**64 - 1),
    ),
    max_size=40,
)
# The same test runs for several classes, and what its fixture says does not change from example to example.
NO_HARM = [HealthCheck.differing_executors, HealthCheck.function_scoped_fixture]
inherited = settings(max_examples=60, suppress_health_check=NO_HARM)


class Bus:
    """Plays the bus to a model: aligned accesses inside its regions, at instants that never go back."""

    def __init__(self, model: type[Hardware], described: CoprocSpec) -> None:
        self.described = described
        self.hardware = model(described)
        self.now_ps = 0
        self.seen: list[object] = []

    def pass_to(self, to_ps: int, *, in_steps: bool = False) -> None:
        """Let time pass, at once or by what happens."""
        while in_steps and (next_ps := self.hardware.next_ps()) is not None and next_ps < to_ps:
            assert next_ps > self.now_ps, "what is due has not happened"
            self.hardware.advance(next_ps - 1)
            lines = self.hardware.asserted()
            assert lines == self.hardware.asserted()
            self.now_ps = next_ps
            self.hardware.advance(next_ps)
        self.now_ps = to_ps
        self.hardware.advance(to_ps)

    def access(self, access: Access, *, in_steps: bool = False) -> None:
        """Do one access, and look."""
        gap_ps, number, unit, size, value = access
        self.pass_to(self.now_ps + gap_ps, in_steps=in_steps)
        region = self.described.regions[number % len(self.described.regions)]
        offset = unit * size % (region.size_bytes - region.size_bytes % size)
        if value is None:
            read = self.hardware.read(region.name, offset, size, self.now_ps)
            assert 0 <= read < 1 << 8 * size, "it reads more than it was asked for"
            self.seen.append(read)
        else:
            self.hardware.write(region.name, offset, size, value, self.now_ps)
        self.hardware.advance(self.now_ps)
        self.look()

    def look(self) -> None:
        """Note all that can be seen from outside."""
        hardware = self.hardware
        assert set(hardware.asserted()) <= {line.name for line in self.described.lines}
        context = dict(hardware.context())
        assert all(isinstance(each, bytes) for each in context.values())
        pending = hardware.dma_pending()
        accesses: tuple[DmaAccess, ...] = hardware.take_dma()
        assert pending == bool(accesses)
        assert not hardware.dma_pending()
        self.seen.append((self.now_ps, hardware.asserted(), hardware.next_ps(), context, accesses))

    def play(self, accesses: Sequence[Access], *, in_steps: bool = False, cut: int | None = None) -> list[object]:
        for number, access in enumerate(accesses):
            if number == cut:
                self.rest()
            self.access(access, in_steps=in_steps)
        return self.seen

    def rest(self) -> None:
        saved = self.hardware.save()
        assert isinstance(saved, dict)
        assert isinstance(saved["version"], int), "a saved form carries its version"
        self.hardware = type(self.hardware)(self.described)
        self.hardware.restore(json.loads(json.dumps(saved)))
        assert self.hardware.save() == saved, "what it saves is not what it restores"


class HardwareContract:
    """Inherit it, and say which model in a fixture `model`, and its node in `described`."""

    @pytest.fixture
    def model(self) -> type[Hardware]:
        raise NotImplementedError("say which model")

    @pytest.fixture
    def described(self) -> CoprocSpec:
        return spec(hz=600_000_000, regions=2)

    def test_it_states_itself(self, model: type[Hardware]):
        assert model.name
        assert model.summary

    def test_at_power_up_nothing_happens_by_itself(self, model: type[Hardware], described: CoprocSpec):
        hardware = model(described)
        assert (hardware.next_ps(), hardware.asserted(), hardware.take_dma()) == (None, (), ())

    @inherited
    @given(accesses=ACCESSES)
    def test_no_access_makes_it_stumble(self, model: type[Hardware], described: CoprocSpec, accesses: list[Access]):
        Bus(model, described).play(accesses)

    @inherited
    @given(accesses=ACCESSES)
    def test_its_context_always_has_the_same_names(
        self, model: type[Hardware], described: CoprocSpec, accesses: list[Access]
    ):
        bus = Bus(model, described)
        before = {name: len(value) for name, value in bus.hardware.context().items()}
        bus.play(accesses)
        assert {name: len(value) for name, value in bus.hardware.context().items()} == before

    @inherited
    @given(accesses=ACCESSES)
    def test_time_may_pass_at_once_or_step_by_step(
        self, model: type[Hardware], described: CoprocSpec, accesses: list[Access]
    ):
        assert Bus(model, described).play(accesses, in_steps=True) == Bus(model, described).play(accesses)

    @inherited
    @given(accesses=ACCESSES, cut=st.integers(0, 40))
    def test_saved_and_restored_it_goes_on_as_the_same(
        self, model: type[Hardware], described: CoprocSpec, accesses: list[Access], cut: int
    ):
        assert Bus(model, described).play(accesses, cut=cut) == Bus(model, described).play(accesses)
