"""What every platform must keep: the hypervisor's driver for one kind of coproc, tried at a desk."""

from dataclasses import replace

from coprocsim.conformance.base import Check, Trial, once, over
from coprocsim.conformance.bench import model_of, node_of
from coprocsim.conformance.desk import GARBAGE, MEMORY, MOMENT_PS, ONE_WRITE, SCENES, A, B, Desk, Garbage, Scene
from coprocsim.model import VcoprocId
from coprocsim.platforms.base import Answer, Busy, Done, Platform, Refused
from coprocsim.units import PS_PER_MS

_WORK_PS = 12_345
_LONG_PS = 100 * PS_PER_MS


def shares_itself(platform: type[Platform]) -> str | None:
    """Return why a check that switches does not apply, or None if it does."""
    return None if platform.scheduled else "its hardware shares itself: nothing is switched"


def takes_turns(platform: type[Platform]) -> str | None:
    """Return why a check of hardware that shares itself does not apply, or None if it does."""
    return "its contexts take turns on the hardware" if platform.scheduled else None


def does_not_contain_dma(platform: type[Platform]) -> str | None:
    """Return why the check of what DMA reaches does not apply, or None if it does."""
    if not platform.own_mmu:
        return "it has no MMU of its own"
    return shares_itself(platform)


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


def what_its_dma_reaches_is_memory_of_the_domain_that_runs(
    platform: type[Platform], trial: Trial, scene: Scene
) -> None:
    """Through the coproc's own MMU a context reaches its domain's memory only, whatever the domain writes, and when."""
    desk = Desk(platform, trial, traps=scene.traps)
    for vcoproc in (A, B):
        desk.scribble(vcoproc, scene.garbage)
        desk.enter(vcoproc)
        desk.scribble(vcoproc, scene.more)
        desk.wait(_WORK_PS)
        desk.leave(vcoproc)
    for runs, access in desk.dma:
        if access.stream < len(desk.coproc.spec.streams):
            # That goes through an IOMMU, which contains it.
            continue
        banks = [bank for each in runs for bank in MEMORY[each]]
        inside = any(each.start <= access.address and access.address + access.size_bytes <= each.stop for each in banks)
        does = f"{'writes' if access.write else 'reads'} {access.size_bytes} bytes at {access.address:#x}"
        who = runs[0] if runs else "nobody"
        trial.expect(inside, f"while {who} runs, the hardware {does}, which is not its domain's memory")


def after_a_denial_that_came_to_nothing_the_hardware_works_on(
    platform: type[Platform], trial: Trial, scene: Scene
) -> None:
    """After `Busy` and `resume` the context goes on: in the end the hardware has done what it does undisturbed."""
    disturbed, usual = Desk(platform, trial, traps=scene.traps), Desk(platform, Trial(), traps=scene.traps)
    for desk in (disturbed, usual):
        # All before it enters: a running domain may reach the registers by which its driver stops it and lets it go on.
        desk.scribble(A, [*scene.garbage, *scene.more])
        desk.enter(A)
        desk.wait(MOMENT_PS)
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
    """A trapped write of a domain whose context is away reaches neither the hardware nor another context. To hardware
    that shares itself it may lead, but not to what another domain has there."""
    desk = Desk(platform, trial, traps=scene.traps)
    desk.scribble(A, scene.garbage)
    desk.enter(A)
    hardware, registers = desk.hardware.save(), desk.registers(A)
    uses = desk.coproc.port.uses
    desk.scribble(B, scene.others)
    if platform.scheduled:
        trial.expect(desk.coproc.port.uses == uses, f"a write of {B} uses the register port while {A} has the coproc")
        trial.expect(desk.hardware.save() == hardware, f"a write of {B} has changed the hardware while {A} has it")
    desk.expect_registers(A, registers, f"after {B} has written")


def of_hardware_that_shares_itself_each_has_its_own_part(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """What a domain writes to its part of the hardware, mapped or trapped, another one with a part does not read."""
    desk = Desk(platform, trial, traps=scene.traps)
    for vcoproc in (A, B):
        desk.enter(vcoproc)
    desk.scribble(A, scene.garbage)
    registers = desk.registers(A)
    desk.scribble(B, scene.others)
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
        if desk.platform.domain_create(VcoprocId(number, 0), MEMORY[A]) is not None:
            trial.expect(desk.platform.save() == before, "`domain_create` refuses, and has changed what it saves")
            break
    new = VcoprocId(1_000, 0)
    trial.step(f"domain_destroy {A}, domain_create {new}")
    desk.platform.domain_destroy(A)
    refused = desk.platform.domain_create(new, MEMORY[A])
    trial.expect(refused is None, f"`domain_create` refuses although {A} has made room: {refused}")
    desk.expect_registers(new, Desk(platform, Trial()).registers(A), f"as a new domain in the place of {A}")


def a_reset_frees_the_hardware_and_hurts_no_other_context(platform: type[Platform], trial: Trial, scene: Scene) -> None:
    """After `reset` the hardware holds nothing, others read what they read before, and any context can enter."""
    desk = Desk(platform, trial, traps=scene.traps)
    clean, others = desk.context(), _before_reset(desk, scene)
    desk.say(f"reset {A}")
    answer = desk.platform.reset(A, desk.now_ps)
    trial.expect(isinstance(answer, Done), f"`reset` answers {answer}")
    desk.running = ()
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
    desk.running = ()
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
    rested, usual = Desk(platform, trial, traps=scene.traps), Desk(platform, Trial(), traps=scene.traps)
    for desk in (rested, usual):
        desk.scribble(A, scene.garbage)
        desk.scribble(B, scene.others)
        if scene.loaded:
            desk.enter(A)
    rested.rest()
    for each in (A, B):
        rested.expect_registers(each, usual.registers(each), "after the rest")
    for desk in (rested, usual):
        if scene.loaded and platform.scheduled:
            desk.leave(A)
        desk.enter(B)
    rested.expect_context(usual.context(), f"when {B} has entered after the rest")


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
    over(SCENES, what_its_dma_reaches_is_memory_of_the_domain_that_runs, left_out=does_not_contain_dma),
    over(SCENES, after_a_denial_that_came_to_nothing_the_hardware_works_on, left_out=shares_itself),
    over(SCENES, a_trap_of_one_that_is_away_touches_nothing_of_others),
    over(SCENES, of_hardware_that_shares_itself_each_has_its_own_part, left_out=takes_turns),
    over(SCENES, a_reset_frees_the_hardware_and_hurts_no_other_context, left_out=shares_itself),
    over(SCENES, a_reset_of_the_coproc_keeps_the_contexts_that_were_saved, left_out=shares_itself),
    over(SCENES, saved_and_restored_it_answers_the_same),
)
"""Those that need no machine; `whole` adds the others."""
