"""What every platform must keep: the hypervisor's driver for one kind of coproc, tried at a desk."""

import json
from dataclasses import replace
from typing import NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from coprocsim.conformance.base import Broken, Check, Trial, once, over, several
from coprocsim.conformance.bench import model_of, node_of
from coprocsim.conformance.hardware import PLACES, VALUES, Place, expect_version
from coprocsim.engine import Timeline
from coprocsim.hardware.base import Write
from coprocsim.hypervisor.machine import Parts, build_coproc
from coprocsim.hypervisor.mmio import direct_offsets
from coprocsim.hypervisor.state import Board
from coprocsim.model import Sharing, VcoprocId
from coprocsim.platforms.base import Answer, Busy, Done, Entered, Left, Platform, Refused
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.units import PS_PER_MS, PS_PER_S, PS_PER_US, format_duration

A, B = VcoprocId(1, 0), VcoprocId(2, 0)
RAM = (range(0x4000_0000, 0x4400_0000),)
_ATTEMPTS_MAX = 1_000
_WORK_PS = 12_345
# A job that has just begun may be put back as if it had not: only one that has done something can deny.
_MOMENT_PS = PS_PER_US
_LONG_PS = 100 * PS_PER_MS


class Garbage(NamedTuple):
    """A write that makes sense only by chance."""

    place: Place
    value: int


class Scene(NamedTuple):
    """What domains write at three times, and whether the context that matters is on the hardware then.

    With `traps` all accesses trap, as those of a running context do that was asked to sleep.
    """

    garbage: list[Garbage]
    more: list[Garbage]
    others: list[Garbage]
    loaded: bool = True
    traps: bool = False


ONE_GARBAGE: st.SearchStrategy[Garbage] = st.builds(Garbage, PLACES, VALUES)
GARBAGE = several(ONE_GARBAGE, 30)
SCENES = st.builds(Scene, GARBAGE, GARBAGE, GARBAGE, st.booleans(), st.booleans())
ONE_WRITE = st.builds(
    Scene, st.lists(ONE_GARBAGE, min_size=1, max_size=1), st.just([]), st.just([]), traps=st.booleans()
)


class Desk:
    """Plays the hypervisor to a driver: contexts in and out, accesses, time."""

    def __init__(self, platform: type[Platform], trial: Trial, *, traps: bool = False) -> None:
        self.trial, self._traps = trial, traps
        self.board = Board(1, Timeline())
        parts = Parts(model_of(platform), platform, Unscheduled)
        self.coproc = build_coproc(self.board, node_of(platform), parts, {}, Sharing())
        self.platform, self.hardware = self.coproc.platform, self.coproc.hardware
        self.platform.probe(0)
        self.running: VcoprocId | None = None
        self.last_seen: dict[str, bytes] = {}
        """The context as it was just before the last attempt to save it."""
        for vcoproc in (A, B):
            refused = self.platform.domain_create(vcoproc, RAM)
            trial.expect(refused is None, f"`domain_create` refuses {vcoproc}, one of the first two: {refused}")

    @property
    def now_ps(self) -> int:
        """The present instant."""
        return self.board.now_ps

    def say(self, text: str) -> None:
        """Note a step, with its instant."""
        self.trial.step(f"{format_duration(self.now_ps)}: {text}")

    def wait(self, time_ps: int) -> None:
        """Let time pass."""
        if time_ps:
            self.say(f"let {format_duration(time_ps)} pass")
        self.board.timeline.now_ps += time_ps
        self.hardware.advance(self.now_ps)
        self.hardware.take_dma()

    def context(self) -> dict[str, bytes]:
        """Return what is in the hardware."""
        self.hardware.advance(self.now_ps)
        return dict(self.hardware.context())

    def load(self, vcoproc: VcoprocId) -> int:
        """Begin to load a context; return what it costs."""
        self.say(f"switch_to {vcoproc}")
        answer = self.platform.switch_to(vcoproc, self.now_ps)
        if not isinstance(answer, Entered):
            raise Broken(f"`switch_to` answers {answer}")
        return answer.cost_ps

    def enter(self, vcoproc: VcoprocId) -> int:
        """Load a context and start it; return what it cost. Hardware that shares itself is only told to start."""
        if not self.platform.scheduled:
            self.start(vcoproc)
            return 0
        cost_ps = self.load(vcoproc)
        self.wait(max(0, cost_ps))
        self.start(vcoproc)
        return cost_ps

    def start(self, vcoproc: VcoprocId) -> None:
        """Start a context that is loaded."""
        self.say(f"start {vcoproc}")
        self.platform.start(vcoproc, self.now_ps)
        self.running = vcoproc

    def leave(self, vcoproc: VcoprocId) -> int:
        """After a moment save a context, as often as it denies; return what it cost. Give up if it denies for ever."""
        self.wait(_MOMENT_PS)
        for _ in range(_ATTEMPTS_MAX):
            self.last_seen = self.context()
            self.say(f"switch_from {vcoproc}")
            answer = self.platform.switch_from(vcoproc, self.now_ps)
            if isinstance(answer, Left):
                self.running = None
                return answer.cost_ps
            if not isinstance(answer, Busy):
                raise Broken(f"`switch_from` answers {answer}")
            found = f"`switch_from` answers `Busy({answer.retry_ps})`: it asks to be asked again at once"
            self.trial.expect(answer.retry_ps > 0, found)
            assume(answer.retry_ps <= PS_PER_S)
            self.wait(max(answer.retry_ps, self.coproc.sharing.retry_floor_ps))
        raise Broken(f"`switch_from` answers `Busy` {_ATTEMPTS_MAX} times in turn, each time soon to be over")

    def write(self, vcoproc: VcoprocId, garbage: Garbage) -> list[Answer | Refused]:
        """Let a domain write: straight to the hardware if its context runs and the range is mapped, else by trap."""
        writes = garbage.place.writes(type(self.hardware), self.coproc.spec.regions, garbage.value)
        return [self._write(vcoproc, each) for each in writes]

    def _write(self, vcoproc: VcoprocId, write: Write) -> Answer | Refused:
        region, offset, size, value = write
        self.say(f"{vcoproc} writes {value:#x} to {size} bytes at {region}+{offset:#x}")
        if self._is_mapped(vcoproc, region, offset, size):
            if self.platform.scheduled:
                self.coproc.port.write(region, offset, size, value)
            else:
                self.coproc.port.write_as(self.platform.bus_id(vcoproc), region, offset, size, value)
            return Answer()
        return self.platform.write(vcoproc, region, offset, size, value)

    def read(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        """Let a domain read."""
        if self._is_mapped(vcoproc, region, offset, size):
            if self.platform.scheduled:
                return Answer(self.coproc.port.read(region, offset, size))
            return Answer(self.coproc.port.read_as(self.platform.bus_id(vcoproc), region, offset, size))
        return self.platform.read(vcoproc, region, offset, size)

    def _is_mapped(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> bool:
        return (
            vcoproc == self.running
            and not self._traps
            and any(
                name == region and first <= offset and offset + size <= stop
                for name, first, stop in direct_offsets(self.coproc)
            )
        )

    def scribble(self, vcoproc: VcoprocId, garbage: list[Garbage]) -> None:
        """Let a domain write all of that."""
        for each in garbage:
            self.write(vcoproc, each)

    def registers(self, vcoproc: VcoprocId) -> dict[str, Answer | Refused]:
        """Return the first words of each region, as a domain reads them."""
        return {
            f"{region.name}+{offset:#x}": self.read(vcoproc, region.name, offset, 4)
            for region in self.coproc.spec.regions
            for offset in range(0, min(region.size_bytes, 0x200), 4)
        }

    def expect_context(self, expected: dict[str, bytes], when: str) -> None:
        """Expect that the hardware holds what it held before."""
        now = self.context()
        differ = [name for name in expected if now.get(name) != expected[name]]
        if differ:
            name = differ[0]
            shown = now[name].hex() if name in now else "nothing"
            raise Broken(
                f"{when}, `{name}` of the hardware's context is {shown} and not {expected[name].hex()}"
                + (f"; {len(differ) - 1} others differ, too" if len(differ) > 1 else "")
            )

    def expect_registers(self, vcoproc: VcoprocId, expected: dict[str, Answer | Refused], when: str) -> None:
        """Expect that a domain reads what it read before."""
        for where, now in self.registers(vcoproc).items():
            self.trial.expect(
                now == expected[where], f"{when}, {vcoproc} reads {now} at {where}, and not {expected[where]}"
            )

    def expect_at_rest(self, when: str) -> None:
        """Expect that nothing is due in the hardware, and no line is asserted."""
        lines, next_ps = self.hardware.asserted(), self.hardware.next_ps()
        self.trial.expect(not lines, f"{when}, the hardware still asserts {lines}")
        self.trial.expect(next_ps is None, f"{when}, the hardware is still at work")


def shares_itself(platform: type[Platform]) -> str | None:
    """Return why a check that switches does not apply, or None if it does."""
    return None if platform.scheduled else "its hardware shares itself: nothing is switched"


# ---------------------------------------------------------------- the checks


def it_states_itself_and_drives_its_node(platform: type[Platform], trial: Trial) -> None:
    """`name`, `summary`, `compatible` and `hardware` say what it is; the example of its hardware fits it."""
    for stated in ("name", "summary", "compatible"):
        trial.expect(bool(getattr(platform, stated)), f"`{stated}` is empty")
    trial.expect(not isinstance(platform.compatible, str), "`compatible` is one string, not a tuple of them")
    trial.expect(model_of(platform).name == platform.hardware, "`hardware` names no model")
    why = platform.unfit(node_of(platform))
    trial.expect(why is None, f"`unfit` says of the node of `{platform.hardware}`'s example: {why}")


def a_node_without_a_range_is_refused_with_the_reason(platform: type[Platform], trial: Trial) -> None:
    """`unfit` says why a node without `reg` cannot be driven, instead of letting it pass to where it breaks."""
    why = platform.unfit(replace(node_of(platform), regions=()))
    trial.expect(bool(why), f"`unfit` answers {why!r} for a node without any range")


def what_it_maps_lies_in_its_ranges_and_its_streams_are_of_the_node(platform: type[Platform], trial: Trial) -> None:
    """`direct_ranges` are parts of the node's ranges, under their names; `iommu_streams` are indices of its streams."""
    driver, node = Desk(platform, trial).platform, node_of(platform)
    regions = {region.name: region for region in node.regions}
    for mapped in driver.direct_ranges():
        trial.expect(mapped.name in regions, f"`direct_ranges` has `{mapped.name}`, which is no range of the node")
        region, stop = regions[mapped.name], mapped.base + mapped.size_bytes
        inside = region.base <= mapped.base and stop <= region.base + region.size_bytes
        trial.expect(inside, f"`direct_ranges` has {mapped.base:#x} to {stop:#x}, which `{mapped.name}` does not hold")
    streams = driver.iommu_streams(A)
    known = range(len(node.streams))
    right = len(set(streams)) == len(streams) and set(streams) <= set(known)
    trial.expect(right, f"`iommu_streams` are {streams}, of a node with {len(known)} streams")


def a_switch_costs_no_more_than_it_states(platform: type[Platform], trial: Trial, garbage: list[Garbage]) -> None:
    """`switch_from` and `switch_to` cost at least nothing, and together at most `switch_cost_max_ps`."""
    desk = Desk(platform, trial)
    desk.scribble(A, garbage)
    entered_ps = desk.enter(A)
    left_ps = desk.leave(A)
    trial.expect(min(entered_ps, left_ps) >= 0, f"the switch costs {left_ps} ps to leave and {entered_ps} ps to enter")
    most_ps = desk.platform.switch_cost_max_ps
    found = f"the switch costs {left_ps} ps to leave and {entered_ps} ps to enter, more than the {most_ps} ps stated"
    trial.expect(entered_ps + left_ps <= most_ps, found)


def when_a_context_has_left_nothing_of_it_is_in_the_hardware(
    platform: type[Platform], trial: Trial, scene: Scene
) -> None:
    """After `Left` the hardware is what it was before any context: every register, every line; nothing is due."""
    desk = Desk(platform, trial, traps=scene.traps)
    clean = desk.context()
    desk.scribble(A, scene.garbage)
    desk.enter(A)
    desk.scribble(A, scene.more)
    desk.wait(_WORK_PS)
    desk.leave(A)
    desk.expect_context(clean, f"after {A} has left")
    desk.expect_at_rest(f"after {A} has left")


def a_context_comes_back_as_it_left_whatever_another_one_did(
    platform: type[Platform], trial: Trial, scene: Scene
) -> None:
    """What the hardware held just before a context was saved is what it holds when that is loaded again."""
    desk = Desk(platform, trial, traps=scene.traps)
    desk.scribble(A, scene.garbage)
    desk.enter(A)
    desk.leave(A)
    before = desk.last_seen
    desk.scribble(B, scene.others)
    desk.enter(B)
    desk.scribble(B, scene.more)
    desk.leave(B)
    desk.enter(A)
    desk.expect_context(before, f"when {A} is back")


def no_register_that_the_running_one_writes_is_forgotten(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """A value that the running domain writes to any register is still there after it was away."""
    desk = Desk(platform, trial, traps=scene.traps)
    desk.enter(A)
    desk.scribble(A, scene.garbage)
    desk.leave(A)
    before = desk.last_seen
    desk.enter(A)
    desk.expect_context(before, f"when {A} is back")


def after_a_denial_that_came_to_nothing_the_hardware_works_on(
    platform: type[Platform], trial: Trial, scene: Scene
) -> None:
    """After `Busy` and `resume` the context goes on: in the end the hardware has done what it does undisturbed."""
    disturbed, usual = Desk(platform, trial, traps=scene.traps), Desk(platform, Trial(), traps=scene.traps)
    for desk in (disturbed, usual):
        # All before it enters: a running domain may reach the registers by which its driver stops it and lets it go on.
        desk.scribble(A, [*scene.garbage, *scene.more])
        desk.enter(A)
        desk.wait(_MOMENT_PS)
    disturbed.say(f"switch_from {A}")
    if not isinstance(disturbed.platform.switch_from(A, disturbed.now_ps), Busy):
        return
    disturbed.say(f"resume {A}")
    disturbed.platform.resume(A, disturbed.now_ps)
    for desk in (disturbed, usual):
        desk.wait(_LONG_PS)
    ends = [(desk.hardware.asserted(), desk.hardware.next_ps() is not None) for desk in (disturbed, usual)]
    (lines, works), (usual_lines, usually_works) = ends
    found = (
        f"it then asserts {lines} and {_at_work(works)}; without `switch_from` and `resume` it asserts {usual_lines}"
    )
    trial.expect(ends[0] == ends[1], f"{found} and {_at_work(usually_works)}")


def _at_work(works: bool) -> str:
    return "is at work" if works else "is not at work"


def a_trap_of_one_that_is_away_touches_nothing_of_others(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """A trapped write of a domain whose context is away reaches neither the hardware nor another context."""
    desk = Desk(platform, trial, traps=scene.traps)
    desk.scribble(A, scene.garbage)
    desk.enter(A)
    hardware, registers, uses = desk.hardware.save(), desk.registers(A), desk.coproc.port.uses
    uses = desk.coproc.port.uses
    desk.scribble(B, scene.others)
    trial.expect(desk.coproc.port.uses == uses, f"a write of {B} uses the register port while {A} has the coproc")
    trial.expect(desk.hardware.save() == hardware, f"a write of {B} has changed the hardware while {A} has it")
    desk.expect_registers(A, registers, f"after {B} has written")


def no_access_makes_a_handler_stumble(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """`read` and `write` answer `Answer` or `Refused` for every access inside the ranges; a value fits its size."""
    desk = Desk(platform, trial, traps=scene.traps)
    if scene.loaded:
        desk.enter(A)
    for each in scene.garbage:
        for answer in desk.write(A, each):
            trial.expect(isinstance(answer, Answer | Refused), f"`write` answers {answer!r}")
        region, offset, size = each.place.find(type(desk.hardware), desk.coproc.spec.regions)
        answer = desk.platform.read(A, region, offset, size)
        trial.expect(isinstance(answer, Answer | Refused), f"`read` answers {answer!r}")
        fits = isinstance(answer, Refused) or 0 <= answer.value < 1 << 8 * size
        trial.expect(fits, f"`read` of {size} bytes at {region}+{offset:#x} answers {answer}")


def what_it_refuses_it_has_not_kept(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """After `Refused`, of a write or of another domain, it saves what it saved before; so does the hardware."""
    desk = Desk(platform, trial, traps=scene.traps)
    if scene.loaded:
        desk.enter(A)
    for each in scene.garbage:
        before = (desk.platform.save(), desk.hardware.save())
        if all(isinstance(answer, Refused) for answer in desk.write(A, each)):
            kept = (desk.platform.save(), desk.hardware.save()) != before
            trial.expect(not kept, "`write` refuses, and has changed what it or the hardware saves")


def a_domain_that_is_refused_leaves_nothing_behind(platform: type[Platform], trial: Trial) -> None:
    """`domain_create` that answers `Refused` has kept nothing; one that is destroyed makes room for another."""
    desk = Desk(platform, trial)
    for number in range(3, 200):
        before = desk.platform.save()
        trial.step(f"domain_create {VcoprocId(number, 0)}")
        if desk.platform.domain_create(VcoprocId(number, 0), RAM) is not None:
            trial.expect(desk.platform.save() == before, "`domain_create` refuses, and has changed what it saves")
            break
    new = VcoprocId(1_000, 0)
    trial.step(f"domain_destroy {A}, domain_create {new}")
    desk.platform.domain_destroy(A)
    refused = desk.platform.domain_create(new, RAM)
    trial.expect(refused is None, f"`domain_create` refuses although {A} has made room: {refused}")
    desk.expect_registers(new, Desk(platform, Trial()).registers(A), f"as a new domain in the place of {A}")


def a_reset_frees_the_hardware_and_hurts_no_other_context(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """After `reset` the hardware holds nothing, others read what they read before, and any context can enter."""
    desk = Desk(platform, trial, traps=scene.traps)
    clean, others = desk.context(), _before_reset(desk, scene)
    desk.say(f"reset {A}")
    answer = desk.platform.reset(A, desk.now_ps)
    trial.expect(isinstance(answer, Done), f"`reset` answers {answer}")
    desk.running = None
    desk.expect_context(clean, "after `reset`")
    _after_reset(desk, others, "after `reset`")


def a_reset_of_the_coproc_keeps_the_contexts_that_were_saved(
    platform: type[Platform], trial: Trial, scene: Scene
) -> None:
    """After `reset_coproc` nothing is at work, others read what they read before, and any context can enter."""
    desk = Desk(platform, trial, traps=scene.traps)
    clean, others = desk.context(), _before_reset(desk, scene)
    desk.say("reset_coproc")
    answer = desk.platform.reset_coproc(desk.now_ps)
    trial.expect(isinstance(answer, Done), f"`reset_coproc` answers {answer}")
    desk.running = None
    desk.expect_context(clean, "after `reset_coproc`")
    _after_reset(desk, others, "after `reset_coproc`")


def _before_reset(desk: Desk, scene: Scene) -> dict[str, Answer | Refused]:
    """Bring a context onto the hardware, loaded or started; return what another one reads."""
    desk.scribble(B, scene.others)
    others = desk.registers(B)
    desk.scribble(A, scene.garbage)
    if scene.loaded:
        desk.enter(A)
        desk.scribble(A, scene.more)
    else:
        desk.load(A)
    return others


def _after_reset(desk: Desk, others: dict[str, Answer | Refused], when: str) -> None:
    desk.expect_at_rest(when)
    desk.expect_registers(B, others, when)
    desk.enter(B)
    desk.leave(B)
    desk.enter(A)


def saved_and_restored_it_answers_the_same(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """A new one, restored from what it saved through JSON, reads and switches the same and saves the same."""
    desk = Desk(platform, trial, traps=scene.traps)
    desk.scribble(A, scene.garbage)
    desk.scribble(B, scene.others)
    if scene.loaded:
        desk.enter(A)
    registers = {each: desk.registers(each) for each in (A, B)}
    saved = desk.platform.save()
    expect_version(trial, saved)
    desk.say("save, and restore into a new one")
    desk.platform = platform(desk.coproc.spec, desk.coproc.port)
    desk.platform.restore(json.loads(json.dumps(saved)))
    trial.expect(desk.platform.save() == saved, "restored, it saves something else than it was restored from")
    for each, expected in registers.items():
        desk.expect_registers(each, expected, "after the rest")
    if scene.loaded:
        desk.leave(A)
        desk.enter(B)


DESK_CHECKS: tuple[Check[Platform], ...] = (
    once(it_states_itself_and_drives_its_node),
    once(a_node_without_a_range_is_refused_with_the_reason),
    once(what_it_maps_lies_in_its_ranges_and_its_streams_are_of_the_node),
    once(a_domain_that_is_refused_leaves_nothing_behind),
    over(SCENES, no_access_makes_a_handler_stumble),
    over(SCENES, what_it_refuses_it_has_not_kept),
    over(GARBAGE, a_switch_costs_no_more_than_it_states, left_out=shares_itself),
    over(SCENES, when_a_context_has_left_nothing_of_it_is_in_the_hardware, left_out=shares_itself),
    over(SCENES, a_context_comes_back_as_it_left_whatever_another_one_did, left_out=shares_itself),
    over(ONE_WRITE, no_register_that_the_running_one_writes_is_forgotten, times=5, left_out=shares_itself),
    over(SCENES, after_a_denial_that_came_to_nothing_the_hardware_works_on, left_out=shares_itself),
    over(SCENES, a_trap_of_one_that_is_away_touches_nothing_of_others, left_out=shares_itself),
    over(SCENES, a_reset_frees_the_hardware_and_hurts_no_other_context, left_out=shares_itself),
    over(SCENES, a_reset_of_the_coproc_keeps_the_contexts_that_were_saved, left_out=shares_itself),
    over(SCENES, saved_and_restored_it_answers_the_same, left_out=shares_itself),
)
"""Those that need no machine; `whole` adds the others."""
