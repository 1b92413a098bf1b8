"""What can be done to a machine, as data: all names resolved, all files read, so that it can be done again elsewhere.

A command makes a deed of what its user said, does it, and hands it to its session, which keeps it in the history.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from coprocsim.hypervisor import domains, faults, mmio
from coprocsim.hypervisor.state import Board, Domain, Fault
from coprocsim.model import FaultKind, Region, Setting
from coprocsim.options.build import Build
from coprocsim.parameters import Value
from coprocsim.toolstack import schedule

Pair: TypeAlias = tuple[str, str]


class Deed(msgspec.Struct, frozen=True, tag_field="deed"):
    """Something that is done to a machine that is up, at one instant."""

    @abstractmethod
    def do(self, board: Board, build: Build) -> object:
        """Do it; return what whoever does it may want to know."""


def pairs(settings: Sequence[Setting]) -> tuple[Pair, ...]:
    """Return settings without their places."""
    return tuple((setting.name, setting.value) for setting in settings)


def settings_of(given: Sequence[Pair]) -> tuple[Setting, ...]:
    """Return settings that nobody can be pointed to."""
    return tuple(Setting(name, value) for name, value in given)


class Vcoproc(msgspec.Struct, frozen=True):
    """A vcoproc that a domain is created with."""

    coproc_id: str
    windows: tuple[Region, ...]
    settings: dict[str, Value]
    workload: tuple[Pair, ...]


class CreateDomain(Deed, frozen=True, tag="domain create"):
    """A plan of a domain, without the places in its config."""

    name: str
    memory_mib: int
    maxmem_mib: int
    vcpus: int
    vcoprocs: tuple[Vcoproc, ...]
    uuid: str | None
    config: dict[str, str]
    paused: bool

    @classmethod
    def of(cls, plan: domains.DomainPlan, *, paused: bool) -> "CreateDomain":
        """Return the deed of creating what is planned."""
        vcoprocs = tuple(
            Vcoproc(each.coproc_id, each.windows, dict(each.settings), pairs(each.workload)) for each in plan.vcoprocs
        )
        config = dict(plan.config or {})
        return cls(plan.name, plan.memory_mib, plan.maxmem_mib, plan.vcpus, vcoprocs, plan.uuid, config, paused)

    def do(self, board: Board, build: Build) -> Domain:
        vcoprocs = tuple(
            domains.VcoprocPlan(each.coproc_id, each.windows, each.settings, settings_of(each.workload))
            for each in self.vcoprocs
        )
        plan = domains.DomainPlan(
            self.name, self.memory_mib, self.maxmem_mib, self.vcpus, vcoprocs, self.uuid, self.config
        )
        return domains.create(board, plan, paused=self.paused)


class DestroyDomain(Deed, frozen=True, tag="domain destroy"):
    """A domain's end."""

    domain_id: int

    def do(self, board: Board, build: Build) -> None:
        domains.destroy(board, board.domains[self.domain_id])


class PauseDomain(Deed, frozen=True, tag="domain pause"):
    """A domain is stopped."""

    domain_id: int

    def do(self, board: Board, build: Build) -> None:
        domains.pause(board, board.domains[self.domain_id])


class UnpauseDomain(Deed, frozen=True, tag="domain unpause"):
    """A domain goes on."""

    domain_id: int

    def do(self, board: Board, build: Build) -> None:
        domains.unpause(board, board.domains[self.domain_id])


class SetCoproc(Deed, frozen=True, tag="sched set"):
    """A coproc's algorithm (None: it stays), its parameters and its sharing."""

    coproc_id: str
    algorithm: str | None
    settings: tuple[Pair, ...]

    def do(self, board: Board, build: Build) -> tuple[str, ...]:
        return schedule.set_coproc(
            board, board.coprocs[self.coproc_id], self.algorithm, settings_of(self.settings), build
        )


class SetVcoproc(Deed, frozen=True, tag="sched set -d"):
    """A vcoproc's own parameters."""

    who: str
    settings: tuple[Pair, ...]

    def do(self, board: Board, build: Build) -> None:
        schedule.set_vcoproc(board, board.vcoprocs[self.who], settings_of(self.settings))


class SetWorkload(Deed, frozen=True, tag="workload set"):
    """What a vcoproc's driver does."""

    who: str
    workload: tuple[Pair, ...]

    def do(self, board: Board, build: Build) -> None:
        domains.give_work(board, board.vcoprocs[self.who], settings_of(self.workload))


class ClearWorkload(Deed, frozen=True, tag="workload clear"):
    """A vcoproc's driver does nothing more."""

    who: str

    def do(self, board: Board, build: Build) -> None:
        domains.take_work(board, board.vcoprocs[self.who])


class Access(Deed, frozen=True, tag="mmio"):
    """A domain's access: a write of `value`, a read if that is None. Numbers of 64 bits are kept as text."""

    domain_id: int
    address: str
    size_bytes: int
    value: str | None

    def do(self, board: Board, build: Build) -> mmio.Outcome:
        value = None if self.value is None else int(self.value, 16)
        return mmio.access(board, board.domains[self.domain_id], int(self.address, 16), self.size_bytes, value)


class InjectFault(Deed, frozen=True, tag="fault inject"):
    """Something is to go wrong."""

    coproc_id: str
    kind: FaultKind
    who: str | None
    times: int | None
    time_ps: int

    def do(self, board: Board, build: Build) -> None:
        faults.inject(board, board.coprocs[self.coproc_id], Fault(self.kind, self.who, self.times, self.time_ps))


class ClearFaults(Deed, frozen=True, tag="fault clear"):
    """Nothing more is to go wrong."""

    coproc_id: str

    def do(self, board: Board, build: Build) -> int:
        return faults.clear(board, board.coprocs[self.coproc_id])


class RaiseLine(Deed, frozen=True, tag="irq raise"):
    """An interrupt line is pulsed."""

    coproc_id: str
    line: str

    def do(self, board: Board, build: Build) -> None:
        faults.raise_line(board, board.coprocs[self.coproc_id], self.line)


class Run(msgspec.Struct, frozen=True, tag_field="deed", tag="run"):
    """Time passes up to an instant."""

    to_ps: int


class Boot(msgspec.Struct, frozen=True, tag_field="deed", tag="boot"):
    """A machine is booted; what from stands in its own row. `platforms` are those that were chosen by hand."""

    platforms: dict[str, str]


Done: TypeAlias = (
    Boot
    | Run
    | CreateDomain
    | DestroyDomain
    | PauseDomain
    | UnpauseDomain
    | SetCoproc
    | SetVcoproc
    | SetWorkload
    | ClearWorkload
    | Access
    | InjectFault
    | ClearFaults
    | RaiseLine
)
_DONE = msgspec.json.Decoder(Done)


def to_json(done: Deed | Boot | Run) -> str:
    """Return a deed as text."""
    return msgspec.json.encode(done).decode()


def from_json(text: str) -> Done:
    """Return the deed that `to_json` made text of."""
    done: Done = _DONE.decode(text)
    return done
