"""What every scheduling algorithm must keep, tried on a stage where the framework is played to it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st

from coprocsim.conformance.base import CUTS, Broken, Check, Trial, cut_before, once, over, several
from coprocsim.conformance.hardware import expect_version
from coprocsim.model import VcoprocId
from coprocsim.parameters import BadValue, Kind, Scope, Value, of_scope
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn
from coprocsim.units import PS_PER_MS, PS_PER_US, format_duration

IDS = (VcoprocId(1, 0), VcoprocId(2, 0), VcoprocId(2, 1))
_SWITCH_PS = 50 * PS_PER_US
_OVERRUN_PS = PS_PER_MS // 10
_JOB_PS = PS_PER_MS
_DEADLINE_PS = 10 * PS_PER_MS
_DECISIONS_MAX = 2_000


class Act(NamedTuple):
    """Something that happens to one of three vcoprocs, and how long it is until the next."""

    what: str
    which: int
    gap_ps: int


class Scene(NamedTuple):
    """Acts in order; the algorithm is put to rest somewhere among them. `choices` sets its parameters."""

    acts: list[Act]
    cut: int
    choices: int


SCENES = st.builds(
    Scene,
    several(
        st.builds(
            Act,
            st.sampled_from(["wake", "wake", "sleep", "yield", "job", "done", "deny", "forget", "set", "wait"]),
            st.integers(0, len(IDS) - 1),
            st.sampled_from([0, 1, PS_PER_MS // 10, PS_PER_MS, 30 * PS_PER_MS, 300 * PS_PER_MS]),
        ),
        40,
    ),
    CUTS,
    st.integers(0, 63),
)


def settings_of(algorithm: type[Scheduler], choices: int) -> dict[str, Value]:
    """Return values for the coproc's parameters: the defaults, of those with choices the ones that a number says."""
    values = algorithm.defaults(Scope.COPROC)
    for name, parameter in of_scope(algorithm.parameters, Scope.COPROC).items():
        if parameter.kind is Kind.CHOICE:
            choices, which = divmod(choices, len(parameter.choices))
            # 0 is the default, so that a shrunk scenario has it.
            others = [each for each in parameter.choices if each != parameter.default]
            values[name] = ([parameter.default, *others])[which]
    return values


class Stage:
    """Plays the framework to an algorithm: keeps to its rules, and checks that the algorithm does."""

    def __init__(self, algorithm: type[Scheduler], trial: Trial, choices: int = 0) -> None:
        self.trial = trial
        self.settings = settings_of(algorithm, choices)
        self.vcoproc_settings = algorithm.defaults(Scope.VCOPROC)
        self.ids = IDS[: algorithm.vcoprocs_max]
        self.scheduler = algorithm(self.settings)
        self.now_ps = 0
        self.known: set[VcoprocId] = set()
        self.ready: set[VcoprocId] = set()
        self.jobs = dict.fromkeys(self.ids, 0)
        self.turn: Turn | None = None
        self.denials = 0
        self.answers: list[tuple[int, Decision]] = []
        if self.settings != algorithm.defaults(Scope.COPROC):
            self.trial.step("settings: " + ", ".join(f"{name}={value}" for name, value in self.settings.items()))
        for vcoproc in self.ids:
            self.add(vcoproc)

    def say(self, text: str) -> None:
        """Note a step, with its instant."""
        self.trial.step(f"{format_duration(self.now_ps)}: {text}")

    def add(self, vcoproc: VcoprocId) -> None:
        """Let the algorithm know a vcoproc."""
        self.say(f"add {vcoproc}")
        self.known.add(vcoproc)
        self.scheduler.add(vcoproc, self.vcoproc_settings, self.now_ps)

    def play(self, acts: Sequence[Act], *, cut: int | None = None) -> None:
        """Do all of `acts`, each followed by a decision; put the algorithm to rest and back before number `cut`."""
        for number, (what, which, gap_ps) in enumerate(acts):
            if number == cut:
                self.rest()
            self.act(what, self.ids[which % len(self.ids)])
            self.decide()
            self.now_ps += gap_ps
            if self.turn is not None and self.turn.over(self.now_ps):
                self.decide()

    def act(self, what: str, vcoproc: VcoprocId) -> None:
        """Let something happen, if it may."""
        scheduler, running = self.scheduler, self.turn is not None and self.turn.vcoproc == vcoproc
        match what:
            case "wake" if vcoproc not in self.known:
                self.add(vcoproc)
            case "wake" if vcoproc not in self.ready:
                self.say(f"wake {vcoproc}")
                self.ready.add(vcoproc)
                scheduler.wake(vcoproc, self.now_ps)
            case "sleep" if vcoproc in self.ready:
                self.say(f"sleep {vcoproc}")
                self.ready.remove(vcoproc)
                scheduler.sleep(vcoproc, self.now_ps)
            case "yield" if running and vcoproc in self.ready:
                self.say(f"yield_ {vcoproc}")
                scheduler.yield_(vcoproc, self.now_ps)
            case "job" if vcoproc in self.known:
                self.release(vcoproc)
            case "done" if self.jobs[vcoproc]:
                self.finish(vcoproc)
            case "deny":
                self.denials = 2
            case "forget" if vcoproc in self.known - self.ready and not running:
                self.say(f"remove {vcoproc}")
                self.known.remove(vcoproc)
                self.jobs[vcoproc] = 0
                scheduler.remove(vcoproc, self.now_ps)
            case "set" if vcoproc in self.known:
                self.say("reconfigure with the same settings")
                scheduler.reconfigure(self.settings, self.now_ps)
                scheduler.add(vcoproc, self.vcoproc_settings, self.now_ps)
        self.look()

    def release(self, vcoproc: VcoprocId) -> None:
        """Give a vcoproc another job."""
        self.say(f"released {vcoproc}, due in {format_duration(_DEADLINE_PS)}")
        self.jobs[vcoproc] += 1
        self.scheduler.released(vcoproc, self.now_ps, self.now_ps + _DEADLINE_PS)

    def finish(self, vcoproc: VcoprocId) -> None:
        """End a vcoproc's oldest job."""
        self.say(f"finished {vcoproc}")
        self.jobs[vcoproc] -= 1
        self.scheduler.finished(vcoproc, self.now_ps)

    def look(self) -> None:
        """Expect that it says truly who takes part."""
        said = sorted(self.scheduler.ready())
        found = f"`ready` says {_names(said)}, and woken and not asleep since are {_names(sorted(self.ready))}"
        self.trial.expect(said == sorted(self.ready), found)

    def ask(self) -> Decision:
        """Ask who is next; to be asked must change nothing, and the answer must make sense."""
        before = self.saved()
        answer = self.scheduler.pick(self.now_ps, self.turn)
        self.say(f"pick: {show(answer)}")
        again = self.scheduler.pick(self.now_ps, self.turn)
        expect = self.trial.expect
        expect(again == answer, f"`pick`, asked twice at one instant, answers {show(answer)}, then {show(again)}")
        after = self.saved()
        expect(after == before, f"`pick` has changed what it saves: from {before} to {after}")
        if isinstance(answer, Idle):
            expect(answer.until_ps is not None or not self.ready, "it idles for ever while somebody is ready")
        else:
            expect(answer.vcoproc in self.ready, f"`pick` answers {answer.vcoproc}, which is asleep or unknown")
            found = f"`pick` answers a length of {answer.length_ps} ps"
            expect(answer.length_ps is None or answer.length_ps > 0, found)
        if answer.until_ps is not None:
            found = f"`pick` answers until {answer.until_ps} ps, and it is {self.now_ps} ps already"
            expect(answer.until_ps > self.now_ps, found)
        return answer

    def saved(self) -> str:
        """Return what it remembers, as it is stored."""
        saved = self.scheduler.save()
        expect_version(self.trial, saved)
        return json.dumps(saved)

    def decide(self) -> None:
        """Ask, and do what is answered; a switch costs time unless it is denied."""
        answer = self.ask()
        self.answers.append((self.now_ps, answer))
        turn = self.turn
        if turn is not None and isinstance(answer, Run) and answer.vcoproc == turn.vcoproc:
            if turn.over(self.now_ps):
                self.close(turn, 0)
                self.turn = Turn(answer.vcoproc, self.now_ps, answer.end_ps(self.now_ps))
            else:
                ends = [end for end in (turn.end_ps, answer.end_ps(turn.since_ps)) if end is not None]
                self.turn = replace(turn, end_ps=min(ends, default=None), denied=False)
            return
        if turn is not None and self.denials:
            self.denials -= 1
            self.say(f"{turn.vcoproc} denies")
            self.turn = replace(turn, denied=True)
            return
        if turn is not None:
            self.turn = None
            self.close(turn, _SWITCH_PS)
            self.now_ps += _SWITCH_PS
        if isinstance(answer, Run) and answer.vcoproc in self.ready:
            self.turn = Turn(answer.vcoproc, self.now_ps, answer.end_ps(self.now_ps))

    def close(self, turn: Turn, switch_ps: int) -> None:
        """Tell the algorithm what a turn was."""
        overrun_ps = _OVERRUN_PS if turn.denied else 0
        run_ps = self.now_ps - turn.since_ps
        self.say(f"ran {turn.vcoproc} for {format_duration(run_ps)}")
        self.scheduler.ran(Ran(turn.vcoproc, turn.since_ps, run_ps, overrun_ps, switch_ps, self.now_ps))
        self.look()

    def rest(self) -> None:
        """Replace the algorithm by one that was restored from what it saved, and never saw the rest."""
        self.say("save, and restore into a new one")
        saved = self.saved()
        self.scheduler = type(self.scheduler)(self.settings)
        for vcoproc in sorted(self.known):
            self.scheduler.add(vcoproc, self.vcoproc_settings, self.now_ps)
        self.scheduler.restore(json.loads(saved))
        found = f"restored, it saves {self.saved()}, not the {saved} that it was restored from"
        self.trial.expect(self.saved() == saved, found)
        self.look()


def _names(vcoprocs: Sequence[VcoprocId]) -> str:
    return ", ".join(str(each) for each in vcoprocs) or "nobody"


def show(answer: Decision) -> str:
    """Return an answer of `pick` in words."""
    until = "" if answer.until_ps is None else f" until {format_duration(answer.until_ps)}"
    if isinstance(answer, Idle):
        return f"Idle{until}"
    length = "" if answer.length_ps is None else f" for {format_duration(answer.length_ps)}"
    return f"Run {answer.vcoproc}{length}{until}"


# ---------------------------------------------------------------- the checks


def it_states_itself_and_its_parameters(algorithm: type[Scheduler], trial: Trial) -> None:
    """`name` and `summary` say what it is; every parameter has a name of its own, a help, and a default that is allowed
    and can be written as a user writes it."""
    trial.expect(bool(algorithm.name), "`name` is empty")
    trial.expect(bool(algorithm.summary), "`summary` is empty")
    names = [parameter.name for parameter in algorithm.parameters]
    trial.expect(len(names) == len(set(names)), f"two parameters have one name: {names}")
    for parameter in algorithm.parameters:
        trial.step(f"parameter `{parameter.name}`")
        trial.expect(parameter.check(parameter.default) == parameter.default, "its default is not allowed")
        written = parameter.show(parameter.default)
        trial.expect(
            parameter.parse(written) == parameter.default, f"its default, written `{written}`, reads otherwise"
        )
        trial.expect(bool(parameter.help), "its help is empty")
    least_ps = algorithm.least_length_ps(algorithm.defaults(Scope.COPROC))
    trial.expect(least_ps is None or least_ps > 0, f"`least_length_ps` is {least_ps}")
    budget_ps = algorithm.least_budget_ps(algorithm.defaults(Scope.VCOPROC))
    trial.expect(budget_ps is None or budget_ps > 0, f"`least_budget_ps` is {budget_ps}")
    parts = algorithm.reservations([algorithm.defaults(Scope.VCOPROC)] * 3)
    sound = parts is None or (len(parts) == 3 and all(part > 0 for part in parts))
    trial.expect(sound, f"`reservations` of three vcoprocs are {parts}")
    for scope in Scope:
        try:
            algorithm.check_together(scope, algorithm.defaults(scope))
        except BadValue as error:
            raise Broken(f"its defaults of a {scope} are wrong together: {error}") from error


def with_nobody_ready_it_idles(algorithm: type[Scheduler], trial: Trial) -> None:
    """As long as nobody was woken, `pick` answers `Idle`."""
    answer = Stage(algorithm, trial).ask()
    trial.expect(isinstance(answer, Idle), f"`pick` answers {show(answer)}")


def alone_and_ready_one_runs_sooner_or_later(algorithm: type[Scheduler], trial: Trial) -> None:
    """With one vcoproc ready, `pick` answers `Run`, or `Idle` until an instant at which it soon does."""
    stage = Stage(algorithm, trial)
    stage.act("job", stage.ids[0])
    stage.act("wake", stage.ids[0])
    for _ in range(_DECISIONS_MAX):
        answer = stage.ask()
        if isinstance(answer, Run):
            return
        assert answer.until_ps is not None, "`ask` has seen to that"
        stage.now_ps = answer.until_ps
    raise Broken(f"after {_DECISIONS_MAX} times idling it has not run")


def _starves(algorithm: type[Scheduler]) -> str | None:
    return None if algorithm.starves is None else f"by its own rule: {algorithm.starves}"


def every_one_that_waits_gets_its_turn(algorithm: type[Scheduler], trial: Trial) -> None:
    """Of vcoprocs with the same parameters that always have another job, each runs again and again; an algorithm
    by whose rules one may wait for ever says so in `starves`."""
    stage = Stage(algorithm, trial)
    for vcoproc in stage.ids:
        stage.act("job", vcoproc)
        stage.act("wake", vcoproc)
    waited = dict.fromkeys(stage.ids, 0)
    left_ps = dict.fromkeys(stage.ids, _JOB_PS)
    for _ in range(_DECISIONS_MAX):
        stage.decide()
        running = None if stage.turn is None else stage.turn.vcoproc
        for vcoproc in stage.ids:
            waited[vcoproc] = 0 if vcoproc == running else waited[vcoproc] + 1
        _work(stage, left_ps)
        if max(waited.values()) > _DECISIONS_MAX // 4:
            break
    starved = max(waited, key=lambda each: waited[each])
    trial.steps[60:] = [f"… and {len(trial.steps) - 60} more like these"] if len(trial.steps) > 60 else []
    found = f"{starved} is ready, and {waited[starved]} decisions in turn let others run"
    trial.expect(waited[starved] <= _DECISIONS_MAX // 4, found)


def _work(stage: Stage, left_ps: dict[VcoprocId, int]) -> None:
    """Let time pass to the end of the turn or of the running one's job; a job that is done is followed by another."""
    turn, (_, answer) = stage.turn, stage.answers[-1]
    if turn is None:
        assert answer.until_ps is not None, "`ask` has seen to that"
        stage.now_ps = max(stage.now_ps, answer.until_ps)
        return
    done_ps = stage.now_ps + left_ps[turn.vcoproc]
    next_ps = done_ps if turn.end_ps is None else min(done_ps, max(turn.end_ps, stage.now_ps))
    left_ps[turn.vcoproc] -= next_ps - stage.now_ps
    stage.now_ps = next_ps
    if not left_ps[turn.vcoproc]:
        left_ps[turn.vcoproc] = _JOB_PS
        stage.finish(turn.vcoproc)
        stage.release(turn.vcoproc)


def to_be_asked_changes_nothing_and_the_answer_makes_sense(
    algorithm: type[Scheduler], trial: Trial, scene: Scene
) -> None:
    """`pick` changes nothing and, asked twice, answers the same: somebody who is ready, and an end in the future.
    `ready` tells who was woken and not sent to sleep since."""
    Stage(algorithm, trial, scene.choices).play(scene.acts)


def saved_and_restored_it_answers_the_same(algorithm: type[Scheduler], trial: Trial, scene: Scene) -> None:
    """A new one that knows the same vcoprocs and is restored from what it saved, through JSON, goes on as it would."""
    uncut, resting = Stage(algorithm, Trial(), scene.choices), Stage(algorithm, trial, scene.choices)
    resting.play(scene.acts, cut=cut_before(scene.cut, len(scene.acts)))
    uncut.play(scene.acts)
    for (at_ps, answer), (_, usual) in zip(resting.answers, uncut.answers, strict=True):
        found = f"at {format_duration(at_ps)} `pick` answers {show(answer)}, and without the rest {show(usual)}"
        trial.expect(answer == usual, found)
    found = f"in the end it saves {resting.saved()}, and without the rest {uncut.saved()}"
    trial.expect(resting.saved() == uncut.saved(), found)


def who_is_forgotten_is_not_picked_and_comes_back_as_a_stranger(
    algorithm: type[Scheduler], trial: Trial, scene: Scene
) -> None:
    """After `remove` a vcoproc is neither ready nor picked; added again, it is asleep."""
    stage = Stage(algorithm, trial, scene.choices)
    stage.play(scene.acts)
    for vcoproc in stage.ids:
        stage.act("sleep", vcoproc)
    stage.decide()
    stage.denials = 0
    stage.decide()
    for vcoproc in stage.ids:
        stage.act("forget", vcoproc)
    for vcoproc in stage.ids:
        stage.add(vcoproc)
    answer = stage.ask()
    trial.expect(isinstance(answer, Idle), f"all were removed and added again, and `pick` answers {show(answer)}")
    stage.act("wake", stage.ids[-1])
    stage.ask()


STAGE_CHECKS: tuple[Check[Scheduler], ...] = (
    once(it_states_itself_and_its_parameters),
    once(with_nobody_ready_it_idles),
    once(alone_and_ready_one_runs_sooner_or_later),
    once(every_one_that_waits_gets_its_turn, left_out=_starves),
    over(SCENES, to_be_asked_changes_nothing_and_the_answer_makes_sense),
    over(SCENES, saved_and_restored_it_answers_the_same),
    over(SCENES, who_is_forgotten_is_not_picked_and_comes_back_as_a_stranger),
)
"""Those that need no machine; `whole` adds the others."""
