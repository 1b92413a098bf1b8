"""Machines for tests: a board with coprocs and domains on it, in a line or two, without device trees and configs."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from coprocsim.engine import Timeline
from coprocsim.errors import NodePlace
from coprocsim.hardware import MODELS
from coprocsim.hardware.base import Hardware
from coprocsim.hypervisor import domains, lifecycle, rest
from coprocsim.hypervisor.machine import Hypervisor, Parts, build_coproc
from coprocsim.hypervisor.state import Board, Coproc, Domain, Phase, Vcoproc
from coprocsim.model import (
    CoprocSpec,
    Line,
    Region,
    Setting,
    Sharing,
    Stream,
    VcoprocId,
    VcoprocState,
)
from coprocsim.parameters import Scope, Value
from coprocsim.platforms.base import Done, Enter, Failed, Leave, Platform, Reset
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.snapshot import CoprocRow, MachineRow, Snapshot
from tests.scripted import ScriptedPlatform

US = 10**6
MS = 10**9
S = 10**12

BASE = 0x8000_0000
PAGE_BYTES = 0x1000
USUAL = Sharing()
BLANK = MachineRow(0, 0, 0, 0, "a model", "a.dtb", b"\xd0\x0d\xfe\xed", 0, True)
"""What a machine of tests is stored with that has no tree of its own."""

Row: TypeAlias = tuple[Any, ...]
"""A row of the trace: instant, coproc, what, and more that depends on what."""

ON_HARDWARE = {VcoprocState.RUNNING, VcoprocState.ASKED_TO_SLEEP}


def spec(
    coproc_id: str = "gpu0",
    *,
    hz: int = 10**9,
    regions: int = 1,
    lines: int = 1,
    streams: int = 1,
    compatible: tuple[str, ...] = ("coprocsim,generic",),
) -> CoprocSpec:
    """Return a coproc's specification; its ranges are pages from an address of its own."""
    base = BASE + sum(coproc_id.encode()) * 0x10_0000
    return CoprocSpec(
        coproc_id,
        f"/{coproc_id}",
        compatible,
        tuple(Region(f"r{n}", base + n * PAGE_BYTES, PAGE_BYTES) for n in range(regions)),
        tuple(Line(f"irq{n}", f"GIC {32 + n}", 32 + n) for n in range(lines)),
        tuple(Stream("/smmu", (sum(coproc_id.encode()), n)) for n in range(streams)),
        hz,
        "clock-frequency",
        NodePlace(f"/{coproc_id}"),
    )


def described_for(platform: type[Platform], coproc_id: str = "coproc", hz: int = 10**9) -> CoprocSpec:
    """Return a node as the platform expects it, with an identifier and addresses of its own."""
    usual, example = spec(coproc_id, hz=hz), hardware_of(platform).example()
    shift = usual.regions[0].base - example.regions[0].base
    return replace(
        usual,
        compatible=platform.compatible[:1],
        regions=tuple(replace(region, base=region.base + shift) for region in example.regions),
        lines=example.lines,
        streams=tuple(Stream("/smmu", (sum(coproc_id.encode()), n)) for n in range(len(example.streams))),
    )


class Driver(ScriptedPlatform):
    """The scripted platform whose hooks can also fail: `broken` names those that do."""

    def __init__(self, coproc: CoprocSpec, port) -> None:
        super().__init__(coproc, port)
        self.broken: set[str] = set()

    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        return Failed("it hangs") if "switch_from" in self.broken else super().switch_from(vcoproc, now_ps)

    def switch_to(self, vcoproc: VcoprocId, now_ps: int) -> Enter:
        return Failed("it does not load") if "switch_to" in self.broken else super().switch_to(vcoproc, now_ps)

    def reset(self, vcoproc: VcoprocId, now_ps: int) -> Reset:
        return Failed("it is dead") if "reset" in self.broken else Done(self.reset_cost_ps)

    def reset_coproc(self, now_ps: int) -> Reset:
        return Failed("all of it") if "reset_coproc" in self.broken else Done(self.reset_cost_ps)

    reset_cost_ps = 0


def driver_of(vcoproc: Vcoproc) -> Driver:
    """Return the driver of a vcoproc's coproc, to break it."""
    platform = vcoproc.coproc.platform
    assert isinstance(platform, Driver)
    return platform


def hardware_of(platform: type[Platform]) -> type[Hardware]:
    """Return the model that a platform names, one of those that only tests have included."""
    found: dict[str, type[Hardware]] = dict(MODELS)
    known = Hardware.__subclasses__()
    while known:
        model = known.pop()
        known += model.__subclasses__()
        found.setdefault(model.name, model)
    return found[platform.hardware]


def driver(leave_ps: int = 0, enter_ps: int = 0, invalidate_ps: int = 0, reset_ps: int = 0) -> type[Driver]:
    """Return a driver whose hooks cost so much."""

    class Made(Driver):
        leave_cost_ps = leave_ps
        enter_cost_ps = enter_ps
        iommu_invalidate_ps = invalidate_ps
        reset_cost_ps = reset_ps

    return Made


def settings_of(text: str) -> tuple[Setting, ...]:
    """Return `kind=backlog,work=1ms` as settings."""
    pairs = (each.partition("=") for each in text.split(",") if each)
    return tuple(Setting(name, value) for name, _, value in pairs)


class Machine:
    """A machine under test: what is done to it, and what it shows."""

    def __init__(self, seed: int = 1) -> None:
        self.board = Board(seed, Timeline())
        self.hypervisor = Hypervisor(self.board)

    # ------------------------------------------------------------ building

    def coproc(
        self,
        coproc_id: str = "gpu0",
        platform: type[Platform] = GenericPlatform,
        algorithm: type[Scheduler] = RoundRobin,
        *,
        settings: Mapping[str, Value] | None = None,
        sharing: Sharing = USUAL,
        described: CoprocSpec | None = None,
        model: type[Hardware] | None = None,
    ) -> Coproc:
        """Add a coproc; `settings` adds to the algorithm's defaults, `model` replaces the platform's own."""
        parts = Parts(model or hardware_of(platform), platform, algorithm)
        values = {**algorithm.defaults(Scope.COPROC), **(settings or {})}
        coproc = build_coproc(self.board, described or spec(coproc_id), parts, values, sharing)
        coproc.platform.probe(self.board.now_ps)
        return coproc

    def domain(self, name: str, *wanted: str, memory_mib: int = 64, vcpus: int = 1, paused: bool = False) -> Domain:
        """Create a domain with vcoprocs of the coprocs `wanted`, each with a workload or none: `gpu0 kind=idle`."""
        plans = []
        for each in wanted:
            coproc_id, _, workload = each.partition(" ")
            coproc = self.board.coprocs[coproc_id]
            values = coproc.scheduler.defaults(Scope.VCOPROC)
            plans.append(domains.VcoprocPlan(coproc_id, coproc.spec.regions, values, settings_of(workload)))
        plan = domains.DomainPlan(name, memory_mib, memory_mib, vcpus, tuple(plans))
        return domains.create(self.board, plan, paused=paused)

    def vcoproc(self, name: str, wanted: str = "gpu0") -> Vcoproc:
        """Create a domain with one vcoproc."""
        return self.domain(name, wanted).vcoprocs[0]

    # ------------------------------------------------------------ doing

    def run(self, until_ps: int) -> None:
        """Let time pass."""
        self.hypervisor.run_until(until_ps)

    def at(self, at_ps: int) -> None:
        """Go to an instant at which something is about to be done: before the timers of that instant."""
        if at_ps > self.board.now_ps:
            self.run(at_ps - 1)
            self.board.timeline.now_ps = at_ps

    def wake(self, *vcoprocs: Vcoproc) -> None:
        """Wake vcoprocs in this order, then let follow what follows at once."""
        for vcoproc in vcoprocs:
            lifecycle.wake(self.board, vcoproc)
        self.hypervisor.settle()

    def sleep(self, *vcoprocs: Vcoproc) -> None:
        """Send vcoprocs to sleep in this order, then let follow what follows at once."""
        for vcoproc in vcoprocs:
            lifecycle.sleep(self.board, vcoproc)
        self.hypervisor.settle()

    def rest(self) -> None:
        """Put the machine to rest and wake it again: all is anew but the trace, which goes on."""
        parts = {
            coproc_id: Parts(type(coproc.hardware), type(coproc.platform), type(coproc.scheduler))
            for coproc_id, coproc in self.board.coprocs.items()
        }

        def parts_of(row: CoprocRow) -> Parts:
            return parts[row.coproc_id]

        trace = self.board.trace
        self.board = rest.from_rows(self.stored(), parts_of)
        self.board.trace = trace
        self.hypervisor = Hypervisor(self.board)

    def do(self, what: str, vcoproc: Vcoproc) -> None:
        """Do what a random scenario says, at the present instant; nothing follows yet."""
        board, domain = self.board, vcoproc.domain
        gone = domain.domain_id not in board.domains
        match what:
            case _ if gone:
                pass
            case "wake":
                lifecycle.wake(board, vcoproc)
            case "sleep":
                lifecycle.sleep(board, vcoproc)
            case "yield":
                lifecycle.yield_(board, vcoproc)
            case "destroy":
                domains.destroy(board, domain)
            case "pause" if not domain.paused and not domain.dying:
                domains.pause(board, domain)
            case "unpause" if domain.paused and not domain.dying:
                domains.unpause(board, domain)

    # ------------------------------------------------------------ looking

    def stored(self) -> Snapshot:
        """Return what would be stored of it, sharing nothing with the machine."""
        return copy.deepcopy(rest.to_rows(self.board, BLANK))

    def rows(self, *whats: str) -> list[Row]:
        """Return the trace, or only rows of these kinds."""
        return [row for row in self.board.trace if not whats or row[2] in whats]

    def story(self, *whats: str) -> list[str]:
        """Return the trace in short, instants in µs: `12 switch_from d1v0 busy 5000000`."""
        return [" ".join((f"{row[0] / US:g}", *map(str, row[2:]))) for row in self.rows(*whats)]

    def running(self, coproc_id: str = "gpu0") -> VcoprocId | None:
        """Return who is RUNNING."""
        current = self.board.coprocs[coproc_id].current
        return current.vcoproc_id if current is not None and current.state is VcoprocState.RUNNING else None

    def check(self) -> None:
        """Assert what must hold at every instant, whatever happened."""
        board = self.board
        for coproc in board.coprocs.values():
            if not coproc.platform.scheduled:
                continue  # all of its vcoprocs run
            on_hardware = [each for each in coproc.vcoprocs.values() if each.state in ON_HARDWARE]
            assert on_hardware in ([], [coproc.current])
            holders = {board.attached.get(str(stream)) for stream in coproc.spec.streams} - {None}
            assert holders <= ({coproc.current.vcoproc_id} if coproc.current else set())
            if coproc.phase is Phase.SETTLED and coproc.current is None:
                assert VcoprocState.WAITING not in {each.state for each in coproc.vcoprocs.values()}
            if coproc.phase is Phase.FAILED:
                assert {each.state for each in coproc.vcoprocs.values()} <= {VcoprocState.SLEEPING}

    def check_time(self) -> None:
        """Assert that the time of each coproc adds up to what has elapsed."""
        self.book()
        for coproc in self.board.coprocs.values():
            spent = coproc.counters
            assert spent.run_ps + spent.switch_ps + spent.idle_ps + spent.failed_ps == self.board.now_ps

    def book(self) -> None:
        """Bring the counters of all coprocs up to now."""
        for coproc in self.board.coprocs.values():
            lifecycle.use(self.board, coproc, coproc.use)


def scripted(
    *vcoprocs: str, platform: type[Platform] = ScriptedPlatform, sharing: Sharing = USUAL, **settings: Value
) -> tuple[Machine, list[Vcoproc]]:
    """Return a machine whose only coproc is scripted, and a vcoproc of it per name; `min_run` is `min-run`."""
    machine = Machine()
    values = {name.replace("_", "-"): value for name, value in settings.items()}
    machine.coproc("gpu0", platform, settings=values, sharing=sharing)
    return machine, [machine.vcoproc(name) for name in vcoprocs]


def deny(vcoproc: Vcoproc, *retries_ps: int) -> None:
    """Let the next attempts to take `vcoproc` off be denied, each for so long."""
    platform = vcoproc.coproc.platform
    assert isinstance(platform, ScriptedPlatform)
    platform.script[vcoproc.vcoproc_id] = list(retries_ps)


def turns(rows: Iterable[Row], until_ps: int) -> dict[str, int]:
    """Return how long each vcoproc was RUNNING or ASKED_TO_SLEEP, from the trace alone."""
    total: dict[str, int] = {}
    since: dict[str, int] = {}
    for at_ps, _, what, *more in rows:
        if what != "state":
            continue
        who, old, new = (str(each) for each in more)
        if old in ON_HARDWARE and new not in ON_HARDWARE:
            total[who] = total.get(who, 0) + at_ps - since.pop(who)
        elif old not in ON_HARDWARE and new in ON_HARDWARE:
            since[who] = at_ps
    for who, at_ps in since.items():
        total[who] = total.get(who, 0) + until_ps - at_ps
    return total


def state(vcoproc: Vcoproc) -> str:
    """Return a vcoproc's state by name."""
    return vcoproc.state.value
