"""The driver for `acme,hexa-d4`, whose firmware and guests take part in the switch. Its datasheet: `datasheets/dsp.py`.

The firmware is asked to let go; it says how long that will take, for it does so at the job's next preemption point and
with a checkpoint of the job's state. What the guest says of its job is trusted: one without points is reset in the end.
"""

from coprocsim.datasheets import dsp
from coprocsim.datasheets import jobunit as reg
from coprocsim.model import CoprocSpec, RaiseIrq, Region, VcoprocId
from coprocsim.platforms.base import Answer, Busy, Done, Enter, Entered, Refused
from coprocsim.platforms.jobunit import ACCESS_PS, Context, JobUnitPlatform
from coprocsim.units import cycles_ps

_CHECKPOINT = (dsp.CHECKPOINT_LO, dsp.CHECKPOINT_HI)
_STATE = dsp.SLOT_0 + dsp.SLOT_STATE_BYTES
_SLOT_REGISTERS = (dsp.SLOT_POINT_LO, dsp.SLOT_POINT_HI, dsp.SLOT_STATE_BYTES)
_SLOTS = tuple(
    tuple(dsp.SLOT_0 + place * dsp.SLOT_BYTES + register for register in _SLOT_REGISTERS) for place in range(reg.PLACES)
)
_SAVED = (*dsp.STAGED, *_CHECKPOINT, *(offset for slot in _SLOTS for offset in slot))
_CONTEXT_REGISTERS = reg.CONTEXT_REGISTERS + len(_SAVED)


class DspPlatform(JobUnitPlatform):
    """Asks the firmware to let go, and waits as long as it says.

    A domain reaches the page of `control`, the request included: one that withdraws it denies, as one without points.
    """

    name = "dsp"
    summary = "a DSP whose firmware lets go at preemption points"
    hardware = "dsp"
    compatible = ("acme,hexa-d4",)
    leave_cost_ps = (3 + len(_SAVED) + _CONTEXT_REGISTERS) * ACCESS_PS
    enter_cost_ps = (3 + len(_CHECKPOINT) + _CONTEXT_REGISTERS) * ACCESS_PS

    @classmethod
    def unfit(cls, coproc: CoprocSpec) -> str | None:
        sizes = {region.name: region.size_bytes for region in coproc.regions}
        if sizes.get(dsp.REGION, 0) < dsp.BLOCK_BYTES:
            return f"no range `{dsp.REGION}` that holds the {dsp.BLOCK_BYTES} bytes of its registers"
        if not coproc.lines or coproc.lines[0].name != dsp.LINE:
            return f"its first interrupt is not `{dsp.LINE}`"
        return None

    @classmethod
    def place_of(cls, coproc: CoprocSpec) -> tuple[str, str | None]:
        del coproc
        return dsp.REGION, dsp.LINE

    def direct_ranges(self) -> tuple[Region, ...]:
        return tuple(region for region in self.coproc.regions if region.name == dsp.REGION)

    def domain_create(self, vcoproc: VcoprocId, memory: tuple[range, ...]) -> Refused | None:
        refused = super().domain_create(vcoproc, memory)
        if refused is None:
            self._contexts[vcoproc].others[dsp.REGION] = {}
        return refused

    # ------------------------------------------------------------ the switch

    def _takes_ps(self, cycles: int) -> int:
        return cycles_ps(cycles, self.coproc.clock_hz)

    @property
    def switch_cost_max_ps(self) -> int:
        return super().switch_cost_max_ps + self._takes_ps(dsp.checkpoint_cycles(dsp.STATE_BYTES_MAX))

    def stop(self, vcoproc: VcoprocId, now_ps: int) -> Busy | None:
        self._write(dsp.PREEMPT, dsp.PREEMPT_REQUEST)
        if self._read(dsp.FIRMWARE_STATUS) & dsp.FIRMWARE_STOPPED:
            return None
        return Busy(self._takes_ps(self._read(dsp.READY_HI) << 32 | self._read(dsp.READY_LO)))

    def resume(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._write(dsp.PREEMPT, 0)

    def switch_to(self, vcoproc: VcoprocId, now_ps: int) -> Enter:
        super().switch_to(vcoproc, now_ps)
        state_bytes = self._state_bytes(vcoproc)
        if state_bytes:
            for offset in (*_CHECKPOINT, _STATE):
                self._write(offset, self._kept(vcoproc).get(offset, 0))
            self._write(dsp.PREEMPT, dsp.PREEMPT_LOAD)
        return Entered(self.enter_cost_ps + self._takes_ps(dsp.checkpoint_cycles(state_bytes)))

    def _state_bytes(self, vcoproc: VcoprocId) -> int:
        """Return how much state a context has in its checkpoint."""
        places = self._contexts[vcoproc].places
        begun = bool(places) and places[0][1] == reg.PLACE_BEGUN
        return self._kept(vcoproc).get(_STATE, 0) if begun else 0

    def _kept(self, vcoproc: VcoprocId) -> dict[int, int]:
        """Return what a context keeps of the registers beside the unit's."""
        return self._contexts[vcoproc].others[dsp.REGION]

    def save_more(self, context: Context) -> None:
        registers = {offset: self._read(offset) for offset in _SAVED}
        context.others[dsp.REGION] = {offset: value for offset, value in registers.items() if value}

    def load_more(self, vcoproc: VcoprocId, context: Context) -> None:
        for offset in _SAVED:
            self._write(offset, self._kept(vcoproc).get(offset, 0))

    def clear_more(self) -> None:
        for offset in _SAVED:
            self._write(offset, 0)

    def _lost(self, vcoproc: VcoprocId) -> Done:
        done = super()._lost(vcoproc)
        self._forget_slots(vcoproc, reg.PLACES)
        watchdogs = (line.name for line in self.coproc.lines if line.name == dsp.WATCHDOG)
        return Done(done.cost_ps, (*done.effects, *(RaiseIrq(vcoproc, line) for line in watchdogs)))

    # ------------------------------------------------------------ traps

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        jobs_before = self._jobs(vcoproc)
        answer = super().write(vcoproc, region, offset, size, value)
        jobs_now = self._jobs(vcoproc)
        if self.is_live(vcoproc):
            return answer
        if offset == reg.CONTROL and value & reg.CONTROL_RESET:
            self._forget_slots(vcoproc, reg.PLACES)
        elif jobs_now > jobs_before:
            self._fill_slot(vcoproc, jobs_before)
        elif jobs_now < jobs_before:
            self._forget_slots(vcoproc, jobs_before - jobs_now)
        return answer

    def _jobs(self, vcoproc: VcoprocId) -> int:
        return len(self._contexts[vcoproc].places)

    def _fill_slot(self, vcoproc: VcoprocId, place: int) -> None:
        """Take what was stated for the job that a context, while away, has got in `place`."""
        kept = self._kept(vcoproc)
        self._contexts[vcoproc].places[place][0][2:4] = [0, 0]  # its unit knows no uncuttable part
        kept.update(zip(_SLOTS[place], (kept.get(offset, 0) for offset in dsp.STAGED), strict=True))

    def _forget_slots(self, vcoproc: VcoprocId, count: int) -> None:
        """Forget what was stated for the `count` oldest jobs of a context that is away; the others move up."""
        kept = self._kept(vcoproc)
        others = [[kept.pop(offset, 0) for offset in slot] for slot in _SLOTS][count:]
        for slot, values in zip(_SLOTS, others, strict=False):
            kept.update(zip(slot, values, strict=True))

    def read_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        if region != dsp.REGION:
            return Answer(0)
        if self.is_live(vcoproc):
            return Answer(self.port.read(region, offset, size))
        kept = self._kept(vcoproc)
        return Answer(reg.read_sized(lambda at: kept.get(at, 0), offset, size))

    def write_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        if region == dsp.REGION and self.is_live(vcoproc):
            self.port.write(region, offset, size, value)
        elif region == dsp.REGION:
            kept = self._kept(vcoproc)
            words: dict[int, int] = {}
            reg.write_sized(lambda at: kept.get(at, 0), words.__setitem__, offset, size, value)
            kept.update({at: dsp.taken(at, word) for at, word in words.items() if at in _SAVED})
        return Answer()
