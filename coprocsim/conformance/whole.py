"""Whole machines with somebody's platform or scheduler in them: what must hold whatever happens."""

from typing import NamedTuple

from hypothesis import strategies as st

from coprocsim.conformance.base import CUTS, Check, Trial, cut_before, over, several
from coprocsim.conformance.bench import Bench, expect_same_run, model_of
from coprocsim.conformance.desk import ONE_GARBAGE, Garbage
from coprocsim.conformance.scheduler import settings_of
from coprocsim.conformance.workload import options_of
from coprocsim.guests import WORKLOADS
from coprocsim.hypervisor import faults, mmio
from coprocsim.hypervisor.machine import Parts
from coprocsim.hypervisor.state import Fault, Vcoproc
from coprocsim.model import FaultKind, Setting
from coprocsim.parameters import Scope
from coprocsim.platforms.base import Platform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.jobunit import JobUnitPlatform
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.units import PS_PER_MS, PS_PER_US

_DOMAINS = 3
_DENIED_PS = 300 * PS_PER_US
_AFTERWARDS_PS = 20 * PS_PER_MS

# What comes from outside at any time; a fault strikes when it is next tried.
_COMMANDS = ("wake", "wake", "sleep", "yield", "pause", "unpause", "destroy")
_FAULTS = {
    "deny": FaultKind.DENY,
    "hang": FaultKind.HANG,
    "fail-leave": FaultKind.FAIL_LEAVE,
    "fail-enter": FaultKind.FAIL_ENTER,
    "fail-reset": FaultKind.FAIL_RESET,
}
# Jobs of every length, so that the coproc is now idle, now in demand; two of them cannot be cut everywhere.
_WORKLOADS = (
    "kind=periodic,period=1700us,jitter=300us,work=exp:400us,uncuttable=all",
    "kind=poisson,rate=900,work=uniform:100us-900us,deadline=2ms,on_miss=abandon",
    "kind=backlog,work=700us,uncuttable=200us",
)
# What every driver of a job unit in a guest takes, whatever its coproc is.
_JOBS = ("kind=poisson,rate=900,work=uniform:100us-900us,deadline=2ms,on_miss=abandon", "kind=backlog,work=700us")


class Event(NamedTuple):
    """Something that happens `gap_us` after the last: a command, a fault, or an access (`read`, `write`)."""

    gap_us: int
    what: str
    domain: int
    garbage: Garbage


class Scene(NamedTuple):
    """What happens on a machine, when it is put to rest, and which choices an algorithm has."""

    events: list[Event]
    cut: int
    choices: int = 0


def _events(whats: tuple[str, ...]) -> st.SearchStrategy[list[Event]]:
    gaps_us = st.sampled_from([0, 1, 10, 50, 100, 300, 1_000, 2_000, 5_000])
    domains = st.integers(0, _DOMAINS - 1)
    return several(st.builds(Event, gaps_us, st.sampled_from(whats), domains, ONE_GARBAGE), 25)


_OF_PLATFORMS = _events(("write", "write", "write", "write", "read", *_COMMANDS, *_FAULTS))
_OF_SCHEDULERS = _events((*_COMMANDS, *_FAULTS))
PLATFORM_SCENES = st.builds(Scene, _OF_PLATFORMS, CUTS)
SCHEDULER_SCENES = st.builds(Scene, _OF_SCHEDULERS, CUTS, st.integers(0, 63))


def play(bench: Bench, scene: Scene, *, cut: bool = False) -> None:
    """Let all of a scene happen, looking after each event."""
    before = cut_before(scene.cut, len(scene.events))
    for number, event in enumerate(scene.events):
        if cut and number == before:
            bench.cut()
        bench.run(event.gap_us * PS_PER_US)
        vcoproc = bench.vcoproc(event.domain)
        if vcoproc is not None:
            _happen(bench, event, vcoproc)
        bench.look()
    if cut and before == len(scene.events):
        bench.cut()
    bench.run(_AFTERWARDS_PS)
    bench.look()
    bench.add_up()


def _happen(bench: Bench, event: Event, vcoproc: Vcoproc) -> None:
    if event.what in _FAULTS:
        if not bench.coproc.platform.scheduled:
            # All of them are about switches, which there are none of.
            return
        bench.say(f"let it {event.what} when it is next tried")
        faults.inject(bench.board, bench.coproc, Fault(_FAULTS[event.what], None, 1, _DENIED_PS))
        bench.hypervisor.settle()
    elif event.what in {"read", "write"}:
        _access(bench, event, vcoproc)
    else:
        bench.do(event.what, vcoproc)


def _access(bench: Bench, event: Event, vcoproc: Vcoproc) -> None:
    model, regions, place = bench.parts.hardware, bench.coproc.spec.regions, event.garbage.place
    if event.what == "read":
        _touch(bench, vcoproc, *place.find(model, regions), None)
    else:
        for write in place.writes(model, regions, event.garbage.value):
            _touch(bench, vcoproc, *write)


def _touch(bench: Bench, vcoproc: Vcoproc, region: str, offset: int, size: int, value: int | None) -> None:
    base = next(window.base for window in vcoproc.windows if window.name == region)
    outcome = mmio.access(bench.board, vcoproc.domain, base + offset, size, value)
    what = "reads" if value is None else f"writes {value:#x} to"
    bench.say(f"{vcoproc.who} {what} {size} bytes at {region}+{offset:#x}: {outcome.route.value}")
    bench.hypervisor.settle()


# ---------------------------------------------------------------- platforms


def _machine_for(platform: type[Platform], trial: Trial) -> Bench:
    """Return a machine whose domains write nonsense; some have work, too, if there is a workload for the coproc."""
    if platform.scheduled:
        settings = {**RoundRobin.defaults(Scope.COPROC), "slice": 2 * PS_PER_MS}
        bench = Bench(trial, Parts(model_of(platform), platform, RoundRobin), settings)
    else:
        bench = Bench(trial, Parts(model_of(platform), platform, Unscheduled), {})
    work = _work_for(platform)
    for number in range(_DOMAINS):
        bench.domain(f"guest{number}", work[number % len(work)])
    return bench


def _work_for(platform: type[Platform]) -> list[tuple[Setting, ...]]:
    """Return workloads whose guests can drive such a coproc, and none for the first domain."""
    if issubclass(platform, JobUnitPlatform):
        return [(), *(_options(each) for each in _JOBS)]
    others = [each for each in WORKLOADS.values() if each.example_platform == platform.name]
    return [(), *(options_of(each, example) for each in others for example in each.examples)]


def on_a_machine_it_keeps_domains_apart_and_time_adds_up(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """Three domains, random accesses, wakes, sleeps, pauses, denials, resets: no rule of isolation is broken, and the
    coproc's run, switch, idle and failed time is what has elapsed."""
    play(_machine_for(platform, trial), scene)


def a_run_on_a_machine_that_is_cut_in_two_is_the_same_run(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """A machine that is saved and loaded at any instant goes on as if it had not been: the trace is the same."""
    uncut, rested = _machine_for(platform, Trial()), _machine_for(platform, trial)
    play(rested, scene, cut=True)
    play(uncut, scene)
    expect_same_run(rested, uncut)


# ---------------------------------------------------------------- schedulers


def _machine_of(algorithm: type[Scheduler], trial: Trial, scene: Scene) -> Bench:
    """Return a machine of our own with working domains, shared by somebody's algorithm."""
    parts = Parts(model_of(GenericPlatform), GenericPlatform, algorithm)
    bench = Bench(trial, parts, settings_of(algorithm, scene.choices))
    for number, workload in enumerate(_WORKLOADS[: algorithm.vcoprocs_max]):
        bench.domain(f"guest{number}", _options(workload))
    return bench


def _options(workload: str) -> tuple[Setting, ...]:
    pairs = (each.split("=") for each in workload.split(","))
    return tuple(Setting(name, value) for name, value in pairs)


def on_a_machine_nobody_is_forgotten_and_time_adds_up(algorithm: type[Scheduler], trial: Trial, scene: Scene) -> None:
    """Domains with jobs, wakes, sleeps, yields, pauses, denials, resets: who waits is known to the algorithm, no
    rule of isolation is broken, and the coproc's run, switch, idle and failed time is what has elapsed."""
    play(_machine_of(algorithm, trial, scene), scene)


def a_machine_that_is_cut_in_two_is_shared_the_same(algorithm: type[Scheduler], trial: Trial, scene: Scene) -> None:
    """A machine that is saved and loaded at any instant goes on as if it had not been: the trace is the same."""
    uncut, rested = _machine_of(algorithm, Trial(), scene), _machine_of(algorithm, trial, scene)
    play(rested, scene, cut=True)
    play(uncut, scene)
    expect_same_run(rested, uncut)


PLATFORM_CHECKS: tuple[Check[Platform], ...] = (
    over(PLATFORM_SCENES, on_a_machine_it_keeps_domains_apart_and_time_adds_up),
    over(PLATFORM_SCENES, a_run_on_a_machine_that_is_cut_in_two_is_the_same_run),
)
SCHEDULER_CHECKS: tuple[Check[Scheduler], ...] = (
    over(SCHEDULER_SCENES, on_a_machine_nobody_is_forgotten_and_time_adds_up),
    over(SCHEDULER_SCENES, a_machine_that_is_cut_in_two_is_shared_the_same),
)
