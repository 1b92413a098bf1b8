"""The driver for `vendor_xxx,coproc_xxc`, which has an MMU of its own: whose pages are in it is this driver's business.

The unit's registers and the memory are mapped for the running domain; the MMU's range never is. Each entry that a
domain writes is looked at, so that none that leads out of its memory is ever in the table, loaded or saved.
"""

import struct

from coprocsim.datasheets import jobunit
from coprocsim.datasheets import xxc as reg
from coprocsim.model import CoprocSpec, Effect, RaiseIrq, Region, VcoprocId
from coprocsim.platforms.base import Answer, Refused
from coprocsim.platforms.jobunit import ACCESS_PS, Context, JobUnitPlatform
from coprocsim.units import PS_PER_NS, show_size

# Eight bytes of a copy to or from the coproc's memory.
_COPY_PS = 10 * PS_PER_NS
_SRAM_BYTES = reg.RANGE_BYTES[reg.SRAM]
_EMPTY = bytes(_SRAM_BYTES)

_CONTEXT_PS = (jobunit.CONTEXT_REGISTERS + len(reg.REGISTERS) + reg.ENTRIES // 2) * ACCESS_PS
_SRAM_PS = _SRAM_BYTES // 8 * _COPY_PS


class XxcPlatform(JobUnitPlatform):
    """A switch costs its accesses: to stop, look and clear; two entries are one access; the memory is copied whole.

    Leaving, the memory is read and then overwritten; entering, it is written.
    """

    name = "xxc"
    summary = "a coproc with an MMU and a memory of its own"
    hardware = "xxc"
    compatible = ("vendor_xxx,coproc_xxc",)
    own_mmu = True
    leave_cost_ps = 4 * ACCESS_PS + _CONTEXT_PS + 2 * _SRAM_PS
    enter_cost_ps = 1 * ACCESS_PS + _CONTEXT_PS + _SRAM_PS
    reset_cost_ps = JobUnitPlatform.reset_cost_ps + leave_cost_ps

    @classmethod
    def unfit(cls, coproc: CoprocSpec) -> str | None:
        sizes = {region.name: region.size_bytes for region in coproc.regions}
        for name, size_bytes in reg.RANGE_BYTES.items():
            if name not in sizes:
                return f"`reg-names` has no `{name}`"
            if sizes[name] != size_bytes:
                return f"range `{name}` has {show_size(sizes[name])}, not {show_size(size_bytes)}"
        lines = {line.name for line in coproc.lines}
        return next((f"`interrupt-names` has no `{name}`" for name in reg.LINES if name not in lines), None)

    @classmethod
    def place_of(cls, coproc: CoprocSpec) -> tuple[str, str | None]:
        del coproc
        return reg.OP, reg.OP

    def probe(self, now_ps: int) -> None:
        super().probe(now_ps)
        self.clear_more()

    def direct_ranges(self) -> tuple[Region, ...]:
        return tuple(region for region in self.coproc.regions if region.name in {reg.OP, reg.SRAM})

    # ------------------------------------------------------------ the switch

    def save_more(self, context: Context) -> None:
        registers = {offset: self.port.read(reg.MMU, offset, 4) for offset in reg.REGISTERS}
        table = struct.unpack(f"<{reg.ENTRIES}I", self.port.copy_from(reg.MMU, reg.TABLE, reg.TABLE_BYTES))
        entries = {reg.TABLE + 4 * number: entry for number, entry in enumerate(table) if entry}
        context.others[reg.MMU] = registers | entries
        sram = self.port.copy_from(reg.SRAM, 0, _SRAM_BYTES)
        if sram != _EMPTY:
            context.memory[reg.SRAM] = sram

    def load_more(self, vcoproc: VcoprocId, context: Context) -> None:
        for offset, value in context.others.get(reg.MMU, {}).items():
            self.port.write(reg.MMU, offset, 4, value)
        if reg.SRAM in context.memory:
            self.port.copy_to(reg.SRAM, 0, context.memory[reg.SRAM])

    def clear_more(self) -> None:
        self.port.write(reg.MMU, reg.CONTROL, 4, reg.CONTROL_RESET)
        self.port.copy_to(reg.SRAM, 0, _EMPTY)

    # ------------------------------------------------------------ traps

    def read_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        context = self.context(vcoproc)
        match region:
            case reg.MMU | reg.SRAM if self.is_live(vcoproc):
                return Answer(self.port.read(region, offset, size))
            case reg.MMU:
                words = context.others.get(reg.MMU, {})
                return Answer(jobunit.read_sized(lambda at: words.get(at, 0), offset, size))
            case reg.SRAM:
                sram = context.memory.get(reg.SRAM, b"")
                return Answer(int.from_bytes(sram[offset : offset + size], "little"))
        return Answer(0)

    def write_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        match region:
            case reg.MMU:
                return self._write_mmu(vcoproc, offset, size, value)
            case reg.SRAM if self.is_live(vcoproc):
                self.port.write(region, offset, size, value)
            case reg.SRAM:
                memory = self.context(vcoproc).memory
                sram = memory.get(reg.SRAM, _EMPTY)
                written = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
                memory[reg.SRAM] = sram[:offset] + written + sram[offset + size :]
        return Answer()

    def _write_mmu(self, vcoproc: VcoprocId, offset: int, size: int, value: int) -> Answer | Refused:
        """Let a domain write to its MMU, all that it writes or nothing."""
        writes: list[tuple[int, int]] = []
        jobunit.write_sized(
            lambda at: self._mmu_word(vcoproc, at), lambda at, word: writes.append((at, word)), offset, size, value
        )
        for at, word in writes:
            refused = self._refused(vcoproc, at, word)
            if refused is not None:
                return refused
        if self.is_live(vcoproc):
            for at, word in writes:
                self.port.write(reg.MMU, at, 4, word)
            return Answer()
        words = self.context(vcoproc).others.setdefault(reg.MMU, {})
        asserted = reg.asserted(words)
        for at, word in writes:
            reg.write_word(words, at, word)
        effects: tuple[Effect, ...] = (RaiseIrq(vcoproc, reg.MMU),) if reg.asserted(words) and not asserted else ()
        return Answer(effects=effects)

    def _mmu_word(self, vcoproc: VcoprocId, offset: int) -> int:
        if self.is_live(vcoproc):
            return self.port.read(reg.MMU, offset, 4)
        return self.context(vcoproc).others.get(reg.MMU, {}).get(offset, 0)

    def _refused(self, vcoproc: VcoprocId, offset: int, word: int) -> Refused | None:
        """Return why a word must not be written: it is a valid entry, and leads out of the domain's memory."""
        if not reg.TABLE <= offset < reg.TABLE + reg.TABLE_BYTES or not word & reg.ENTRY_VALID:
            return None
        page = reg.page_of(word)
        if self.owns(vcoproc, page.start, len(page)):
            return None
        return Refused(f"entry {(offset - reg.TABLE) // 4} leads to {page.start:#x}, which is not the domain's memory")
