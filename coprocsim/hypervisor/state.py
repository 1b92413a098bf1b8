"""What a machine is at an instant: domains, coprocs, vcoprocs, and the board that holds them together.

State only. Who changes what stands in `switching`, `interrupts`, `mmio`, `iommu` and `domains`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from coprocsim.engine import Timeline
from coprocsim.guests.base import Guest
from coprocsim.hardware.base import Hardware
from coprocsim.histogram import Histogram
from coprocsim.hypervisor.port import HardwarePort
from coprocsim.model import CoprocSpec, FaultKind, Region, Setting, Sharing, TraceRow, VcoprocId, VcoprocState
from coprocsim.parameters import Value
from coprocsim.platforms.base import Platform
from coprocsim.schedulers.base import Decision, Ran, Scheduler, Turn
from coprocsim.snapshot import CoprocCounters, DomainSettingRow, VcoprocCounters


class Phase(StrEnum):
    """How far a coproc is with a context switch. Events are only noted in all but the first two."""

    SETTLED = "settled"
    DENIED = "denied"
    LEAVING = "leaving"
    INVALIDATING = "invalidating"
    ENTERING = "entering"
    RESETTING = "resetting"
    FAILED = "failed"

    @property
    def decides(self) -> bool:
        """Whether what happens now leads to a decision now."""
        return self is Phase.SETTLED or self is Phase.DENIED


class Use(StrEnum):
    """What a coproc's time goes into; run + switch + idle + failed = elapsed."""

    RUN = "run"
    SWITCH = "switch"
    IDLE = "idle"
    FAILED = "failed"


class OpenJob(NamedTuple):
    """A job that is released and not over, and by when it is to be."""

    release_ps: int
    deadline_ps: int | None


@dataclass(slots=True)
class Spread:
    """How a vcoproc's times are spread: each job's latency, each wait, each switch that brought it in."""

    latency: Histogram = field(default_factory=Histogram)
    wait: Histogram = field(default_factory=Histogram)
    entry: Histogram = field(default_factory=Histogram)


@dataclass(slots=True, eq=False)
class Vcoproc:
    """A domain's instance of a coproc."""

    vcoproc_id: VcoprocId
    coproc: "Coproc"
    domain: "Domain"
    windows: tuple[Region, ...]
    settings: dict[str, Value]
    state: VcoprocState = VcoprocState.UNKNOWN
    state_since_ps: int = 0
    owed_ps: int = 0
    sleep_noted: bool = False
    """Told to sleep while it was entering: done when it has entered."""
    wake_held: bool = False
    """It has work, but its domain is paused."""
    workload: tuple[Setting, ...] = ()
    workload_since_ps: int = 0
    guest: Guest | None = None
    open_jobs: list[OpenJob] = field(default_factory=list)
    """The jobs that its scheduler was told of and that are not over, the oldest first."""
    streams: tuple[str, ...] = ()
    """The IOMMU streams that carry its DMA, as the platform names them."""
    left: dict[str, bytes] | None = None
    """Its context in the hardware as it last left; what it must find again unless it was `changed` meanwhile."""
    changed: bool = False
    """Whether a trapped write or a reset changed its saved context since it left."""
    who: str = field(init=False, default="")
    """`vcoproc_id` as text, as the trace and events name it."""
    held_lines: dict[str, None] = field(default_factory=dict)
    """Interrupts that pend while the domain is paused, in order."""
    counters: VcoprocCounters = field(default_factory=VcoprocCounters)
    spread: Spread = field(default_factory=Spread)

    def __post_init__(self) -> None:
        self.who = str(self.vcoproc_id)


@dataclass(slots=True, eq=False)
class Coproc:
    """A physical coprocessor, the driver and the algorithm that share it, and the switch that is under way."""

    spec: CoprocSpec
    hardware: Hardware
    port: HardwarePort
    platform: Platform
    scheduler: Scheduler
    settings: dict[str, Value]
    sharing: Sharing
    phase: Phase = Phase.SETTLED
    current: Vcoproc | None = None
    """Who owns the coproc: until it has left, and from the start of `switch_to` on."""
    turn: Turn | None = None
    answer: Decision | None = None
    """What the scheduler answered, while a switch carries it out."""
    closed: Ran | None = None
    """The leaving one's closed turn, until the switch's cost is known."""
    entry_cost_ps: int = 0
    """What the running one is charged for the switch that brought it in."""
    switched_before_ps: int = 0
    """What of its time had gone into switching when the present switch began."""
    denied_since_ps: int = 0
    stopping: bool = False
    """Whether the driver itself denies: it has begun to stop, and must be told if it is to go on."""
    sufferer: Vcoproc | None = None
    """Who is to be next while the running one denies, since `suffering_since_ps`."""
    suffering_since_ps: int = 0
    suffered: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """By (who denied, who was to be next): how often, and for how many ps in all."""
    noted: bool = False
    retry_due: bool = False
    timeout_due: bool = False
    """The promised retry, or the switch timeout, has come: for the decision that follows at once."""
    use: Use = Use.IDLE
    use_since_ps: int = 0
    asserted: tuple[str, ...] = ()
    direct: tuple[tuple[str, int, int], ...] = ()
    """What the platform maps for the running one: region, first offset, offset behind the last."""
    failure: str | None = None
    mirror: "Mirror | None" = None
    """While a context enters, if isolation is checked."""
    last: str | None = None
    """Whose context left last."""
    departed: "Departed | None" = None
    """That context, if its domain has been destroyed since."""
    faults: "list[Fault]" = field(default_factory=list)
    vcoprocs: dict[VcoprocId, Vcoproc] = field(default_factory=dict)
    counters: CoprocCounters = field(default_factory=CoprocCounters)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Clean silicon, and a driver of its own, on which the entering context is loaded too: what it should look like."""

    hardware: Hardware
    platform: Platform


@dataclass(frozen=True, slots=True)
class Departed:
    """A context as it left the hardware, and whose it was."""

    who: str
    domain: str
    context: dict[str, bytes]


@dataclass(slots=True)
class Fault:
    """Something that is to go wrong the next `times` times (None: always), for `who` only if that is a vcoproc.

    `time_ps` is for how long a denial is promised.
    """

    kind: FaultKind
    who: str | None
    times: int | None
    time_ps: int = 0


@dataclass(slots=True, eq=False)
class Domain:
    """A guest domain, or Domain-0."""

    domain_id: int
    name: str
    memory_mib: int
    maxmem_mib: int
    vcpus: int
    memory: tuple[range, ...]
    uuid: str | None = None
    paused: bool = False
    dying: bool = False
    aborts: int = 0
    config: dict[str, str] = field(default_factory=dict)
    """What the config said, as text, to be shown."""
    vcoprocs: list[Vcoproc] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision: what the scheduler was asked and answered, for whoever steps through them.

    `denied` is whether the coproc stays with the running one all the same, because its driver says so.
    """

    at_ps: int
    coproc: Coproc
    turn: Turn | None
    denied_since_ps: int | None
    answer: Decision
    denied: bool


@dataclass(slots=True)
class Board:
    """All of one machine. `trace` takes what happens; whoever runs the machine empties it."""

    seed: int
    timeline: Timeline
    coprocs: dict[str, Coproc] = field(default_factory=dict)
    domains: dict[int, Domain] = field(default_factory=dict)
    vcoprocs: dict[str, Vcoproc] = field(default_factory=dict)
    """By the text of their identifier, as events name them."""
    attached: dict[str, VcoprocId] = field(default_factory=dict)
    """Which vcoproc's domain each IOMMU stream translates for."""
    stale: dict[str, VcoprocId] = field(default_factory=dict)
    """Whose translations an IOMMU stream still remembers, because invalidating them was forgotten."""
    aliases: dict[str, str] = field(default_factory=dict)
    next_domain_id: int = 1
    dying: dict[int, Domain] = field(default_factory=dict)
    gone: dict[int, str] = field(default_factory=dict)
    """How domains were called that are gone."""
    touched: dict[str, Coproc] = field(default_factory=dict)
    domain_settings: list[DomainSettingRow] = field(default_factory=list)
    """What the device tree gives to the vcoprocs of domains that are yet to come."""
    trace: list[TraceRow] = field(default_factory=list)
    checks: bool = True
    """Whether the rules of isolation are checked while it runs."""
    decisions: list[Asked] | None = None
    """The decisions made, if somebody wants to know them."""

    @property
    def now_ps(self) -> int:
        """The present instant."""
        return self.timeline.now_ps

    def touch(self, coproc: Coproc) -> None:
        """Let `coproc` decide at the end of this round; while it switches, only note that it should."""
        if not coproc.platform.scheduled:
            return
        if coproc.phase.decides:
            self.touched[coproc.spec.coproc_id] = coproc
        else:
            coproc.noted = True

    def record(self, coproc: Coproc, what: str, *more: str | int) -> None:
        """Add a row to the trace."""
        self.trace.append((self.timeline.now_ps, coproc.spec.coproc_id, what, *more))
