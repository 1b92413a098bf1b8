"""Each check can fail: a part that is broken in one thing fails the check that is about it, with a scenario to read."""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

import pytest

from coprocsim.conformance import KINDS, Verdict, judge
from coprocsim.datasheets import jobunit as reg
from coprocsim.guests.base import GuestPort, GuestSite
from coprocsim.guests.periodic import Periodic
from coprocsim.hardware.generic import GenericHardware
from coprocsim.model import (
    After,
    CoprocSpec,
    Effect,
    GuestEffect,
    JobEnded,
    JobReleased,
    Json,
    RaiseIrq,
    Region,
    Setting,
    VcoprocId,
)
from coprocsim.parameters import Kind, Parameter
from coprocsim.platforms.base import Answer, Busy, Enter, Entered, Refused, Reset
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.jobunit import Context
from coprocsim.platforms.vgpu import VirtualGpuPlatform
from coprocsim.platforms.xxc import XxcPlatform
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Turn
from coprocsim.schedulers.rrobin import RoundRobin

SCENARIOS = 400


def verdict(kind: str, part: type[object], check: str) -> Verdict:
    checks = KINDS[kind].part(part, "broken").checks
    return judge(next(each for each in checks if each.name == check), SCENARIOS, shorten=False)


# ---------------------------------------------------------------- hardware


class Nameless(GenericHardware):
    summary = ""


class SelfStarter(GenericHardware):
    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        self.unit.write(reg.WORK_LO, 4, 100, 0)
        self.unit.write(reg.DOORBELL, 4, 1, 0)
        self.unit.write(reg.CONTROL, 4, reg.CONTROL_ENABLE, 0)


class Stumbler(GenericHardware):
    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        if size == 8:
            raise NotImplementedError("no such thing as 64 bits")
        super().write(region, offset, size, value, now_ps)


class NamesComeAndGo(GenericHardware):
    def context(self) -> Mapping[str, bytes]:
        return {name: value for name, value in super().context().items() if any(value) or name == "0x30"}


class OneEndAtATime(GenericHardware):
    """Ends one job in each call, however much time has passed."""

    def advance(self, now_ps: int) -> None:
        next_ps = self.next_ps()
        super().advance(now_ps if next_ps is None else min(now_ps, next_ps))


class ForgetsAField(GenericHardware):
    def restore(self, saved: Json) -> None:
        assert isinstance(saved, dict)
        super().restore({**saved, "irq_enable": 0})


# ---------------------------------------------------------------- platforms


class Silent(GenericPlatform):
    summary = ""


class DrivesAnything(GenericPlatform):
    @classmethod
    def unfit(cls, coproc: CoprocSpec) -> str | None:
        return None


class MapsTooMuch(GenericPlatform):
    def direct_ranges(self) -> tuple[Region, ...]:
        return tuple(Region(each.name, each.base, each.size_bytes + 1) for each in self.coproc.regions)


class KeepsTheRefused(GenericPlatform):
    contexts_max = 4

    def domain_create(self, vcoproc: VcoprocId, memory: tuple[range, ...]) -> Refused | None:
        refused = super().domain_create(vcoproc, memory)
        self._contexts.setdefault(vcoproc, Context())
        return refused


class TrapStumbles(GenericPlatform):
    def read_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        raise KeyError(offset)


class KeepsARefusedWrite(GenericPlatform):
    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        answer = super().write(vcoproc, region, offset, size, value)
        return Refused("too late") if offset == reg.WORK_LO else answer


class Understates(GenericPlatform):
    @property
    def switch_cost_max_ps(self) -> int:
        return self.leave_cost_ps


class ForgetsToClear(GenericPlatform):
    def _clear(self) -> None:
        self._write(reg.CONTROL, 0)
        self._loaded, self._live = None, False


class ForgetsARegister(GenericPlatform):
    def _saved_context(self) -> Context:
        context = super()._saved_context()
        context.registers.pop(reg.DMA_BYTES, None)
        return context


class ForgetsTheInterrupt(GenericPlatform):
    def _saved_context(self) -> Context:
        context = super()._saved_context()
        context.registers.pop(reg.IRQ_ENABLE, None)
        return context


class OneForAll(GenericPlatform):
    """Keeps its contexts' DMA window in one place."""

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        answer = super().write(vcoproc, region, offset, size, value)
        if offset == reg.DMA_BYTES and not self.is_live(vcoproc):
            for context in self._contexts.values():
                context.registers[offset] = value
        return answer


class DeniesAtOnceAgain(GenericPlatform):
    def stop(self, vcoproc: VcoprocId, now_ps: int) -> Busy | None:
        busy = super().stop(vcoproc, now_ps)
        return Busy(0) if busy is not None else None


class NeverResumes(GenericPlatform):
    def resume(self, vcoproc: VcoprocId, now_ps: int) -> None:
        pass


class WritesThrough(GenericPlatform):
    """Lets a trapped write reach the hardware, whoever has it."""

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        if offset == reg.IRQ_ENABLE:
            self.port.write(self._region, reg.IRQ_ENABLE, 4, value)
        return super().write(vcoproc, region, offset, size, value)


class ResetLeavesIt(GenericPlatform):
    def reset(self, vcoproc: VcoprocId, now_ps: int) -> Reset:
        return self._lost(vcoproc)


class ResetForgetsAll(GenericPlatform):
    def reset_coproc(self, now_ps: int) -> Reset:
        done = super().reset_coproc(now_ps)
        self._contexts = {vcoproc: Context() for vcoproc in self._contexts}
        return done


class ForgetsAtRest(GenericPlatform):
    def restore(self, saved: Json) -> None:
        super().restore(saved)
        for context in self._contexts.values():
            context.places.clear()


class OneNumberForAll(VirtualGpuPlatform):
    """Lets the bus take all domains for the first."""

    def bus_id(self, vcoproc: VcoprocId) -> int:
        return 0


class NoTableCheck(XxcPlatform):
    """Lets a domain write any entry into the table of the coproc's own MMU."""

    def _refused(self, vcoproc: VcoprocId, offset: int, word: int) -> Refused | None:
        return None


class TellsTheOther(GenericPlatform):
    """Sends interrupts to the wrong domain."""

    def interrupt(self, vcoproc: VcoprocId, line: str, now_ps: int) -> tuple[Effect, ...]:
        return tuple(RaiseIrq(each, line) for each in self._contexts if each != vcoproc)


class AlarmsTheOther(GenericPlatform):
    """Has a timer, by which it sends interrupts to whoever is away."""

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        return (*super().start(vcoproc, now_ps), After(10_000_000, "alarm"))

    def timer(self, tag: str, now_ps: int) -> tuple[Effect, ...]:
        return tuple(RaiseIrq(each, "0") for each in self._contexts if not self.is_live(each))


class CountsInSecret(GenericPlatform):
    """Costs more with each switch, and does not save how many there were."""

    switches = 0

    def switch_to(self, vcoproc: VcoprocId, now_ps: int) -> Enter:
        super().switch_to(vcoproc, now_ps)
        self.switches += 1
        return Entered(1_000 * self.switches)


# ---------------------------------------------------------------- schedulers


class BadDefault(RoundRobin):
    parameters = (*RoundRobin.parameters[:2], Parameter("min-run", Kind.TIME, 9, "how long", 1, 5))


class RunsTheSleeping(RoundRobin):
    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        answer = super().pick(now_ps, turn)
        return Run(VcoprocId(1, 0), 1_000) if isinstance(answer, Idle) else answer


class NeverRuns(RoundRobin):
    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        return Idle(now_ps + 1_000_000)


class Favours(RoundRobin):
    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        return Run(min(self._ring), self._slice_ps) if self._ring else Idle()


class PickMoves(RoundRobin):
    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        answer = super().pick(now_ps, turn)
        if isinstance(answer, Run):
            self._ring.move_to_end(answer.vcoproc)
        return answer


class EndsInThePast(RoundRobin):
    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        answer = super().pick(now_ps, turn)
        return Run(answer.vcoproc, until_ps=now_ps) if isinstance(answer, Run) else answer


class LiesAboutReady(RoundRobin):
    def ready(self) -> Collection[VcoprocId]:
        return list(self._ring)[1:]


class RestsBadly(RoundRobin):
    def restore(self, saved: Json) -> None:
        super().restore(saved)
        self._ring = type(self._ring).fromkeys(sorted(self._ring, reverse=True))


class NeverForgets(RoundRobin):
    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ring.pop(vcoproc, None)
        self._yielded_ps = None

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ring[vcoproc] = None


class ForgetsAWaitingOne(RoundRobin):
    """Loses whoever else waits when a turn is closed."""

    def ran(self, ran: Ran) -> None:
        super().ran(ran)
        for vcoproc in list(self._ring)[1:]:
            del self._ring[vcoproc]


class ByChance(RoundRobin):
    """Depends on what any other instance was told."""

    told: ClassVar[list[int]] = []

    def ran(self, ran: Ran) -> None:
        self.told.append(ran.now_ps)
        if len(self.told) % 3:
            super().ran(ran)


class SecretLength(RoundRobin):
    """Gives a longer turn after each turn, and does not save how many there were."""

    turns = 0

    def ran(self, ran: Ran) -> None:
        super().ran(ran)
        self.turns += 1
        self._slice_ps += 1_000_000


# ---------------------------------------------------------------- workloads


class TakesAnything(Periodic):
    def __init__(self, site: GuestSite, options: Sequence[Setting]) -> None:
        super().__init__(site, [each for each in options if each.name != "no_such_option"])


class ActsInThePast(Periodic):
    def next_ps(self) -> int | None:
        return self.site.start_ps


class SpeaksOfTheFuture(Periodic):
    def act(self, now_ps: int, port: GuestPort) -> tuple[GuestEffect, ...]:
        return (*super().act(now_ps, port), JobReleased(now_ps + 1, None))


class EndsTwice(Periodic):
    def act(self, now_ps: int, port: GuestPort) -> tuple[GuestEffect, ...]:
        effects = super().act(now_ps, port)
        return (*effects, *(each for each in effects if isinstance(each, JobEnded)))


class WorksWhilePaused(Periodic):
    def unpaused(self, now_ps: int) -> None:
        pass


class Oopses(Periodic):
    def act(self, now_ps: int, port: GuestPort) -> tuple[GuestEffect, ...]:
        effects: list[GuestEffect] = []
        self._act(now_ps, port, effects)
        return tuple(effects)


class BeginsAnew(Periodic):
    def restore(self, saved: Json) -> None:
        assert isinstance(saved, dict)
        super().restore({**saved, "submitted": []})


BROKEN = [
    ("hardware", Nameless, "it states itself", "`summary` is empty"),
    ("hardware", SelfStarter, "at power up nothing happens by itself", "`next_ps`"),
    ("hardware", Stumbler, "no access makes it stumble", "it raises NotImplementedError: no such thing as 64 bits"),
    ("hardware", NamesComeAndGo, "its context always has the same names", "names at power-up"),
    ("hardware", OneEndAtATime, "time may pass at once or step by step", "step by step"),
    ("hardware", ForgetsAField, "saved and restored it goes on the same", "restored, it saves something else"),
    ("platform", Silent, "it states itself and drives its node", "`summary` is empty"),
    ("platform", DrivesAnything, "a node without a range is refused with the reason", "`unfit` answers None"),
    ("platform", MapsTooMuch, "what it maps lies in its ranges and its streams are of the node", "does not hold"),
    ("platform", KeepsTheRefused, "a domain that is refused leaves nothing behind", "`domain_create` refuses, and has"),
    ("platform", TrapStumbles, "no access makes a handler stumble", "it raises KeyError"),
    ("platform", KeepsARefusedWrite, "what it refuses it has not kept", "`write` refuses, and has changed"),
    ("platform", Understates, "a switch costs no more than it states", "more than the 25000000 ps stated"),
    ("platform", ForgetsToClear, "when a context has left nothing of it is in the hardware", "after d1v0 has left, `"),
    ("platform", OneForAll, "a context comes back as it left whatever another one did", "when d1v0 is back, `0x48`"),
    ("platform", ForgetsARegister, "no register that the running one writes is forgotten", "when d1v0 is back, `0x48`"),
    ("platform", DeniesAtOnceAgain, "a switch costs no more than it states", "`Busy(0)`"),
    (
        "platform",
        NeverResumes,
        "after a denial that came to nothing the hardware works on",
        "without `switch_from` and `resume`",
    ),
    (
        "platform",
        NoTableCheck,
        "what its dma reaches is memory of the domain that runs",
        "while d2v0 runs, the hardware reads 64 bytes at 0x40000000",
    ),
    ("platform", WritesThrough, "a trap of one that is away touches nothing of others", "uses the register port"),
    (
        "platform",
        OneNumberForAll,
        "of hardware that shares itself each has its own part",
        "after d2v0 has written, d1v0",
    ),
    ("platform", ResetLeavesIt, "a reset frees the hardware and hurts no other context", "after `reset`, `"),
    ("platform", ResetForgetsAll, "a reset of the coproc keeps the contexts that were saved", "d2v0 reads"),
    ("platform", ForgetsAtRest, "saved and restored it answers the same", "restored, it saves something else"),
    ("platform", ForgetsTheInterrupt, "on a machine it keeps domains apart and time adds up", "leak"),
    ("platform", TellsTheOther, "on a machine it keeps domains apart and time adds up", "irq"),
    ("platform", AlarmsTheOther, "on a machine it keeps domains apart and time adds up", "because of a timer"),
    ("platform", CountsInSecret, "a run on a machine that is cut in two is the same run", "of the trace"),
    (
        "scheduler",
        BadDefault,
        "it states itself and its parameters",
        "it raises BadValue: `min-run` = 9ps is out of range",
    ),
    ("scheduler", RunsTheSleeping, "with nobody ready it idles", "`pick` answers d1v0, which is asleep or unknown"),
    ("scheduler", NeverRuns, "alone and ready one runs sooner or later", "it has not run"),
    ("scheduler", Favours, "every one that waits gets its turn", "decisions in turn let others run"),
    ("scheduler", PickMoves, "to be asked changes nothing and the answer makes sense", "`pick`"),
    ("scheduler", EndsInThePast, "to be asked changes nothing and the answer makes sense", "and it is 0 ps already"),
    ("scheduler", LiesAboutReady, "to be asked changes nothing and the answer makes sense", "`ready` says nobody"),
    ("scheduler", RestsBadly, "saved and restored it answers the same", "restored, it saves"),
    ("scheduler", NeverForgets, "who is forgotten is not picked and comes back as a stranger", ""),
    ("scheduler", ForgetsAWaitingOne, "on a machine nobody is forgotten and time adds up", "known"),
    ("scheduler", ByChance, "saved and restored it answers the same", ""),
    ("scheduler", SecretLength, "a machine that is cut in two is shared the same", ""),
    ("workload", TakesAnything, "it states itself and reads its examples", "an option that it cannot know"),
    ("workload", ActsInThePast, "it never acts in the past and its jobs add up", "`next_ps` is 0"),
    ("workload", SpeaksOfTheFuture, "it never acts in the past and its jobs add up", "which is yet to come"),
    ("workload", EndsTwice, "it never acts in the past and its jobs add up", "no job of that release is there"),
    ("workload", WorksWhilePaused, "it never acts in the past and its jobs add up", "while its domain was paused"),
    ("workload", Oopses, "a refused access does not make it stumble", "`act` lets a DataAbort pass"),
    ("workload", BeginsAnew, "saved and restored it goes on the same", "restored, it saves something else"),
]


@pytest.mark.parametrize(("kind", "part", "check", "found"), BROKEN, ids=[each[1].__name__ for each in BROKEN])
def test_a_broken_part_fails_the_check_that_is_about_it(kind: str, part: type[object], check: str, found: str):
    judged = verdict(kind, part, check)
    assert judged.outcome == "failed"
    assert judged.found is not None
    assert found in judged.found


def test_every_check_has_a_part_that_fails_it():
    known = {(kind, check.name) for kind, each in KINDS.items() for check in each.part(_any(kind), "any").checks}
    assert {(kind, check) for kind, _, check, _ in BROKEN} == known


def _any(kind: str) -> type[object]:
    return next(iter(KINDS[kind].names().values()))
