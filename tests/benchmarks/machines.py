"""The machines that the benchmark lets run."""

import time

from coprocsim.engine import Timeline
from coprocsim.errors import NodePlace
from coprocsim.hardware.reference import ReferenceHardware
from coprocsim.hypervisor import domains, lifecycle
from coprocsim.hypervisor.machine import Hypervisor, Parts, build_coproc
from coprocsim.hypervisor.state import Board, Domain
from coprocsim.model import CoprocSpec, Line, Region, Setting, Sharing
from coprocsim.parameters import Value
from coprocsim.platforms.reference import ReferencePlatform
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.units import PS_PER_MS, PS_PER_S
from tests.scripted import ScriptedHardware, ScriptedPlatform
from tests.theory.stage import backlog, play, reserved

SPEC = CoprocSpec(
    "c0",
    "/c0",
    (),
    (Region("0", 0x1000_0000, 4096),),
    (Line("0", "GIC 32", 32),),
    (),
    10**9,
    "coproc-clock-hz",
    NodePlace("/c0"),
)


def _machine(parts: Parts, slice_ps: int, checks: bool) -> Hypervisor:
    board = Board(seed=1, timeline=Timeline(), checks=checks)
    settings: dict[str, Value] = {"slice": slice_ps, "wake": "tail", "min-run": 0}
    coproc = build_coproc(board, SPEC, parts, settings, Sharing())
    coproc.platform.probe(0)
    return Hypervisor(board)


def add_domain(machine: Hypervisor, name: str, *workload: tuple[str, str]) -> Domain:
    """Add a domain with a vcoproc of the coproc, and work for it."""
    options = tuple(Setting(*option) for option in workload)
    plan = domains.VcoprocPlan("c0", SPEC.regions, {}, options)
    return domains.create(machine.board, domains.DomainPlan(name, 64, 64, 1, (plan,)))


def switching_machine(sleepers: int = 0, checks: bool = False) -> float:
    """Return context switches per second between two vcoprocs that always have work, beside `sleepers` that do not."""
    machine = _machine(Parts(ScriptedHardware, ScriptedPlatform, RoundRobin), PS_PER_MS, checks)
    for number in range(2 + sleepers):
        domain = add_domain(machine, f"guest{number}")
        if number < 2:
            lifecycle.wake(machine.board, domain.vcoprocs[0])
    count = 50_000
    began = time.perf_counter()
    machine.run_until(count * PS_PER_MS)
    elapsed_s = time.perf_counter() - began
    return machine.board.coprocs["c0"].counters.switches / elapsed_s


def jobs_machine(checks: bool = False) -> float:
    """Return jobs per second of three guests with a job of 0.3 ms every ms, each with its switch and interrupt."""
    machine = _machine(Parts(ReferenceHardware, ReferencePlatform, RoundRobin), 10 * PS_PER_MS, checks)
    for number in range(3):
        add_domain(
            machine, f"guest{number}", ("kind", "periodic"), ("period", "1ms"), ("work", "0.3ms"), ("reaction", "0us")
        )
    return _jobs_per_s(machine, 3 * PS_PER_S)


def crowded_machine(algorithm: type[Scheduler], vcoprocs: int) -> float:
    """Return jobs per second of so many vcoprocs that always have one of 1 ms, each with two or more decisions."""
    task = backlog(1, ",deadline=50ms")
    if any(parameter.name == "budget" for parameter in algorithm.parameters):
        task = reserved(task, 1, vcoprocs)
    machine = play(algorithm, [task] * vcoprocs, 10, streams=0, checks=False).machine
    return _jobs_per_s(machine.hypervisor, 800 * PS_PER_MS)


def _jobs_per_s(machine: Hypervisor, until_ps: int) -> float:
    began = time.perf_counter()
    machine.run_until(until_ps)
    elapsed_s = time.perf_counter() - began
    return sum(vcoproc.counters.ended for vcoproc in machine.board.vcoprocs.values()) / elapsed_s
