"""What every scheduling algorithm must keep.

A third party's algorithm is tested by one class:

    class TestMine(SchedulerContract):
        @pytest.fixture
        def algorithm(self) -> type[Scheduler]:
            return Mine
"""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coprocsim.model import VcoprocId
from coprocsim.parameters import Scope
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn

IDS = [VcoprocId(1, 0), VcoprocId(2, 0), VcoprocId(2, 1)]
MS = 10**9
COST_PS = 50 * 10**6

Action = tuple[str, int, int]
ACTIONS: st.SearchStrategy[list[Action]] = st.lists(
    st.tuples(
        st.sampled_from(["wake", "wake", "sleep", "yield", "job", "done", "deny", "forget", "set", "wait"]),
        st.integers(0, len(IDS) - 1),
        st.sampled_from([0, 1, MS // 10, MS, 30 * MS, 300 * MS]),
    ),
    max_size=40,
)
# The same test runs for several classes, and what its fixture says does not change from example to example.
NO_HARM = [HealthCheck.differing_executors, HealthCheck.function_scoped_fixture]
inherited = settings(max_examples=60, suppress_health_check=NO_HARM)


class Stage:
    """Plays the framework to an algorithm: keeps to its rules, and checks that the algorithm does."""

    def __init__(self, algorithm: type[Scheduler]) -> None:
        self.settings = algorithm.defaults(Scope.COPROC)
        self.vcoproc_settings = algorithm.defaults(Scope.VCOPROC)
        self.scheduler = algorithm(self.settings)
        self.now_ps = 0
        self.known: set[VcoprocId] = set()
        self.ready: set[VcoprocId] = set()
        self.jobs = dict.fromkeys(IDS, 0)
        self.turn: Turn | None = None
        self.denials = 0
        self.answers: list[tuple[int, Decision]] = []
        for vcoproc in IDS:
            self.add(vcoproc)

    def add(self, vcoproc: VcoprocId) -> None:
        self.known.add(vcoproc)
        self.scheduler.add(vcoproc, self.vcoproc_settings, self.now_ps)

    def play(self, actions: Sequence[Action], *, cut: int | None = None) -> None:
        """Do all of `actions`, each followed by a decision; put the algorithm to rest and back before number `cut`."""
        for number, (what, which, gap_ps) in enumerate(actions):
            if number == cut:
                self.rest()
            self.act(what, IDS[which])
            self.decide()
            self.now_ps += gap_ps
            if self.turn is not None and self.turn.over(self.now_ps):
                self.decide()

    def act(self, what: str, vcoproc: VcoprocId) -> None:
        scheduler, running = self.scheduler, self.turn is not None and self.turn.vcoproc == vcoproc
        match what:
            case "wake" if vcoproc not in self.known:
                self.add(vcoproc)
            case "wake" if vcoproc not in self.ready:
                self.ready.add(vcoproc)
                scheduler.wake(vcoproc, self.now_ps)
            case "sleep" if vcoproc in self.ready:
                self.ready.remove(vcoproc)
                scheduler.sleep(vcoproc, self.now_ps)
            case "yield" if running and vcoproc in self.ready:
                scheduler.yield_(vcoproc, self.now_ps)
            case "job" if vcoproc in self.known:
                self.jobs[vcoproc] += 1
                scheduler.released(vcoproc, self.now_ps, self.now_ps + 10 * MS)
            case "done" if self.jobs[vcoproc]:
                self.jobs[vcoproc] -= 1
                scheduler.finished(vcoproc, self.now_ps)
            case "deny":
                self.denials = 2
            case "forget" if vcoproc in self.known - self.ready and not running:
                self.known.remove(vcoproc)
                self.jobs[vcoproc] = 0
                scheduler.remove(vcoproc, self.now_ps)
            case "set" if vcoproc in self.known:
                scheduler.reconfigure(self.settings)
                scheduler.add(vcoproc, self.vcoproc_settings, self.now_ps)

    def ask(self) -> Decision:
        """Ask who is next; to be asked must change nothing."""
        before = self.saved()
        answer = self.scheduler.pick(self.now_ps, self.turn)
        assert self.scheduler.pick(self.now_ps, self.turn) == answer, "asked twice, it answers differently"
        assert self.saved() == before, "to be asked has changed it"
        if isinstance(answer, Idle):
            assert answer.until_ps is not None or not self.ready, "it idles for ever while somebody is ready"
        else:
            assert answer.vcoproc in self.ready, "it picks one that is asleep or unknown"
            assert answer.length_ps is None or answer.length_ps > 0
        return answer

    def saved(self) -> str:
        """Return what it remembers, as it is stored."""
        saved = self.scheduler.save()
        assert isinstance(saved, dict)
        assert isinstance(saved["version"], int), "a saved form carries its version"
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
            self.turn = replace(turn, denied=True)
            return
        if turn is not None:
            self.turn = None
            self.close(turn, COST_PS)
            self.now_ps += COST_PS
        if isinstance(answer, Run) and answer.vcoproc in self.ready:
            self.turn = Turn(answer.vcoproc, self.now_ps, answer.end_ps(self.now_ps))

    def close(self, turn: Turn, switch_ps: int) -> None:
        overrun_ps = MS // 10 if turn.denied else 0
        ran = Ran(turn.vcoproc, turn.since_ps, self.now_ps - turn.since_ps, overrun_ps, switch_ps, self.now_ps)
        self.scheduler.ran(ran)

    def rest(self) -> None:
        """Replace the algorithm by one that was restored from what it saved, and never saw the rest."""
        saved = self.saved()
        self.scheduler = type(self.scheduler)(self.settings)
        for vcoproc in sorted(self.known):
            self.scheduler.add(vcoproc, self.vcoproc_settings, self.now_ps)
        self.scheduler.restore(json.loads(saved))
        assert self.saved() == saved, "what it saves is not what it restores"


class SchedulerContract:
    """Inherit it, and say which algorithm in a fixture `algorithm`."""

    @pytest.fixture
    def algorithm(self) -> type[Scheduler]:
        raise NotImplementedError("say which algorithm")

    def test_it_states_itself_and_its_parameters(self, algorithm: type[Scheduler]):
        assert algorithm.name
        assert algorithm.summary
        names = [parameter.name for parameter in algorithm.parameters]
        assert len(names) == len(set(names))
        for parameter in algorithm.parameters:
            assert parameter.check(parameter.default) == parameter.default
            assert parameter.parse(parameter.show(parameter.default)) == parameter.default
            assert parameter.help
        least_ps = algorithm.least_length_ps(algorithm.defaults(Scope.COPROC))
        assert least_ps is None or least_ps > 0

    def test_with_nobody_ready_it_idles(self, algorithm: type[Scheduler]):
        stage = Stage(algorithm)
        assert isinstance(stage.ask(), Idle)

    def test_alone_and_ready_one_runs_sooner_or_later(self, algorithm: type[Scheduler]):
        stage = Stage(algorithm)
        stage.act("job", IDS[0])
        stage.act("wake", IDS[0])
        for _ in range(1_000):
            answer = stage.ask()
            if isinstance(answer, Run):
                return
            assert answer.until_ps is not None
            assert answer.until_ps > stage.now_ps, "it idles until the past"
            stage.now_ps = answer.until_ps
        pytest.fail("it lets nobody run")

    @inherited
    @given(actions=ACTIONS)
    def test_to_be_asked_changes_nothing_and_who_is_picked_is_ready(
        self, algorithm: type[Scheduler], actions: list[Action]
    ):
        Stage(algorithm).play(actions)

    @inherited
    @given(actions=ACTIONS, cut=st.integers(0, 40))
    def test_saved_and_restored_it_answers_the_same(self, algorithm: type[Scheduler], actions: list[Action], cut: int):
        uncut, resting = Stage(algorithm), Stage(algorithm)
        uncut.play(actions)
        resting.play(actions, cut=cut)
        assert resting.answers == uncut.answers
        assert resting.saved() == uncut.saved()

    @inherited
    @given(actions=ACTIONS)
    def test_who_is_forgotten_is_not_picked_and_comes_back_as_a_stranger(
        self, algorithm: type[Scheduler], actions: list[Action]
    ):
        stage = Stage(algorithm)
        stage.play(actions)
        for vcoproc in IDS:
            stage.act("sleep", vcoproc)
        stage.decide()
        stage.denials = 0
        stage.decide()
        for vcoproc in IDS:
            stage.act("forget", vcoproc)
        assert stage.known == set()
        for vcoproc in IDS:
            stage.add(vcoproc)
        assert isinstance(stage.ask(), Idle)
        stage.act("wake", IDS[2])
        answer = stage.ask()
        assert isinstance(answer, Idle) or answer.vcoproc == IDS[2]
