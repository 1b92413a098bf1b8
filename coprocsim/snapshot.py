"""A machine at rest, as rows: what is stored between two commands. Data only.

Each class is a table; its fields are the columns, a field of another class is spread over columns of its own. The
hypervisor turns itself into rows and back, the store turns rows into SQLite and back, and what a dom0 administrator
sees is read from them without any plugin being loaded. They are named tuples: a command that only lists waits for this
module more than for any other, and a frozen dataclass takes seven times as long to make.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(slots=True)
class CoprocCounters:
    """What a coproc's time went into, in ps, up to its `use_since_ps`, and how often things happened.

    `resets` are those of a context, `coproc_resets` of the whole coproc; `findings` count broken rules of isolation.
    """

    run_ps: int = 0
    switch_ps: int = 0
    idle_ps: int = 0
    failed_ps: int = 0
    switches: int = 0
    denials: int = 0
    resets: int = 0
    coproc_resets: int = 0
    spurious: int = 0
    findings: int = 0


@dataclass(slots=True)
class VcoprocCounters:
    """What a vcoproc has had and done since it was created, times in ps.

    `denied_ps` is how long it denied, `overrun_ps` the part of it after which it left; `suffered` and `suffered_ps` are
    what it waited because another one denied. A job is done (`ended`), be it after its deadline
    (`late`), is given up at its deadline or with its driver (`abandoned`), is lost with an error (`failed`) or finds no
    room (`dropped`). `latency_ps` adds up over `ended`.
    `entry_ps_max` is the longest switch that brought it in, whoever was charged for it.
    """

    run_ps: int = 0
    wait_ps: int = 0
    switch_ps: int = 0
    overrun_ps: int = 0
    denied_ps: int = 0
    suffered_ps: int = 0
    switches: int = 0
    denials: int = 0
    suffered: int = 0
    resets: int = 0
    irqs: int = 0
    traps: int = 0
    faults: int = 0
    jobs: int = 0
    ended: int = 0
    late: int = 0
    abandoned: int = 0
    dropped: int = 0
    failed: int = 0
    latency_ps: int = 0
    latency_ps_max: int = 0
    wait_ps_max: int = 0
    entry_ps_max: int = 0


class MachineRow(NamedTuple):
    """The one machine of a file; `armed` counts the events ever armed, `tree` is the blob it was booted from.

    `checks` is whether the rules of isolation are checked while it runs. `config` is the whole `.config` that it was
    built with, a line for each option; empty where it was booted without one: everything is built in.
    """

    seed: int
    now_ps: int
    armed: int
    next_domain_id: int
    model: str
    booted_from: str
    tree: bytes
    trace_limit_bytes: int
    checks: bool
    config: str = ""


class AliasRow(NamedTuple):
    """An alias of the device tree."""

    alias: str
    path: str


class CoprocRow(NamedTuple):
    """A shared coproc. `state` is online, switching or failed; `use` is what its time goes into since `use_since_ps`.

    `current` is the vcoproc that owns it, as `d1v0`; `switching` is JSON, how far a context switch is.
    """

    coproc_id: str
    path: str
    compatible: str
    aliases: str
    platform: str
    hardware: str
    algorithm: str
    clock_hz: int
    clock_source: str
    switch_timeout_ps: int
    retry_floor_ps: int
    charge: str
    charge_factor: int
    payer: str
    state: str
    failure: str | None
    current: str | None
    use: str
    use_since_ps: int
    switching: str
    counters: CoprocCounters


class RegionRow(NamedTuple):
    """A range of a coproc, at its physical address."""

    coproc_id: str
    name: str
    base: int
    size_bytes: int


class LineRow(NamedTuple):
    """An interrupt line of a coproc."""

    coproc_id: str
    name: str
    label: str
    intid: int | None


class StreamRow(NamedTuple):
    """An entry of a coproc's `iommus`; `attached` is the vcoproc whose domain it translates for, as `d1v0`.

    `stale` is one whose translations it still remembers, because invalidating them was forgotten.
    """

    coproc_id: str
    number: int
    iommu: str
    cells: str
    attached: str | None
    stale: str | None


class CoprocSettingRow(NamedTuple):
    """A parameter of a coproc's algorithm; times in ps."""

    coproc_id: str
    name: str
    value: int | str


class DenialRow(NamedTuple):
    """How often, and for how long in all, one vcoproc was to be next while another one denied; both as `d1v0`."""

    coproc_id: str
    denier: str
    sufferer: str
    times: int
    time_ps: int


class FaultRow(NamedTuple):
    """A fault to come: its kind, whom it hits (as `d1v0`; None: whoever comes), how often (None: always)."""

    coproc_id: str
    number: int
    kind: str
    who: str | None
    times: int | None
    time_ps: int


class DomainSettingRow(NamedTuple):
    """A parameter that the device tree gives to a domain's vcoproc, whenever that domain is created."""

    coproc_id: str
    domain: str
    name: str
    value: int | str


class GoneRow(NamedTuple):
    """A domain that is gone: the trace and the counters of others may still name it."""

    domain_id: int
    name: str


class DomainRow(NamedTuple):
    """A domain; 0 is Domain-0."""

    domain_id: int
    name: str
    uuid: str | None
    memory_mib: int
    maxmem_mib: int
    vcpus: int
    paused: bool
    dying: bool
    aborts: int


class BankRow(NamedTuple):
    """A bank of a domain's memory."""

    domain_id: int
    start: int
    stop: int


class ConfigRow(NamedTuple):
    """A key of a domain's config that is read only to be shown."""

    domain_id: int
    name: str
    value: str


class VcoprocRow(NamedTuple):
    """A vcoproc; it is named `d<domain_id>v<number>`. `held_lines` are interrupts that pend while it is paused.

    `changed` is whether its saved context was changed since it left.
    """

    domain_id: int
    number: int
    coproc_id: str
    state: str
    state_since_ps: int
    owed_ps: int
    sleep_noted: bool
    wake_held: bool
    workload_since_ps: int
    held_lines: str
    changed: bool
    counters: VcoprocCounters


class WindowRow(NamedTuple):
    """Where a domain sees a range of its vcoproc."""

    domain_id: int
    number: int
    region: str
    base: int
    size_bytes: int


class VcoprocSettingRow(NamedTuple):
    """A vcoproc's parameter of its coproc's algorithm; times in ps."""

    domain_id: int
    number: int
    name: str
    value: int | str


class WorkloadRow(NamedTuple):
    """An option of a vcoproc's workload."""

    domain_id: int
    number: int
    name: str
    value: str


class JobRow(NamedTuple):
    """A job that is released and not over; `place` counts those of a vcoproc from 0, the oldest."""

    domain_id: int
    number: int
    place: int
    release_ps: int
    deadline_ps: int | None


class HistogramRow(NamedTuple):
    """How a vcoproc's times of a kind are spread: `latency`, `wait` or `entry`; encoded as `histogram` does it."""

    domain_id: int
    number: int
    kind: str
    encoded: str


class EventRow(NamedTuple):
    """What is due when; `armed` orders the events of one instant and phase."""

    kind: str
    owner: str
    tag: str
    at_ps: int
    phase: int
    armed: int


class PluginRow(NamedTuple):
    """What a `hardware`, `platform` or `scheduler` of a coproc, or a `guest` of a vcoproc remembers, as JSON.

    For the check of isolation also: `left`, a vcoproc's context in the hardware as it left; `departed`, the same of
    one that is gone; `mirror-hardware`, `mirror-platform`, clean silicon on which an entering context is loaded, too.
    """

    kind: str
    owner: str
    state: str


class HistoryRow(NamedTuple):
    """A command that changed the machine, at `at_ps`: as it is typed, what came of it, and the deed, as JSON.

    Runs that follow each other are one, so that the history does not depend on how a run was cut.
    """

    number: int
    at_ps: int
    command: str
    outcome: str
    deed: str


@dataclass(slots=True)
class Snapshot:
    """All rows of a machine."""

    machine: MachineRow
    aliases: list[AliasRow] = field(default_factory=list)
    coprocs: list[CoprocRow] = field(default_factory=list)
    regions: list[RegionRow] = field(default_factory=list)
    lines: list[LineRow] = field(default_factory=list)
    streams: list[StreamRow] = field(default_factory=list)
    coproc_settings: list[CoprocSettingRow] = field(default_factory=list)
    denials: list[DenialRow] = field(default_factory=list)
    faults: list[FaultRow] = field(default_factory=list)
    domain_settings: list[DomainSettingRow] = field(default_factory=list)
    domains: list[DomainRow] = field(default_factory=list)
    gone: list[GoneRow] = field(default_factory=list)
    banks: list[BankRow] = field(default_factory=list)
    config: list[ConfigRow] = field(default_factory=list)
    vcoprocs: list[VcoprocRow] = field(default_factory=list)
    windows: list[WindowRow] = field(default_factory=list)
    vcoproc_settings: list[VcoprocSettingRow] = field(default_factory=list)
    workloads: list[WorkloadRow] = field(default_factory=list)
    jobs: list[JobRow] = field(default_factory=list)
    histograms: list[HistogramRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    plugins: list[PluginRow] = field(default_factory=list)
