"""What every hardware model must keep."""

import json
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from hypothesis import strategies as st

from coprocsim.conformance.base import CUTS, Broken, Check, Trial, cut_before, once, over, several
from coprocsim.hardware.base import Hardware, Write
from coprocsim.model import Region
from coprocsim.units import format_duration

# What happens by itself is followed step by step so often between two accesses, then passed over.
_STEPS_MAX = 2_000


class Aim(StrEnum):
    """What an access is aimed at: all writes of the model's example of a job, one of its registers, or nothing."""

    JOB = "job"
    REGISTER = "register"
    ANYWHERE = "anywhere"


class Place(NamedTuple):
    """Where an access goes: a region, and where in it in units of `size`; or the model's register number `unit`."""

    aim: Aim
    region: int
    unit: int
    size: int

    def find(self, model: type[Hardware], regions: Sequence[Region]) -> tuple[str, int, int]:
        """Return the region, an aligned offset in it, and the size."""
        registers = () if self.aim is Aim.ANYWHERE else registers_of(model)
        if registers:
            name, offset = registers[self.unit % len(registers)]
            return name, offset, self.size if offset % self.size == 0 else 4
        region = regions[self.region % len(regions)]
        return region.name, self.unit * self.size % (region.size_bytes - region.size_bytes % self.size), self.size

    def writes(self, model: type[Hardware], regions: Sequence[Region], value: int) -> tuple[Write, ...]:
        """Return the writes that writing `value` here is."""
        job = model.example_job() if self.aim is Aim.JOB else ()
        return job or (Write(*self.find(model, regions), value),)


class Access(NamedTuple):
    """An access to the bus after `gap_ps`; it writes `value`, or reads if that is None."""

    gap_ps: int
    place: Place
    value: int | None


class Cut(NamedTuple):
    """A run that is put to rest somewhere."""

    accesses: list[Access]
    cut: int


# Chance alone hardly ever prepares a job and starts it.
PLACES: st.SearchStrategy[Place] = st.builds(
    Place,
    st.sampled_from([Aim.REGISTER, Aim.REGISTER, Aim.REGISTER, Aim.JOB, Aim.ANYWHERE]),
    st.integers(0, 7),
    st.integers(0, 60) | st.integers(0, 2**20),
    st.sampled_from([4, 4, 4, 1, 2, 8]),
)
VALUES = st.integers(0, 7) | st.integers(0, 5_000) | st.integers(0, 2**64 - 1)
ACCESSES = several(
    st.builds(Access, st.sampled_from([0, 1, 999, 12_345, 10**6, 10**9]), PLACES, st.none() | VALUES | VALUES), 40
)
CUT_RUNS = st.builds(Cut, ACCESSES, CUTS)

_LOOKED_AT_BYTES = 0x400


@cache
def registers_of(model: type[Hardware]) -> tuple[tuple[str, int], ...]:
    """Return where in each region's first bytes the model has 32-bit registers, as far as that shows at power-up.

    Such a register reads as something else than 0, or a write to it changes what the model saves.
    """
    return tuple(
        (region.name, offset)
        for region in model.example().regions
        for offset in range(0, min(region.size_bytes, _LOOKED_AT_BYTES), 4)
        if _reacts(model, region.name, offset)
    )


def _reacts(model: type[Hardware], region: str, offset: int) -> bool:
    for value in (0, 1, 0xFFFF_FFFF):
        hardware = model(model.example())
        before = hardware.save()
        try:
            hardware.write(region, offset, 4, value, 0)
            if hardware.save() != before or hardware.read(region, offset, 4, 0):
                return True
        except Exception:  # noqa: BLE001 - that it raises is for a check to tell, which goes there, too
            return True
    return False


class Seen(NamedTuple):
    """Something that can be seen from outside, and when."""

    at_ps: int
    what: str
    value: object


class Bus:
    """Plays the bus to a model: aligned accesses inside its regions, at instants that never go back."""

    def __init__(self, model: type[Hardware], trial: Trial) -> None:
        self.described = model.example()
        self.hardware = model(self.described)
        self.trial = trial
        self.now_ps = 0
        self.seen: list[Seen] = []

    def pass_to(self, to_ps: int, *, in_steps: bool = False) -> None:
        """Let time pass, at once or by what happens."""
        for _ in range(_STEPS_MAX if in_steps else 0):
            next_ps = self.hardware.next_ps()
            if next_ps is None or next_ps >= to_ps:
                break
            self._step_to(next_ps)
        self.now_ps = to_ps
        self.hardware.advance(to_ps)

    def _step_to(self, next_ps: int) -> None:
        found = f"at {format_duration(self.now_ps)} it says that something is next at {next_ps} ps, which has passed"
        self.trial.expect(next_ps > self.now_ps, found)
        self.hardware.advance(next_ps - 1)
        lines = self.hardware.asserted()
        self.trial.expect(lines == self.hardware.asserted(), "asked twice for its lines, it answers differently")
        self.now_ps = next_ps
        self.hardware.advance(next_ps)

    def access(self, access: Access, *, in_steps: bool = False) -> None:
        """Do one access, and look."""
        self.pass_to(self.now_ps + access.gap_ps, in_steps=in_steps)
        model, regions = type(self.hardware), self.described.regions
        if access.value is None:
            self._read(*access.place.find(model, regions))
        else:
            for write in access.place.writes(model, regions, access.value):
                where = f"{write.size} bytes at {write.region}+{write.offset:#x}"
                self.trial.step(f"{format_duration(self.now_ps)}: write {write.value:#x} to {where}")
                self.hardware.write(*write, self.now_ps)
        self.hardware.advance(self.now_ps)
        self.look()

    def _read(self, region: str, offset: int, size: int) -> None:
        where = f"{size} bytes at {region}+{offset:#x}"
        self.trial.step(f"{format_duration(self.now_ps)}: read {where}")
        read = self.hardware.read(region, offset, size, self.now_ps)
        self.trial.expect(0 <= read < 1 << 8 * size, f"{where} read as {read:#x}, which is more")
        self.seen.append(Seen(self.now_ps, where, f"{read:#x}"))

    def look(self) -> None:
        """Note all that can be seen from outside."""
        hardware, expect = self.hardware, self.trial.expect
        strange = set(hardware.asserted()) - {line.name for line in self.described.lines}
        expect(not strange, f"it asserts {sorted(strange)}, which are no lines of its node")
        context = dict(hardware.context())
        expect(all(isinstance(each, bytes) for each in context.values()), "its context is not all bytes")
        pending, accesses = hardware.dma_pending(), hardware.take_dma()
        expect(pending == bool(accesses), f"`dma_pending` is {pending}, and `take_dma` gives {accesses}")
        expect(not hardware.dma_pending(), "`dma_pending` is true after `take_dma`")
        for what, value in (("lines", hardware.asserted()), ("`next_ps`", hardware.next_ps()), ("DMA", accesses)):
            self.seen.append(Seen(self.now_ps, what, value))
        self.seen += (Seen(self.now_ps, f"`{name}` of the context", value.hex()) for name, value in context.items())

    def play(self, accesses: Sequence[Access], *, in_steps: bool = False, cut: int | None = None) -> list[Seen]:
        """Do all accesses; return what was seen."""
        for number, access in enumerate(accesses):
            if number == cut:
                self.rest()
            self.access(access, in_steps=in_steps)
        if cut is not None and cut >= len(accesses):
            self.rest()
            self.look()
        return self.seen

    def rest(self) -> None:
        """Replace the model by one that was restored from what it saved."""
        self.trial.step(f"{format_duration(self.now_ps)}: save, and restore into a new one")
        saved = self.hardware.save()
        expect_version(self.trial, saved)
        self.hardware = type(self.hardware)(self.described)
        self.hardware.restore(json.loads(json.dumps(saved)))
        self.trial.expect(self.hardware.save() == saved, "restored, it saves something else than it was restored from")


def expect_version(trial: Trial, saved: object) -> None:
    """Expect that a saved form is an object that carries its version."""
    trial.expect(isinstance(saved, dict), f"it saves {type(saved).__name__}, not an object with a `version`")
    version = saved.get("version") if isinstance(saved, dict) else None
    trial.expect(isinstance(version, int), f"what it saves has the version {version!r}, not a number")


def expect_same(seen: Sequence[Seen], usual: Sequence[Seen], how: str, usually: str) -> None:
    """Expect that two runs look the same; the first thing in which they differ is told."""
    for one, other in zip(seen, usual, strict=False):
        if one != other:
            raise Broken(f"at {format_duration(one.at_ps)}, {one.what}: {one.value} {how}, {other.value} {usually}")


# ---------------------------------------------------------------- the checks


def it_states_itself(model: type[Hardware], trial: Trial) -> None:
    """`name` and `summary` say what it is, and `example` is a node from which it can be made."""
    trial.expect(bool(model.name), "`name` is empty")
    trial.expect(bool(model.summary), "`summary` is empty")
    trial.expect(bool(model.example().regions), "the node of `example` has no range of registers")
    model(model.example())


def at_power_up_nothing_happens_by_itself(model: type[Hardware], trial: Trial) -> None:
    """Before the first access no line is asserted, nothing is due, and there was no DMA."""
    hardware = model(model.example())
    found = (hardware.next_ps(), hardware.asserted(), hardware.take_dma())
    trial.expect(found == (None, (), ()), "`next_ps`, `asserted`, `take_dma` are {}, {}, {}".format(*found))


def no_access_makes_it_stumble(model: type[Hardware], trial: Trial, accesses: list[Access]) -> None:
    """Whatever is written anywhere, it raises nothing, reads no more than was asked for, and names only its lines."""
    Bus(model, trial).play(accesses)


def its_context_always_has_the_same_names(model: type[Hardware], trial: Trial, accesses: list[Access]) -> None:
    """`context` names the same registers with the same number of bytes at all times: contexts can be compared."""
    bus = Bus(model, trial)
    before = {name: len(value) for name, value in bus.hardware.context().items()}
    bus.play(accesses)
    after = {name: len(value) for name, value in bus.hardware.context().items()}
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    trial.expect(
        not changed, f"it has {len(before)} names at power-up; others now or of another size: {sorted(changed)}"
    )


def time_may_pass_at_once_or_step_by_step(model: type[Hardware], trial: Trial, accesses: list[Access]) -> None:
    """`advance` to an instant does what `advance` to everything on the way there does: `next_ps` misses nothing."""
    in_steps = Bus(model, trial).play(accesses, in_steps=True)
    expect_same(in_steps, Bus(model, Trial()).play(accesses), "step by step", "at once")


def saved_and_restored_it_goes_on_the_same(model: type[Hardware], trial: Trial, cut: Cut) -> None:
    """A new one that is restored from what it saved, through JSON, answers as if nothing had happened."""
    resting = Bus(model, trial).play(cut.accesses, cut=cut_before(cut.cut, len(cut.accesses)))
    expect_same(resting, Bus(model, Trial()).play(cut.accesses), "after the rest", "without it")


CHECKS: tuple[Check[Hardware], ...] = (
    once(it_states_itself),
    once(at_power_up_nothing_happens_by_itself),
    over(ACCESSES, no_access_makes_it_stumble),
    over(ACCESSES, its_context_always_has_the_same_names),
    over(ACCESSES, time_may_pass_at_once_or_step_by_step),
    over(CUT_RUNS, saved_and_restored_it_goes_on_the_same),
)
