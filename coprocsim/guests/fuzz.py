"""A guest gone wrong: it reads and writes at random instants, addresses and values. Nobody else should notice.

Chance alone hardly ever makes a job that the coproc works, with DMA. So it also does, access by access, what the driver
of such a coproc does for a job, and now and then gets one wrong. Users show with it that one guest of their platform
cannot hurt another; it knows nothing of any platform.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from coprocsim.datasheets.jobunit import BLOCK_BYTES
from coprocsim.guests.base import DataAbort, Guest, GuestPort, GuestSite
from coprocsim.guests.drivers import driver_for
from coprocsim.guests.drivers.base import Driver
from coprocsim.guests.options import Options
from coprocsim.model import GuestEffect, Json, Region, Setting
from coprocsim.randomness import Stream
from coprocsim.units import TIMELINE_END_PS

_ADDRESSES = 2**64
_PAGE_BYTES = 0x1000
# Most ranges have their registers at the start of their first pages.
_REGISTER_PAGES = 2
_REGISTERS_BYTES = 0x100
# The last is a vector register's, which no device takes.
_SIZES = (1, 2, 4, 4, 4, 8, 8, 16)
_PURPOSES = ("arrival", "access", "value", "job")
# Of a job: work of up to 2^22 cycles, of a few ms on most coprocs; a DMA window of a page or many.
_WORK_BITS_MAX = 22
_WINDOW_BITS_MAX = 18


class _Access(NamedTuple):
    """One access: a write of `value`, or a read if that is None."""

    address: int
    size: int
    value: int | None


class _State(msgspec.Struct):
    """All that the guest remembers: when it strikes next, how often it did, how often it was refused; its chance.

    `job` is what is still to be done of the job that it is about to submit.
    """

    due_ps: int
    version: int = 2
    accesses: int = 0
    aborts: int = 0
    job: list[_Access] = msgspec.field(default_factory=list)
    drawn: dict[str, int] = msgspec.field(default_factory=dict)


class _Notes:
    """A guest port on which a driver's accesses are noted, to be done later; reads answer 0."""

    def __init__(self, windows: Sequence[Region]) -> None:
        self._bases = {window.name: window.base for window in windows}
        self.accesses: list[_Access] = []

    def read(self, region: str, offset: int, size: int) -> int:
        return self.read_at(self._bases[region] + offset, size)

    def write(self, region: str, offset: int, size: int, value: int) -> None:
        self.write_at(self._bases[region] + offset, size, value)

    def read_at(self, address: int, size: int) -> int:
        self.accesses.append(_Access(address, size, None))
        return 0

    def write_at(self, address: int, size: int, value: int) -> None:
        self.accesses.append(_Access(address, size, value))


class Fuzz(Guest):
    """It handles no interrupt, and a data abort does not stop it."""

    kind = "fuzz"
    summary = "random accesses, `rate` per second in the mean: a guest gone wrong"
    examples = ("rate=3000", "rate=900,within=anywhere")

    @classmethod
    def option_names(cls, hardware: str) -> tuple[str, ...]:
        del hardware
        return ("rate", "within")

    def __init__(self, site: GuestSite, options: Sequence[Setting]) -> None:
        self.site = site
        given = Options(options, ("kind", *self.option_names(site.hardware)))
        self._interval_ps = given.interval_ps()
        self._anywhere = given.choice("within", "windows", ("windows", "anywhere")) == "anywhere"
        self._windows = site.windows or site.coproc.regions
        self._driver = None if site.coproc.region_of(BLOCK_BYTES) is None else driver_for(site)
        self._draw_from({})
        self._state = _State(self._after(site.start_ps))

    @property
    def accesses(self) -> int:
        """How many accesses it has made."""
        return self._state.accesses

    @property
    def aborts(self) -> int:
        """How many of them were answered with a data abort."""
        return self._state.aborts

    # ------------------------------------------------------------ when

    def next_ps(self) -> int | None:
        return self._state.due_ps

    def _after(self, at_ps: int) -> int:
        return at_ps + min(round(self._arrival.exponential(self._interval_ps)), TIMELINE_END_PS)

    def interrupt(self, line: str, now_ps: int) -> None:
        # The registers that clear it are among those that it writes.
        pass

    def unpaused(self, now_ps: int) -> None:
        # What comes next does not know how long nothing came.
        if self._state.due_ps < now_ps:
            self._state.due_ps = self._after(now_ps)

    def act(self, now_ps: int, port: GuestPort) -> tuple[GuestEffect, ...]:
        state = self._state
        while state.due_ps <= now_ps:
            state.accesses += 1
            try:
                self._strike(port)
            except DataAbort:
                state.aborts += 1
            state.due_ps = self._after(state.due_ps)
        return ()

    # ------------------------------------------------------------ what

    def _strike(self, port: GuestPort) -> None:
        address, size, value = self._next()
        if value is None:
            port.read_at(address, size)
        else:
            port.write_at(address, size, value & (1 << 8 * size) - 1)

    def _next(self) -> _Access:
        """Return the next access of a job, which may be got wrong, or one that makes no sense."""
        job, chance = self._state.job, self._job
        if not job and self._driver is not None and not chance.uniform(0, 15):
            job += self._prepared(self._driver)
        if not job or not chance.uniform(0, 7):
            return self._nonsense()
        planned = job.pop(0)
        match chance.uniform(0, 15):
            case 0:
                return planned._replace(value=self._value())
            case 1:
                return planned._replace(address=self._address())
        return planned

    def _prepared(self, driver: Driver) -> list[_Access]:
        """Return what a driver does to bring the coproc up and submit a job, with a DMA window in its memory."""
        chance, notes = self._job, _Notes(self._windows)
        bank = driver.dma_memory[chance.uniform(0, len(driver.dma_memory) - 1)]
        size_bytes = min(_of_any_length(chance, _WINDOW_BITS_MAX), len(bank))
        address = bank.start + chance.uniform(0, len(bank) - size_bytes)
        work_cycles = _of_any_length(chance, _WORK_BITS_MAX)
        uncuttable_cycles = work_cycles * chance.uniform(0, 1)
        driver.bring_up(notes)
        driver.submit(notes, work_cycles, uncuttable_cycles, (address, size_bytes))
        return notes.accesses

    def _nonsense(self) -> _Access:
        access = self._access
        size = _SIZES[access.uniform(0, len(_SIZES) - 1)]
        address = self._address()
        if access.uniform(0, 3):
            address &= -size
        return _Access(address, size, self._value() if access.uniform(0, 2) else None)

    def _address(self) -> int:
        access = self._access
        match access.uniform(0, 2) if self._anywhere else 0:
            case 1 if self.site.machine:
                return self._around(self.site.machine)
            case 2:
                # Of any length: small addresses are as likely as large ones.
                return _bits64(access) >> access.uniform(0, 63)
        return self._around(self._windows)

    def _around(self, regions: Sequence[Region]) -> int:
        """Return an address in or just beside one of `regions`: mostly where registers are likely to be."""
        access = self._access
        region = regions[access.uniform(0, len(regions) - 1)]
        pages = -(-region.size_bytes // _PAGE_BYTES)
        match access.uniform(0, 7):
            case 0:
                offset = region.size_bytes * access.uniform(0, 1) + access.uniform(-16, 15)
            case 1:
                offset = access.uniform(0, region.size_bytes - 1)
            case 2:
                offset = access.uniform(0, pages - 1) * _PAGE_BYTES + access.uniform(0, _REGISTERS_BYTES - 1)
            case _:
                page = access.uniform(0, min(pages, _REGISTER_PAGES) - 1)
                offset = page * _PAGE_BYTES + access.uniform(0, _REGISTERS_BYTES - 1)
        return (region.base + offset) % _ADDRESSES

    def _value(self) -> int:
        """Return what is likely to do harm: a small number, a bit, all ones, an address, anything."""
        value = self._values
        match value.uniform(0, 6):
            case 0 | 1 | 2:
                return value.uniform(0, 8)
            case 3:
                return 1 << value.uniform(0, 63)
            case 4:
                return 2**64 - 1
            case 5:
                bank = self.site.memory[value.uniform(0, len(self.site.memory) - 1)]
                # Beside it too: what a window that begins inside reaches may not be inside.
                return bank.start + value.uniform(-_PAGE_BYTES, len(bank) + _PAGE_BYTES)
        return _bits64(value)

    # ------------------------------------------------------------ state

    def _draw_from(self, drawn: dict[str, int]) -> None:
        """Let chance go on from where it was."""
        self._arrival, self._access, self._values, self._job = (
            Stream(f"{self.site.stream}/fuzz-{purpose}", drawn.get(purpose, 0)) for purpose in _PURPOSES
        )

    def save(self) -> Json:
        streams = (self._arrival, self._access, self._values, self._job)
        self._state.drawn = {purpose: stream.drawn for purpose, stream in zip(_PURPOSES, streams, strict=True)}
        saved: Json = msgspec.to_builtins(self._state)
        return saved

    def restore(self, saved: Json) -> None:
        self._state = msgspec.convert(saved, _State)
        self._draw_from(self._state.drawn)


def _bits64(stream: Stream) -> int:
    """Return 64 even bits; one draw has 53."""
    return stream.uniform(0, 2**32 - 1) << 32 | stream.uniform(0, 2**32 - 1)


def _of_any_length(stream: Stream, bits_max: int) -> int:
    """Return a number of at most so many bits, from 1: few bits are as likely as many."""
    return stream.uniform(1, 2 ** stream.uniform(1, bits_max))
