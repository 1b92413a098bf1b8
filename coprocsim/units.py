"""Time, frequency and size: what users write, what we compute with, what we show.

One timeline in integer picoseconds. Only hardware counts cycles; `Clock` is the one place where the two meet.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

PS_PER_NS = 1_000
PS_PER_US = 1_000_000
PS_PER_MS = 1_000_000_000
PS_PER_S = 1_000_000_000_000

# The stored timeline is a signed 64-bit number: 106 days.
TIMELINE_END_PS = 2**63 - 1
CYCLES_MAX = 2**63 - 1

_UNITS_PS = {"ps": 1, "ns": PS_PER_NS, "us": PS_PER_US, "µs": PS_PER_US, "ms": PS_PER_MS, "s": PS_PER_S}
_SIZES_BYTES = {"": 1, "K": 2**10, "KiB": 2**10, "M": 2**20, "MiB": 2**20, "G": 2**30, "GiB": 2**30}


@dataclass(frozen=True, slots=True)
class Clock:
    """A coprocessor's clock since its last change: cycle `epoch_cycle` began at `epoch_ps`.

    Instants are computed from cycle numbers and never by adding a rounded period, so that 600 MHz does not drift.
    """

    hz: int
    epoch_ps: int = 0
    epoch_cycle: int = 0

    def instant_ps(self, cycle: int) -> int:
        """Return the first picosecond at which `cycle` has begun."""
        return self.epoch_ps - (self.epoch_cycle - cycle) * PS_PER_S // self.hz

    def cycle(self, at_ps: int) -> int:
        """Return the cycle that is under way at `at_ps`; inverse of `instant_ps` for every clock up to 1 THz."""
        return self.epoch_cycle + (at_ps - self.epoch_ps) * self.hz // PS_PER_S

    def changed(self, hz: int, now_ps: int) -> "Clock":
        """Return this clock from `now_ps` on at another frequency; the cycle under way starts again."""
        return Clock(hz, now_ps, self.cycle(now_ps))


def cycles_ps(cycles: int, hz: int) -> int:
    """Return how long so many cycles take at `hz`, rounded up."""
    return -(-cycles * PS_PER_S // hz)


def parse_duration_ps(text: str, bare_unit: str | None = None) -> int:
    """Return `10ms`, `2.5s`, `0.5us` in picoseconds; a bare number counts in `bare_unit` where there is one.

    Raises ValueError, with what is expected, for anything else: a negative time, a fraction of a picosecond, or one
    that ends after the timeline.
    """
    match = re.fullmatch(r"([0-9]{1,40}(?:\.[0-9]{1,40})?)([a-zµ]*)", text.strip())
    unit = (match[2] or bare_unit) if match else None
    if not match or unit not in _UNITS_PS:
        raise ValueError(f"`{text}` is not a duration: write `10ms`, `2.5s`, `500us` (ps, ns, us, ms, s)")
    exact = Fraction(match[1]) * _UNITS_PS[unit]
    if exact.denominator != 1:
        raise ValueError(f"`{text}` is not a whole number of picoseconds")
    if exact > TIMELINE_END_PS:
        raise ValueError(f"`{text}` is longer than a machine can run: at most 106 days")
    return int(exact)


@dataclass(frozen=True, slots=True)
class Work:
    """An amount of work: so many cycles, or as many as fit in a time at the coproc's clock."""

    time_ps: int = 0
    cycles: int | None = None

    def in_cycles(self, hz: int) -> int:
        """Return the whole cycles of this work at `hz`, rounded up: work that is not zero takes at least one."""
        return self.cycles if self.cycles is not None else -(-self.time_ps * hz // PS_PER_S)

    def in_ps(self, hz: int) -> int:
        """Return how long this work takes at `hz`, rounded up."""
        return self.time_ps if self.cycles is None else cycles_ps(self.cycles, hz)

    def __str__(self) -> str:
        return format_duration(self.time_ps) if self.cycles is None else f"{self.cycles}cycles"


def parse_work(text: str) -> Work:
    """Return `4ms` or `2400000cycles` as an amount of work; ValueError as `parse_duration_ps`."""
    match = re.fullmatch(r"([0-9]{1,40})cycles?", text.strip())
    if match and int(match[1]) > CYCLES_MAX:
        raise ValueError(f"`{text}` is more than a machine can count: at most {CYCLES_MAX} cycles")
    return Work(cycles=int(match[1])) if match else Work(time_ps=parse_duration_ps(text))


def format_duration(time_ps: int) -> str:
    """Return the exact time, as it is typed, in the largest unit of which it has one: `16.6ms`, `2.50294248s`."""
    for unit in ("s", "ms", "us", "ns", "ps"):
        per_unit = _UNITS_PS[unit]
        if abs(time_ps) >= per_unit:
            whole, rest = divmod(abs(time_ps), per_unit)
            digits = f"{rest:0{len(str(per_unit)) - 1}}".rstrip("0") if rest else ""
            return f"{'-' * (time_ps < 0)}{whole}{'.' * bool(digits)}{digits}{unit}"
    return "0s"


def show_duration(time_ps: int) -> str:
    """Return the time for a person to read: up to four figures and a unit, `12.35 ms`."""
    for unit in ("s", "ms", "us", "ns", "ps"):
        if abs(time_ps) >= _UNITS_PS[unit]:
            number = time_ps / _UNITS_PS[unit]
            return f"{number:.4g} {unit}" if abs(number) < 9999.5 else f"{number:.0f} {unit}"
    return "0 s"


def show_instant(at_ps: int) -> str:
    """Return an instant in seconds with all of its picoseconds that are not zero, at least down to µs: `1.200016`."""
    whole, rest = divmod(at_ps, PS_PER_S)
    digits = f"{rest:012}"
    return f"{whole}.{digits[:6]}{digits[6:].rstrip('0')}"


def show_frequency(hz: int) -> str:
    """Return `600 MHz`, `1 GHz`, `32.768 kHz`."""
    for unit, per_unit in (("GHz", 10**9), ("MHz", 10**6), ("kHz", 10**3)):
        if hz >= per_unit:
            return f"{hz / per_unit:.6g} {unit}"
    return f"{hz} Hz"


def show_size(size_bytes: int) -> str:
    """Return `256 KiB`, `4 KiB`, `12 B`."""
    for unit, per_unit in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= per_unit:
            return f"{size_bytes / per_unit:.4g} {unit}"
    return f"{size_bytes} B"


def format_size(size_bytes: int) -> str:
    """Return the exact size, as it is typed, in the largest unit that needs no fraction: `256MiB`, `4096`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size_bytes and size_bytes % _SIZES_BYTES[unit] == 0:
            return f"{size_bytes // _SIZES_BYTES[unit]}{unit}"
    return str(size_bytes)


def parse_size_bytes(text: str) -> int:
    """Return `256MiB`, `64K`, `4096` in bytes; ValueError for anything else."""
    match = re.fullmatch(r"([0-9]{1,40}) ?([KMG]?(?:iB)?)", text.strip())
    if not match or match[2] not in _SIZES_BYTES:
        raise ValueError(f"`{text}` is not a size: write `256MiB`, `64KiB`, `4096`")
    return int(match[1]) * _SIZES_BYTES[match[2]]
