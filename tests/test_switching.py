"""The context switch: its phases and their costs, denials, failures, and who comes and goes meanwhile.

Who pays for it is in `test_charging.py`; what the original framework does badly, in `test_original.py`.
"""

from collections.abc import Mapping
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.errors import CfgError, PluginError
from coprocsim.hypervisor import domains, lifecycle, mmio
from coprocsim.hypervisor.state import Phase, Vcoproc
from coprocsim.model import Charge, Payer, Sharing, Sleep, VcoprocId, VcoprocState
from coprocsim.parameters import Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Turn
from coprocsim.schedulers.rrobin import RoundRobin
from tests.machines import MS, US, Machine, S, deny, driver, driver_of, scripted, spec, state, turns

NO_TIMEOUT = Sharing(switch_timeout_ps=0)
COSTLY = driver(leave_ps=20 * US, enter_ps=30 * US, invalidate_ps=2 * US)

# ---------------------------------------------------------------- denials and failures


def test_a_denial_that_is_promised_to_end_with_the_timeout_may_end():
    """A job that cannot be cut for just as long as the timeout is no fault; one that denies once more is."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    deny(a, 40 * MS, 0, 40 * MS, MS)
    machine.wake(a, b)
    machine.run(51 * MS)
    assert (machine.running(), a.counters.resets) == (b.vcoproc_id, 0)
    machine.run(S)
    ((at_ps, *_),) = machine.rows("reset")
    assert at_ps == 60 * MS + 10 * MS - 40 * MS // 33 + 40 * MS


def test_when_the_next_goes_away_as_the_timeout_comes_nothing_is_reset():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    deny(a, *[MS] * 100)
    machine.wake(a, b)
    machine.at(50 * MS)
    machine.sleep(b)
    machine.run(51 * MS)
    assert (machine.running(), a.counters.resets) == (a.vcoproc_id, 0)


def test_without_a_switch_timeout_a_denial_may_last_for_ever():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=NO_TIMEOUT)
    deny(a, *[MS // 2] * 2_000)
    machine.wake(a, b)
    machine.run(S)
    assert turns(machine.rows(), S) == {"d1v0": S}


def test_resumed_before_its_end_it_is_the_same_turn():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    deny(a, 5 * MS)
    machine.wake(a, b)
    machine.at(2 * MS)
    machine.do("yield", a)
    machine.at(4 * MS)
    machine.sleep(b)
    machine.at(5 * MS)
    machine.wake(b)
    machine.run(19 * MS)
    assert machine.story("resume", "switch_to")[1:] == ["4000 resume d1v0", "10000 switch_to d2v0 entered 0"]


def test_a_coproc_whose_reset_fails_has_failed_and_every_other_goes_on():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=driver())
    machine.coproc("dsp0", driver())
    other = machine.vcoproc("c", "dsp0")
    machine.wake(a, b, other)
    driver_of(a).broken = {"switch_from", "reset", "reset_coproc"}
    machine.run(30 * MS)
    assert machine.story("reset", "failed") == [
        "10000 reset d1v0 it hangs",
        "10000 failed it hangs; reset: it is dead; reset of the coproc: all of it",
    ]
    assert (a.state, b.state) == (VcoprocState.SLEEPING, VcoprocState.SLEEPING)
    machine.wake(a, b)
    assert (a.state, a.coproc.phase) == (VcoprocState.SLEEPING, Phase.FAILED)
    assert set(machine.board.attached.values()) == {other.vcoproc_id}
    assert machine.running("dsp0") == other.vcoproc_id
    machine.book()
    counters = a.coproc.counters
    assert (counters.run_ps, counters.failed_ps) == (10 * MS, 20 * MS)


def test_no_domain_is_created_on_a_coproc_that_has_failed():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=driver())
    machine.wake(a, b)
    driver_of(a).broken = {"switch_from", "reset", "reset_coproc"}
    machine.run(10 * MS)
    with pytest.raises(CfgError) as caught:
        machine.vcoproc("c")
    assert str(caught.value) == "`gpu0` has failed: it hangs; reset: it is dead; reset of the coproc: all of it"
    assert caught.value.hint == "boot the machine anew to bring it back"
    domains.destroy(machine.board, a.domain)
    machine.hypervisor.settle()
    assert list(machine.board.domains) == [2]


class ForEver(RoundRobin):
    """Answers what is over already."""

    name = "for-ever"
    answer: ClassVar[Decision] = Idle()

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [Idle(5 * MS), Idle(0), Run(VcoprocId(1, 0), 0), Run(VcoprocId(1, 0), MS, 5 * MS), Run(VcoprocId(1, 0), -1)],
)
def test_an_algorithm_whose_answer_is_over_already_is_refused(answer: Decision):
    machine = Machine()
    machine.coproc("gpu0", driver(), type("Made", (ForEver,), {"answer": answer}))
    machine.at(5 * MS)
    with pytest.raises(PluginError, match="the scheduling algorithm `for-ever` answers what is over already"):
        machine.wake(machine.vcoproc("a"))


@pytest.mark.parametrize(
    "answer",
    [
        *("whoever", None),
        *(Idle("later"), Run("d1v0"), Run(VcoprocId(1, 0), 0.5 * MS)),  # type: ignore[arg-type] # somebody's may be so
        Run(VcoprocId(77, 0)),
    ],
)
def test_an_algorithm_whose_answer_is_no_decision_is_named(answer):
    machine = Machine()
    machine.coproc("gpu0", driver(), type("Made", (ForEver,), {"answer": answer}))
    with pytest.raises(PluginError, match="the scheduling algorithm `for-ever` answers what is no decision"):
        machine.wake(machine.vcoproc("a"))


def test_a_vcoproc_never_moves_to_another_coproc():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    machine.coproc("gpu1", driver())
    machine.vcoproc("c", "gpu1")
    machine.wake(a, b)
    # b waits for gpu0 though gpu1 is idle all the time.
    machine.run(9 * MS)
    assert (state(a), state(b), machine.running("gpu1")) == ("RUNNING", "WAITING", None)
    machine.run(15 * MS)
    assert machine.running("gpu0") == b.vcoproc_id
    assert machine.board.coprocs["gpu1"].counters.switches == 0


# ---------------------------------------------------------------- phases, their costs, and who owns the coproc


def test_a_switch_is_leave_then_invalidate_then_enter_and_each_takes_its_time():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b)
    machine.run(11 * MS)
    assert machine.story()[-6:] == [
        "10030 switch_from d1v0 left 20000000",
        "10050 iommu_disable d1v0",
        "10050 state d1v0 RUNNING WAITING",
        "10052 iommu_enable d2v0",
        "10052 switch_to d2v0 entered 30000000",
        "10082 state d2v0 WAITING RUNNING",
    ]


def test_a_turn_s_length_counts_from_the_end_of_the_switch():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b)
    machine.run(31 * MS)
    told = [at_ps for at_ps, *_ in machine.rows("switch_from")]
    assert told == [10_030 * US, 20_082 * US, 30_134 * US]


def test_the_leaving_one_owns_the_coproc_until_it_has_left_then_nobody_then_the_entering_one():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b)
    seen = []
    for at_us in (10_029, 10_031, 10_051, 10_053, 10_083):
        machine.run(at_us * US)
        current = a.coproc.current
        owner = None if current is None else current.domain.name
        seen.append((owner, a.state.value, b.state.value, a.coproc.phase.value))
    assert seen == [
        ("a", "RUNNING", "WAITING", "settled"),
        ("a", "RUNNING", "WAITING", "leaving"),
        (None, "WAITING", "WAITING", "invalidating"),
        ("b", "WAITING", "WAITING", "entering"),
        ("b", "WAITING", "RUNNING", "settled"),
    ]


def test_one_that_was_asked_to_sleep_stays_so_until_it_has_left():
    machine, (a,) = scripted("a", slice=10 * MS, platform=COSTLY)
    machine.wake(a)
    machine.at(MS)
    machine.sleep(a)
    machine.run(MS + 19 * US)
    assert state(a) == "ASKED_TO_SLEEP"
    machine.run(MS + 20 * US)
    assert state(a) == "SLEEPING"


# ---------------------------------------------------------------- what happens during a switch


def test_what_happens_during_a_switch_is_noted_and_one_decision_follows():
    machine, (a, b, c, d) = scripted("a", "b", "c", "d", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b)
    machine.board.decisions = []
    for at_us, woken in ((10_035, c), (10_051, d), (10_060, a)):
        machine.at(at_us * US)
        machine.wake(woken)
    machine.run(11 * MS)
    assert [asked.at_ps // US for asked in machine.board.decisions] == [10_030, 10_082]
    machine.run(50 * MS)
    order = [who for _, _, _, who, *_ in machine.rows("switch_to")]
    assert order == ["d1v0", "d2v0", "d3v0", "d4v0", "d1v0"]


@pytest.mark.parametrize("at_us", [10_035, 10_051])
def test_who_falls_asleep_before_it_is_entered_is_not_entered(at_us: int):
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b, c)
    machine.at(at_us * US)
    machine.sleep(b)
    machine.run(10_100 * US)
    assert machine.running() == c.vcoproc_id
    assert b.counters.switches == 0


def test_who_falls_asleep_while_it_enters_leaves_as_soon_as_it_has_entered():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b)
    machine.at(10_060 * US)
    machine.sleep(b)
    assert b.state is VcoprocState.WAITING
    machine.run(11 * MS)
    assert [row for row in machine.story("state") if "d2v0" in row][2:] == [
        "10082 state d2v0 WAITING RUNNING",
        "10082 state d2v0 RUNNING ASKED_TO_SLEEP",
        "10102 state d2v0 ASKED_TO_SLEEP SLEEPING",
    ]
    assert machine.running() == a.vcoproc_id


def test_who_sleeps_and_wakes_while_it_enters_runs():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b)
    machine.at(10_060 * US)
    machine.sleep(b)
    machine.at(10_070 * US)
    machine.wake(b)
    machine.run(20 * MS)
    assert machine.running() == b.vcoproc_id


def test_who_is_paused_while_it_enters_sleeps_until_it_is_unpaused():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b)
    machine.at(10_060 * US)
    machine.do("pause", b)
    machine.run(15 * MS)
    assert (b.state, machine.running()) == (VcoprocState.SLEEPING, a.vcoproc_id)
    machine.do("unpause", b)
    machine.hypervisor.settle()
    assert b.state is VcoprocState.WAITING


@pytest.mark.parametrize("at_us", [10_035, 10_051, 10_060])
def test_who_is_destroyed_before_it_has_entered_is_gone_and_the_others_go_on(at_us: int):
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b)
    machine.at(at_us * US)
    domains.destroy(machine.board, b.domain)
    machine.hypervisor.settle()
    machine.run(11 * MS)
    assert list(machine.board.domains) == [1]
    assert (b.state, machine.running()) == (VcoprocState.UNKNOWN, a.vcoproc_id)


def test_who_wakes_while_it_leaves_waits_for_its_next_turn():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=COSTLY)
    machine.wake(a, b)
    machine.at(5 * MS)
    machine.sleep(a)
    machine.at(5 * MS + 10 * US)
    machine.wake(a)
    machine.run(5 * MS + 52 * US)
    assert a.state is VcoprocState.WAITING
    machine.run(16 * MS)
    assert machine.running() == a.vcoproc_id


# ---------------------------------------------------------------- the IOMMU


@pytest.mark.parametrize("streams", [0, 1, 3])
def test_the_leaving_one_s_iommu_context_is_disabled_before_the_next_is_enabled(streams: int):
    machine = Machine()
    machine.coproc("gpu0", COSTLY, described=spec(streams=streams), settings={"slice": 10 * MS})
    machine.wake(*(machine.vcoproc(name) for name in "abc"))
    machine.run(45 * MS)
    enabled = None
    for _, _, what, who in machine.rows("iommu_enable", "iommu_disable"):
        assert (enabled is None) if what == "iommu_enable" else (enabled == who)
        enabled = who if what == "iommu_enable" else None
    assert (len(machine.rows("iommu_enable")) > 0) == (streams > 0)
    assert len(machine.board.attached) == streams


# ---------------------------------------------------------------- pause


def test_a_paused_domain_s_vcoprocs_sleep_and_go_on_when_it_does():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    machine.wake(a, b)
    machine.at(3 * MS)
    machine.do("pause", a)
    machine.do("pause", b)
    machine.hypervisor.settle()
    assert (a.state, b.state) == (VcoprocState.SLEEPING, VcoprocState.SLEEPING)
    machine.at(7 * MS)
    machine.do("unpause", b)
    machine.hypervisor.settle()
    assert (a.state, machine.running()) == (VcoprocState.SLEEPING, b.vcoproc_id)


def test_a_wake_in_a_paused_domain_is_held():
    machine, (a,) = scripted("a")
    machine.do("pause", a)
    machine.wake(a)
    assert a.state is VcoprocState.SLEEPING
    machine.do("unpause", a)
    machine.hypervisor.settle()
    assert machine.running() == a.vcoproc_id


def test_one_that_slept_when_its_domain_was_paused_sleeps_when_it_goes_on():
    machine, (a, b) = scripted("a", "b")
    machine.wake(b)
    machine.do("pause", a)
    machine.do("unpause", a)
    machine.hypervisor.settle()
    assert a.state is VcoprocState.SLEEPING


def test_a_pause_during_a_denial_that_is_over_before_the_retry_changes_nothing():
    machine, (a,) = scripted("a", slice=10 * MS)
    deny(a, 5 * MS)
    machine.wake(a)
    machine.at(MS)
    machine.do("pause", a)
    machine.hypervisor.settle()
    machine.at(2 * MS)
    machine.do("unpause", a)
    machine.hypervisor.settle()
    assert machine.running() == a.vcoproc_id
    assert machine.story("resume") == ["2000 resume d1v0"]


# ---------------------------------------------------------------- time adds up


WHATS = ("wake", "sleep", "yield", "pause", "unpause", "destroy", "break", "mend")
SCENES = st.lists(st.tuples(st.integers(0, 4_000), st.sampled_from(WHATS), st.integers(0, 3)), max_size=60)
DENIALS = st.lists(st.lists(st.integers(0, 60_000), max_size=12), min_size=4, max_size=4)
BREAKS = ("switch_to", "switch_from", "switch_to", "switch_from")


@given(SCENES, DENIALS, st.sampled_from(Payer), st.sampled_from(Charge))
def test_run_switch_idle_and_failed_add_up_to_the_time_that_has_elapsed(scenes, denials, payer: Payer, charge: Charge):
    sharing = Sharing(payer=payer, charge=charge)
    platform = driver(leave_ps=20 * US, enter_ps=30 * US, invalidate_ps=2 * US, reset_ps=100 * US)
    machine, vcoprocs = scripted("a", "b", "c", "d", slice=3 * MS, platform=platform, sharing=sharing)
    coproc, platform_now = vcoprocs[0].coproc, driver_of(vcoprocs[0])
    for vcoproc, retries in zip(vcoprocs, denials, strict=True):
        deny(vcoproc, *(retry_us * US for retry_us in retries))
    for gap_us, what, which in scenes:
        machine.at(machine.board.now_ps + gap_us * US)
        match what:
            case "break":
                platform_now.broken.add(BREAKS[which])
            case "mend":
                platform_now.broken.clear()
            case _:
                machine.do(what, vcoprocs[which])
        machine.hypervisor.settle()
        machine.check()
    machine.run(machine.board.now_ps + 5 * MS)
    machine.check()
    machine.check_time()
    counters = coproc.counters
    assert counters.run_ps == sum(vcoproc.counters.run_ps for vcoproc in vcoprocs)
    assert counters.switch_ps >= sum(vcoproc.counters.switch_ps for vcoproc in vcoprocs)
    assert counters.switches == sum(vcoproc.counters.switches for vcoproc in vcoprocs)
    assert counters.denials == sum(vcoproc.counters.denials for vcoproc in vcoprocs)


class Told(RoundRobin):
    """Round robin that remembers what it was told."""

    name = "told"

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self.story: list[tuple[str, str, int, int]] = []

    def ran(self, ran: Ran) -> None:
        super().ran(ran)
        self.story.append(("ran", str(ran.vcoproc), ran.run_ps // US, ran.overrun_ps // US))

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().sleep(vcoproc, now_ps)
        self.story.append(("sleep", str(vcoproc), now_ps // US, 0))

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().remove(vcoproc, now_ps)
        self.story.append(("remove", str(vcoproc), now_ps // US, 0))


def told(*names: str) -> tuple[Machine, list[Vcoproc], Told]:
    machine = Machine()
    coproc = machine.coproc("gpu0", COSTLY, Told, settings={"slice": 10 * MS})
    assert isinstance(coproc.scheduler, Told)
    return machine, [machine.vcoproc(name) for name in names], coproc.scheduler


def test_a_scheduler_is_told_once_of_each_turn_and_the_turns_add_up():
    machine, (a, b), scheduler = told("a", "b")
    deny(a, 3 * MS)
    machine.wake(a, b)
    machine.run(43_150 * US)
    assert scheduler.story == [
        ("ran", "d1v0", 13_000, 3_000),
        ("ran", "d2v0", 10_000, 0),
        ("ran", "d1v0", 9_909, 0),
        ("ran", "d2v0", 10_000, 0),
    ]
    assert a.counters.run_ps + b.counters.run_ps == 42_909_090_910


def test_a_scheduler_is_told_of_a_turn_before_it_has_to_forget_the_vcoproc():
    machine, (a, b), scheduler = told("a", "b")
    machine.wake(a, b)
    machine.at(5 * MS)
    domains.destroy(machine.board, a.domain)
    machine.run(5_030 * US)
    assert machine.board.domains.keys() == {1, 2}
    machine.run(6 * MS)
    assert scheduler.story == [("sleep", "d1v0", 5_000, 0), ("ran", "d1v0", 4_970, 0), ("remove", "d1v0", 5_052, 0)]


def test_a_scheduler_is_told_once_of_a_vcoproc_that_gives_up_its_work_while_it_enters():
    machine = Machine()
    coproc = machine.coproc("gpu0", algorithm=Told)
    domain = machine.domain("a", "gpu0")
    base = coproc.spec.regions[0].base
    mmio.access(machine.board, domain, base + reg.DOORBELL, 4, 1)
    machine.run(10 * US)
    mmio.access(machine.board, domain, base + reg.CONTROL, 4, reg.CONTROL_RESET)
    machine.run(MS)
    assert isinstance(coproc.scheduler, Told)
    assert [what for what, *_ in coproc.scheduler.story].count("sleep") == 1
    assert machine.story("state")[-3:] == [
        "25 state d1v0 WAITING RUNNING",
        "25 state d1v0 RUNNING ASKED_TO_SLEEP",
        "50 state d1v0 ASKED_TO_SLEEP SLEEPING",
    ]


def test_a_guest_s_last_word_while_paused_costs_no_switch_afterwards():
    """A paused domain's job that could not be cut has ended: there is nothing to wake it for."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    machine.wake(a, b)
    domains.pause(machine.board, a.domain)
    lifecycle.apply(machine.board, a.coproc, (Sleep(a.vcoproc_id),))
    machine.run(5 * MS)
    domains.unpause(machine.board, a.domain)
    machine.run(6 * MS)
    assert state(a) == "SLEEPING"
