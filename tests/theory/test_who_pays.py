"""Who pays: for switches, as the coproc's `switch-cost-payer` says, and for turns that a denial has stretched."""

import pytest

from coprocsim.model import Charge, Payer, Sharing
from coprocsim.parameters import Value
from coprocsim.schedulers import ALGORITHMS
from tests.machines import MS
from tests.theory.stage import Task, backlog, costing, play

SHARERS = [name for name in ALGORITHMS if ALGORITHMS.is_ours(name) and name != "null"]
# Halves, where an algorithm gives to each what it is told.
OWN: dict[str, dict[str, Value]] = {
    name: {"budget": 10 * MS, "period": 20 * MS, **({"extratime": 0} if name == "rtds" else {})}
    for name in ("rtds", "cbs")
}
SETTINGS: dict[str, dict[str, Value]] = {"rrobin": {"slice": 10 * MS}, "fixed": {"frequency": 100}}


@pytest.mark.parametrize("name", SHARERS)
def test_who_denies_gains_nothing_in_the_long_run(name: str):
    """Jobs of 4 ms, of which a turn of 10 ms cuts the third, beside jobs of 1 ms: cuttable, and not. In 4 s they have
    no more, to within 1 %, where they cannot be cut. (A job longer than a turn pays in no algorithm that can only
    shorten turns: see below.) `priority` and `edf` have no shares to gain: they go by release and deadline."""
    shares = []
    for more in ("", ",uncuttable=all"):
        own = OWN.get(name, {})
        tasks = [Task(f"{backlog(4).workload}{more}", own), Task(backlog(1).workload, own)]
        sharing = Sharing(switch_timeout_ps=0, charge=Charge.AVERAGING)
        played = play(ALGORITHMS[name], tasks, 4_000, values=SETTINGS.get(name), sharing=sharing)
        shares.append(played.ran_ms(0) / 4_000)
    cuttable, uncuttable = shares
    assert uncuttable <= cuttable + 0.01
    assert uncuttable > 0.1, "it is not shut out either"


def test_a_job_longer_than_a_turn_is_the_least_that_a_denier_takes_in_round_robin():
    # 15 ms for each 10 of the other, paid or not: a turn can be shortened, but not below one job.
    for charge in (Charge.NONE, Charge.DEBT):
        sharing = Sharing(switch_timeout_ps=0, charge=charge)
        tasks = [backlog(15, ",uncuttable=all"), backlog(1)]
        played = play(ALGORITHMS["rrobin"], tasks, 4_000, sharing=sharing, slice=10 * MS)
        assert played.ran_ms(0) / played.ran_ms(1) == pytest.approx(15 / 10, rel=0.01)


@pytest.mark.parametrize("name", [each for each in SHARERS if each not in {"priority", "edf", "timebased"}])
@pytest.mark.parametrize("payer", list(Payer))
def test_each_switch_is_charged_to_whom_the_setting_says(name: str, payer: Payer):
    """A switch costs 0.5 ms. What is charged adds up to what the coproc spent on switching, or to nothing."""
    sharing = Sharing(switch_timeout_ps=0, charge=Charge.NONE, payer=payer)
    tasks = [Task(backlog(work_ms).workload, OWN.get(name, {})) for work_ms in (3, 5)]
    settings = SETTINGS.get(name, {})
    played = play(ALGORITHMS[name], tasks, 1_000, values=settings, platform=costing(MS // 2), sharing=sharing)
    played.machine.book()
    spent_ps = played.vcoprocs[0].coproc.counters.switch_ps
    charged_ps = sum(each.counters.switch_ps for each in played.vcoprocs)
    assert spent_ps > 5 * MS
    # The switch under way at the end is not yet anybody's.
    assert charged_ps == 0 if payer is Payer.SYSTEM else 0 <= spent_ps - charged_ps <= MS


@pytest.mark.parametrize("name", ["rtds", "cbs", "credit", "fair"])
def test_a_budget_pays_for_the_switches_that_are_charged_to_it(name: str):
    """Two alike but for the length of their jobs: where they pay, both have the same of the coproc's time, run and
    switches together, to within two periods or requests."""
    tasks = [Task(backlog(work_ms).workload, OWN.get(name, {})) for work_ms in (3, 5)]
    for payer in (Payer.ENTERING, Payer.LEAVING):
        sharing = Sharing(switch_timeout_ps=0, charge=Charge.NONE, payer=payer)
        played = play(ALGORITHMS[name], tasks, 2_000, platform=costing(MS // 2), sharing=sharing)
        had_ms = [played.ran_ms(which) + played.vcoprocs[which].counters.switch_ps / MS for which in (0, 1)]
        assert abs(had_ms[0] - had_ms[1]) <= 40
