"""`vendor_xxx,coproc_xxc`, the original framework's larger example: a job unit, an MMU for its DMA, and a memory."""

import struct
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from coprocsim.datasheets import jobunit
from coprocsim.datasheets import xxc as reg
from coprocsim.datasheets.jobunit import BLOCK_BYTES, read_sized, write_sized
from coprocsim.hardware.base import EXAMPLE_MEMORY, Hardware, Write, example_node
from coprocsim.hardware.jobunit import JobUnit, example_job
from coprocsim.hardware.memory import Memory
from coprocsim.model import CoprocSpec, DmaAccess, Json


class Mmu:
    """The registers and the table of the `mmu` range: where the pages of the unit's addresses are."""

    def __init__(self) -> None:
        self._words: dict[int, int] = {}

    def read_word(self, offset: int) -> int:
        """Return 32 bits of the range."""
        return self._words.get(offset, 0)

    def write_word(self, offset: int, value: int) -> None:
        """Take 32 bits of the range."""
        reg.write_word(self._words, offset, value)

    def copy_from(self, offset: int, size_bytes: int) -> bytes:
        """Return a stretch of the range."""
        data = bytearray(reg.RANGE_BYTES[reg.MMU])
        for at, word in self._words.items():
            struct.pack_into("<I", data, at, word)
        return bytes(data[offset : offset + size_bytes])

    @property
    def asserted(self) -> bool:
        """The level of the line `mmu`."""
        return reg.asserted(self._words)

    def translate(self, access: DmaAccess) -> tuple[tuple[DmaAccess, ...], bool]:
        """Return the accesses to memory that one of the unit's becomes, and whether it ends in a fault."""
        passed: list[DmaAccess] = []
        address, stop = access.address, access.address + access.size_bytes
        while address < stop:
            page, offset = divmod(address, reg.PAGE_BYTES)
            entry = self._entry(page, write=access.write)
            if entry is None:
                self._fault(address, page, write=access.write)
                return tuple(passed), True
            size_bytes = min(reg.PAGE_BYTES - offset, stop - address)
            passed.append(replace(access, address=reg.page_of(entry).start + offset, size_bytes=size_bytes))
            address += size_bytes
        return tuple(passed), False

    def _entry(self, page: int, *, write: bool) -> int | None:
        """Return the entry by which the unit may reach a page; None if it may not."""
        entry = self._entry_of(page)
        needed = reg.ENTRY_VALID | (reg.ENTRY_WRITABLE if write else 0)
        enabled = self.read_word(reg.CONTROL) & reg.CONTROL_ENABLE
        return entry if enabled and entry & needed == needed else None

    def _entry_of(self, page: int) -> int:
        return self.read_word(reg.TABLE + 4 * page) if page < reg.ENTRIES else 0

    def _fault(self, address: int, page: int, *, write: bool) -> None:
        """Tell of a fault, unless an earlier one is still there."""
        if self.read_word(reg.FAULT_STATUS) & reg.FAULT:
            return
        enabled = self.read_word(reg.CONTROL) & reg.CONTROL_ENABLE
        read_only = enabled and self._entry_of(page) & reg.ENTRY_VALID
        status = reg.FAULT | (reg.FAULT_WRITE if write else 0) | (reg.FAULT_READ_ONLY if read_only else 0)
        self.write_word(reg.FAULT_STATUS, status)
        self.write_word(reg.FAULT_ADDRESS_LO, address)
        self.write_word(reg.FAULT_ADDRESS_HI, address >> 32)

    def save(self) -> Json:
        """Return the whole state."""
        saved: Json = msgspec.to_builtins(self._words, str_keys=True)
        return saved

    def restore(self, saved: Json) -> None:
        """Become what `save` described."""
        self._words = msgspec.convert(saved, dict[int, int], str_keys=True)


class XxcHardware(Hardware):
    """The unit is in `op`, and what of its DMA the MMU lets pass goes out at physical addresses."""

    name = "xxc"
    summary = "a job unit, an MMU with a table of 512 pages for its DMA, 32 KiB of memory; a range each, two lines"
    identity = 0x31435858  # "XXC1" in memory

    @classmethod
    def example(cls) -> CoprocSpec:
        return example_node(reg.RANGE_BYTES, reg.LINES, streams=0)

    @classmethod
    def example_job(cls) -> tuple[Write, ...]:
        paged = ((reg.CONTROL, reg.CONTROL_ENABLE), (reg.TABLE, reg.entry_of(EXAMPLE_MEMORY.start, writable=True)))
        entries = (Write(reg.MMU, offset, 4, value) for offset, value in paged)
        return (*entries, Write(reg.OP, jobunit.DMA_BYTES, 4, 64), *example_job(reg.OP))

    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        self.unit = JobUnit(self.identity, self.clock)
        self.mmu = Mmu()
        self.sram = Memory(reg.RANGE_BYTES[reg.SRAM])
        self._dma: list[DmaAccess] = []

    # ------------------------------------------------------------ registers and memory

    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        self._translate()
        match region:
            case reg.OP if offset < BLOCK_BYTES:
                return self.unit.read(offset, size, now_ps)
            case reg.MMU:
                return read_sized(self.mmu.read_word, offset, size)
            case reg.SRAM:
                return self.sram.read(offset, size)
        return 0

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        self._translate()
        match region:
            case reg.OP if offset < BLOCK_BYTES:
                self.unit.write(offset, size, value, now_ps)
            case reg.MMU:
                write_sized(self.mmu.read_word, self.mmu.write_word, offset, size, value)
            case reg.SRAM:
                self.sram.write(offset, size, value)

    def copy_from(self, region: str, offset: int, size_bytes: int, now_ps: int) -> bytes:
        self._translate()
        match region:
            case reg.MMU:
                return self.mmu.copy_from(offset, size_bytes)
            case reg.SRAM:
                return self.sram.copy_from(offset, size_bytes)
        return super().copy_from(region, offset, size_bytes, now_ps)

    def copy_to(self, region: str, offset: int, data: bytes, now_ps: int) -> None:
        if region == reg.SRAM:
            self.sram.copy_to(offset, data)
        else:
            super().copy_to(region, offset, data, now_ps)

    # ------------------------------------------------------------ time, lines, the bus

    def advance(self, now_ps: int) -> None:
        self.unit.advance(now_ps)
        self._translate()

    def next_ps(self) -> int | None:
        return self.unit.next_ps()

    def asserted(self) -> tuple[str, ...]:
        levels = ((reg.OP, self.unit.asserted), (reg.MMU, self.mmu.asserted))
        return tuple(line for line, high in levels if high)

    def _translate(self) -> None:
        """Let the MMU see the accesses that the unit has made, before anything else is seen or changed.

        Not at the end of the write that lets a job begin: a context that has just been started is still what was
        loaded, even if the first access that it makes is a fault.
        """
        for access in self.unit.take_dma():
            passed, faulted = self.mmu.translate(access)
            self._dma += passed
            if faulted:
                self.unit.bus_error()

    def dma_pending(self) -> bool:
        return bool(self._dma) or self.unit.dma_pending()

    def take_dma(self) -> tuple[DmaAccess, ...]:
        self._translate()
        taken, self._dma = tuple(self._dma), []
        return taken

    def dma_fault(self, access: DmaAccess, now_ps: int) -> None:
        self.unit.bus_error()

    # ------------------------------------------------------------ state

    def context(self) -> Mapping[str, bytes]:
        unit = {f"{reg.OP}+{name}": value for name, value in self.unit.context().items()}
        mmu = {f"{reg.MMU}+{at:#04x}": self.mmu.read_word(at).to_bytes(4, "little") for at in reg.REGISTERS}
        return {
            **unit,
            **mmu,
            "mmu table": self.mmu.copy_from(reg.TABLE, reg.TABLE_BYTES),
            reg.SRAM: self.sram.content(),
        }

    def save(self) -> Json:
        self._translate()
        return {"version": 1, "unit": self.unit.save(), "mmu": self.mmu.save(), "sram": self.sram.save()}

    def restore(self, saved: Json) -> None:
        assert isinstance(saved, dict)
        self.unit.restore(saved["unit"])
        self.unit.take_dma()
        self.mmu.restore(saved["mmu"])
        self.sram.restore(saved["sram"])
