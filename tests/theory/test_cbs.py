"""`cbs` against its definition: cases CBS-1 and CBS-2, and that nobody disturbs one that keeps to its bandwidth."""

from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coprocsim.hypervisor import tuning
from coprocsim.model import VcoprocId
from coprocsim.parameters import Value
from coprocsim.schedulers.base import Decision, Ran, Run, Turn
from coprocsim.schedulers.cbs import ConstantBandwidthServer
from tests.machines import MS
from tests.theory.stage import Task, backlog, jobs, periodic, play, reserved


class Watched(ConstantBandwidthServer):
    """Notes the deadlines of the vcoproc with the highest id that it decides by, each once."""

    def __init__(self, settings: dict[str, Value]) -> None:
        super().__init__(settings)
        self.deadlines_ms: list[int] = []

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        watched = max(self.ready(), default=None)
        if watched is not None and watched.domain == 2:
            deadline_ms = self._server(watched, now_ps, turn).deadline_ps // MS
            if deadline_ms not in self.deadlines_ms:
                self.deadlines_ms.append(deadline_ms)
        return super().pick(now_ps, turn)


def test_cbs_1_abeni_and_buttazzo_1998():
    # The hard task is a server whose budget is its work: its deadlines are those of its jobs.
    played = play(Watched, [reserved(periodic(4, 7), 4, 7), reserved(jobs((3, 4), (13, 3)), 3, 8)], 140)
    scheduler = played.vcoprocs[0].coproc.scheduler
    assert isinstance(scheduler, Watched)
    assert scheduler.deadlines_ms == [11, 19, 27]
    assert played.finishes(1) == [12, 20]
    assert played.missed(0) == 0


def test_cbs_2_a_budget_that_is_too_much_by_the_deadline_is_replaced():
    tasks = [reserved(periodic(4, 7), 4, 7), reserved(jobs((3, 3), (12, 3)), 3, 8)]
    assert play(ConstantBandwidthServer, tasks, 140).responses(1) == [4, 3]


def test_what_nobody_else_wants_goes_to_whoever_has_work():
    played = play(ConstantBandwidthServer, [reserved(backlog(), 1, 10), reserved(backlog(), 3, 10)], 1_000)
    # Deadlines go on by 10 ms for each 1 and each 3 ms: 1 to 3 of all the time.
    assert [played.ran_ms(which) for which in range(2)] == [250, 750]


def test_one_that_denies_pays_by_its_deadline_and_gains_nothing():
    tasks = [reserved(backlog(30, more=",uncuttable=all"), 5, 10), reserved(backlog(1), 5, 10)]
    played = play(ConstantBandwidthServer, tasks, 6_000)
    # 30 ms use up six budgets, so that the next job is due 60 ms later than the other's next one.
    assert played.stretches(0)[:2] == [(0, 30), (60, 90)]
    assert played.ran_ms(0) == 3_000


def alone() -> tuple[ConstantBandwidthServer, VcoprocId]:
    """Return the algorithm with one vcoproc of 4 in 10 ms that has work from 0 on."""
    scheduler, vcoproc = ConstantBandwidthServer({}), VcoprocId(1, 0)
    scheduler.add(vcoproc, {"budget": 4 * MS, "period": 10 * MS}, 0)
    scheduler.wake(vcoproc, 0)
    return scheduler, vcoproc


def test_a_switch_is_paid_for_out_of_the_budget_by_whoever_is_charged_for_it():
    # 3 ms and a switch of 1 ms are a budget: there is a whole new one.
    scheduler, vcoproc = alone()
    scheduler.ran(Ran(vcoproc, 0, 3 * MS, 0, MS, 4 * MS))
    assert scheduler.pick(4 * MS, None) == Run(vcoproc, 4 * MS)


def test_what_is_run_beyond_a_budget_is_taken_out_of_the_next_one():
    # 7 ms are one budget, and 3 of 4 ms of another.
    scheduler, vcoproc = alone()
    scheduler.ran(Ran(vcoproc, 0, 7 * MS, 3 * MS, 0, 7 * MS))
    assert scheduler.pick(7 * MS, None) == Run(vcoproc, MS)


def test_what_ran_before_one_came_back_is_booked_before_its_new_work_arrives():
    # It goes to sleep and wakes while it is on the coproc: 1 of 4 ms is left, and not too much for 7 more ms.
    scheduler, vcoproc = alone()
    scheduler.sleep(vcoproc, 2 * MS)
    scheduler.wake(vcoproc, 3 * MS)
    assert scheduler.pick(3 * MS, Turn(vcoproc, 0, 4 * MS)) == Run(vcoproc, until_ps=4 * MS)


def test_new_parameters_hold_from_the_next_budget():
    played = play(ConstantBandwidthServer, [reserved(backlog(), 5, 10), reserved(backlog(), 5, 10)], 2)
    machine, (changed, _) = played.machine, played.vcoprocs
    tuning.set_vcoproc_parameters(machine.board, changed, {"budget": 2 * MS})
    machine.run(20 * MS)
    # The first 5 ms are due at 10 as they were; the next 2 of the one, and 5 of the other, at 20; then the one's at 30.
    assert played.stretches(0)[:2] == [(0, 5), (10, 12)]
    machine.run(7_000 * MS)
    assert abs(played.ran_ms(0) / 7_000 - 2 / 7) < 0.001


SERVERS = st.lists(
    st.integers(2, 20).flatmap(lambda period: st.tuples(st.integers(1, period), st.just(period))),
    min_size=1,
    max_size=4,
)
WORKLOADS = ("kind=backlog,work=3ms", "kind=periodic,work=9ms,period=7ms", "kind=poisson,rate=150,work=exp:3ms")


@settings(max_examples=30, deadline=None)
@given(SERVERS, st.lists(st.sampled_from(WORKLOADS), min_size=4, max_size=4), st.integers(0, 3), st.integers(0, 9))
def test_a_task_within_its_bandwidth_meets_all_deadlines_whatever_the_others_do(
    servers: list[tuple[int, int]], workloads: list[str], place: int, offset_ms: int
):
    assume(sum(Fraction(budget, period) for budget, period in servers) <= 1)
    place %= len(servers)
    budget_ms, period_ms = servers[place]
    tasks = [reserved(Task(work), *server) for work, server in zip(workloads, servers, strict=False)]
    # A job that is preempted in the middle of a cycle does that cycle again: 10 us are enough for all of them.
    tasks[place] = reserved(periodic(budget_ms - 0.01, period_ms, offset_ms=offset_ms), budget_ms, period_ms)
    played = play(ConstantBandwidthServer, tasks, 300)
    assert played.missed(place) == 0
    assert max(played.responses(place)) <= period_ms


@settings(max_examples=30, deadline=None)
@given(SERVERS)
def test_of_those_that_always_have_work_none_gets_less_or_much_more_than_its_bandwidth(servers: list[tuple[int, int]]):
    bandwidth = sum(Fraction(budget, period) for budget, period in servers)
    assume(bandwidth <= 1)
    played = play(ConstantBandwidthServer, [reserved(backlog(3), *server) for server in servers], 200)
    for which, (budget_ms, period_ms) in enumerate(servers):
        for at_ms in range(1, 200, 7):
            had_ms = played.supplied_ms(which, 0, at_ms)
            assert had_ms >= at_ms // period_ms * budget_ms - 1e-6
            # What has run by `at` is due by D at the latest, and all that is due before D has run: for the others at
            # least (D / T - 1) Q each. So with U for all: had <= Q / T (at + the others' Q) / U.
            others_ms = sum(budget for budget, _ in servers) - budget_ms
            assert had_ms <= Fraction(budget_ms, period_ms) * (at_ms + others_ms) / bandwidth + 1e-6
