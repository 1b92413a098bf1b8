"""What a guest is: the driver in a domain that uses one vcoproc, and the work that it has to do.

It works through register accesses and interrupts only, as a real driver would; what the emulator should note about
its jobs it returns.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from coprocsim.model import CoprocSpec, GuestEffect, Json, Region, Setting


class DataAbort(Exception):  # noqa: N818 - what the architecture calls it
    """The guest's access was answered with a data abort."""


class GuestPort(Protocol):
    """The way from a guest to its vcoproc's registers; the hypervisor may let it pass or trap it."""

    def read(self, region: str, offset: int, size: int) -> int:
        """Return what the access gets; DataAbort if it is refused."""
        ...

    def write(self, region: str, offset: int, size: int, value: int) -> None:
        """Write; DataAbort if it is refused."""
        ...

    def read_at(self, address: int, size: int) -> int:
        """Read at any address of the domain's; DataAbort if nothing of the domain's is there, or it is refused."""
        ...

    def write_at(self, address: int, size: int, value: int) -> None:
        """Write at any address of the domain's; DataAbort if nothing of the domain's is there, or it is refused."""
        ...


@dataclass(frozen=True, slots=True)
class GuestSite:
    """Where a guest lives: its coproc, the model of its silicon, its domain's memory, since when, and the name of its
    random streams.

    `windows` is where the domain sees the coproc's ranges; `machine` has the ranges of all coprocs of the machine, at
    their physical addresses, for whoever aims at what is not its own.
    """

    coproc: CoprocSpec
    hardware: str
    memory: tuple[range, ...]
    start_ps: int
    stream: str
    windows: tuple[Region, ...] = ()
    machine: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """What a guest asks of its coproc at most, times in ps; None where there is no bound, or it is not known.

    A job has `least_work_ps` (0: nobody knows) to `work_ps` of work, of which `uncuttable_ps` keep the coproc from
    switching. From one release to the n-th after it there are at least n `period_ps` less `jitter_ps`. A job is due
    `deadline_ps` after its release (None: never), and the guest knows of its end after `reaction_ps`. The coproc takes
    as many of its jobs as it has `places`; further ones wait until the driver knows of an end. Jobs that are listed are
    not `endless`: so many of them say nothing of the long run.
    """

    work_ps: int | None = None
    uncuttable_ps: int | None = None
    period_ps: int | None = None
    jitter_ps: int = 0
    deadline_ps: int | None = None
    reaction_ps: int = 0
    places: int = 1
    least_work_ps: int = 0
    endless: bool = True


NOTHING = Demand(work_ps=0, uncuttable_ps=0)
"""The demand of a guest that never has a job."""


class Guest(ABC):
    """The driver of one vcoproc with its workload. All instants in ps."""

    kind: ClassVar[str]
    """What `kind=` says in `coproc_workload`."""
    summary: ClassVar[str]
    examples: ClassVar[tuple[str, ...]] = ("",)
    """Options that make sense for it, without `kind`, as `coproc_workload` has them (`period=10ms,work=1ms`): with
    these the conformance checks try it."""
    example_platform: ClassVar[str] = "generic"
    """The platform whose coproc they let it drive."""

    @classmethod
    def option_names(cls, hardware: str) -> tuple[str, ...]:
        """Return the options that it knows on that hardware model, beside `kind`: for who completes what is typed."""
        del hardware
        return ()

    @abstractmethod
    def __init__(self, site: GuestSite, options: Sequence[Setting]) -> None:
        """Read the options; parameters.BadSetting names the one that is wrong."""

    @abstractmethod
    def next_ps(self) -> int | None:
        """Return when `act` wants to be called next; None if only an interrupt can bring something new."""

    @abstractmethod
    def interrupt(self, line: str, now_ps: int) -> None:
        """An interrupt is delivered; its handler runs in `act`, after its latency."""

    @abstractmethod
    def act(self, now_ps: int, port: GuestPort) -> tuple[GuestEffect, ...]:
        """Do all that is due now."""

    def uncuttable_cycles(self) -> int | None:
        """Return for how long a job of its options keeps the coproc from switching, at the longest; None if unknown."""
        return None

    def demand(self) -> Demand:
        """Return what it asks for at most, for `analyse`: what it does not know has no bound."""
        return Demand()

    @abstractmethod
    def unpaused(self, now_ps: int) -> None:
        """The domain goes on after a pause: what would have arrived before `now_ps` has not."""

    @abstractmethod
    def save(self) -> Json:
        """Return the state, with a `version`; the options are kept by the caller."""

    @abstractmethod
    def restore(self, saved: Json) -> None:
        """Become what `save` described."""
