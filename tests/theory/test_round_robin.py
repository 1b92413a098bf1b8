"""`rrobin` against closed forms, textbooks, the original framework and NVIDIA's: RR-1 to -3, FORK-1, -2 and NV-1."""

import pytest

from coprocsim.hypervisor.state import Vcoproc
from coprocsim.model import Charge, Sharing
from coprocsim.schedulers.rrobin import RoundRobin
from tests.machines import MS, Machine, deny, driver, scripted, turns
from tests.theory.stage import UNCHARGED, backlog, costing, jobs, play


def test_rr_1_three_jobs_of_10_in_turns_of_1():
    assert finishes([10, 10, 10], slice_ms=1) == [28, 29, 30]


def test_rr_1_with_a_switch_of_a_tenth_each_turn_costs_it():
    # The jobs end with turns 28, 29 and 30, of 1.1 each.
    assert finishes([10, 10, 10], slice_ms=1, switch_ms=0.1) == [30.8, 31.9, 33.0]


def test_rr_2_silberschatz_bursts_of_24_3_and_3():
    assert finishes([24, 3, 3], slice_ms=4) == [30, 7, 10]


@pytest.mark.parametrize(("which", "bound"), list(enumerate([18, 22, 15, 15])))
def test_rr_3_the_bound_is_reached_by_the_one_that_comes_last(which: int, bound: int):
    works = [5, 10, 3, 4]
    last = works.pop(which)
    assert finishes([*works, last], slice_ms=2)[-1] == bound


def finishes(works: list[float], slice_ms: int, switch_ms: float = 0) -> list[float]:
    """Return when each of the jobs ends that all come at once."""
    platform = costing(round(switch_ms * MS))
    played = play(RoundRobin, [jobs((0, work)) for work in works], 100, platform=platform, slice=slice_ms * MS)
    return [played.finishes(which)[0] for which in range(len(works))]


def test_fork_1_uncharged_denials_of_2_ms_share_8_to_6():
    machine, (a, b) = scripted("a", "b", sharing=UNCHARGED, slice=6 * MS)
    deny(a, *[2 * MS, 0] * 10)
    machine.wake(a, b)
    machine.run(140 * MS)
    assert list(turns(machine.board.trace, 140 * MS).values()) == [80 * MS, 60 * MS]


def test_fork_2_a_slice_counts_from_the_end_of_the_switch_so_that_half_a_ms_leaves_6_of_13():
    # The original's slice began before the switch: 5.5 ms of every 12 for each. Here it is 6 of every 13.
    played = play(RoundRobin, [backlog(1), backlog(1)], 130, platform=costing(MS // 2), slice=6 * MS)
    assert [played.ran_ms(which) for which in range(2)] == [60, 60]


def test_nv_1_averaging_pays_a_33rd_of_what_is_owed_with_each_turn():
    # What is owed goes up by 0.5 ms and down by a 33rd each turn: A = 16.5 (1 - (32/33)^n). Payments are rounded down
    # to a ps, and what is rounded off remains owed: never more than 33 ps in all.
    machine, a = overrunning(Sharing(switch_timeout_ps=0, charge=Charge.AVERAGING, charge_factor=33), denials=2001)
    machine.run(8_100 * MS)
    had = lengths(machine, a)
    slice_33_ms = had[33] / MS - 0.5
    assert slice_33_ms == pytest.approx(1.681117, abs=1e-6)
    assert (2 - slice_33_ms) * 33 == pytest.approx(10.523138, abs=1e-6)
    assert sum(had[:2000]) / 2000 / MS == pytest.approx(2.00825, abs=1e-6)


def overrunning(sharing: Sharing, denials: int) -> tuple[Machine, Vcoproc]:
    """Return two with turns of 2 ms, of which the first overruns each by half a ms."""
    machine, (a, b) = scripted("a", "b", platform=driver(), sharing=sharing, slice=2 * MS)
    deny(a, *[MS // 2, 0] * denials)
    machine.wake(a, b)
    return machine, a


def lengths(machine: Machine, vcoproc: Vcoproc) -> list[int]:
    """Return how long each finished turn of a vcoproc was, its overrun included."""
    changes = [row[0] for row in machine.rows("state") if row[3] == vcoproc.who and "RUNNING" in {row[4], row[5]}]
    return [end - begin for begin, end in zip(changes[::2], changes[1::2], strict=False)]
