"""What algorithms have in common that look at jobs and run the most urgent one, without slices: it may preempt."""

from abc import abstractmethod
from collections import deque
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn
from coprocsim.schedulers.urgency import Queue, Urgency


class OpenJob(NamedTuple):
    """A job that is released and not over, and when it is due; None is never."""

    release_ps: int
    deadline_ps: int | None


class _Saved(msgspec.Struct):
    version: int
    ready: list[tuple[VcoprocId, int]]
    jobs: list[tuple[VcoprocId, list[OpenJob]]]


class ByJob(Scheduler):
    """Runs whoever is most urgent; of equals the one that runs, else the one with the lowest id.

    A vcoproc is at its oldest job. One that has work which nobody released counts as if that came when it woke.
    """

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._woken_ps: dict[VcoprocId, int] = {}
        self._jobs: dict[VcoprocId, deque[OpenJob]] = {}
        self._queue = Queue()

    @abstractmethod
    def urgency(self, vcoproc: VcoprocId, job: OpenJob) -> Urgency:
        """Return how urgent it is that `vcoproc` runs, which is at `job`."""

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        self._jobs.setdefault(vcoproc, deque())
        self._queue_up(vcoproc)

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self.sleep(vcoproc, now_ps)
        del self._jobs[vcoproc]

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._woken_ps[vcoproc] = now_ps
        self._queue_up(vcoproc)

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._woken_ps.pop(vcoproc, None)
        self._queue.drop(vcoproc)

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        if vcoproc in self._woken_ps:
            self.wake(vcoproc, now_ps)

    def released(self, vcoproc: VcoprocId, release_ps: int, deadline_ps: int | None) -> None:
        self._jobs[vcoproc].append(OpenJob(release_ps, deadline_ps))
        self._queue_up(vcoproc)

    def finished(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._jobs[vcoproc].popleft()
        self._queue_up(vcoproc)

    def ready(self) -> Collection[VcoprocId]:
        return self._woken_ps

    def _queue_up(self, vcoproc: VcoprocId) -> None:
        if vcoproc in self._woken_ps:
            jobs = self._jobs[vcoproc]
            job = jobs[0] if jobs else OpenJob(self._woken_ps[vcoproc], None)
            self._queue.put(vcoproc, self.urgency(vcoproc, job))

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        first = next(iter(self._queue), None)
        if first is None:
            return Idle()
        if turn is not None and turn.vcoproc in self._queue and self._queue[turn.vcoproc] == self._queue[first]:
            return Run(turn.vcoproc)
        return Run(first)

    def ran(self, ran: Ran) -> None:
        pass

    def save(self) -> Json:
        woken: list[Json] = [[list(vcoproc), at_ps] for vcoproc, at_ps in self._woken_ps.items()]
        jobs: list[Json] = [
            [list(vcoproc), [list(job) for job in jobs]] for vcoproc, jobs in sorted(self._jobs.items()) if jobs
        ]
        return {"version": 1, "ready": woken, "jobs": jobs}

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._jobs.update((vcoproc, deque(jobs)) for vcoproc, jobs in state.jobs)
        for vcoproc, woken_ps in state.ready:
            self.wake(vcoproc, woken_ps)
