"""What a hardware model is: silicon, as seen from its bus. It knows nothing of domains or hypervisors."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from coprocsim.errors import NodePlace
from coprocsim.model import CoprocSpec, DmaAccess, Json, Line, Region, Stream
from coprocsim.units import Clock

EXAMPLE_MEMORY = range(0x4000_0000, 0x4400_0000)
"""Where the domain has its memory for which `Hardware.example_job` is written."""
_EXAMPLE_BASE = 0xE600_0000
_EXAMPLE_GAP_BYTES = 0x1000


class Write(NamedTuple):
    """A write to a register: where, and what."""

    region: str
    offset: int
    size: int
    value: int


def example_node(
    ranges: Mapping[str, int] = MappingProxyType({"0": 0x1000}),
    lines: Sequence[str] = ("0",),
    *,
    streams: int = 1,
    clock_hz: int = 600_000_000,
) -> CoprocSpec:
    """Return a node with ranges of so many bytes, lines and DMA streams, as a device tree would describe it."""
    regions, base = [], _EXAMPLE_BASE
    for name, size_bytes in ranges.items():
        regions.append(Region(name, base, size_bytes))
        base += -(-size_bytes // _EXAMPLE_GAP_BYTES) * _EXAMPLE_GAP_BYTES + _EXAMPLE_GAP_BYTES
    path = f"/coproc@{_EXAMPLE_BASE:x}"
    return CoprocSpec(
        "coproc",
        path,
        (),
        tuple(regions),
        tuple(Line(name, f"GIC {32 + n}", 32 + n) for n, name in enumerate(lines)),
        tuple(Stream("/smmu", (n,)) for n in range(streams)),
        clock_hz,
        "clock-frequency",
        NodePlace(path),
    )


class Hardware(ABC):
    """One coprocessor's registers, memory, job unit, interrupt lines and DMA master.

    It counts its own cycles; `clock` turns them into instants. Every call comes with time moved on to `now_ps` by
    `advance` first, and never goes back.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    def __init__(self, coproc: CoprocSpec) -> None:
        """Power up, at cycle 0 of instant 0."""
        self.coproc = coproc
        self.clock = Clock(coproc.clock_hz)

    @classmethod
    def example(cls) -> CoprocSpec:
        """Return a node of such a coproc: with it the conformance checks try the model, and the platforms that name it.

        One page, one line, one DMA stream; a model that needs named ranges, or others, says so with `example_node`.
        """
        return example_node()

    @classmethod
    def example_job(cls) -> tuple[Write, ...]:
        """Return writes that give it something to do for a few µs, and let it interrupt.

        The conformance checks mix them with others that make no sense; without them they hardly see it at work. Where
        the coproc's own MMU is to be tried, the job has DMA, all in `EXAMPLE_MEMORY`.
        """
        return ()

    @abstractmethod
    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        """Return the value at an aligned offset inside a region; size is 1, 2, 4 or 8 bytes."""

    @abstractmethod
    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        """Take a value at an aligned offset inside a region."""

    def read_as(self, bus_id: int, region: str, offset: int, size: int, now_ps: int) -> int:
        """Read for the domain that the bus names `bus_id`: hardware that shares itself answers each its own."""
        del bus_id
        return self.read(region, offset, size, now_ps)

    def write_as(self, bus_id: int, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        """Write for the domain that the bus names `bus_id`."""
        del bus_id
        self.write(region, offset, size, value, now_ps)

    def copy_from(self, region: str, offset: int, size_bytes: int, now_ps: int) -> bytes:
        """Return a stretch of a region that holds memory; offset and size are multiples of 8."""
        words = range(offset, offset + size_bytes, 8)
        return b"".join(self.read(region, word, 8, now_ps).to_bytes(8, "little") for word in words)

    def copy_to(self, region: str, offset: int, data: bytes, now_ps: int) -> None:
        """Fill a stretch of a region that holds memory; offset and length are multiples of 8."""
        for start in range(0, len(data), 8):
            self.write(region, offset + start, 8, int.from_bytes(data[start : start + 8], "little"), now_ps)

    @abstractmethod
    def advance(self, now_ps: int) -> None:
        """Do all that is done by itself until `now_ps`, that instant included."""

    @abstractmethod
    def next_ps(self) -> int | None:
        """Return the next instant at which something happens by itself; None if nothing will."""

    @abstractmethod
    def asserted(self) -> tuple[str, ...]:
        """Return the names of the interrupt lines whose level is high."""

    def dma_pending(self) -> bool:
        """Return whether `take_dma` has something."""
        return False

    def take_dma(self) -> tuple[DmaAccess, ...]:
        """Return the DMA accesses made since the last call, in order."""
        return ()

    def dma_fault(self, access: DmaAccess, now_ps: int) -> None:
        """The IOMMU refused `access`: the silicon sees a bus error."""
        del access, now_ps

    @abstractmethod
    def context(self) -> Mapping[str, bytes]:
        """Return all state that a context switch must exchange, by name, as bytes."""

    @abstractmethod
    def save(self) -> Json:
        """Return the whole state, with a `version`."""

    @abstractmethod
    def restore(self, saved: Json) -> None:
        """Become what `save` described."""
