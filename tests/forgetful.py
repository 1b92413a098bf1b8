"""Drivers that forget a part of a context: a register of the generic platform, or a byte of a memory."""

from typing import ClassVar

from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.generic import GenericHardware
from coprocsim.model import CoprocSpec, Effect, Json, VcoprocId
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.jobunit import Context, JobUnitPlatform
from tests.machines import PAGE_BYTES, US

NAME = f"{reg.DMA_HI:#04x}"


class ForgetsToSave(GenericPlatform):
    """Reads all registers out but one."""

    def _saved_context(self) -> Context:
        context = super()._saved_context()
        context.registers.pop(reg.DMA_HI, None)
        return context


class ForgetsToRestore(GenericPlatform):
    """Writes all registers but one."""

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        forgotten = self._contexts[vcoproc].registers.pop(reg.DMA_HI, 0)
        effects = super().start(vcoproc, now_ps)
        self._contexts[vcoproc].registers[reg.DMA_HI] = forgotten
        return effects


class ForgetsToScrub(GenericPlatform):
    """Clears all registers but one."""

    def _write(self, offset: int, value: int) -> None:
        forgotten = self._read(reg.DMA_HI) if value == reg.CONTROL_RESET else None
        super()._write(offset, value)
        if forgotten is not None:
            super()._write(reg.DMA_HI, forgotten)


class OneForAll(GenericPlatform):
    """Has one place for a register of all contexts, whoever saved it last."""

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        for other, context in self._contexts.items():
            if other != vcoproc and reg.DMA_HI in context.registers:
                self._contexts[vcoproc].registers[reg.DMA_HI] = context.registers[reg.DMA_HI]
        return super().start(vcoproc, now_ps)


class MemoryHardware(GenericHardware):
    """A job unit, and memory in the second range."""

    name = "with-memory"

    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        self.memory = bytearray(PAGE_BYTES)

    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        if region == "r1":
            return int.from_bytes(self.memory[offset : offset + size], "little")
        return super().read(region, offset, size, now_ps)

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        if region == "r1":
            self.memory[offset : offset + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        else:
            super().write(region, offset, size, value, now_ps)

    def context(self) -> dict[str, bytes]:
        return {**super().context(), "r1": bytes(self.memory)}

    def save(self) -> Json:
        return [super().save(), self.memory.hex()]

    def restore(self, saved: Json) -> None:
        assert isinstance(saved, list)
        unit, memory = saved
        assert isinstance(memory, str)
        super().restore(unit)
        self.memory = bytearray.fromhex(memory)


class MemoryPlatform(JobUnitPlatform):
    """Exchanges the memory, too; `kept` is how much of it a forgetful one saves, loads and clears."""

    name = "with-memory"
    summary = "a job unit and memory"
    hardware = "with-memory"
    compatible = ("coprocsim,generic",)
    leave_cost_ps = 25 * US
    enter_cost_ps = 25 * US
    forgets: ClassVar[str] = ""

    def save_more(self, context: Context) -> None:
        memory = bytearray(self.port.copy_from("r1", 0, PAGE_BYTES))
        if self.forgets == "save":
            memory[0x123] = 0
        context.memory["r1"] = bytes(memory)

    def load_more(self, vcoproc: VcoprocId, context: Context) -> None:
        memory = context.memory.get("r1", bytes(PAGE_BYTES))
        self._put(memory, "load")

    def clear_more(self) -> None:
        self._put(bytes(PAGE_BYTES), "clear")

    def _put(self, memory: bytes, what: str) -> None:
        there = self.port.read("r1", 0x123, 1)
        self.port.copy_to("r1", 0, memory)
        if self.forgets in {what, "load and clear"}:
            self.port.write("r1", 0x123, 1, there)


def forgetting(what: str) -> type[MemoryPlatform]:
    class Forgetting(MemoryPlatform):
        forgets = what

    return Forgetting
