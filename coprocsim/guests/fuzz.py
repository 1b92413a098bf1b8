"""A guest gone wrong: it reads and writes at random instants, addresses and values. Nobody else should notice.

Users show with it that one guest of their platform cannot hurt another; it knows nothing of any platform.
"""

from collections.abc import Sequence

import msgspec

from coprocsim.guests.base import DataAbort, Guest, GuestPort, GuestSite
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
_PURPOSES = ("arrival", "access", "value")


class _State(msgspec.Struct):
    """All that the guest remembers: when it strikes next, how often it did, how often it was refused; its chance."""

    due_ps: int
    version: int = 1
    accesses: int = 0
    aborts: int = 0
    drawn: dict[str, int] = msgspec.field(default_factory=dict)


class Fuzz(Guest):
    """It handles no interrupt, and a data abort does not stop it."""

    kind = "fuzz"
    summary = "random accesses, `rate` per second in the mean: a guest gone wrong"
    examples = ("rate=3000", "rate=900,within=anywhere")

    def __init__(self, site: GuestSite, options: Sequence[Setting]) -> None:
        self.site = site
        given = Options(options, ("kind", "rate", "within"))
        self._interval_ps = given.interval_ps()
        self._anywhere = given.choice("within", "windows", ("windows", "anywhere")) == "anywhere"
        self._windows = site.windows or site.coproc.regions
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
        access = self._access
        size = _SIZES[access.uniform(0, len(_SIZES) - 1)]
        address = self._address()
        if access.uniform(0, 3):
            address &= -size
        if access.uniform(0, 2):
            port.write_at(address, size, self._value() & (1 << 8 * size) - 1)
        else:
            port.read_at(address, size)

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
        self._arrival, self._access, self._values = (
            Stream(f"{self.site.stream}/fuzz-{purpose}", drawn.get(purpose, 0)) for purpose in _PURPOSES
        )

    def save(self) -> Json:
        streams = (self._arrival, self._access, self._values)
        self._state.drawn = {purpose: stream.drawn for purpose, stream in zip(_PURPOSES, streams, strict=True)}
        saved: Json = msgspec.to_builtins(self._state)
        return saved

    def restore(self, saved: Json) -> None:
        self._state = msgspec.convert(saved, _State)
        self._draw_from(self._state.drawn)


def _bits64(stream: Stream) -> int:
    """Return 64 even bits; one draw has 53."""
    return stream.uniform(0, 2**32 - 1) << 32 | stream.uniform(0, 2**32 - 1)
