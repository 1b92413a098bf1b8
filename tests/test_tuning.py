"""Changing how a coproc is shared while it runs: nobody is torn down, nobody is lost, and the trace says so."""

from collections.abc import Mapping

from coprocsim.hypervisor import tuning
from coprocsim.model import Sharing, VcoprocId
from coprocsim.parameters import Kind, Parameter, Scope, Value
from coprocsim.schedulers.rrobin import RoundRobin
from tests.machines import MS, US, Machine, deny, scripted

LONG = Sharing(switch_timeout_ps=0)


class Other(RoundRobin):
    """Another algorithm, which remembers the order of waking."""

    name = "other"

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self.woken: list[str] = []
        self.ended = False

    def deinit(self) -> None:
        self.ended = True

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().wake(vcoproc, now_ps)
        self.woken.append(str(vcoproc))


def test_a_longer_slice_does_not_stretch_the_running_turn_but_the_next():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    machine.wake(a, b)
    machine.at(4 * MS)
    tuning.set_parameters(machine.board, a.coproc, {"slice": 30 * MS})
    machine.run(50 * MS)
    assert machine.story("setting") == ["4000 setting - slice 30000000000 30ms"]
    assert [row[0] // MS for row in machine.rows("switch_from")] == [10, 40]


def test_a_shorter_slice_ends_the_running_turn_sooner_and_that_is_no_torn_turn():
    machine, (a, b) = scripted("a", "b", slice=100 * MS)
    machine.wake(a, b)
    machine.at(4 * MS)
    tuning.set_parameters(machine.board, a.coproc, {"slice": 10 * MS})
    machine.at(20 * MS - 1)
    tuning.set_parameters(machine.board, a.coproc, {"slice": 5 * MS})
    machine.run(25 * MS)
    assert [row[0] for row in machine.rows("switch_from")] == [10 * MS, 20 * MS - 1, 25 * MS - 1]
    assert machine.rows("reset") == []


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
    settings = dict(a.coproc.settings)
    tuning.set_algorithm(machine.board, a.coproc, Other, settings, {})
    machine.hypervisor.settle()
    assert machine.running() == a.vcoproc_id
    machine.run(45 * MS)
    assert machine.story("algorithm") == ["4000 algorithm other"]
    assert [row[3] for row in machine.rows("switch_to")] == ["d1v0", "d3v0", "d2v0", "d1v0", "d3v0"]
    assert [row[0] // MS for row in machine.rows("switch_to")] == [0, 10, 20, 30, 40]
    assert d.counters.switches == 0


def test_another_algorithm_learns_of_the_running_one_first_though_others_wait_longer():
    machine, (a, b, c) = scripted("a", "b", "c", slice=10 * MS, wake="head", min_run=0)
    for at_ms, woken in enumerate((a, b, c)):
        machine.at(at_ms * MS)
        machine.wake(woken)
    tuning.set_algorithm(machine.board, a.coproc, Other, dict(a.coproc.settings), {})
    assert isinstance(a.coproc.scheduler, Other)
    assert a.coproc.scheduler.woken == ["d3v0", "d1v0", "d2v0"]


def test_an_algorithm_may_change_in_the_middle_of_a_switch():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=LONG)
    deny(a, 5 * MS)
    machine.wake(a, b)
    machine.run(12 * MS)
    settings = dict(a.coproc.settings)
    tuning.set_algorithm(machine.board, a.coproc, Other, settings, {})
    machine.hypervisor.settle()
    machine.check()
    machine.run(16 * MS)
    assert machine.running() == b.vcoproc_id
    assert [row[0] // MS for row in machine.rows("switch_from")] == [10, 15]


def test_a_domain_created_later_is_the_new_algorithm_s():
    machine = Machine()
    coproc = machine.coproc("gpu0", settings={"slice": 10 * MS})
    tuning.set_algorithm(machine.board, coproc, Other, dict(coproc.settings), {})
    vcoproc = machine.vcoproc("a")
    machine.wake(vcoproc)
    machine.run(25 * US)
    assert isinstance(coproc.scheduler, Other)
    assert (coproc.scheduler.woken, vcoproc.counters.switches) == (["d1v0"], 1)


def test_an_algorithm_ends_when_another_one_takes_over_and_the_new_one_has_not():
    machine, (a,) = scripted("a", slice=10 * MS)
    settings = dict(a.coproc.settings)
    tuning.set_algorithm(machine.board, a.coproc, Other, settings, {})
    before = a.coproc.scheduler
    assert isinstance(before, Other)
    assert not before.ended
    tuning.set_algorithm(machine.board, a.coproc, RoundRobin, settings, {})
    assert before.ended


def with_weights(name: str, weight_max: int) -> type[Other]:
    """Return an algorithm whose vcoprocs have a weight of up to `weight_max`."""
    weight = Parameter("weight", Kind.NUMBER, 256, "share", minimum=1, maximum=weight_max, scope=Scope.VCOPROC)
    return type(name, (Other,), {"name": name, "parameters": (*Other.parameters, weight)})


def test_a_vcoprocs_own_parameters_survive_an_algorithm_that_states_them_and_allows_their_values():
    machine, (a, b) = scripted("a", "b", slice=10 * MS)
    settings = dict(a.coproc.settings)
    tuning.set_algorithm(machine.board, a.coproc, with_weights("wide", 65535), settings, {"weight": 256})
    tuning.set_vcoproc_parameters(machine.board, a, {"weight": 512})
    tuning.set_vcoproc_parameters(machine.board, b, {"weight": 9000})
    tuning.set_algorithm(machine.board, a.coproc, with_weights("narrow", 1000), settings, {"weight": 100})
    assert (a.settings, b.settings) == ({"weight": 512}, {"weight": 100})
    tuning.set_algorithm(machine.board, a.coproc, RoundRobin, settings, {})
    assert (a.settings, b.settings) == ({}, {})
