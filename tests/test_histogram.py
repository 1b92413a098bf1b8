"""How times are spread: near enough to the truth, the same however it was counted, cheap for who does not ask."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from coprocsim.histogram import Histogram, percentiles
from coprocsim.model import Payer, Sharing
from coprocsim.units import TIMELINE_END_PS
from tests.machines import MS, US, Machine, driver, scripted

times = st.lists(st.one_of(st.integers(0, 3000), st.integers(0, TIMELINE_END_PS)), min_size=1, max_size=300)


def recorded(times_ps: list[int], encoded: str = "") -> str:
    histogram = Histogram(encoded)
    for time_ps in times_ps:
        histogram.record(time_ps)
    return histogram.encoded()


@given(times, st.sampled_from([50, 95, 99, 99.9]))
def test_a_percentile_is_the_time_of_the_nearest_rank_to_three_digits(times_ps, percent):
    counted, [found_ps] = percentiles(recorded(times_ps), [percent])
    rank = max(1, int(percent / 100 * len(times_ps) + 0.5))
    truth_ps = sorted(times_ps)[rank - 1]
    assert counted == len(times_ps)
    assert truth_ps <= found_ps <= truth_ps + truth_ps // 1000


@given(times, st.integers(0, 300))
def test_it_does_not_matter_when_what_was_counted_is_encoded(times_ps, cut):
    assert recorded(times_ps[cut:], recorded(times_ps[:cut])) == recorded(times_ps)


def test_however_many_different_times_there_are_they_stay_small():
    encoded = recorded([17 * n * US for n in range(20_000)])
    counted, [p50_ps, p99_ps] = percentiles(encoded, [50, 99])
    assert counted == 20_000
    # Of 0, 17, … 17 · 19 999 us the 10 000th and the 19 800th.
    assert 0 <= p50_ps - 17 * 9_999 * US < 170 * US
    assert 0 <= p99_ps - 17 * 19_799 * US < 337 * US
    # An octave has 1024 places, and these are of 15 octaves.
    assert len(encoded) < 15 * 1024


def test_nothing_counted_is_nothing_stored():
    assert Histogram().encoded() == ""


def test_a_wait_ends_when_it_runs_or_has_no_work_any_more():
    machine, [one, other] = scripted("one", "other", slice=5 * MS)
    machine.wake(one, other)
    machine.run(2 * MS)
    machine.sleep(other)
    machine.run(3 * MS)
    machine.wake(other)
    machine.run(6 * MS)
    # It gave up after 2 ms, and had its turn 2 ms after it came back: `one` had its 5 ms first.
    assert other.counters.wait_ps_max == 2 * MS
    counted, [p50_ps] = percentiles(other.spread.wait.encoded(), [50])
    assert counted == 2
    assert 0 <= p50_ps - 2 * MS < 2 * MS // 1000


def test_a_switch_takes_its_leave_and_its_entry_whoever_pays():
    for payer in Payer:
        platform = driver(leave_ps=20 * US, enter_ps=30 * US, invalidate_ps=2 * US)
        machine, [one, other] = scripted("one", "other", platform=platform, sharing=Sharing(payer=payer), slice=MS)
        machine.wake(one, other)
        machine.run(2 * MS)
        # Into an idle coproc only the entry; for the other one to leave comes before that.
        assert one.counters.entry_ps_max == 30 * US
        assert other.counters.entry_ps_max == 52 * US


def test_a_latency_is_counted_when_its_job_is_done():
    machine = Machine()
    machine.coproc()
    [vcoproc] = machine.domain("a", "gpu0 kind=trace,at=1ms:2ms;5ms:300us").vcoprocs
    machine.run(10 * MS)
    counters = vcoproc.counters
    counted, [least_ps, most_ps] = percentiles(vcoproc.spread.latency.encoded(), [50, 100])
    assert counted == counters.ended == 2
    assert least_ps < most_ps
    assert counters.latency_ps_max <= most_ps <= counters.latency_ps_max * 1001 // 1000


def test_who_counts_nothing_does_not_load_the_library():
    program = "import sys, coprocsim.hypervisor.rest; print('hdrh' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
