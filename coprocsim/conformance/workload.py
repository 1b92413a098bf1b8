"""What every workload must keep: a guest's driver, tried on a machine with its coproc and looked at as it acts."""

import json
from typing import NamedTuple

from hypothesis import strategies as st

from coprocsim.conformance.base import CUTS, Broken, Check, Trial, cut_before, once, over, several
from coprocsim.conformance.bench import Bench, model_of, platform_of
from coprocsim.conformance.hardware import expect_version
from coprocsim.guests.base import DataAbort, Guest, GuestPort, GuestSite
from coprocsim.hypervisor import domains, interrupts
from coprocsim.hypervisor.machine import Parts
from coprocsim.hypervisor.state import Vcoproc
from coprocsim.model import GuestEffect, JobDropped, JobEnded, JobReleased, Json, Setting
from coprocsim.parameters import BadSetting, Scope
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.units import PS_PER_MS, PS_PER_US, format_duration

_DOMAINS = 2
_AFTERWARDS_PS = 10 * PS_PER_MS


class Event(NamedTuple):
    """Something that happens to a domain `gap_us` after the last."""

    gap_us: int
    what: str
    domain: int


class Scene(NamedTuple):
    """Which of the workload's examples is tried, what happens, after how many accesses the first domain's are refused
    (None: never), and when its guest is put to rest."""

    example: int
    events: list[Event]
    refused_after: int | None
    cut: int


EVENTS = several(
    st.builds(
        Event,
        st.sampled_from([0, 1, 7, 100, 700, 1_000, 3_333]),
        st.sampled_from(["pause", "unpause", "pause", "unpause", "interrupt", "wake", "sleep", "yield"]),
        st.integers(0, _DOMAINS - 1),
    ),
    20,
)
EXAMPLES = st.integers(0, 15)
QUIET = st.builds(Scene, EXAMPLES, EVENTS, st.none(), CUTS)
REFUSED = st.builds(Scene, EXAMPLES, EVENTS, st.integers(0, 30), CUTS)


class _RefusingPort:
    """A guest port that lets so many accesses pass; the others are data aborts."""

    def __init__(self, port: GuestPort, passes: int) -> None:
        self._port, self.passes = port, passes

    def read(self, region: str, offset: int, size: int) -> int:
        self._pass()
        return self._port.read(region, offset, size)

    def write(self, region: str, offset: int, size: int, value: int) -> None:
        self._pass()
        self._port.write(region, offset, size, value)

    def read_at(self, address: int, size: int) -> int:
        self._pass()
        return self._port.read_at(address, size)

    def write_at(self, address: int, size: int, value: int) -> None:
        self._pass()
        self._port.write_at(address, size, value)

    def _pass(self) -> None:
        self.passes -= 1
        if self.passes < 0:
            raise DataAbort("the check refuses it")


class Watched(Guest):
    """A guest over whose shoulder the check looks: it passes all on, and sees what comes back."""

    kind = "watched"
    summary = "a guest under test"

    def __init__(self, bench: Bench, vcoproc: Vcoproc, part: type[Guest], options: tuple[Setting, ...]) -> None:
        self._bench, self._part, self._options = bench, part, options
        self.site: GuestSite = domains.site_of(bench.board, vcoproc)
        self.guest = part(self.site, options)
        self.who = vcoproc.who
        self.passes: int | None = None
        """How many accesses are let pass before all are refused; None is all."""
        self.paused_ps: int | None = None
        self._away: list[tuple[int, int]] = []
        self._open: list[int] = []
        self.said: list[tuple[int, GuestEffect]] = []

    def next_ps(self) -> int | None:
        next_ps = self.guest.next_ps()
        again = self.guest.next_ps()
        self._expect(next_ps == again, f"`next_ps`, asked twice, answers {next_ps}, then {again}")
        return next_ps

    def interrupt(self, line: str, now_ps: int) -> None:
        self._bench.say(f"{self.who} has an interrupt of line {line}")
        self.guest.interrupt(line, now_ps)

    def act(self, now_ps: int, port: GuestPort) -> tuple[GuestEffect, ...]:
        refusing = None if self.passes is None else _RefusingPort(port, self.passes)
        try:
            effects = self.guest.act(now_ps, port if refusing is None else refusing)
        except DataAbort as abort:
            raise Broken("`act` lets a DataAbort pass") from abort
        if refusing is not None:
            self.passes = max(0, refusing.passes)
        shown = "; ".join(_shown(effect) for effect in effects)
        self._bench.say(f"{self.who} acts" + (f": {shown}" if shown else ""))
        for effect in effects:
            self._heard(effect, now_ps)
        next_ps = self.guest.next_ps()
        found = (
            f"after `act` at {now_ps} ps, `next_ps` is {next_ps}: it acts in the past, or never gets past this instant"
        )
        self._expect(next_ps is None or next_ps > now_ps, found)
        return effects

    def _heard(self, effect: GuestEffect, now_ps: int) -> None:
        """Expect that what it says of a job is true."""
        self.said.append((now_ps, effect))
        release_ps, said = effect.release_ps, _shown(effect)
        self._expect(release_ps <= now_ps, f"at {now_ps} ps it says: {said}, which is yet to come")
        self._expect(
            release_ps >= self.site.start_ps, f"it says: {said}, before its work began at {self.site.start_ps} ps"
        )
        if isinstance(effect, JobEnded):
            found = f"it says: {said}, and no job of that release is there"
            self._expect(release_ps in self._open, found)
            self._open.remove(release_ps)
            return
        for from_ps, to_ps in self._away:
            found = f"it says: {said}, while its domain was paused, from {from_ps} to {to_ps} ps"
            self._expect(not from_ps < release_ps < to_ps, found)
        if isinstance(effect, JobReleased):
            early = effect.deadline_ps is not None and effect.deadline_ps < release_ps
            self._expect(not early, f"it says: {said}, due before that")
            self._open.append(release_ps)

    def unpaused(self, now_ps: int) -> None:
        assert self.paused_ps is not None, "only what was paused goes on"
        self._away.append((self.paused_ps, now_ps))
        self.paused_ps = None
        self.guest.unpaused(now_ps)

    def save(self) -> Json:
        return self.guest.save()

    def restore(self, saved: Json) -> None:
        self.guest.restore(saved)

    def rest(self) -> None:
        """Replace the guest by one that was restored from what it saved."""
        self._bench.say(f"save {self.who}'s guest, and restore into a new one")
        saved = self.guest.save()
        expect_version(self._bench.trial, saved)
        next_ps = self.guest.next_ps()
        self.guest = self._part(self.site, self._options)
        self.guest.restore(json.loads(json.dumps(saved)))
        self._expect(self.guest.save() == saved, "restored, it saves something else than it was restored from")
        found = f"restored, `next_ps` is {self.guest.next_ps()}, and was {next_ps}"
        self._expect(self.guest.next_ps() == next_ps, found)

    def _expect(self, holds: bool, found: str) -> None:
        self._bench.trial.expect(holds, found)


def _shown(effect: GuestEffect) -> str:
    match effect:
        case JobReleased():
            what = "a job is released at"
        case JobDropped():
            what = "a job is dropped that was released at"
        case JobEnded(_, _, abandoned, error):
            what = f"a job {'was given up' if abandoned else 'is lost' if error else 'is done'} that was released at"
    return f"{what} {effect.release_ps} ps"


class Site:
    """A machine on which each domain has a guest of the workload under test."""

    def __init__(self, part: type[Guest], trial: Trial, scene: Scene) -> None:
        example = part.examples[scene.example % len(part.examples)]
        trial.step(f"kind={part.kind}" + (f",{example}" if example else ""))
        options = options_of(part, example)
        platform = platform_of(part)
        settings = {**RoundRobin.defaults(Scope.COPROC), "slice": PS_PER_MS}
        self.bench = Bench(trial, Parts(model_of(platform), platform, RoundRobin), settings)
        self.guests: list[Watched] = []
        for number in range(_DOMAINS):
            vcoproc = self.bench.domain(f"guest{number}")
            guest = vcoproc.guest = Watched(self.bench, vcoproc, part, options)
            interrupts.attend(self.bench.board, vcoproc)
            self.guests.append(guest)
        self.guests[0].passes = scene.refused_after

    def play(self, scene: Scene, *, cut: bool = False) -> None:
        """Let all of a scene happen."""
        before = cut_before(scene.cut, len(scene.events))
        for number, event in enumerate(scene.events):
            if cut and number == before:
                self.guests[0].rest()
            self.bench.run(event.gap_us * PS_PER_US)
            self._happen(event)
        if cut and before == len(scene.events):
            self.guests[0].rest()
        self.bench.run(_AFTERWARDS_PS)
        self.bench.add_up()

    def _happen(self, event: Event) -> None:
        vcoproc, guest = self.bench.vcoproc(event.domain), self.guests[event.domain]
        assert vcoproc is not None, "nobody destroys a domain here"
        if event.what == "interrupt":
            lines = self.bench.coproc.spec.lines
            if lines:
                interrupts.deliver(self.bench.board, vcoproc, lines[0].name)
            self.bench.hypervisor.settle()
            return
        if event.what == "pause" and not vcoproc.domain.paused:
            guest.paused_ps = self.bench.board.now_ps
        self.bench.do(event.what, vcoproc)


def options_of(part: type[Guest], example: str) -> tuple[Setting, ...]:
    """Return the options of a workload, written as in `coproc_workload`."""
    pairs = (each.partition("=") for each in example.split(",") if each)
    return (Setting("kind", part.kind), *(Setting(name, value) for name, _, value in pairs))


# ---------------------------------------------------------------- the checks


def it_states_itself_and_reads_its_examples(part: type[Guest], trial: Trial) -> None:
    """`kind` and `summary` say what it is; it accepts each of its `examples`, and refuses an option that it
    does not know with BadSetting."""
    trial.expect(bool(part.summary), "`summary` is empty")
    trial.expect(bool(part.examples), "`examples` is empty")
    for example in part.examples:
        scene = Scene(part.examples.index(example), [], None, 0)
        site = Site(part, trial, scene).guests[0].site
        wrong = (*options_of(part, example), Setting("no_such_option", "1"))
        trial.step("with `no_such_option=1`")
        try:
            part(site, wrong)
        except BadSetting as error:
            trial.expect(
                error.setting == wrong[-1], f"BadSetting is about `{error.setting.name}`, not about the wrong one"
            )
        else:
            raise Broken("it accepts an option that it cannot know")


def it_never_acts_in_the_past_and_its_jobs_add_up(part: type[Guest], trial: Trial, scene: Scene) -> None:
    """After `act` all that was due is done: `next_ps` is later. It speaks of jobs that have come, not of those to come;
    what ends was released; nothing arrives while its domain is paused. Interrupts may come when none is expected."""
    Site(part, trial, scene).play(scene)


def a_refused_access_does_not_make_it_stumble(part: type[Guest], trial: Trial, scene: Scene) -> None:
    """A DataAbort in the middle of `act` stays inside, and it keeps all other rules from then on."""
    Site(part, trial, scene).play(scene)


def saved_and_restored_it_goes_on_the_same(part: type[Guest], trial: Trial, scene: Scene) -> None:
    """A new one with the same options, restored from what it saved through JSON, does what it would have done: what
    happens on the machine is the same."""
    uncut, rested = Site(part, Trial(), scene), Site(part, trial, scene)
    rested.play(scene, cut=True)
    uncut.play(scene)
    for (at_ps, effect), (usual_ps, usual) in zip(rested.guests[0].said, uncut.guests[0].said, strict=False):
        found = f"at {format_duration(at_ps)} it says: {_shown(effect)}; without the rest {_shown(usual)}"
        trial.expect((at_ps, effect) == (usual_ps, usual), found)
    same = rested.bench.board.trace == uncut.bench.board.trace
    trial.expect(same, "what happens on the machine is something else than without the rest")


CHECKS: tuple[Check[Guest], ...] = (
    once(it_states_itself_and_reads_its_examples),
    over(QUIET, it_never_acts_in_the_past_and_its_jobs_add_up),
    over(REFUSED, a_refused_access_does_not_make_it_stumble),
    over(REFUSED, saved_and_restored_it_goes_on_the_same),
)
