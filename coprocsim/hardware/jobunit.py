"""The job unit in silicon: takes jobs through registers, works them off cycle by cycle, raises one interrupt.

A part of the hardware models, which say where its registers are and which line it drives. A job is so many cycles of
work, the first of which may be uncuttable; it reads its DMA window when it begins and writes it when it ends.
"""

import msgspec

from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.base import Write
from coprocsim.model import DmaAccess, Json
from coprocsim.units import Clock

_WORD = 0xFFFF_FFFF


class Job(msgspec.Struct):
    """A job in its place: what is left of it, in cycles, and its DMA window."""

    work_left: int
    uncuttable_left: int
    dma_address: int
    dma_bytes: int
    begun: bool = False
    worked_on: bool = False

    def worked(self, cycles: int) -> None:
        """Take off `cycles` of progress."""
        self.worked_on = self.worked_on or cycles > 0
        self.work_left -= cycles
        self.uncuttable_left = max(0, self.uncuttable_left - cycles)


class _State(msgspec.Struct):
    """All that the unit remembers; `since_cycle` is where the oldest job's counts were last brought up to date."""

    version: int = 1
    enabled: bool = False
    held: bool = False
    since_cycle: int | None = None
    jobs: list[Job] = msgspec.field(default_factory=list)
    staged: dict[int, int] = msgspec.field(default_factory=dict)
    places: dict[int, int] = msgspec.field(default_factory=dict)
    irq_status: int = 0
    irq_enable: int = 0
    done_count: int = 0
    error: int = reg.ERROR_NONE


def example_job(region: str) -> tuple[Write, ...]:
    """Return writes that give the unit at the start of a range a job of a few µs, and let it interrupt."""
    return (
        Write(region, reg.WORK_LO, 8, 3_000),
        Write(region, reg.UNCUTTABLE_LO, 8, 1_000),
        Write(region, reg.IRQ_ENABLE, 4, reg.IRQ_DONE),
        Write(region, reg.DOORBELL, 4, 1),
        Write(region, reg.CONTROL, 4, reg.CONTROL_ENABLE),
    )


class JobUnit:
    """The unit of one hardware model; `identity` is what its ID register reads, instants are in ps.

    One that is not `cuttable` works every job to its end, whatever the job says.
    """

    def __init__(self, identity: int, clock: Clock, *, cuttable: bool = True) -> None:
        self.identity = identity
        self.clock = clock
        self.cuttable = cuttable
        self._state = _State()
        self._dma: list[DmaAccess] = []

    # ------------------------------------------------------------ time

    def advance(self, now_ps: int) -> None:
        """Work until `now_ps`: jobs end, the next ones begin, a stop that was asked for is reached."""
        state = self._state
        cycle = self.clock.cycle(now_ps)
        while state.since_cycle is not None:
            job = state.jobs[0]
            stop_cycle = state.since_cycle + self._to_go(job)
            if stop_cycle > cycle:
                if cycle > state.since_cycle:
                    job.worked(cycle - state.since_cycle)
                    state.since_cycle = cycle
                return
            job.worked(stop_cycle - state.since_cycle)
            if job.work_left == 0:
                self._end(job)
            self._begin(stop_cycle)

    def next_ps(self) -> int | None:
        """Return when `advance` will next have something to do; None if nothing is being worked."""
        state = self._state
        if state.since_cycle is None:
            return None
        return self.clock.instant_ps(state.since_cycle + self._to_go(state.jobs[0]))

    @property
    def _runs(self) -> bool:
        """Whether jobs may be worked."""
        return self._state.enabled and not self._state.held

    def _to_go(self, job: Job) -> int:
        """Return for how many cycles the job that is being worked goes on."""
        return job.work_left if self._runs else self._to_cut(job)

    def _to_cut(self, job: Job) -> int:
        """Return after how many cycles a job can be cut; before the end of its first cycle it can be put back."""
        return job.uncuttable_left if job.worked_on else 0

    def hold(self, held: bool, now_ps: int) -> None:
        """Let the coproc around the unit stop it, as a cleared CONTROL_ENABLE would, or let it go on."""
        self._set_held(held)
        self._go_on(now_ps)

    def _set_held(self, held: bool) -> None:
        self._state.held = held
        self._cut()

    def _cut(self, aborted: bool = False) -> None:
        """Stop at once, if the unit must not go on and the job can be cut."""
        state = self._state
        if (aborted or not self._runs) and state.jobs and self._to_cut(state.jobs[0]) == 0:
            # The present cycle is lost; what goes on, goes on at the next edge.
            state.since_cycle = None

    def _go_on(self, now_ps: int) -> None:
        """Begin at the next edge, if there is work and the unit stands still."""
        if self._state.since_cycle is None and self._runs and self._state.jobs:
            self._begin(self.edge(now_ps))

    def _begin(self, cycle: int) -> None:
        """Work the oldest job from `cycle` on, if there is one and it may run."""
        state = self._state
        if not self._runs or not state.jobs:
            state.since_cycle = None
            return
        state.since_cycle = cycle
        job = state.jobs[0]
        if not job.begun:
            job.begun = True
            self._access(job, write=False)

    def _end(self, job: Job) -> None:
        state = self._state
        del state.jobs[0]
        self._access(job, write=True)
        state.done_count = (state.done_count + 1) & _WORD
        state.irq_status |= reg.IRQ_DONE

    def _access(self, job: Job, *, write: bool) -> None:
        if job.dma_bytes:
            self._dma.append(DmaAccess(0, job.dma_address, job.dma_bytes, write))

    def edge(self, now_ps: int) -> int:
        """Return the cycle at whose beginning a write made now is seen."""
        cycle = self.clock.cycle(now_ps)
        return cycle if self.clock.instant_ps(cycle) == now_ps else cycle + 1

    # ------------------------------------------------------------ the line and the bus

    @property
    def asserted(self) -> bool:
        """The level of the interrupt line."""
        return bool(self._state.irq_status & self._state.irq_enable)

    def dma_pending(self) -> bool:
        """Return whether there are any accesses to take."""
        return bool(self._dma)

    def take_dma(self) -> tuple[DmaAccess, ...]:
        """Return the accesses made since the last call."""
        if not self._dma:
            return ()
        taken = tuple(self._dma)
        self._dma.clear()
        return taken

    def bus_error(self) -> None:
        """Note that one of them was refused."""
        self._state.error = reg.ERROR_DMA
        self._state.irq_status |= reg.IRQ_ERROR

    def lose_jobs(self) -> None:
        """Give up all jobs at once, whatever cannot be cut, and tell whoever sent them."""
        state = self._state
        state.jobs.clear()
        state.since_cycle = None
        state.error = reg.ERROR_RESET
        state.irq_status |= reg.IRQ_ERROR

    # ------------------------------------------------------------ registers

    def read(self, offset: int, size: int, now_ps: int) -> int:
        """Return `size` bytes of the registers at an aligned offset."""
        return self._read_word(offset) if size == 4 else reg.read_sized(self._read_word, offset, size)

    def _read_word(self, offset: int) -> int:
        state = self._state
        if offset >= reg.PLACE_0:
            return self._read_place(*divmod(offset - reg.PLACE_0, reg.PLACE_BYTES))
        match offset:
            case reg.ID:
                return self.identity
            case reg.VERSION:
                return 1
            case reg.CONTROL:
                return reg.CONTROL_ENABLE if state.enabled else 0
            case reg.STATUS:
                return (
                    (reg.STATUS_BUSY if state.jobs else 0)
                    | (reg.STATUS_FULL if len(state.jobs) == reg.PLACES else 0)
                    | (reg.STATUS_STOPPED if state.since_cycle is None else 0)
                )
            case reg.IRQ_STATUS:
                return state.irq_status
            case reg.IRQ_ENABLE:
                return state.irq_enable
            case reg.DONE_COUNT:
                return state.done_count
            case reg.ERROR:
                return state.error
        return state.staged.get(offset, 0)

    def _read_place(self, place: int, offset: int) -> int:
        if place >= len(self._state.jobs):
            return reg.PLACE_EMPTY
        job = self._state.jobs[place]
        match offset:
            case reg.PLACE_WORK_LO | reg.PLACE_WORK_HI:
                value, shift = job.work_left, offset - reg.PLACE_WORK_LO
            case reg.PLACE_UNCUTTABLE_LO | reg.PLACE_UNCUTTABLE_HI:
                value, shift = job.uncuttable_left, offset - reg.PLACE_UNCUTTABLE_LO
            case reg.PLACE_DMA_LO | reg.PLACE_DMA_HI:
                value, shift = job.dma_address, offset - reg.PLACE_DMA_LO
            case reg.PLACE_DMA_BYTES:
                value, shift = job.dma_bytes, 0
            case _:
                value, shift = reg.PLACE_BEGUN if job.begun else reg.PLACE_NEW, 0
        return value >> 8 * shift & _WORD

    def write(self, offset: int, size: int, value: int, now_ps: int) -> None:
        """Take `size` bytes at an aligned offset; the unit sees them at its next clock edge."""
        if size == 4:
            self._write_word(offset, value & _WORD)
        else:
            reg.write_sized(self._read_word, self._write_word, offset, size, value)
        self._go_on(now_ps)

    def _write_word(self, offset: int, value: int) -> None:
        state = self._state
        if reg.PLACE_0 <= offset < reg.BLOCK_BYTES:
            self._write_place(*divmod(offset - reg.PLACE_0, reg.PLACE_BYTES), value)
            return
        match offset:
            case reg.CONTROL:
                self._control(value)
            case reg.IRQ_STATUS:
                state.irq_status = value & (reg.IRQ_DONE | reg.IRQ_ERROR)
            case reg.IRQ_CLEAR:
                state.irq_status &= ~value
            case reg.IRQ_ENABLE:
                state.irq_enable = value & (reg.IRQ_DONE | reg.IRQ_ERROR)
            case reg.DONE_COUNT:
                state.done_count = value
            case reg.ERROR:
                state.error = value
            case reg.DOORBELL:
                if len(state.jobs) < reg.PLACES:
                    state.jobs.append(self._job(state.staged, reg.WORK_LO))
            case _ if offset in reg.STAGED:
                state.staged[offset] = value

    def _control(self, value: int) -> None:
        state = self._state
        if value & reg.CONTROL_RESET:
            self._state = _State(held=state.held)
            return
        state.enabled = bool(value & reg.CONTROL_ENABLE)
        aborted = bool(value & reg.CONTROL_ABORT)
        if aborted and state.jobs:
            job = state.jobs[0]
            job.work_left = self._to_cut(job)
            job.uncuttable_left = min(job.uncuttable_left, job.work_left)
        self._cut(aborted)

    def _write_place(self, place: int, offset: int, value: int) -> None:
        state = self._state
        base = place * reg.PLACE_BYTES
        if offset != reg.PLACE_STATE:
            state.places[base + offset] = value
            return
        if place == 0:
            # Whatever was being worked in this place is replaced; the new job begins afresh.
            state.since_cycle = None
        job = self._job(state.places, base)
        job.begun = value == reg.PLACE_BEGUN
        state.jobs[place : place + 1] = [] if value == reg.PLACE_EMPTY else [job]

    def _job(self, registers: dict[int, int], base: int) -> Job:
        """Return the job in seven registers from `base` on: the staged ones and a place's are laid out alike."""
        low, high, uncuttable_low, uncuttable_high, dma_low, dma_high, dma_bytes = (
            registers.get(base + 4 * n, 0) for n in range(7)
        )
        work = high << 32 | low
        uncuttable = min(work, uncuttable_high << 32 | uncuttable_low) if self.cuttable else work
        return Job(work, uncuttable, dma_high << 32 | dma_low, dma_bytes)

    # ------------------------------------------------------------ state

    def context(self) -> dict[str, bytes]:
        """Return what a context switch must exchange, by register."""
        state = self._state
        words = [state.staged.get(offset, 0) for offset in reg.STAGED]
        words += (state.irq_status, state.irq_enable, state.done_count, state.error)
        for place, job in enumerate(state.jobs):
            for value in (job.work_left, job.uncuttable_left, job.dma_address):
                words += (value & _WORD, value >> 32 & _WORD)
            # The first job begins as soon as the unit is enabled: whether it has is of the unit, not of the context.
            words += (job.dma_bytes, reg.PLACE_BEGUN if job.begun or place == 0 else reg.PLACE_NEW)
        words += [0] * (len(_CONTEXT) - len(words))
        return {name: word.to_bytes(4, "little") for name, word in zip(_CONTEXT, words, strict=True)}

    def save(self) -> Json:
        """Return the whole state."""
        saved: Json = msgspec.to_builtins(self._state, str_keys=True)
        return saved

    def restore(self, saved: Json) -> None:
        """Become what `save` described."""
        self._state = msgspec.convert(saved, _State, str_keys=True)


_CONTEXT = tuple(f"{offset:#04x}" for offset in (*reg.SAVED, *range(reg.PLACE_0, reg.BLOCK_BYTES, 4)))
