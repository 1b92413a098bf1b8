"""`credit` keeps what Xen's promises: shares by weight, caps, and a boost for who wakes with credits left."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.model import Charge, Payer, Setting, Sharing
from coprocsim.options.build import Build
from coprocsim.parameters import Scope
from coprocsim.schedulers.credit import Credit
from coprocsim.toolstack import schedule
from tests.machines import MS
from tests.theory.stage import Played, backlog, costing, jobs, play

SLICE_MS = 30


@pytest.mark.parametrize("until_ms", [1000, 10_000, 20_000])
def test_weights_1_2_4_are_the_shares_within_three_periods_at_any_time(until_ms: int):
    # One may be a slice ahead of its credits and wait for both others to have theirs: three periods, however long.
    played = play(Credit, [backlog(1, weight=weight) for weight in (100, 200, 400)], until_ms)
    for which, weight in enumerate((1, 2, 4)):
        assert abs(played.ran_ms(which) - until_ms * weight / 7) <= 3 * SLICE_MS


def test_a_cap_holds_although_the_coproc_would_idle():
    # 20 % of 6 s is 1200 ms; one period's 6 ms may be saved up, one owed.
    played = play(Credit, [backlog(1, cap=20)], 6000)
    assert abs(played.ran_ms(0) - 1200) <= 6


def test_what_a_cap_leaves_goes_to_the_others_by_weight():
    # 10 % to the capped one in spite of its weight; of 90 % a third and two thirds.
    tasks = [backlog(1, weight=1000, cap=10), backlog(1, weight=100), backlog(1, weight=200)]
    played = play(Credit, tasks, 20_000)
    for which, share in enumerate((0.1, 0.3, 0.6)):
        assert abs(played.ran_ms(which) - 20_000 * share) <= 4 * SLICE_MS


def test_one_that_wakes_with_credits_left_is_boosted_but_does_not_preempt_before_the_ratelimit():
    # At 60 ms both others have had their turn, and with it their own boost. The waker comes 0.4 ms into the third turn.
    played = play(Credit, [backlog(1), backlog(1), jobs((60.4, 2))], 70)
    assert [at_ms for at_ms, which in played.order() if which == 2] == [61]
    assert played.finishes(2) == [63]


def test_without_a_ratelimit_it_preempts_at_once():
    played = play(Credit, [backlog(1), backlog(1), jobs((60.4, 2))], 70, ratelimit=0)
    assert played.finishes(2) == [62.4]


def test_one_that_wakes_over_its_share_waits_for_those_that_have_credits():
    # 100 ms that could not be cut are a debt of 100 ms. Of what the two pay back each earns a half, so that the
    # sleeper has credits again after the other has had as much; it wakes 10 ms later and must wait until then.
    tasks = [jobs((0, 100), (110, 2), more=",uncuttable=all"), backlog(1)]
    played = play(Credit, tasks, 400)
    assert played.finishes(0)[1] > 100 + 60


def test_one_whose_jobs_cannot_be_cut_does_not_gain():
    # Jobs of 100 ms against turns of 30 ms, equal weights: half, within one job and three periods.
    played = play(Credit, [backlog(100, ",uncuttable=all"), backlog(1)], 20_000)
    assert abs(played.ran_ms(0) - 10_000) <= 100 + 3 * SLICE_MS


def test_debt_is_not_forgiven_to_one_that_sleeps():
    # 100 ms that cannot be cut, then 100 ms asleep, again and again, beside two that always have work: in 20 s a
    # third would be 6667 ms, and one that sleeps half of the time cannot have more than that.
    gone = jobs(*((number * 200, 100) for number in range(100)), more=",uncuttable=all")
    played = play(Credit, [gone, backlog(1), backlog(1)], 20_000)
    assert played.ran_ms(0) <= 20_000 / 3 + 100 + 3 * SLICE_MS
    assert abs(played.ran_ms(1) - played.ran_ms(2)) <= 3 * SLICE_MS + 100


@pytest.mark.parametrize("wakes_ms", [3000, 3000.5, 3010])
def test_of_a_cap_one_period_is_saved_up_and_no_more(wakes_ms: float):
    # Asleep for 3 s; 6 ms that were saved up and 6 in the period that it wakes in, then 6 in each of nine others.
    played = play(Credit, [jobs((wakes_ms, 1000), cap=20)], 3300)
    assert played.ran_ms(0) == 6 + 6 + 9 * 6


def test_of_a_cap_that_is_hardly_used_in_a_period_no_more_is_saved_up():
    # Half a millisecond of its 12, up to 3030; there it has 12 again, of which 6 are of that period; then 6 in each of
    # eight others.
    played = play(Credit, [jobs((3029.5, 1000), cap=20)], 3300)
    assert played.ran_ms(0) == 0.5 + 12 + 8 * 6


# As periods end, a little before and after, and at any other time.
INSTANTS_MS = st.one_of(
    st.builds(
        lambda period, off: max(0, period * SLICE_MS + off), st.integers(0, 20), st.sampled_from((0, 0, -0.5, 1))
    ),
    st.integers(0, 1200).map(lambda halves: halves / 2),
)
ARRIVALS_MS = st.lists(st.tuples(INSTANTS_MS, st.sampled_from((0.5, 3, 6, 12, 40, 100))), min_size=1, max_size=8)


@settings(max_examples=40)
@given(
    ARRIVALS_MS,
    st.sampled_from((5, 20, 50, 90)),
    st.sampled_from((0, 40)),
    st.sampled_from(("nobody", "always", "at times")),
    ARRIVALS_MS,
    st.sampled_from((0, MS // 10, 2 * MS)),
    st.sampled_from(Payer),
)
def test_a_cap_holds_in_every_window_whatever_wakes_when(arrivals, cap, uncut_ms, other, others, switch_ps, payer):
    """With n ends of periods inside a window it has n + 2 periods' caps at most, and what nothing cuts short: a turn of
    the ratelimit, 1 ms, and then what is uncuttable. A window that begins or ends elsewhere has no more."""
    own = jobs(*sorted(arrivals), more=f",uncuttable={uncut_ms}ms", cap=cap)
    beside = {"nobody": [], "always": [backlog(7, ",uncuttable=all")], "at times": [jobs(*sorted(others))]}[other]
    sharing = Sharing(switch_timeout_ps=0, charge=Charge.NONE, payer=payer)
    played = play(Credit, [own, *beside], 700, platform=costing(switch_ps), sharing=sharing)
    stretches = [(round(begin_ms * MS), round(end_ms * MS)) for begin_ms, end_ms in played.stretches(0)]
    period_ps = SLICE_MS * MS
    for first, (from_ps, _) in enumerate(stretches):
        had_ps = 0
        for begin_ps, end_ps in stretches[first:]:
            had_ps += end_ps - begin_ps
            ends = (end_ps - 1) // period_ps - from_ps // period_ps
            assert had_ps <= (ends + 2) * period_ps * cap // 100 + (1 + uncut_ms) * MS


def changed(played: Played, name: str, value: str, until_ms: float) -> Played:
    """Change a parameter as `sched set` would, of the first task's if it is not the coproc's, and go on."""
    machine, vcoproc = played.machine, played.vcoprocs[0]
    if name in Credit.defaults(Scope.COPROC):
        schedule.set_coproc(machine.board, vcoproc.coproc, None, (Setting(name, value),), Build())
    else:
        schedule.set_vcoproc(machine.board, vcoproc, (Setting(name, value),))
    machine.hypervisor.settle()
    machine.run(round(until_ms * MS))
    return played


def test_what_a_cap_has_saved_up_does_not_grow_with_the_slice():
    # Asleep for 2950 ms, in which it saves up 6. Of the period of a second that it wakes in it has 200.
    played = play(Credit, [jobs((2951, 1000), cap=20)], 2950)
    assert changed(played, "slice", "1s", 3900).stretches(0) == [(2951, 2951 + 6 + 200)]


def test_what_a_cap_has_saved_up_shrinks_with_the_slice():
    # From 200 to the 6 that a period of 30 ms has. The one that began at 2000 ends at 2030, and so on: nine by 2300.
    played = play(Credit, [jobs((2011, 1000), cap=20)], 2010, slice=1000 * MS)
    assert changed(played, "slice", "30ms", 2300).ran_ms(0) == 6 + 6 + 9 * 6


@pytest.mark.parametrize("before", [0, 90])
def test_one_that_is_given_a_cap_has_saved_up_nothing_or_a_period_of_that(before: int):
    # From 2951 to 2970, and in each of nine periods by 3240.
    played = play(Credit, [jobs((2951, 1000), cap=before)], 2950)
    assert changed(played, "cap", "20", 3240).ran_ms(0) == (6 if before else 0) + 6 + 9 * 6
