"""The timeline and the loop: what happens at one instant, in which order, and nothing piles up."""

from hypothesis import given
from hypothesis import strategies as st

from coprocsim.engine import Due, Key, Phase, Timeline, run


class Log:
    """A machine that notes what the loop asks of it.

    `then` says what an event causes, `owed` what a decision does, `chain` how many decisions touch another coproc.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.seen: list[tuple[int, str]] = []
        self.then: dict[str, list[tuple[str, int, Phase]]] = {}
        self.owed: list[list[tuple[str, int, Phase]]] = []
        self.touched = False
        self.chain = 0

    def arm(self, name: str, at_ps: int, phase: Phase) -> None:
        self.timeline.arm((name,), at_ps, phase)

    def handle(self, key: Key) -> None:
        self.seen.append((self.timeline.now_ps, key[0]))
        self.touched = True
        for what in self.then.pop(key[0], []):
            self.arm(*what)

    def decide(self) -> bool:
        touched, self.touched = self.touched, False
        if touched:
            self.seen.append((self.timeline.now_ps, "decide"))
            for what in self.owed.pop(0) if self.owed else []:
                self.arm(*what)
            self.touched = self.chain > 0
            self.chain -= 1
        return touched


def log() -> Log:
    return Log(Timeline())


def test_one_instant_goes_hardware_commands_guests_timers_then_one_decision():
    machine = log()
    for phase in reversed(Phase):
        machine.arm(phase.name, 5, phase)
    run(machine.timeline, machine, 5)
    assert machine.seen == [(5, "HARDWARE"), (5, "COMMAND"), (5, "GUEST"), (5, "TIMER"), (5, "decide")]


def test_timers_of_one_instant_come_in_the_order_in_which_they_were_armed():
    machine = log()
    for name in ("c", "a", "b"):
        machine.arm(name, 7, Phase.TIMER)
    run(machine.timeline, machine, 10)
    assert [name for _, name in machine.seen] == ["c", "a", "b", "decide"]


def test_what_an_event_causes_at_its_instant_comes_before_the_decision_in_its_own_phase():
    machine = log()
    machine.arm("guest", 3, Phase.GUEST)
    machine.arm("timer", 3, Phase.TIMER)
    machine.then["guest"] = [("line", 3, Phase.HARDWARE)]
    run(machine.timeline, machine, 3)
    assert [name for _, name in machine.seen] == ["guest", "line", "timer", "decide"]


def test_what_a_decision_causes_at_its_instant_is_another_round():
    machine = log()
    machine.arm("timer", 3, Phase.TIMER)
    machine.owed = [[("again", 3, Phase.TIMER), ("later", 9, Phase.TIMER)]]
    run(machine.timeline, machine, 5)
    assert machine.seen == [(3, "timer"), (3, "decide"), (3, "again"), (3, "decide")]
    assert machine.timeline.next_ps() == 9


def test_a_decision_that_touches_another_coproc_is_followed_by_that_one_s_at_the_same_instant():
    machine = log()
    machine.arm("timer", 3, Phase.TIMER)
    machine.arm("later", 4, Phase.TIMER)
    machine.chain = 2
    run(machine.timeline, machine, 3)
    assert machine.seen == [(3, "timer"), (3, "decide"), (3, "decide"), (3, "decide")]


def test_the_end_of_a_run_is_included_and_the_timeline_stands_there():
    machine = log()
    machine.arm("at", 10, Phase.TIMER)
    machine.arm("behind", 11, Phase.TIMER)
    run(machine.timeline, machine, 10)
    assert machine.seen == [(10, "at"), (10, "decide")]
    assert machine.timeline.now_ps == 10
    run(machine.timeline, machine, 1000)
    assert machine.seen[2:] == [(11, "behind"), (11, "decide")]
    assert machine.timeline.now_ps == 1000


def test_an_event_armed_again_moves_and_one_that_is_disarmed_does_not_happen():
    machine = log()
    machine.arm("earlier", 10, Phase.TIMER)
    machine.arm("earlier", 4, Phase.TIMER)
    machine.arm("later", 1, Phase.TIMER)
    machine.arm("later", 8, Phase.TIMER)
    machine.arm("never", 2, Phase.TIMER)
    machine.timeline.disarm(("never",))
    machine.timeline.disarm(("unknown",))
    run(machine.timeline, machine, 20)
    assert [each for each in machine.seen if each[1] != "decide"] == [(4, "earlier"), (8, "later")]


def test_an_event_armed_again_for_its_own_instant_keeps_its_place():
    machine = log()
    machine.arm("first", 5, Phase.TIMER)
    machine.arm("second", 5, Phase.TIMER)
    machine.arm("first", 5, Phase.TIMER)
    run(machine.timeline, machine, 5)
    assert [name for _, name in machine.seen] == ["first", "second", "decide"]


def test_nothing_is_armed_for_the_past():
    machine = log()
    run(machine.timeline, machine, 100)
    machine.arm("late", 50, Phase.TIMER)
    assert machine.timeline.next_ps() == 100
    run(machine.timeline, machine, 100)
    assert machine.seen == [(100, "late"), (100, "decide")]


def test_arming_again_and_again_does_not_make_the_heap_grow():
    timeline = Timeline()
    for instant in range(100_000):
        timeline.arm(("a",), 10**9 - instant, Phase.TIMER)
        timeline.arm(("b",), 10**9 + instant, Phase.TIMER)
    assert len(timeline._heap) < 100
    assert [(due.at_ps, due.key) for due in timeline.pending()] == [(10**9 - 99_999, ("a",)), (10**9 + 99_999, ("b",))]


OPERATIONS = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 20), st.sampled_from(Phase)))


@given(OPERATIONS, st.integers(0, 20))
def test_a_restored_timeline_goes_on_as_the_saved_one(operations: list[tuple[str, int | None, Phase]], cut_ps: int):
    timeline = Timeline()
    expected: dict[str, tuple[int, int, int]] = {}
    for name, at_ps, phase in operations:
        if at_ps is None:
            timeline.disarm((name,))
            expected.pop(name, None)
        else:
            timeline.arm((name,), at_ps, phase)
            if name not in expected or expected[name][0] != at_ps:
                expected[name] = (at_ps, phase, timeline.order)
    first = Log(timeline)
    run(timeline, first, cut_ps)
    again = Timeline(timeline.now_ps)
    again.restore({due.key: due for due in timeline.pending()}, timeline.order)
    second = Log(again)
    run(again, second, 100)
    names = [name for _, name in first.seen + second.seen if name != "decide"]
    assert names == [name for name, _ in sorted(expected.items(), key=lambda each: each[1])]
    assert again.order == timeline.order
    assert all(isinstance(due, Due) for due in timeline.pending())
