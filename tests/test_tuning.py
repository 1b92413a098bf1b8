"""Changing how a coproc is shared while it runs: nobody is torn down, nobody is lost, and the trace says so."""

from coprocsim.hypervisor import tuning
from coprocsim.model import Sharing
from coprocsim.schedulers.rrobin import RoundRobin
from tests.machines import MS, Machine, deny, scripted

LONG = Sharing(switch_timeout_ps=0)


class Backwards(RoundRobin):
    """Another algorithm, by name."""

    name = "backwards"


def test_a_longer_slice_does_not_stretch_the_running_turn_but_the_next():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    machine.wake(a, b)
    machine.at(4 * MS)
    tuning.set_parameters(machine.board, a.coproc, {"slice": 30 * MS})
    machine.run(50 * MS)
    assert machine.story("setting") == ["4000 setting - slice 30000000000"]
    assert [row[0] // MS for row in machine.rows("switch_from")] == [10, 40]


def test_the_sharing_changes_from_now_on_and_a_denial_keeps_its_timeout():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    deny(a, *[MS] * 1_000)
    machine.wake(a, b)
    machine.run(20 * MS)
    tuning.set_sharing(machine.board, a.coproc, {"switch-timeout": 100 * MS, "charge": "none"})
    machine.run(60 * MS)
    assert [row[0] // MS for row in machine.rows("timeout")] == [50]
    assert a.owed_ps == 0
    assert a.coproc.sharing.switch_timeout_ps == 100 * MS


def test_another_algorithm_knows_the_running_one_the_waiting_ones_in_order_and_no_sleeper():
    machine, (a, b, c, d) = scripted("a", "b", "c", "d", slice=10 * MS)
    machine.wake(a, c)
    machine.at(MS)
    machine.wake(b)
    machine.at(4 * MS)
    settings = RoundRobin(a.coproc.settings).settings
    tuning.set_algorithm(machine.board, a.coproc, Backwards, settings, {})
    machine.hypervisor.settle()
    assert machine.running() == a.vcoproc_id
    machine.run(45 * MS)
    assert machine.story("algorithm") == ["4000 algorithm backwards"]
    assert [row[3] for row in machine.rows("switch_to")] == ["d1v0", "d3v0", "d2v0", "d1v0", "d3v0"]
    assert [row[0] // MS for row in machine.rows("switch_to")] == [0, 10, 20, 30, 40]
    assert d.counters.switches == 0


def test_an_algorithm_may_change_in_the_middle_of_a_switch():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=LONG)
    deny(a, 5 * MS)
    machine.wake(a, b)
    machine.run(12 * MS)
    settings = RoundRobin(a.coproc.settings).settings
    tuning.set_algorithm(machine.board, a.coproc, Backwards, settings, {})
    machine.hypervisor.settle()
    machine.check()
    machine.run(16 * MS)
    assert machine.running() == b.vcoproc_id
    assert [row[0] // MS for row in machine.rows("switch_from")] == [10, 15]


def test_a_domain_created_later_is_the_new_algorithm_s():
    machine = Machine()
    coproc = machine.coproc("gpu0", settings={"slice": 10 * MS})
    tuning.set_algorithm(machine.board, coproc, Backwards, dict(coproc.settings), {})
    vcoproc = machine.vcoproc("a")
    machine.wake(vcoproc)
    machine.run(MS)
    assert isinstance(coproc.scheduler, Backwards)
    assert machine.running() is None or machine.running() == vcoproc.vcoproc_id
