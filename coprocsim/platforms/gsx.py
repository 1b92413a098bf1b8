"""The driver for `renesas,gsx`, whose contexts are exchanged by powering it down. Its datasheet: `datasheets/gsx.py`.

Off it takes several steps, each of which may need another look: the unit is stopped, the firmware goes idle, the cache
is flushed; then the registers are read and the power goes. On it takes one: power comes up and the entering domain's
firmware boots while `Entered`'s cost elapses.
"""

from enum import StrEnum

from coprocsim.datasheets import gsx
from coprocsim.datasheets import jobunit as reg
from coprocsim.model import CoprocSpec, Json, Region, VcoprocId
from coprocsim.platforms.base import Answer, Busy, Enter, Entered, Leave, Left, Refused, RegisterPort
from coprocsim.platforms.jobunit import ACCESS_PS, Context, JobUnitPlatform
from coprocsim.units import cycles_ps

_IMAGE = (gsx.FIRMWARE_LO, gsx.FIRMWARE_HI, gsx.FIRMWARE_BYTES)
# What a domain reads of the rest while its context is away.
_SHOWN = (gsx.POWER_CONTROL, gsx.POWER_STATUS, gsx.FIRMWARE_STATUS)
_CONTEXT_REGISTERS = reg.CONTEXT_REGISTERS + len(_IMAGE)


class Step(StrEnum):
    """How far the stop sequence has come: what was last asked for."""

    STOP = "stop"
    IDLE = "idle"
    FLUSH = "flush"


class GsxPlatform(JobUnitPlatform):
    """Switches by power. A domain reaches the unit's page; power, firmware and cache are the hypervisor's.

    Of these a domain writes only where its firmware's image is: the base first, then the size. Without one its unit
    does nothing in its turns, and begins to work if it is given one.
    """

    name = "gsx"
    summary = "a GPU that is switched by powering it down"
    hardware = "gsx"
    compatible = ("renesas,gsx",)
    range_bytes = gsx.BLOCK_BYTES
    leave_cost_ps = (6 + len(_SHOWN) + _CONTEXT_REGISTERS) * ACCESS_PS
    enter_cost_ps = (4 + len(_IMAGE) + _CONTEXT_REGISTERS) * ACCESS_PS

    def __init__(self, coproc: CoprocSpec, port: RegisterPort) -> None:
        super().__init__(coproc, port)
        self._step = Step.STOP

    def probe(self, now_ps: int) -> None:
        self._identity = gsx.IDENTITY
        self.clear_more()

    def _takes_ps(self, cycles: int) -> int:
        """Return how long the silicon takes for something, and the look at whether it is done."""
        return cycles_ps(cycles, self.coproc.clock_hz) + ACCESS_PS

    def direct_ranges(self) -> tuple[Region, ...]:
        base = next(region.base for region in self.coproc.regions if region.name == self._region)
        return (Region(self._region, base, gsx.UNIT_PAGE_BYTES),)

    # ------------------------------------------------------------ the switch

    @property
    def switch_cost_max_ps(self) -> int:
        return self._leaving_ps + self._entering_ps(boots=True)

    @property
    def stop_steps_ps(self) -> tuple[int, ...]:
        return self._takes_ps(gsx.IDLE_CYCLES), self._takes_ps(gsx.FLUSH_CYCLES)

    @property
    def _leaving_ps(self) -> int:
        return self.leave_cost_ps + self._takes_ps(gsx.POWER_DOWN_CYCLES)

    def _entering_ps(self, *, boots: bool) -> int:
        return self.enter_cost_ps + self._takes_ps(gsx.POWER_UP_CYCLES + (gsx.BOOT_CYCLES if boots else 0))

    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        left = super().switch_from(vcoproc, now_ps)
        return Left(self._leaving_ps) if isinstance(left, Left) else left

    def stop(self, vcoproc: VcoprocId, now_ps: int) -> Busy | None:
        busy = super().stop(vcoproc, now_ps)
        if busy is not None:
            return busy
        firmware = self._read(gsx.FIRMWARE_STATUS)
        if firmware & gsx.FIRMWARE_BOOTING:
            return Busy(self._takes_ps(gsx.BOOT_CYCLES))
        if self._step is Step.STOP and firmware & gsx.FIRMWARE_RUNS:
            self._write(gsx.FIRMWARE_CONTROL, gsx.FIRMWARE_IDLE)
            self._step = Step.IDLE
            return Busy(self._takes_ps(gsx.IDLE_CYCLES))
        if self._step is Step.IDLE and not firmware & gsx.FIRMWARE_IS_IDLE:
            return Busy(self._takes_ps(gsx.IDLE_CYCLES))
        if self._step is not Step.FLUSH:
            self._write(gsx.CACHE_CONTROL, gsx.CACHE_FLUSH)
            self._step = Step.FLUSH
            return Busy(self._takes_ps(gsx.FLUSH_CYCLES))
        return Busy(self._takes_ps(gsx.FLUSH_CYCLES)) if self._read(gsx.CACHE_STATUS) & gsx.CACHE_BUSY else None

    def resume(self, vcoproc: VcoprocId, now_ps: int) -> None:
        # A flush that is under way does no harm: the next stop asks for another.
        self._write(gsx.FIRMWARE_CONTROL, 0)
        self._step = Step.STOP
        super().resume(vcoproc, now_ps)

    def switch_to(self, vcoproc: VcoprocId, now_ps: int) -> Enter:
        self._write(gsx.POWER_CONTROL, gsx.POWER_ON)
        image = self._image(vcoproc)
        self._boot(image)
        super().switch_to(vcoproc, now_ps)
        return Entered(self._entering_ps(boots=bool(image[gsx.FIRMWARE_BYTES])))

    def _boot(self, image: dict[int, int]) -> None:
        """Point the firmware registers at an image, and boot it unless a firmware runs; without one nothing boots."""
        for offset, value in image.items():
            self._write(offset, value)
        self._write(gsx.FIRMWARE_CONTROL, gsx.FIRMWARE_BOOT)

    def save_more(self, context: Context) -> None:
        registers = {offset: self._shown(offset) for offset in (*_IMAGE, *_SHOWN)}
        context.others[self._region] = {offset: value for offset, value in registers.items() if value}

    def load_more(self, vcoproc: VcoprocId, context: Context) -> None:
        self._boot(self._image(vcoproc))

    def clear_more(self) -> None:
        self._write(gsx.POWER_CONTROL, 0)
        self._step = Step.STOP

    # ------------------------------------------------------------ traps

    def _image(self, vcoproc: VcoprocId) -> dict[int, int]:
        """Return where a domain has its firmware's image, by register."""
        others = self._contexts[vcoproc].others.get(self._region, {})
        return {offset: others.get(offset, 0) for offset in _IMAGE}

    def _shown(self, offset: int) -> int:
        """Read a register of the running context as its domain sees it, which does not see the stop sequence."""
        if offset in {gsx.FIRMWARE_CONTROL, gsx.CACHE_STATUS}:
            return 0
        value = self._read(offset)
        return value & ~gsx.FIRMWARE_IS_IDLE if offset == gsx.FIRMWARE_STATUS else value

    def read_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        if region != self._region or offset >= gsx.BLOCK_BYTES:
            return Answer(0)
        others = self._contexts[vcoproc].others.get(region, {})
        read = self._shown if self.is_live(vcoproc) else lambda at: others.get(at, 0)
        return Answer(reg.read_sized(read, offset, size))

    def write_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        if region != self._region:
            return Answer()
        wanted = self._image(vcoproc)
        reg.write_sized(lambda at: wanted.get(at, 0), wanted.__setitem__, offset, size, value)
        image = {offset: wanted[offset] for offset in _IMAGE}
        if not self._holds(vcoproc, image):
            return Refused("the firmware's image is not wholly inside the domain's memory")
        context = self._contexts[vcoproc]
        context.others[region] = context.others.get(region, {}) | image
        if self.is_live(vcoproc) and not image.keys().isdisjoint(range(offset & ~3, offset + size)):
            self._boot(image)
        return Answer()

    def _holds(self, vcoproc: VcoprocId, image: dict[int, int]) -> bool:
        low, high, size_bytes = image.values()
        return not size_bytes or self.owns(vcoproc, high << 32 | low, size_bytes)

    # ------------------------------------------------------------ state

    def save(self) -> Json:
        return {"version": 1, "step": self._step.value, "unit": super().save()}

    def restore(self, saved: Json) -> None:
        assert isinstance(saved, dict)
        self._step = Step(str(saved["step"]))
        super().restore(saved["unit"])
