"""The nouns: specifications, states, effects and trace records. Data only.

What is read from a file is frozen; what a machine is at an instant lives in `hypervisor`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from coprocsim.errors import NodePlace, Span
from coprocsim.units import PS_PER_MS, PS_PER_US

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a saved form is made of; it carries a `version`, from the first one on."""

DOMAIN_0 = 0
DOMAIN_0_NAME = "Domain-0"


class VcoprocId(NamedTuple):
    """A domain's n-th vcoproc, as Xen names a vcpu. Orders ties: the lowest first."""

    domain: int
    number: int

    def __str__(self) -> str:
        return f"d{self.domain}v{self.number}"


class VcoprocState(StrEnum):
    """The states of the original framework, with its names."""

    UNKNOWN = "UNKNOWN"
    SLEEPING = "SLEEPING"
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    ASKED_TO_SLEEP = "ASKED_TO_SLEEP"


UNSCHEDULED = "none"
"""The name of the algorithm of a coproc that has none, since its hardware shares itself."""


class CoprocState(StrEnum):
    """What a physical coprocessor is doing, as `list coprocs` says it."""

    ONLINE = "online"
    SWITCHING = "switching"
    FAILED = "failed"


class Charge(StrEnum):
    """What a vcoproc owes for the time by which it overran its turn while it denied a switch."""

    NONE = "none"
    AVERAGING = "averaging"
    DEBT = "debt"


class Payer(StrEnum):
    """Who is charged for a context switch."""

    SYSTEM = "system"
    ENTERING = "entering"
    LEAVING = "leaving"


class FaultKind(StrEnum):
    """What can be made to go wrong with a coproc, to see what becomes of it."""

    DENY = "deny"
    HANG = "hang"
    FAIL_LEAVE = "fail-leave"
    FAIL_ENTER = "fail-enter"
    FAIL_RESET = "fail-reset"
    FAIL_RESET_COPROC = "fail-reset-coproc"
    IOMMU = "iommu"
    STALE_IOMMU = "stale-iommu"
    DMA = "dma"
    SPURIOUS_IRQ = "spurious-irq"


class Rule(StrEnum):
    """The rules of isolation, by name; `hypervisor/isolation.py` says what each demands."""

    ONE_RUNS = "one-runs"
    IOMMU = "iommu"
    IRQ = "irq"
    ACCESS = "access"
    TIME = "time"
    LEAK = "leak"
    KNOWN = "known"


# ---------------------------------------------------------------- what the device tree says


@dataclass(frozen=True, slots=True)
class Region:
    """A range of a coproc's registers or memory, at its physical address; `name` from `reg-names`, else its index."""

    name: str
    base: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Line:
    """An interrupt line; `intid` where its controller is a GIC, `label` for people: `GIC 151` or `controller:cells`."""

    name: str
    label: str
    intid: int | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """One entry of `iommus`: which IOMMU, and the specifier's cells that tell it whose DMA this is."""

    iommu: str
    cells: tuple[int, ...]

    def __str__(self) -> str:
        return ":".join((self.iommu, *(str(cell) for cell in self.cells)))


@dataclass(frozen=True, slots=True)
class Setting:
    """`name` set to `value` in some file or command; `value` as written there, `place` for whoever finds it wrong."""

    name: str
    value: str
    place: Span | NodePlace | None = None


@dataclass(frozen=True, slots=True)
class TreeSetting:
    """A property of the binding whose meaning an algorithm knows: `name` without its `coproc-sched-`, and its bytes."""

    name: str
    data: bytes
    place: NodePlace


@dataclass(frozen=True, slots=True)
class Sharing:
    """How one coproc is shared, whatever the algorithm: who pays for what, and how long a denial may last.

    `switch_timeout_ps` counts from the first refusal of a leave, 0 is without end; `retry_floor_ps` is the least
    time between two attempts; `charge_factor` divides what is owed when `charge` is averaging.
    """

    switch_timeout_ps: int = 40 * PS_PER_MS
    retry_floor_ps: int = 10 * PS_PER_US
    charge: Charge = Charge.AVERAGING
    charge_factor: int = 33
    payer: Payer = Payer.SYSTEM


@dataclass(frozen=True, slots=True)
class CoprocSpec:
    """A shared coprocessor as the device tree describes it.

    `algorithm` is None where the tree leaves it to the default; `settings` and `domain_settings` (by domain name)
    are not yet checked against an algorithm. `clock_source` says where `clock_hz` comes from.
    """

    coproc_id: str
    path: str
    compatible: tuple[str, ...]
    regions: tuple[Region, ...]
    lines: tuple[Line, ...]
    streams: tuple[Stream, ...]
    clock_hz: int
    clock_source: str
    place: NodePlace
    aliases: tuple[str, ...] = ()
    algorithm: str | None = None
    settings: tuple[TreeSetting, ...] = ()
    domain_settings: Mapping[str, tuple[TreeSetting, ...]] = field(default_factory=dict)
    sharing: Sharing = Sharing()

    def region_of(self, size_bytes: int) -> Region | None:
        """Return the first region that holds `size_bytes`, or None."""
        return next((region for region in self.regions if region.size_bytes >= size_bytes), None)


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What a device tree shares, in the order in which it says so, and what its reader should be warned of.

    `broken` are coprocs of which something is missing: only where the reader goes on after mistakes.
    """

    model: str
    coprocs: tuple[CoprocSpec, ...]
    dom0_coprocs: tuple[Setting, ...] = ()
    default_algorithm: Setting | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    broken: tuple[CoprocSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class VcoprocNode:
    """A node of a domain's partial device tree with `xen,vcoproc`: where that domain sees the coproc's regions."""

    coproc: str
    path: str
    windows: tuple[Region, ...]


# ---------------------------------------------------------------- what a domain config says


CfgValue: TypeAlias = "str | list[CfgValue]"


@dataclass(frozen=True, slots=True)
class CoprocRequest:
    """An entry of `coproc`: the coproc by identifier, path or alias, then options of its scheduler."""

    name: str
    options: tuple[Setting, ...]
    place: Span


@dataclass(frozen=True, slots=True)
class WorkloadRequest:
    """An entry of `coproc_workload`: which coproc, then what the domain's driver does with it."""

    coproc: str
    options: tuple[Setting, ...]
    place: Span | None


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """A guest domain as its config describes it.

    `iomem` and `irqs` are ranges of bytes and interrupt numbers, to be kept apart from the vcoprocs'. `shown` holds
    what is read only to be shown, as written.
    """

    name: str
    memory_mib: int
    maxmem_mib: int
    vcpus: int
    coprocs: tuple[CoprocRequest, ...]
    workloads: tuple[WorkloadRequest, ...]
    name_place: Span
    memory_place: Span | None = None
    uuid: str | None = None
    device_tree: Setting | None = None
    iomem: tuple[tuple[range, Span], ...] = ()
    irqs: tuple[tuple[int, Span], ...] = ()
    shown: Mapping[str, CfgValue] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


# ---------------------------------------------------------------- what plugins return: effects


@dataclass(frozen=True, slots=True)
class Wake:
    """The vcoproc has work: let its scheduler know (Xen: vcoproc_wake)."""

    vcoproc: VcoprocId


@dataclass(frozen=True, slots=True)
class Sleep:
    """The vcoproc has no more work (Xen: vcoproc_sleep)."""

    vcoproc: VcoprocId


@dataclass(frozen=True, slots=True)
class Yield:
    """The vcoproc has work but gives way (Xen: vcoproc_yield)."""

    vcoproc: VcoprocId


@dataclass(frozen=True, slots=True)
class RaiseIrq:
    """Pend the coproc's `line` for the vcoproc's domain."""

    vcoproc: VcoprocId
    line: str


@dataclass(frozen=True, slots=True)
class After:
    """Call the platform's `timer` with `tag` when `delay_ps` have passed; a later one of the same tag replaces it.

    A reset of the whole coproc, or its failure, lets it not come any more: `reset_coproc` may ask anew.
    """

    delay_ps: int
    tag: str


@dataclass(frozen=True, slots=True)
class JobReleased:
    """The guest has a new job, due at `deadline_ps` if it has a deadline."""

    release_ps: int
    deadline_ps: int | None


@dataclass(frozen=True, slots=True)
class JobEnded:
    """The guest's oldest job is over: done, lost with an error, or given up at its deadline or with its driver."""

    release_ps: int
    deadline_ps: int | None
    abandoned: bool = False
    error: bool = False


@dataclass(frozen=True, slots=True)
class JobDropped:
    """The guest has no room for a job that was released."""

    release_ps: int


GuestEffect: TypeAlias = JobReleased | JobEnded | JobDropped
Effect: TypeAlias = Wake | Sleep | Yield | RaiseIrq | After


@dataclass(frozen=True, slots=True)
class DmaAccess:
    """The hardware, as a bus master, reads or writes `size_bytes` at a guest-physical address through `stream`."""

    stream: int
    address: int
    size_bytes: int
    write: bool


# ---------------------------------------------------------------- what is recorded

TraceRow: TypeAlias = "tuple[int, str, str, *tuple[str | int, ...]]"
"""`(at_ps, coproc_id, what, …)`: the names of `what` and their further columns stand in `observe/README.md`."""
