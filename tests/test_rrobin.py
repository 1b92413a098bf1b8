"""Round robin: the ring, the slice, and what wakes, sleeps, yields and denials do to them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.hypervisor import lifecycle
from coprocsim.hypervisor.state import Vcoproc
from coprocsim.model import Sharing
from tests.machines import MS, US, Machine, deny, scripted

NO_TIMEOUT = Sharing(switch_timeout_ps=0)


def entered(machine: Machine) -> list[str]:
    """Return who became RUNNING, and when in ms: `a@10`."""
    names = {str(each.vcoproc_id): each.domain.name for each in machine.board.vcoprocs.values()}
    return [
        f"{names[str(who)]}@{at_ps / MS:g}"
        for at_ps, _, _, who, old, new in machine.rows("state")
        if (old, new) == ("WAITING", "RUNNING")
    ]


def test_each_ready_vcoproc_has_its_slice_in_the_order_of_waking():
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS)
    machine.wake(b, c, a)
    machine.run(65 * MS)
    assert entered(machine) == ["b@0", "c@10", "a@20", "b@30", "c@40", "a@50", "b@60"]


def test_one_that_is_alone_keeps_the_coproc_without_a_switch():
    machine, (a,) = scripted("a", slice=10 * MS)
    machine.wake(a)
    machine.run(1000 * MS)
    assert entered(machine) == ["a@0"]
    assert a.coproc.counters.switches == 1


def test_a_wake_waits_at_the_tail():
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS)
    machine.wake(a, b)
    machine.at(3 * MS)
    machine.wake(c)
    machine.run(35 * MS)
    assert entered(machine) == ["a@0", "b@10", "c@20", "a@30"]


def test_a_wake_at_the_head_preempts_when_the_least_run_is_over_and_the_preempted_goes_to_the_tail():
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS, wake="head", min_run=MS)
    machine.wake(a)
    machine.at(MS // 2)
    machine.wake(b)
    machine.at(8 * MS)
    machine.wake(c)
    machine.run(25 * MS)
    assert entered(machine) == ["a@0", "b@1", "c@8", "a@18"]


def test_without_a_least_run_a_wake_at_the_head_preempts_at_once():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, wake="head", min_run=0)
    machine.wake(a)
    machine.at(3 * US)
    machine.wake(b)
    assert entered(machine) == ["a@0", "b@0.003"]


def test_a_yield_goes_behind_all_others():
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS)
    machine.wake(a, b, c)
    machine.at(2 * MS)
    machine.do("yield", a)
    machine.run(25 * MS)
    assert entered(machine) == ["a@0", "b@2", "c@12", "a@22"]


def test_a_yield_with_nobody_to_give_way_to_is_over_and_costs_no_later_turn():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    machine.wake(a)
    machine.at(2 * MS)
    machine.do("yield", a)
    machine.at(5 * MS)
    machine.wake(b)
    machine.run(11 * MS)
    assert entered(machine) == ["a@0", "b@10"]


def test_a_yield_gives_way_to_one_that_wakes_at_the_same_instant():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    machine.wake(a)
    machine.at(2 * MS)
    machine.do("yield", a)
    machine.wake(b)
    assert entered(machine) == ["a@0", "b@2"]


def test_one_that_does_not_run_has_nothing_to_yield():
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS)
    machine.wake(a, b, c)
    machine.do("yield", b)
    machine.run(11 * MS)
    assert entered(machine) == ["a@0", "b@10"]


def test_to_sleep_and_wake_at_one_instant_is_the_same_turn_with_the_same_end():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    machine.wake(a, b)
    machine.at(4 * MS)
    lifecycle.sleep(machine.board, a)
    machine.wake(a)
    assert machine.running() == a.vcoproc_id
    machine.run(15 * MS)
    assert entered(machine) == ["a@0", "b@10"]


def test_a_wake_during_its_own_denial_queues_at_the_tail():
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS, sharing=NO_TIMEOUT)
    deny(a, 5 * MS)
    machine.wake(a, b)
    machine.at(2 * MS)
    machine.sleep(a)
    machine.at(3 * MS)
    machine.wake(c)
    machine.at(4 * MS)
    machine.wake(a)
    assert a.state.value == "RUNNING"
    machine.run(28 * MS)
    assert entered(machine) == ["a@0", "b@7", "c@17", "a@27"]


@given(st.lists(st.integers(0, 9_999), max_size=30))
def test_repeated_wakes_never_stretch_a_slice(instants_us: list[int]):
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS)
    machine.wake(a, b)
    for at_us in sorted(instants_us):
        machine.at(at_us * US)
        machine.wake(a, b, c)
        machine.sleep(c)
    machine.run(10 * MS)
    assert entered(machine)[:2] == ["a@0", "b@10"]


ACTIONS = st.lists(
    st.tuples(st.integers(1, 8_000), st.sampled_from(["wake", "sleep", "yield"]), st.integers(1, 3)), max_size=60
)
RETRIES = st.lists(st.integers(0, 9_000).map(lambda us: us * US), max_size=20)


@settings(max_examples=60)
@given(ACTIONS, st.lists(RETRIES, min_size=4, max_size=4))
def test_who_stays_ready_waits_for_one_turn_and_one_denial_of_each_other(actions, retries):
    machine, vcoprocs = scripted("victim", "b", "c", "d", slice=10 * MS, sharing=NO_TIMEOUT)
    for vcoproc, denied in zip(vcoprocs, retries, strict=True):
        deny(vcoproc, *denied)
    machine.wake(*vcoprocs)
    for gap_us, what, which in actions:
        machine.at(machine.board.now_ps + gap_us * US)
        machine.do(what, vcoprocs[which])
        machine.hypervisor.settle()
    machine.run(machine.board.now_ps + 100 * MS)
    assert max(waits_but_for_denials_ps(machine, vcoprocs[0])) <= 3 * 10 * MS


def waits_but_for_denials_ps(machine: Machine, vcoproc: Vcoproc) -> list[int]:
    """Return how long `vcoproc` waited each time, less what others denied meanwhile."""
    waits, waiting, denying, denied_ps = [0], 0, -1, 0
    for at_ps, _, what, who, *more in machine.rows("state", "switch_from", "resume"):
        if what == "switch_from" and more[0] == "busy" and denying < 0:
            denying = at_ps
        elif what != "state" and more[:1] != ["busy"]:
            denied_ps += at_ps - denying if denying >= 0 else 0
            denying = -1
        elif what == "state" and who == str(vcoproc.vcoproc_id) and more[1] == "WAITING":
            waiting, denied_ps = at_ps, 0
        elif what == "state" and who == str(vcoproc.vcoproc_id) and more[1] == "RUNNING":
            waits.append(at_ps - waiting - denied_ps)
    return waits
