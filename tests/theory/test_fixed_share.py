"""`fixed` against the bound of time division: cases TDMA-1 and NV-2, and the bound whatever the others do."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.hypervisor import tuning
from coprocsim.schedulers.fixed import FixedShare
from tests.machines import MS
from tests.theory.stage import Free, Played, Task, backlog, costing, jobs, play


def begins(played: Played, which: int) -> list[float]:
    """Return when a task's first turns began."""
    return [at_ms for at_ms, who in played.order() if who == which]


@pytest.mark.parametrize(("sigma", "expected"), [(Fraction(0), Fraction(23)), (Fraction("0.1"), Fraction("24.2"))])
def test_tdma_1_a_job_that_comes_as_its_slot_closes(sigma: Fraction, expected: Fraction):
    # A slot of 2 and the switch before it are 10 ms, so that a unit is 5 ms, or 100/21 ms: 10^7 cycles at 2.1 GHz.
    unit_ms = 10 / (2 + sigma)
    hz = int(10**10 / unit_ms)
    late = Task(f"kind=trace,at=10ms:{5 * 10**7}cycles")
    platform = costing(round(sigma * unit_ms * MS)) if sigma else Free
    played = play(FixedShare, [late, *[backlog()] * 3], 200, platform=platform, hz=hz, frequency=100)
    (finish_ps,) = (row[0] for row in played.machine.rows("job_end") if row[3] == played.vcoprocs[0].who)
    # To the picosecond that the instant of a cycle is rounded up by.
    assert 0 <= finish_ps - 10 * MS - expected * unit_ms * MS < 2


def test_nv_2_the_slots_of_frequency_63_are_15_873_ms():
    played = play(FixedShare, [backlog(), backlog()], 1_000, frequency=63)
    # Slot n begins at n / 63 s, however many have gone before: 62 * 1000 / 63 = 984.12698… ms.
    assert begins(played, 0)[:2] == [0, pytest.approx(2 * 15.873, abs=0.001)]
    assert begins(played, 0)[-1] == pytest.approx(62 * 1000 / 63, abs=1e-9)


@pytest.mark.parametrize(("vcoprocs", "hz"), [(8, 480), (9, 960)])
def test_the_slots_of_many_vcoprocs_are_shorter(vcoprocs: int, hz: int):
    played = play(FixedShare, [backlog()] * vcoprocs, 10)
    assert begins(played, 1)[0] == pytest.approx(1000 / hz, abs=1e-9)


def test_a_slot_that_its_owner_does_not_use_stays_idle():
    played = play(FixedShare, [backlog(), jobs((35, 1)), backlog()], 60, frequency=100)
    assert played.stretches(0) == [(0, 10), (30, 40)]
    assert played.stretches(1) == [(40, 41)]
    assert played.stretches(2) == [(20, 30), (50, 60)]


def test_each_has_as_many_slots_in_a_row_as_are_its_own():
    played = play(FixedShare, [backlog(slots=3), backlog(slots=1)], 80, frequency=100)
    assert played.stretches(0) == [(0, 30), (40, 70)]
    assert played.stretches(1) == [(30, 40), (70, 80)]


def test_what_one_takes_from_others_while_it_denies_is_paid_with_its_own_slots():
    # 15 ms that cannot be cut in slots of 10: 5 of the neighbour's are taken, then 5 of its own pass unused; the next
    # job ends 10 ms into the neighbour's slot, which costs it a whole one.
    played = play(FixedShare, [backlog(15, more=",uncuttable=all"), backlog()], 6_000, frequency=100)
    assert played.stretches(0)[:4] == [(0, 15), (25, 40), (60, 75), (85, 100)]
    assert played.ran_ms(0) == 3_000


def test_one_that_never_lets_go_by_itself_gains_nothing_in_the_long_run():
    # 73 ms at a time, through own slots and those of two others.
    played = play(FixedShare, [backlog(73, more=",uncuttable=all"), backlog(), backlog()], 30_000, frequency=100)
    assert played.ran_ms(0) <= 30_000 / 3 + 73


def test_a_new_frequency_and_new_slots_hold_from_now_on():
    played = play(FixedShare, [backlog(), backlog()], 20, frequency=100)
    machine, coproc = played.machine, played.vcoprocs[0].coproc
    tuning.set_parameters(machine.board, coproc, {"frequency": 200})
    machine.run(40 * MS)
    tuning.set_vcoproc_parameters(machine.board, played.vcoprocs[1], {"slots": 3})
    machine.run(80 * MS)
    assert played.stretches(0) == [(0, 10), (20, 25), (30, 35), (40, 45), (60, 65)]
    assert played.stretches(1) == [(10, 20), (25, 30), (35, 40), (45, 60), (65, 80)]


OTHERS = st.lists(
    st.tuples(st.sampled_from(["backlog", "periodic", "idle"]), st.integers(1, 30), st.integers(1, 3)), max_size=4
)


@settings(max_examples=30, deadline=None)
@given(
    others=OTHERS,
    work_ms=st.integers(1, 45),
    release_us=st.integers(0, 100_000),
    slots=st.integers(1, 3),
    place=st.integers(0, 4),
)
def test_a_job_takes_no_longer_than_the_bound_whatever_the_others_do(
    others: list[tuple[str, int, int]], work_ms: int, release_us: int, slots: int, place: int
):
    workloads = {
        "backlog": "kind=backlog,work={0}ms",
        "periodic": "kind=periodic,work=2ms,period={0}ms",
        "idle": "kind=idle",
    }
    tasks = [Task(workloads[kind].format(number), {"slots": count}) for kind, number, count in others]
    place = min(place, len(tasks))
    tasks.insert(place, jobs((release_us / 1000, work_ms), slots=slots))
    own_ms, cycle_ms = slots * 10, (slots + sum(count for _, _, count in others)) * 10
    bound_ms = -(-work_ms // own_ms) * (cycle_ms - own_ms) + work_ms
    played = play(FixedShare, tasks, release_us / 1000 + bound_ms + 1, frequency=100)
    (response_ms,) = played.responses(place)
    assert response_ms <= bound_ms
