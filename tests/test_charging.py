"""Who pays: what a vcoproc owes that overruns its turn while it denies, and whom a switch is charged to."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from coprocsim.model import Charge, Payer, Sharing
from coprocsim.parameters import Value
from coprocsim.schedulers.base import Ran
from coprocsim.schedulers.rrobin import RoundRobin
from tests.machines import MS, US, Machine, deny, driver, driver_of, scripted
from tests.scripted import ScriptedPlatform

NO_TIMEOUT = Sharing(switch_timeout_ps=0)
COSTLY = driver(leave_ps=20 * US, enter_ps=30 * US, invalidate_ps=2 * US)


def lengths_while_denying(charge: Charge, retry_ps: int, until_ps: int) -> list[int]:
    """Return after how long the turns of `a`, which denies once each time, are told to leave: their lengths."""
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=Sharing(charge=charge))
    deny(a, *[retry_ps, 0] * 50)
    machine.wake(a, b)
    machine.run(until_ps)
    lengths, since = [], 0
    for at_ps, _, what, who, *more in machine.rows("state", "switch_from"):
        if who == "d1v0" and what == "state" and more[1] == "RUNNING":
            since = at_ps
        elif who == "d1v0" and more[0] == "busy":
            lengths.append(at_ps - since)
    return lengths[:4]


def test_an_overrun_is_charged_to_nobody_if_so_configured():
    """The original always: shares shift to whoever denies longest, here 13.3 : 10."""
    assert lengths_while_denying(Charge.NONE, 3_300 * US, 100 * MS) == [10 * MS] * 4


def test_an_overrun_is_paid_back_in_33_parts_by_averaging():
    """A grows by 3.3 ms each time and shrinks by A // 33: the lengths follow the recurrence, to the picosecond."""
    owed, expected = 0, []
    for _ in range(4):
        expected.append(10 * MS - owed // 33)
        owed += 3_300 * US - owed // 33
    assert expected[:3] == [10 * MS, 9_900 * US, 9_803_030_304]
    assert lengths_while_denying(Charge.AVERAGING, 3_300 * US, 100 * MS) == expected


def test_an_overrun_is_paid_back_at_once_as_debt():
    assert lengths_while_denying(Charge.DEBT, 3_300 * US, 100 * MS) == [10 * MS, *[6_700 * US] * 3]


def test_no_debt_makes_a_turn_shorter_than_a_switch_or_the_retry_floor():
    assert lengths_while_denying(Charge.DEBT, 15 * MS, 150 * MS) == [10 * MS, *[10 * US] * 3]
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=Sharing(charge=Charge.DEBT), platform=COSTLY)
    deny(a, 15 * MS)
    machine.wake(a, b)
    machine.run(36 * MS)
    entered = [at_ps for at_ps, *_, who, _, new in machine.rows("state") if (who, new) == ("d1v0", "RUNNING")]
    told = [at_ps for at_ps, *_, who, _, _ in machine.rows("switch_from") if who == "d1v0"]
    assert told[-1] - entered[-1] == 50 * US
    assert a.owed_ps == 15 * MS - (10 * MS - 50 * US)


def test_who_denies_twice_in_a_row_owes_from_the_first_busy_to_left():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=Sharing(charge=Charge.DEBT))
    deny(a, 2 * MS, 3 * MS)
    machine.wake(a, b)
    machine.run(16 * MS)
    assert (a.owed_ps, a.counters.overrun_ps, a.counters.denied_ps, a.counters.denials) == (5 * MS, 5 * MS, 5 * MS, 2)
    assert (b.owed_ps, b.counters.suffered_ps) == (0, 5 * MS)


class Noting(RoundRobin):
    """Notes the turns that it is told of."""

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self.told: list[Ran] = []

    def ran(self, ran: Ran) -> None:
        super().ran(ran)
        self.told.append(ran)


def test_who_denies_until_nobody_else_wants_the_coproc_has_overrun_as_well():
    machine = Machine()
    coproc = machine.coproc("gpu0", ScriptedPlatform, Noting, settings={"slice": 10 * MS})
    a, b = machine.vcoproc("a"), machine.vcoproc("b")
    deny(a, 5 * MS)
    machine.wake(a, b)
    machine.at(12 * MS)
    machine.sleep(b)
    assert isinstance(coproc.scheduler, Noting)
    assert coproc.scheduler.told == [Ran(a.vcoproc_id, 0, 12 * MS, 2 * MS, 0, 12 * MS)]


@pytest.mark.parametrize(
    ("payer", "charged"),
    [(Payer.SYSTEM, (0, 0)), (Payer.LEAVING, (52, 52)), (Payer.ENTERING, (30 + 52, 52))],
)
def test_a_switch_is_charged_to_whoever_is_to_pay(payer: Payer, charged: tuple[int, int]):
    """In µs. Three switches: to `a` from idle (30 µs), from `a` to `b` and back (20 + 2 + 30 µs each)."""
    described = Sharing(payer=payer)
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=COSTLY, sharing=described)
    machine.wake(a, b)
    machine.run(21 * MS)
    assert (a.counters.switch_ps // US, b.counters.switch_ps // US) == charged
    machine.book()
    assert a.coproc.counters.switch_ps == (30 + 2 * 52) * US


def test_time_under_reset_is_charged_to_nobody():
    platform = driver(leave_ps=20 * US, enter_ps=30 * US, reset_ps=100 * US)
    machine, (a, b) = scripted("a", "b", slice=10 * MS, platform=platform, sharing=Sharing(payer=Payer.LEAVING))
    machine.wake(a, b)
    machine.at(10_030 * US)
    driver_of(a).broken = {"switch_to"}
    machine.run(10_100 * US)
    driver_of(a).broken = set()
    machine.run(11 * MS)
    machine.book()
    assert a.counters.switch_ps == 20 * US
    assert (a.coproc.counters.failed_ps, a.coproc.counters.switch_ps) == (100 * US, (30 + 20 + 30) * US)


def test_with_charge_none_an_old_debt_is_not_paid():
    machine, (a, b) = scripted("a", "b", slice=10 * MS, sharing=replace(NO_TIMEOUT, charge=Charge.NONE))
    a.owed_ps = 7 * MS
    machine.wake(a, b)
    machine.run(15 * MS)
    assert machine.story("switch_from") == ["10000 switch_from d1v0 left 0"]
