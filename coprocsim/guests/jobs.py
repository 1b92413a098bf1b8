"""What guests with jobs have in common: jobs are released, queued, put into the unit, and end with its interrupt.

When jobs are released is the business of the workload kinds, one file each; how a coproc is driven, of `drivers`.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from coprocsim.datasheets import jobunit as reg
from coprocsim.guests.base import DataAbort, Demand, Guest, GuestPort, GuestSite
from coprocsim.guests.drivers import driver_for, driver_of
from coprocsim.guests.options import COMMON, Options
from coprocsim.model import GuestEffect, JobDropped, JobEnded, JobReleased, Json, Setting
from coprocsim.randomness import Stream
from coprocsim.units import CYCLES_MAX, PS_PER_S, PS_PER_US, TIMELINE_END_PS, Work

# Without an interrupt line the driver looks at the unit again and again.
_POLL_PS = 50 * PS_PER_US
_PAGE_BYTES = 4096
_DMA_BYTES_MAX = 0xFFFF_FFFF


class Job(msgspec.Struct):
    """A job of this guest: when it came, when it is due, its work; `given_up` once it has been aborted."""

    release_ps: int
    deadline_ps: int | None
    work_cycles: int
    uncuttable_cycles: int
    given_up: bool = False


class _State(msgspec.Struct):
    """All that the driver remembers.

    `done_count` is the unit's as last read, `drawn` the states of the streams, `inherited` how many of the unit's jobs
    are those of the driver before.
    """

    version: int = 1
    started: bool = False
    aborted: bool = False
    releases: int = 0
    release_ps: int | None = None
    handler_ps: int | None = None
    done_count: int = 0
    inherited: int = 0
    waiting: list[Job] = msgspec.field(default_factory=list)
    submitted: list[Job] = msgspec.field(default_factory=list)
    drawn: dict[str, int] = msgspec.field(default_factory=dict)


class JobGuest(Guest):
    """A driver whose jobs are released as the subclass says; first come, first served."""

    options: ClassVar[tuple[str, ...]]
    """The options that this kind has beside the common ones."""
    needs_work: ClassVar[bool] = True
    """False for a kind that knows its jobs' work without the option `work`."""

    @classmethod
    def option_names(cls, hardware: str) -> tuple[str, ...]:
        common = COMMON if cls.needs_work else tuple(name for name in COMMON if name != "work")
        return (*common, *cls.options, *driver_of(hardware).options)

    def __init__(self, site: GuestSite, options: Sequence[Setting]) -> None:
        self.site = site
        self.hz = site.coproc.clock_hz
        self.driver = driver_for(site)
        self._state = _State()
        self._streams: dict[str, Stream] = {}
        self.read_options(Options(options, ("kind", *self.option_names(site.hardware))))
        self._state.release_ps = self.release_ps(0, site.start_ps)

    def read_options(self, options: Options) -> None:
        """Take the common options and the driver's; a kind with its own takes them first."""
        self.driver.read_options(options)
        self._law = options.law() if self.needs_work else None
        self._uncuttable = options.uncuttable()
        deadline = options.duration("deadline", self.deadline_default())
        self._deadline_ps = deadline.in_ps(self.hz) or None
        self._queue_max = options.number("queue", 64, 0, 1_000_000)
        self._abandons = options.choice("on_miss", "continue", ("continue", "abandon")) == "abandon"
        self._reaction_ps = options.duration("reaction", Work(5 * PS_PER_US)).in_ps(self.hz)
        largest_bank_bytes = max((len(bank) for bank in self.driver.dma_memory), default=0)
        self._dma_bytes = options.size_bytes("dma", 0, min(largest_bank_bytes, _DMA_BYTES_MAX))

    def deadline_default(self) -> Work:
        """Return the relative deadline of jobs for which none is given; zero is none."""
        return Work(0)

    def uncuttable_cycles(self) -> int | None:
        work = self.largest_work_cycles()
        return None if work is None else self.driver.uncuttable_cycles(*self._cycles(work))

    def demand(self) -> Demand:
        bounded = self._law is None or self._law.bounded
        work = self.largest_work_cycles() if bounded else None
        uncuttable = self.driver.uncuttable_cycles(*self._cycles(CYCLES_MAX if work is None else work))
        return Demand(
            None if work is None else Work(cycles=work).in_ps(self.hz),
            None if uncuttable >= CYCLES_MAX else Work(cycles=uncuttable).in_ps(self.hz),
            self.least_interval_ps(),
            self.jitter_ps(),
            self._deadline_ps,
            self._reaction_ps,
            reg.PLACES,
            # One that is given up ends when it is due, whatever is left of it.
            0 if self._abandons else self.least_work_cycles() * PS_PER_S // self.hz,
        )

    def least_interval_ps(self) -> int | None:
        """Return how far releases are apart at least but for `jitter_ps`; None if they may come all at once."""
        return None

    def jitter_ps(self) -> int:
        """Return by how much a release may be late."""
        return 0

    @abstractmethod
    def release_ps(self, number: int, previous_ps: int) -> int | None:
        """Return when release `number` (from 0) is due, after the one at `previous_ps`; None if there is none."""

    def work_cycles(self, number: int) -> int:
        """Return the work of release `number`."""
        del number
        assert self._law is not None, "a kind without `work` has its own"
        return self._law.draw_cycles(self.hz, self.stream("work"))

    def largest_work_cycles(self) -> int | None:
        """Return the largest work of a release; None if it is not known."""
        return None if self._law is None else self._law.largest_cycles(self.hz)

    def least_work_cycles(self) -> int:
        """Return the least work of a release; 0 if it is not known."""
        return 0 if self._law is None else self._law.least_cycles(self.hz)

    def stream(self, purpose: str) -> Stream:
        """Return this guest's stream of draws for one purpose."""
        if purpose not in self._streams:
            name = f"{self.site.stream}/{purpose}"
            self._streams[purpose] = Stream(name, self._state.drawn.get(purpose, 0))
        return self._streams[purpose]

    # ------------------------------------------------------------ what is due, and when

    def next_ps(self) -> int | None:
        state = self._state
        if state.aborted:
            return None
        if not state.started:
            return self.site.start_ps
        due_ps = state.release_ps
        if state.handler_ps is not None and (due_ps is None or state.handler_ps < due_ps):
            due_ps = state.handler_ps
        if self._abandons:
            deadline_ps = self._next_deadline_ps()
            if deadline_ps is not None and (due_ps is None or deadline_ps < due_ps):
                due_ps = deadline_ps
        return due_ps

    def _next_deadline_ps(self) -> int | None:
        """Return when the oldest job is to be given up. All have the same relative deadline: none is due before it."""
        state = self._state
        oldest = state.submitted[0] if state.submitted else state.waiting[0] if state.waiting else None
        return None if oldest is None or oldest.given_up else oldest.deadline_ps

    def _is_due(self, now_ps: int) -> bool:
        """Return whether the oldest job is to be given up now."""
        due_ps = self._next_deadline_ps()
        return due_ps is not None and due_ps <= now_ps

    def interrupt(self, line: str, now_ps: int) -> None:
        if self._state.handler_ps is None:
            self._state.handler_ps = now_ps + self._reaction_ps

    def act(self, now_ps: int, port: GuestPort) -> tuple[GuestEffect, ...]:
        effects: list[GuestEffect] = []
        try:
            self._act(now_ps, port, effects)
        except DataAbort:
            # A driver that the hypervisor cuts off is a kernel that oopses: it does nothing any more.
            self._state.aborted = True
        return tuple(effects)

    def _act(self, now_ps: int, port: GuestPort, effects: list[GuestEffect]) -> None:
        state = self._state
        if not state.started:
            self._start(port)
        if state.handler_ps is not None and state.handler_ps <= now_ps:
            state.handler_ps = None
            self._handle(now_ps, port, effects)
        while state.release_ps is not None and state.release_ps <= now_ps:
            self._release(state.release_ps, effects)
            state.release_ps = self.release_ps(state.releases, state.release_ps)
        if self._abandons:
            self._give_up(now_ps, port, effects)
        self._submit(now_ps, port, effects)

    def _start(self, port: GuestPort) -> None:
        """Take the unit over, with what another driver may have left in it."""
        state = self._state
        state.started = True
        self.driver.bring_up(port)
        self.driver.write(port, reg.IRQ_ENABLE, reg.IRQ_DONE | reg.IRQ_ERROR)
        state.done_count = self.driver.read(port, reg.DONE_COUNT)
        status = self.driver.read(port, reg.STATUS)
        state.inherited = reg.PLACES if status & reg.STATUS_FULL else int(bool(status & reg.STATUS_BUSY))

    def _handle(self, now_ps: int, port: GuestPort, effects: list[GuestEffect]) -> None:
        """Read why the unit interrupted, acknowledge it, and note which jobs are over."""
        state = self._state
        if not self.driver.is_mine(port):
            return
        status = self.driver.read(port, reg.IRQ_STATUS)
        error = reg.ERROR_NONE
        if status:
            self.driver.write(port, reg.IRQ_CLEAR, status)
        if status & reg.IRQ_ERROR:
            error = self.driver.read(port, reg.ERROR)
            self.driver.acknowledge_error(port)
        done_count = self.driver.read(port, reg.DONE_COUNT)
        ended = done_count - state.done_count & 0xFFFF_FFFF
        inherited = min(ended, state.inherited)
        state.inherited -= inherited
        for _ in range(min(ended - inherited, len(state.submitted))):
            job = state.submitted.pop(0)
            effects.append(JobEnded(job.release_ps, job.deadline_ps, job.given_up, error == reg.ERROR_DMA))
        state.done_count = done_count
        if error == reg.ERROR_RESET:
            effects += (JobEnded(job.release_ps, job.deadline_ps, error=True) for job in state.submitted)
            state.submitted.clear()
            state.inherited = 0

    def _release(self, release_ps: int, effects: list[GuestEffect]) -> None:
        state = self._state
        cycles = self.work_cycles(state.releases)
        state.releases += 1
        if len(state.waiting) >= self._queue_max + self._room():
            effects.append(JobDropped(release_ps))
            return
        state.waiting.append(self._job(release_ps, cycles))
        effects.append(JobReleased(release_ps, state.waiting[-1].deadline_ps))

    def _job(self, release_ps: int, cycles: int) -> Job:
        deadline_ps = None if self._deadline_ps is None else min(release_ps + self._deadline_ps, TIMELINE_END_PS)
        return Job(release_ps, deadline_ps, *self._cycles(cycles))

    def _cycles(self, work: int) -> tuple[int, int]:
        """Return a job's work, and how much of it its options say cannot be cut."""
        return work, work if self._uncuttable is None else min(work, self._uncuttable.in_cycles(self.hz))

    def _room(self) -> int:
        """Return how many places of the unit are free."""
        return reg.PLACES - self._state.inherited - len(self._state.submitted)

    def _give_up(self, now_ps: int, port: GuestPort, effects: list[GuestEffect]) -> None:
        """Abort the job in the unit that has missed its deadline, forget those in the queue."""
        state = self._state
        if state.submitted and self._is_due(now_ps):
            # It may be over, and the unit busy with the next one: an abort would hit that.
            self._handle(now_ps, port, effects)
        if state.submitted:
            if self._is_due(now_ps):
                state.submitted[0].given_up = True
                control = self.driver.read(port, reg.CONTROL)
                self.driver.write(port, reg.CONTROL, control | reg.CONTROL_ABORT)
            return
        while self._is_due(now_ps):
            job = state.waiting.pop(0)
            effects.append(JobEnded(job.release_ps, job.deadline_ps, abandoned=True))

    def _submit(self, now_ps: int, port: GuestPort, effects: list[GuestEffect]) -> None:
        """Put jobs into the unit while it has room."""
        state = self._state
        while state.waiting and self._room():
            job = state.waiting.pop(0)
            state.submitted.append(job)
            window = (self._dma_address(), self._dma_bytes) if self._dma_bytes else None
            self.driver.submit(port, job.work_cycles, job.uncuttable_cycles, window)
        if not self.site.coproc.lines and self._room() < reg.PLACES and state.handler_ps is None:
            state.handler_ps = now_ps + _POLL_PS

    def _dma_address(self) -> int:
        """Return a page in the domain's memory from which the job's window fits."""
        banks = [bank for bank in self.driver.dma_memory if len(bank) >= self._dma_bytes]
        bank = banks[self.stream("dma").uniform(0, len(banks) - 1)]
        return bank.start + self.stream("dma").uniform(0, (len(bank) - self._dma_bytes) // _PAGE_BYTES) * _PAGE_BYTES

    def unpaused(self, now_ps: int) -> None:
        if self._state.release_ps is not None and self._state.release_ps < now_ps:
            self.skip_to(now_ps)

    def skip_to(self, now_ps: int) -> None:
        """Let the next release be the first that is not before `now_ps`."""
        state = self._state
        while state.release_ps is not None and state.release_ps < now_ps:
            state.releases += 1
            state.release_ps = self.release_ps(state.releases, state.release_ps)

    # ------------------------------------------------------------ state

    def save(self) -> Json:
        # A stream that was not drawn from since the guest was restored is where it was.
        drawn = self._state.drawn | {purpose: stream.drawn for purpose, stream in self._streams.items()}
        self._state.drawn = dict(sorted(drawn.items()))
        saved: Json = msgspec.to_builtins(self._state)
        return saved

    def restore(self, saved: Json) -> None:
        self._state = msgspec.convert(saved, _State)
        self._streams.clear()
