"""`acme,hexa-d4` in silicon: a job unit whose firmware lets go at preemption points, and writes a checkpoint then.

Its datasheet: `datasheets/dsp.py`.
"""

from enum import StrEnum

import msgspec

from coprocsim.datasheets import dsp
from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.base import Write, example_node
from coprocsim.hardware.generic import GenericHardware
from coprocsim.hardware.jobunit import Job, JobUnit, example_job
from coprocsim.model import CoprocSpec, DmaAccess, Json
from coprocsim.units import Clock

_WORD = 0xFFFF_FFFF
_SLOTS = range(dsp.SLOT_0, dsp.SLOT_0 + reg.PLACES * dsp.SLOT_BYTES, 4)
_REGISTERS = (*dsp.STAGED, dsp.CHECKPOINT_LO, dsp.CHECKPOINT_HI)


class Doing(StrEnum):
    """What the firmware does beside working jobs."""

    NOTHING = "nothing"
    WRITING = "writing"
    STOPPED = "stopped"
    LOADING = "loading"


class _Firmware(msgspec.Struct):
    """What the firmware remembers; `end_cycle` is when `moving_bytes` of state are written or loaded."""

    registers: dict[int, int] = msgspec.field(default_factory=dict)
    slots: list[list[int]] = msgspec.field(default_factory=lambda: [[0, 0, 0, 0] for _ in range(reg.PLACES)])
    requested: bool = False
    doing: Doing = Doing.NOTHING
    moving_bytes: int = 0
    end_cycle: int | None = None


class DspUnit(JobUnit):
    """A job unit with a firmware: it is held while that is asked to let go, or loads a state."""

    def __init__(self, identity: int, clock: Clock) -> None:
        super().__init__(identity, clock)
        self._firmware = _Firmware()
        self._cycle = 0

    # ------------------------------------------------------------ time

    def advance(self, now_ps: int) -> None:
        super().advance(now_ps)
        firmware, cycle = self._firmware, self.clock.cycle(now_ps)
        while firmware.end_cycle is not None and firmware.end_cycle <= cycle:
            self._done(firmware.end_cycle)
            super().advance(now_ps)

    def next_ps(self) -> int | None:
        end_cycle = self._firmware.end_cycle
        ends = [super().next_ps(), None if end_cycle is None else self.clock.instant_ps(end_cycle)]
        return min((end for end in ends if end is not None), default=None)

    def _done(self, cycle: int) -> None:
        """End what was under way: a checkpoint is written, or a state is loaded."""
        firmware = self._firmware
        writing = firmware.doing is Doing.WRITING
        low, high = (firmware.registers.get(at, 0) for at in (dsp.CHECKPOINT_LO, dsp.CHECKPOINT_HI))
        self._dma.append(DmaAccess(0, high << 32 | low, firmware.moving_bytes, write=writing))
        firmware.end_cycle = None
        firmware.doing = Doing.STOPPED if writing else Doing.NOTHING
        self._set_held(firmware.requested)
        self._begin(cycle)

    def _begin(self, cycle: int) -> None:
        super()._begin(cycle)
        self._let_go(cycle)

    def _let_go(self, cycle: int) -> None:
        """If asked to, and the unit stands: begin to write the state of its job, or stop if there is none."""
        firmware = self._firmware
        if not firmware.requested or firmware.doing is not Doing.NOTHING or self._state.since_cycle is not None:
            return
        if self._state_bytes():
            self._move(Doing.WRITING, self._state_bytes(), cycle)
        else:
            firmware.doing = Doing.STOPPED

    def _move(self, doing: Doing, size_bytes: int, cycle: int) -> None:
        """Write or load so much state from `cycle` on."""
        firmware = self._firmware
        firmware.doing, firmware.moving_bytes = doing, size_bytes
        firmware.end_cycle = cycle + dsp.checkpoint_cycles(size_bytes)

    def _state_bytes(self) -> int:
        """Return how much state the oldest job has."""
        jobs = self._state.jobs
        return self._firmware.slots[0][2] if jobs and jobs[0].begun else 0

    def _to_cut(self, job: Job) -> int:
        low, high, *_ = self._firmware.slots[0]
        return dsp.to_point(job.work_left, high << 32 | low)

    def _job(self, registers: dict[int, int], base: int) -> Job:
        job = super()._job(registers, base)
        job.uncuttable_left = 0
        return job

    def _end(self, job: Job) -> None:
        super()._end(job)
        self._forget_slot(0)

    def _forget_slot(self, place: int) -> None:
        slots = self._firmware.slots
        del slots[place]
        slots.append([0, 0, 0, 0])

    # ------------------------------------------------------------ registers

    def read(self, offset: int, size: int, now_ps: int) -> int:
        self._cycle = self.clock.cycle(now_ps)
        return super().read(offset, size, now_ps)

    def _read_word(self, offset: int) -> int:
        if offset < reg.BLOCK_BYTES:
            return super()._read_word(offset)
        firmware = self._firmware
        if offset in _SLOTS:
            place, register = divmod(offset - dsp.SLOT_0, dsp.SLOT_BYTES)
            return firmware.slots[place][register // 4]
        match offset:
            case dsp.PREEMPT:
                return dsp.PREEMPT_REQUEST if firmware.requested else 0
            case dsp.FIRMWARE_STATUS:
                return _STATUS[firmware.doing]
            case dsp.READY_LO | dsp.READY_HI:
                return self._ready_cycles() >> 8 * (offset - dsp.READY_LO) & _WORD
        return firmware.registers.get(offset, 0)

    def _ready_cycles(self) -> int:
        """Return after how many cycles the firmware has let go, if it was asked at the latest now."""
        firmware, state = self._firmware, self._state
        busy = 0 if firmware.end_cycle is None else firmware.end_cycle - self._cycle
        if firmware.doing in {Doing.WRITING, Doing.STOPPED}:
            return busy
        checkpoint = dsp.checkpoint_cycles(self._state_bytes())
        if state.since_cycle is None:
            return busy + checkpoint
        to_point = self._to_cut(state.jobs[0])
        busy = state.since_cycle - self._cycle + to_point
        return busy if to_point == state.jobs[0].work_left else busy + checkpoint

    def write(self, offset: int, size: int, value: int, now_ps: int) -> None:
        super().write(offset, size, value, now_ps)
        edge = self.edge(now_ps)
        firmware = self._firmware
        if firmware.doing is Doing.LOADING and firmware.end_cycle is None:
            self._move(Doing.LOADING, firmware.slots[0][2], edge)
        self._let_go(edge)

    def _write_word(self, offset: int, value: int) -> None:
        jobs_before = len(self._state.jobs)
        if offset in _SLOTS:
            place, register = divmod(offset - dsp.SLOT_0, dsp.SLOT_BYTES)
            if register in {dsp.SLOT_POINT_LO, dsp.SLOT_POINT_HI, dsp.SLOT_STATE_BYTES}:
                self._firmware.slots[place][register // 4] = dsp.taken(offset, value)
        elif offset == dsp.PREEMPT:
            self._preempt(value)
        elif offset in _REGISTERS:
            self._firmware.registers[offset] = dsp.taken(offset, value)
        else:
            super()._write_word(offset, value)
            self._follow(offset, value, jobs_before)

    def _follow(self, offset: int, value: int, jobs_before: int) -> None:
        """Keep the slots in step with the unit's places."""
        firmware = self._firmware
        if offset == reg.DOORBELL and len(self._state.jobs) > jobs_before:
            firmware.slots[jobs_before] = [*(self._read_word(at) for at in dsp.STAGED), 0]
        elif offset == reg.CONTROL and value & reg.CONTROL_RESET:
            self._firmware = _Firmware(firmware.registers)
            self._set_held(False)
        elif len(self._state.jobs) < jobs_before:
            self._forget_slot((offset - reg.PLACE_0) // reg.PLACE_BYTES)

    def _preempt(self, value: int) -> None:
        firmware = self._firmware
        firmware.requested = bool(value & dsp.PREEMPT_REQUEST)
        if not firmware.requested and firmware.doing in {Doing.WRITING, Doing.STOPPED}:
            firmware.doing, firmware.end_cycle = Doing.NOTHING, None
        free = firmware.doing is Doing.NOTHING and self._state.since_cycle is None
        if value & dsp.PREEMPT_LOAD and free and firmware.slots[0][2]:
            firmware.doing = Doing.LOADING
        self._set_held(firmware.requested or firmware.doing is Doing.LOADING)

    # ------------------------------------------------------------ state

    def context(self) -> dict[str, bytes]:
        beside = {f"{at:#04x}": self._read_word(at).to_bytes(4, "little") for at in (*_REGISTERS, *_SLOTS)}
        return super().context() | beside

    def save(self) -> Json:
        firmware: Json = msgspec.to_builtins(self._firmware, str_keys=True)
        return {"version": 1, "unit": super().save(), "firmware": firmware}

    def restore(self, saved: Json) -> None:
        assert isinstance(saved, dict)
        super().restore(saved["unit"])
        self._firmware = msgspec.convert(saved["firmware"], _Firmware, str_keys=True)


class DspHardware(GenericHardware):
    """A DSP: a unit with a firmware, in the range `control`. The other ranges read 0 and ignore writes."""

    name = "dsp"
    summary = "a job unit whose firmware lets go of a job at preemption points, and saves its state"
    identity = 0x31505344  # "DSP1" in memory

    @classmethod
    def example(cls) -> CoprocSpec:
        ranges = {"l2ram": 0x10_0000, "l1ram": 0x8000, dsp.REGION: 0x1000}
        return example_node(ranges, (dsp.LINE, dsp.WATCHDOG))

    @classmethod
    def example_job(cls) -> tuple[Write, ...]:
        stated = ((dsp.POINT_LO, 1_000), (dsp.STATE_BYTES, 64))
        return (*(Write(dsp.REGION, offset, 4, value) for offset, value in stated), *example_job(dsp.REGION))

    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        self._region = dsp.REGION
        self._line = next((line.name for line in coproc.lines if line.name == dsp.LINE), None)
        self.unit = DspUnit(self.identity, self.clock)

    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        return self.unit.read(offset, size, now_ps) if region == self._region and offset < dsp.BLOCK_BYTES else 0

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        if region == self._region and offset < dsp.BLOCK_BYTES:
            self.unit.write(offset, size, value, now_ps)


_STATUS = {
    Doing.NOTHING: 0,
    Doing.WRITING: dsp.FIRMWARE_WRITING,
    Doing.STOPPED: dsp.FIRMWARE_STOPPED,
    Doing.LOADING: dsp.FIRMWARE_LOADING,
}
