"""Figures and pictures agree with each other, and with the time that has passed."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coprocsim.errors import StateError
from coprocsim.model import Setting
from coprocsim.observe import domains, listing, stats, timeline
from coprocsim.observe.span import span
from coprocsim.observe.view import View, view, who
from coprocsim.snapshot import JobRow, VcoprocSettingRow
from coprocsim.store import MachineFile, read, trace
from coprocsim.toolstack import control
from coprocsim.toolstack import domain as toolstack_domain
from tests.booted import booted, go_on
from tests.machines import MS, US

PROJECT = Path(__file__).parent.parent

WORKLOADS = (
    "kind=backlog,work=12ms,uncuttable=all",
    "kind=backlog,work=1ms",
    "kind=periodic,period=20ms,work=4ms,deadline=8ms",
    "kind=poisson,rate=100,work=exp:3ms,uncuttable=2ms",
    "kind=trace,at=1ms:100ms,uncuttable=all",
    "kind=periodic,period=7ms,work=2ms,on_miss=abandon,dma=4096",
)


def took(lane: timeline.Lane) -> Counter[str]:
    """Return how long each thing went on in a lane."""
    lengths: Counter[str] = Counter()
    for stretch in lane.stretches:
        lengths[stretch.what] += stretch.to_ps - stretch.from_ps
    return lengths


def assert_whole(lane: timeline.Lane, from_ps: int, to_ps: int) -> None:
    """A lane has no gap, no overlap, and nothing that could be one stretch in two."""
    assert lane.stretches[0].from_ps == from_ps
    assert lane.stretches[-1].to_ps == to_ps
    for before, after in pairwise(lane.stretches):
        assert before.to_ps == after.from_ps
        assert (before.what, before.vcoproc) != (after.what, after.vcoproc)


def lanes_of(file: MachineFile, seen: View, from_ps: int, to_ps: int) -> list[timeline.Lane]:
    known = [(who(row), row.coproc_id) for row in seen.vcoprocs]
    return [
        *timeline.coproc_lanes(file, seen.coprocs, from_ps, to_ps),
        *timeline.vcoproc_lanes(file, known, from_ps, to_ps),
    ]


busy_machines = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
workloads = st.lists(st.sampled_from(WORKLOADS), min_size=1, max_size=4)
durations = st.integers(1, 150 * MS)


@busy_machines
@given(workloads=workloads, duration_ps=durations)
def test_what_the_trace_shows_takes_as_long_as_what_was_counted(tmp_path, workloads, duration_ps):
    machine = booted(tmp_path, workloads)
    control.run(machine, duration_ps, go_on)
    with read(machine) as file:
        seen = view(file)
        [lane] = timeline.coproc_lanes(file, seen.coprocs, 0, seen.now_ps)
        [figures] = stats.coproc_stats(seen, [])
        of_vcoprocs = {each.vcoproc: each for each in stats.vcoproc_stats(seen, file.rows(JobRow))}
        lanes = timeline.vcoproc_lanes(file, [], 0, seen.now_ps)
    assert_whole(lane, 0, seen.now_ps)
    length = took(lane)
    assert length["run"] + length["deny"] == figures.run_ps
    assert length["switch"] == figures.switch_ps
    assert length["idle"] == figures.idle_ps
    assert length["reset"] + length["failed"] == figures.failed_ps
    assert length["deny"] == sum(each.denied_ps for each in of_vcoprocs.values())
    for each in lanes:
        assert each.vcoproc is not None
        mine, length = of_vcoprocs[each.vcoproc], took(each)
        assert length["run"] + length["deny"] == mine.run_ps
        assert length["deny"] == mine.denied_ps


@busy_machines
@given(workloads=workloads, duration_ps=durations)
def test_the_figures_add_up_at_every_instant(tmp_path, workloads, duration_ps):
    machine = booted(tmp_path, workloads)
    control.run(machine, duration_ps, go_on)
    with read(machine) as file:
        seen, jobs = view(file), file.rows(JobRow)
    [coproc] = stats.coproc_stats(seen, [])
    each = list(stats.vcoproc_stats(seen, jobs))
    assert coproc.run_ps + coproc.switch_ps + coproc.idle_ps + coproc.failed_ps == coproc.elapsed_ps == duration_ps
    assert sum(vcoproc.run_ps for vcoproc in each) == coproc.run_ps
    assert sum(vcoproc.switches for vcoproc in each) == coproc.switches
    assert sum(vcoproc.denials for vcoproc in each) == coproc.denials
    still_open = Counter(f"d{job.domain_id}v{job.number}" for job in jobs)
    for v in each:
        assert v.released == v.done + v.abandoned + v.dropped + v.failed + still_open[v.vcoproc]
        assert v.missed == v.late + v.abandoned + v.dropped + v.failed + v.overdue
    assert sum(vcoproc.suffered_ps for vcoproc in each) <= sum(vcoproc.denied_ps for vcoproc in each)
    assert all(vcoproc.run_ps + vcoproc.wait_ps <= duration_ps for vcoproc in each)


COUNTED_SINCE = (
    *("run_ps", "wait_ps", "switches", "denials", "denied_ps"),
    *("released", "done", "missed", "late", "abandoned", "dropped", "failed"),
)


@busy_machines
@given(workloads=workloads, duration_ps=durations)
def test_what_is_shown_since_boot_is_what_was_counted(tmp_path, workloads, duration_ps):
    machine = booted(tmp_path, workloads)
    control.run(machine, duration_ps, go_on)
    with read(machine) as file:
        seen = view(file)
        of_span, of_all = span(file, seen, 0, None, None).vcoprocs, stats.vcoproc_stats(seen, file.rows(JobRow))
        for each, all_of_it in zip(of_span, of_all, strict=True):
            for name in (*COUNTED_SINCE, "overdue"):
                assert getattr(each, name) == getattr(all_of_it, name), name


@busy_machines
@given(workloads=workloads, first_ps=durations, then_ps=durations)
def test_what_is_shown_since_an_instant_is_what_was_counted_since(tmp_path, workloads, first_ps, then_ps):
    machine = booted(tmp_path, workloads)
    control.run(machine, first_ps, go_on)
    with read(machine) as file:
        [coproc_was], was = stats.coproc_stats(view(file), []), list(stats.vcoproc_stats(view(file), file.rows(JobRow)))
    control.run(machine, then_ps, go_on)
    with read(machine) as file:
        seen = view(file)
        [coproc_now], now = stats.coproc_stats(seen, []), list(stats.vcoproc_stats(seen, file.rows(JobRow)))
        [coproc], vcoprocs = span(file, seen, first_ps, None, None)
    for name in ("elapsed_ps", "run_ps", "switch_ps", "idle_ps", "failed_ps"):
        assert getattr(coproc, name) == getattr(coproc_now, name) - getattr(coproc_was, name), name
    for each, before, after in zip(vcoprocs, was, now, strict=True):
        for name in COUNTED_SINCE:
            assert getattr(each, name) == getattr(after, name) - getattr(before, name), name
        assert each.share == pytest.approx(each.run_ps / then_ps)
        assert (0 if each.latency is None else each.latency.counted) == each.done


def test_who_is_never_let_near_the_coproc_misses_all_that_is_due(tmp_path):
    """Jobs are released at 0, 7, … and due at the next release; at 35 ms and 1 ps the fifth one is overdue, too."""
    machine = booted(tmp_path, ["kind=trace,at=0s:1s,uncuttable=all", "kind=periodic,period=7ms,work=2ms"])
    control.run(machine, 35 * MS, go_on)
    assert missed_by_the_second(machine) == (4, 4, 0)
    control.run(machine, 1, go_on)
    assert missed_by_the_second(machine) == (5, 5, 1)


def missed_by_the_second(machine: Path) -> tuple[int, int, int]:
    """Return how many jobs it has missed, how many of them are overdue, and how many it has missed since 35 ms."""
    with read(machine) as file:
        seen = view(file)
        _, each = stats.vcoproc_stats(seen, file.rows(JobRow))
        since = 0
        if seen.now_ps > 35 * MS:
            _, of_span = span(file, seen, 35 * MS, None, None).vcoprocs
            since = of_span.missed
    return each.missed, each.overdue, since


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A machine that has denied, switched, been reset, and lost a domain."""
    machine = booted(tmp_path_factory.mktemp("busy"), list(WORKLOADS))
    control.run(machine, 150 * MS, go_on)
    toolstack_domain.destroy(machine, "dom2")
    control.set_schedule(machine, "xxx0", "rrobin", None, [Setting("slice", "3ms"), Setting("charge", "debt")])
    control.access(machine, "dom1", 0x10, 4, None)
    control.run(machine, 150 * MS, go_on)
    return machine


@given(st.integers(0, 300 * MS), st.integers(0, 300 * MS))
@settings(max_examples=20)
def test_a_part_of_the_timeline_is_that_part_of_the_whole(busy, one_ps, other_ps):
    from_ps, to_ps = sorted((one_ps, other_ps))
    if from_ps == to_ps:
        return
    with read(busy) as file:
        seen = view(file)
        part = lanes_of(file, seen, from_ps, to_ps)
        whole = {(lane.coproc, lane.vcoproc): lane for lane in lanes_of(file, seen, 0, seen.now_ps)}
    for lane in part:
        assert_whole(lane, from_ps, to_ps)
        cut = [
            each._replace(from_ps=max(each.from_ps, from_ps), to_ps=min(each.to_ps, to_ps))
            for each in whole[lane.coproc, lane.vcoproc].stretches
            if each.from_ps < to_ps and each.to_ps > from_ps
        ]
        assert list(lane.stretches) == cut


def test_a_domain_that_is_gone_still_has_its_lane(busy):
    with read(busy) as file:
        seen = view(file)
        lanes = timeline.vcoproc_lanes(file, [(who(row), row.coproc_id) for row in seen.vcoprocs], 0, seen.now_ps)
    [gone] = [lane for lane in lanes if lane.vcoproc == "d2v0"]
    assert gone.stretches[-1].what == "gone"
    assert took(gone)["run"] > 0
    assert seen.called("d2v0") == "dom2"
    assert seen.called("d1v0") == "dom1"


def test_every_kind_of_row_in_the_trace_is_documented(busy):
    table = (PROJECT / "coprocsim/observe/README.md").read_text().split("## The trace")[1]
    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = {name for first in firsts for name in re.findall(r"`(\w+)`", first)}
    with read(busy) as file:
        seen = {str(row[2]) for row in file.trace(0, 300 * MS)}
    assert {"switch_from", "reset", "setting", "abort", "job_end"} <= seen
    assert seen <= documented
    hypervisor = "".join(path.read_text() for path in (PROJECT / "coprocsim/hypervisor").glob("*.py"))
    written = set(re.findall(r'record\(\s*[\w.]+,\s*"(\w+)"', hypervisor))
    assert len(written) > 10
    assert written <= documented


def test_what_the_trace_no_longer_tells_is_unknown(tmp_path):
    machine = booted(tmp_path, ["kind=backlog,work=50us", "kind=backlog,work=60us"], trace_limit_bytes=1)
    for _ in range(2):
        control.run(machine, 500 * MS, go_on)
    with read(machine) as file:
        seen, begins_ps = view(file), file.trace_begins_ps
        [lane] = timeline.coproc_lanes(file, seen.coprocs, 0, seen.now_ps)
    assert begins_ps > 0
    assert lane.stretches[0].what == "unknown"
    assert lane.stretches[0].to_ps >= begins_ps
    assert "unknown" not in {each.what for each in lane.stretches[1:]}


def test_what_happened_since_an_instant_is_found_in_one_look_at_the_trace(busy, monkeypatch):
    looks, watched = [], []
    between = trace.between

    def noted(sql, from_ps, to_ps):
        looks.append((from_ps, to_ps))
        return between(sql, from_ps, to_ps)

    def watch(rows):
        for row in rows:
            watched.append(row)
            yield row

    monkeypatch.setattr(trace, "between", noted)
    with read(busy) as file:
        span(file, view(file), 200 * MS, None, None, watch)
        assert looks == [(0, 300 * MS)]
        assert watched == list(file.trace(0, 300 * MS))


def test_shares_since_an_instant_that_the_trace_has_lost_are_refused(tmp_path):
    machine = booted(tmp_path, ["kind=backlog,work=50us", "kind=backlog,work=60us", "kind=idle"], trace_limit_bytes=1)
    for _ in range(2):
        control.run(machine, 500 * MS, go_on)
    with read(machine) as file:
        seen = view(file)
        with pytest.raises(StateError, match=r"the trace does not tell any more what `xxx0` did at 0\.100000 s"):
            span(file, seen, 100 * MS, None, None)
        # Whoever has slept all the time is known to have slept.
        *_, idle = span(file, seen, 999 * MS, None, None).vcoprocs
    assert (idle.domain, idle.run_ps, idle.wait_ps, idle.switches) == ("dom3", 0, 0, 0)


def test_a_domain_that_has_come_just_now_has_had_nothing_since_an_instant(tmp_path):
    machine = booted(tmp_path, ["kind=backlog,work=1ms"])
    control.run(machine, 20 * MS, go_on)
    path = tmp_path / "new.cfg"
    path.write_text(
        'name = "new"\nmemory = 16\ncoproc = [ "xxx0" ]\ncoproc_workload = [ "xxx0,kind=backlog,work=1ms" ]\n'
    )
    toolstack_domain.create(machine, str(path), (), paused=False, dry_run=False)
    with read(machine) as file:
        first, new = span(file, view(file), 10 * MS, None, None).vcoprocs
    # The only other one has it all the time.
    assert (first.run_ps, first.share) == (10 * MS, 1.0)
    assert (new.domain, new.run_ps, new.wait_ps, new.switches) == ("new", 0, 0, 0)


def test_what_happens_at_the_first_instant_itself_was_before(tmp_path):
    machine = booted(tmp_path, ["kind=backlog,work=1ms", "kind=backlog,work=1ms"])
    control.run(machine, 20 * MS, go_on)
    with read(machine) as file:
        seen = view(file)
        entered_ps = [
            row[0] for row in file.trace(0, seen.now_ps) if row[2:] == ("state", "d2v0", "WAITING", "RUNNING")
        ]
        _, second = span(file, seen, entered_ps[0], None, None).vcoprocs
    assert second.switches == len(entered_ps) - 1 > 0
    # It had its turn of 5 ms first, then waited for the other one's.
    assert second.wait_ps < 20 * MS - entered_ps[0] - 5 * MS


def test_who_has_run_for_longer_than_the_trace_goes_back_is_known_to_have_run(tmp_path):
    machine = booted(tmp_path, ["kind=backlog,work=50us", "kind=idle"], trace_limit_bytes=1)
    for _ in range(2):
        control.run(machine, 500 * MS, go_on)
    with read(machine) as file:
        seen = view(file)
        begins_ps = file.trace_begins_ps
        [coproc], [running, idle] = span(file, seen, begins_ps, None, None)
        with pytest.raises(StateError, match="the trace does not tell any more"):
            span(file, seen, begins_ps - 1, None, None)
    assert begins_ps > 0
    assert (coproc.run_ps, running.run_ps, running.share) == (1000 * MS - begins_ps, 1000 * MS - begins_ps, 1)
    assert (idle.run_ps, idle.wait_ps) == (0, 0)


def test_the_stretch_under_way_is_counted(tmp_path):
    machine = booted(tmp_path, ["kind=backlog,work=1ms", "kind=backlog,work=1ms"])
    control.run(machine, 3 * MS, go_on)
    with read(machine) as file:
        seen = view(file)
        running, waiting = listing.vcoproc_lines(seen, file.rows(VcoprocSettingRow))
    assert (running.state, waiting.state) == ("running", "waiting")
    assert seen.vcoprocs[0].counters.run_ps == 0, "no turn is over yet"
    assert running.run_ps + running.wait_ps == 3 * MS
    assert waiting.wait_ps == 3 * MS


def test_a_denial_under_way_is_counted(tmp_path):
    machine = booted(tmp_path, ["kind=backlog,work=30ms,uncuttable=all", "kind=backlog,work=1ms"])
    control.run(machine, 15 * MS, go_on)
    with read(machine) as file:
        denying, suffering = stats.vcoproc_stats(view(file), file.rows(JobRow))
    # A turn of 5 ms began when the context was loaded; it was to end 10 ms ago, less the loading.
    assert 9 * MS < denying.denied_ps < 10 * MS
    assert suffering.suffered_ps == denying.denied_ps
    assert (denying.denials, suffering.suffered) == (1, 1)


@given(st.lists(st.integers(0, 10**15).map(float), min_size=1, max_size=20))
def test_jains_index_lies_between_one_over_n_and_one(shares):
    index = stats.jain(shares)
    if index is None:
        assert not any(shares)
    else:
        assert 1 / len(shares) - 1e-9 <= index <= 1 + 1e-9


@given(st.integers(1, 20), st.integers(1, 10**15))
def test_jains_index_of_equals_is_one_and_of_one_that_has_all_one_over_n(count, share):
    assert stats.jain([float(share)] * count) == pytest.approx(1)
    assert stats.jain([float(share), *[0.0] * (count - 1)]) == pytest.approx(1 / count)


def test_fairness_goes_by_weight(tmp_path):
    machine = booted(tmp_path, ["kind=backlog,work=1ms", "kind=backlog,work=1ms", "kind=idle"])
    control.run(machine, 100 * MS, go_on)
    with read(machine) as file:
        seen = view(file)
    [equal] = stats.coproc_stats(seen, [])
    [weighted] = stats.coproc_stats(
        seen, [VcoprocSettingRow(1, 0, "weight", 300), VcoprocSettingRow(2, 0, "weight", 100)]
    )
    assert equal.fairness == pytest.approx(1, abs=1e-3)
    # Shares per weight of 1 : 3, and nobody asked for the third: (1 + 3)² / (2 · (1 + 9)).
    assert weighted.fairness == pytest.approx(16 / 20, abs=1e-3)


def test_a_vcoproc_of_a_failed_coproc_is_parked(busy):
    with read(busy) as file:
        seen = view(file)
    failed = {name: row._replace(state="failed", failure="it hangs") for name, row in seen.coprocs.items()}
    states = {line.state for line in listing.vcoproc_lines(seen._replace(coprocs=failed), [])}
    assert states == {"parked"}


def test_weights_are_listed_where_there_are_any(busy):
    with read(busy) as file:
        seen = view(file)
    lines = list(listing.vcoproc_lines(seen, [VcoprocSettingRow(1, 0, "weight", 512)]))
    assert [line.weight for line in lines] == [512, None, None, None, None]


def test_workloads_are_what_was_asked_for(busy):
    with read(busy) as file:
        from coprocsim.snapshot import WorkloadRow

        found = {each.domain: each.options for each in domains.workloads(view(file), file.rows(WorkloadRow))}
    assert found["dom3"] == {"kind": "periodic", "period": "20ms", "work": "4ms", "deadline": "8ms"}


def test_ids_come_before_names(tmp_path):
    machine = booted(tmp_path, ["kind=idle"])
    path = tmp_path / "number.cfg"
    path.write_text('name = "1"\nmemory = 16\n')
    toolstack_domain.create(machine, str(path), (), paused=False, dry_run=False)
    with read(machine) as file:
        seen = view(file)
    assert seen.domain_named("1").name == "dom1"
    assert seen.domain_named("2").name == "1"
    assert seen.domain_named("Domain-0").domain_id == 0


def test_a_switch_takes_what_its_parts_take(tmp_path):
    machine = booted(tmp_path, ["kind=backlog,work=1ms", "kind=backlog,work=1ms"])
    control.run(machine, 20 * MS, go_on)
    with read(machine) as file:
        seen = view(file)
        [lane] = timeline.coproc_lanes(file, seen.coprocs, 0, seen.now_ps)
    switches = [each for each in lane.stretches if each.what == "switch"]
    # Entering the idle coproc, then leaving and entering: 2.8 us, 3 us, 2.8 us, …
    assert [each.to_ps - each.from_ps for each in switches[:3]] == [2_800_000, 3_000_000, 2_800_000]
    assert [each.vcoproc for each in switches[:3]] == ["d1v0", "d1v0", "d2v0"]
    assert took(lane)["switch"] < 50 * US
