"""An algorithm with budgets that takes a coproc over books nothing that the one before has let run."""

import pytest

from coprocsim.hypervisor import tuning
from coprocsim.parameters import Scope, Value
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.cbs import ConstantBandwidthServer
from coprocsim.schedulers.fixed import FixedShare
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.schedulers.rtds import DeferrableServer
from tests.machines import MS
from tests.theory.stage import backlog, play

HALF: dict[str, Value] = {"budget": 5 * MS, "period": 10 * MS}


@pytest.mark.parametrize(
    ("algorithm", "settings", "own", "first", "second"),
    [
        # Slots begin at 0, 10, 20, …: the second's, then the first's.
        (FixedShare, {"frequency": 100}, {"slots": 1}, [(0, 15), (20, 30)], [(15, 20), (30, 35)]),
        # Periods and deadlines count from the change.
        (DeferrableServer, {}, {**HALF, "extratime": 0}, [(0, 20), (25, 30)], [(20, 25), (30, 35)]),
        (ConstantBandwidthServer, {}, HALF, [(0, 20), (25, 30)], [(20, 25), (30, 35)]),
    ],
)
def test_whoever_has_run_before_the_change_owes_nothing(
    algorithm: type[Scheduler],
    settings: dict[str, Value],
    own: dict[str, Value],
    first: list[tuple[float, float]],
    second: list[tuple[float, float]],
):
    assert own.keys() == algorithm.defaults(Scope.VCOPROC).keys()
    played = play(RoundRobin, [backlog(), backlog()], 15)
    tuning.set_algorithm(played.machine.board, played.vcoprocs[0].coproc, algorithm, settings, own)
    played.machine.run(35 * MS)
    assert (played.stretches(0), played.stretches(1)) == (first, second)
