"""Workloads: when jobs are released, how much work they are, and what the driver does with them."""

import math
from statistics import NormalDist, fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.guests import WORKLOADS, guest_of
from coprocsim.guests.base import GuestSite
from coprocsim.guests.options import Options, arrivals_of_file
from coprocsim.hypervisor import domains, lifecycle, mmio
from coprocsim.hypervisor.state import Domain
from coprocsim.parameters import BadSetting
from coprocsim.platforms import PLATFORMS
from coprocsim.randomness import Stream
from tests.machines import MS, US, Machine, Row, S, described_for, settings_of, spec

SWITCH_IN_PS = 25 * US


def alone(workload: str, *, until_ps: int = 100 * MS, lines: int = 1, seed: int = 1, hz: int = 10**9) -> Machine:
    """Return a machine on which one domain has had the coproc to itself."""
    machine = Machine(seed)
    machine.coproc(described=spec(lines=lines, hz=hz))
    machine.domain("a", f"gpu0 {workload}")
    machine.run(until_ps)
    return machine


def releases(machine: Machine) -> list[int]:
    return [row[4] for row in machine.rows("job")]


def ends(machine: Machine) -> list[tuple[str, int, int]]:
    """Return how each job ended, its release and latency in µs."""
    return [(how, release_ps // US, latency_ps // US) for *_, how, release_ps, latency_ps, _ in machine.rows("job_end")]


# ---------------------------------------------------------------- when


def test_an_idle_guest_releases_nothing():
    machine = alone("kind=idle")
    assert machine.rows("job", "switch_to") == []


def test_a_periodic_guest_releases_at_its_offset_and_each_period():
    machine = alone("kind=periodic,period=16ms,offset=3ms,work=1ms", until_ps=60 * MS)
    assert releases(machine) == [3 * MS, 19 * MS, 35 * MS, 51 * MS]
    assert [row[5] - row[4] for row in machine.rows("job")] == [16 * MS] * 4


def test_a_period_in_cycles_does_not_drift():
    hz, period = 333_333_333, 333_333
    machine = alone(f"kind=periodic,period={period}cycles,work=1us", until_ps=S, hz=hz)
    assert releases(machine)[:1000] == [-(-n * period * S // hz) for n in range(1000)]


def test_jitter_delays_each_release_by_itself_and_evenly():
    machine = alone("kind=periodic,period=1ms,jitter=1ms,work=1us", until_ps=2 * S)
    late = [release_ps - n * MS for n, release_ps in enumerate(releases(machine))]
    assert all(0 <= each <= MS for each in late)
    assert confident(late, MS / 2)


def test_a_poisson_guest_releases_so_many_per_second():
    machine = alone("kind=poisson,rate=2000,work=1us", until_ps=3 * S)
    instants = releases(machine)
    gaps = [later - earlier for earlier, later in zip([0, *instants], instants, strict=False)]
    assert confident(gaps, S / 2000)
    assert abs(stdev(gaps) / fmean(gaps) - 1) < 0.05


def test_a_backlogged_guest_keeps_the_unit_busy():
    machine = alone("kind=backlog,work=1ms", until_ps=20 * MS + SWITCH_IN_PS)
    assert machine.board.vcoprocs["d1v0"].counters.ended == 19  # the 20th ends now, its handler runs later
    assert machine.board.coprocs["gpu0"].counters.switches == 1
    assert len(machine.rows("job")) == 19 + reg.PLACES


def test_a_trace_releases_what_it_says_from_when_the_workload_begins():
    machine = Machine()
    machine.coproc()
    domain = machine.domain("a", "gpu0")
    machine.run(10 * MS)
    workload = settings_of("kind=trace,at=3ms:4ms;13ms:300000cycles")
    domains.give_work(machine.board, domain.vcoprocs[0], workload)
    machine.run(50 * MS)
    assert ends(machine) == [("done", 13_000, 4_030), ("done", 23_000, 330)]


def test_another_domain_moves_nobody_s_arrivals():
    workload = "kind=poisson,rate=500,work=exp:100us"
    quiet, busy = Machine(), Machine()
    for machine in (quiet, busy):
        machine.coproc()
        machine.domain("a", f"gpu0 {workload}")
    busy.domain("b", f"gpu0 {workload}")
    for machine in (quiet, busy):
        machine.run(200 * MS)
    mine = [row for row in busy.rows("job") if row[3] == "d1v0"]
    assert mine == quiet.rows("job")
    assert len(busy.rows("job")) > len(mine) > 50


def test_another_seed_or_name_is_another_run():
    runs = [releases(alone("kind=poisson,rate=500,work=1us", seed=seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


# ---------------------------------------------------------------- how much


class Rarest(Stream):
    """A stream that gives the greatest draw there is."""

    def _bits(self) -> int:
        return 2**53 - 1


def confident(draws: list[int], mean: float) -> bool:
    """Return whether `mean` is within the 99.9 % confidence interval; the seed is fixed."""
    return abs(fmean(draws) - mean) <= NormalDist().inv_cdf(0.9995) * stdev(draws) / math.sqrt(len(draws))


def law_draws(text: str, hz: int = 10**9) -> list[int]:
    law = Options(settings_of(f"kind=idle,work={text}"), ("kind", "work")).law()
    stream = Stream("law")
    return [law.draw_cycles(hz, stream) for _ in range(10_000)]


@pytest.mark.parametrize(
    ("text", "mean"),
    [("exp:100us", 100_000), ("uniform:50us-150us", 100_000), ("lognormal:100us:0.5", 100_000), ("exp:400cycles", 400)],
)
def test_a_law_has_the_mean_that_is_written(text: str, mean: int):
    assert confident(law_draws(text), mean)


def test_a_fixed_law_is_always_the_same_and_no_job_is_without_work():
    assert set(law_draws("4ms")) == {4_000_000}
    assert set(law_draws("1ps")) == {1}
    assert min(law_draws("exp:1cycles")) == 1
    assert {min(law_draws("uniform:3cycles-5cycles")), max(law_draws("uniform:3cycles-5cycles"))} == {3, 5}


def test_no_job_is_more_than_a_unit_can_count():
    law = Options(settings_of("kind=idle,work=lognormal:100000s:10"), ("kind", "work")).law()
    assert law.draw_cycles(10**9, Rarest("law")) == 2**63 - 1


# ---------------------------------------------------------------- the driver


def test_a_job_s_latency_is_its_switch_its_work_and_its_handler():
    machine = alone("kind=trace,at=1ms:4ms")
    assert ends(machine) == [("done", 1_000, 25 + 4_000 + 5)]
    counters = machine.board.vcoprocs["d1v0"].counters
    assert (counters.jobs, counters.ended, counters.latency_ps_max) == (1, 1, 4_030 * US)


def test_the_reaction_to_an_interrupt_is_a_setting():
    assert ends(alone("kind=trace,at=0s:1ms,reaction=70us")) == [("done", 0, 25 + 1_000 + 70)]


def test_jobs_are_first_come_first_served():
    machine = alone("kind=trace,at=0s:4ms;1ms:1ms;1ms:2ms;2ms:1ms")
    assert [release_us for _, release_us, _ in ends(machine)] == [0, 1_000, 1_000, 2_000]


@pytest.mark.parametrize(("queue", "kept"), [(0, 2), (1, 3), (3, 5)])
def test_a_job_that_finds_no_room_is_dropped(queue: int, kept: int):
    together = alone(f"kind=trace,queue={queue},at=" + ";".join(["1ms:2ms"] * 8))
    apart = alone(f"kind=trace,queue={queue},at=" + ";".join(f"{n}us:2ms" for n in range(8)))
    for machine in (together, apart):
        assert len(machine.rows("job")) == kept
        assert len(machine.rows("job_dropped")) == 8 - kept
        counters = machine.board.vcoprocs["d1v0"].counters
        assert (counters.jobs, counters.ended, counters.dropped) == (8, kept, 8 - kept)


def test_a_late_job_is_missed_but_done():
    machine = alone("kind=trace,deadline=3ms,at=0s:4ms;20ms:1ms")
    counters = machine.board.vcoprocs["d1v0"].counters
    assert (counters.ended, counters.late, counters.abandoned) == (2, 1, 0)


def test_a_late_job_is_given_up_at_its_deadline_if_so_configured():
    machine = alone("kind=trace,deadline=3ms,on_miss=abandon,at=0s:4ms;20ms:1ms")
    assert ends(machine) == [("abandoned", 0, 3_005), ("done", 20_000, 1_030)]


def test_the_uncuttable_part_of_a_job_that_is_given_up_runs_to_its_end():
    machine = alone("kind=trace,deadline=3ms,on_miss=abandon,uncuttable=3500us,at=0s:4ms")
    assert ends(machine) == [("abandoned", 0, 25 + 3_500 + 5)]


def test_a_job_that_is_done_when_its_deadline_comes_costs_the_next_one_nothing():
    """Done 2 µs before its deadline, it is known to be only 5 µs later: an abort would hit the next job."""
    machine = alone("kind=trace,deadline=1027us,on_miss=abandon,at=0s:1ms;500us:400us")
    assert ends(machine) == [("done", 0, 1_027), ("done", 500, 930)]


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 1500), min_size=1, max_size=25), st.integers(200, 2000), st.sampled_from([0, 300, 10**6])
)
def test_whatever_is_given_up_each_job_ends_once_and_what_is_done_has_worked(works, deadline_us: int, uncuttable: int):
    arrivals = ";".join(f"{700 * n}us:{work}us" for n, work in enumerate(works))
    workload = f"kind=trace,deadline={deadline_us}us,on_miss=abandon,uncuttable={uncuttable}us,at={arrivals}"
    machine = alone(workload, until_ps=S)
    found = ends(machine)
    assert [release_us for _, release_us, _ in found] == [700 * n for n in range(len(works))]
    done_us = sum(works[release_us // 700] for how, release_us, _ in found if how == "done")
    machine.book()
    assert done_us * US <= machine.board.coprocs["gpu0"].counters.run_ps


def test_without_an_interrupt_line_the_driver_polls():
    machine = alone("kind=trace,at=0s:1ms;3ms:1ms", lines=0)
    assert [how for how, *_ in ends(machine)] == ["done", "done"]
    assert all(1_025 <= latency_us <= 1_125 for _, _, latency_us in ends(machine))
    assert machine.rows("irq") == []
    assert machine.board.vcoprocs["d1v0"].state.value == "SLEEPING"


def test_a_backlog_goes_on_without_an_interrupt_line():
    machine = alone("kind=backlog,work=1ms", until_ps=100 * MS, lines=0)
    assert machine.board.vcoprocs["d1v0"].counters.ended > 95


@pytest.mark.parametrize("lines", [0, 1])
def test_a_driver_takes_over_a_unit_that_another_one_has_left_busy(lines: int):
    machine = alone("kind=backlog,work=4ms", until_ps=2 * MS, lines=lines)
    vcoproc = machine.board.vcoprocs["d1v0"]
    domains.give_work(machine.board, vcoproc, settings_of("kind=trace,at=0s:1ms"))
    machine.run(30 * MS)
    (mine,) = ends(machine)[-1:]
    assert mine[:2] == ("done", 2_000)
    assert 7_030 <= mine[2] <= 7_125


def test_a_driver_gives_up_its_jobs_when_another_one_takes_over():
    machine = alone("kind=trace,at=0s:9ms;1ms:9ms;3ms:9ms", until_ps=2 * MS)
    vcoproc = machine.board.vcoprocs["d1v0"]
    domains.take_work(machine.board, vcoproc)
    machine.run(30 * MS)
    assert ends(machine) == [("abandoned", 0, 2_000), ("abandoned", 1_000, 1_000)]
    assert (vcoproc.counters.jobs, vcoproc.counters.abandoned, vcoproc.open_jobs) == (2, 2, [])


def test_dma_stays_in_the_domain_s_memory():
    machine = alone("kind=backlog,work=10us,dma=300000", until_ps=20 * MS)
    assert machine.rows("iommu_fault", "dma_unprotected") == []
    assert machine.board.vcoprocs["d1v0"].counters.ended > 100


def test_a_driver_that_is_cut_off_does_nothing_any_more():
    machine = Machine()
    machine.coproc(described=spec())
    vcoproc = machine.domain("a", "gpu0 kind=periodic,period=1ms,work=10us").vcoprocs[0]
    vcoproc.windows = tuple(type(each)(each.name, each.base, 4) for each in vcoproc.windows)
    machine.run(10 * MS)
    assert len(machine.rows("abort")) == 1
    assert machine.rows("job") == []


def test_a_reset_loses_the_submitted_jobs_and_the_driver_goes_on():
    machine = Machine()
    machine.coproc(settings={"slice": 10 * MS})
    machine.domain("greedy", "gpu0 kind=trace,uncuttable=all,at=0s:900ms;0s:900ms;0s:1ms")
    machine.domain("b", "gpu0 kind=backlog,work=1ms")
    machine.run(200 * MS)
    found = [(row[4], row[6] // US) for row in machine.rows("job_end") if row[3] == "d1v0"]
    assert [how for how, _ in found] == ["error", "error", "done"]
    # Switched in, a slice, the timeout of 40 ms, and the handler.
    assert found[0][1] == 25 + 10_000 + 40_000 + 5
    assert machine.board.vcoprocs["d1v0"].counters.failed == 2


def test_what_would_arrive_during_a_pause_does_not():
    machine = Machine()
    machine.coproc()
    domain = machine.domain("a", "gpu0 kind=periodic,period=10ms,work=1ms")
    machine.run(15 * MS)
    domains.pause(machine.board, domain)
    machine.run(47 * MS)
    domains.unpause(machine.board, domain)
    machine.run(65 * MS)
    assert releases(machine) == [0, 10 * MS, 50 * MS, 60 * MS]


# ---------------------------------------------------------------- refusals


SITE = GuestSite(spec(), "generic", (range(0x4000_0000, 0x4400_0000),), 0, "1/a/gpu0")
WORK_HINT = "write `4ms`, `2400000cycles`, `exp:MEAN`, `uniform:A-B` or `lognormal:MEAN:SIGMA`"


@pytest.mark.parametrize(
    ("workload", "wrong", "what", "hint"),
    [
        ("work=1ms", "work", "a workload needs `kind`", "write `kind=…`, one of `idle`, `periodic`, `poisson`"),
        ("kind=perodic", "kind", "no workload of kind `perodic`", "did you mean `periodic`?"),
        ("kind=backlog", "kind", "a workload of kind `backlog` needs `work`", "add `work=…`"),
        ("kind=periodic,work=1ms", "kind", "a workload of kind `periodic` needs `period`", "add `period=…`"),
        ("kind=periodic,work=1ms,period=0s", "period", "`period` must not be zero", "write `period=10ms`"),
        ("kind=backlog,work=0ms", "work", "`work=0ms` makes no sense", "a job without work is no job"),
        ("kind=backlog,work=4", "work", "`work=4` makes no sense", "`4` is not a duration"),
        ("kind=backlog,work=exp:", "work", "`work=exp:` makes no sense", "`exp:` is not a duration"),
        ("kind=backlog,work=gauss:1ms", "work", "`work=gauss:1ms` makes no sense", WORK_HINT),
        ("kind=backlog,work=uniform:4ms-1ms", "work", "makes no sense", "goes from the smaller to the larger"),
        ("kind=backlog,work=uniform:4ms-9cycles", "work", "makes no sense", "both times or both cycles"),
        ("kind=backlog,work=lognormal:1ms:99", "work", "makes no sense", "SIGMA of a lognormal law is at most 10.0"),
        ("kind=backlog,work=1ms,wrk=1ms", "wrk", "has no option `wrk`", "did you mean `work`?"),
        ("kind=backlog,work=1ms,work=2ms", "work", "`work` stands here twice", "write it once"),
        ("kind=backlog,work=1ms,rate=5", "rate", "has no option `rate`", "this kind has"),
        ("kind=backlog,work=1ms,queue=-1", "queue", "`queue=-1` makes no sense", "from 0 to 1000000"),
        ("kind=backlog,work=1ms,dma=99999999", "dma", "`dma=99999999` makes no sense", "`dma` is at most 64 MiB here"),
        (
            "kind=backlog,work=1ms,on_miss=stop",
            "on_miss",
            "makes no sense",
            "`on_miss` is one of `continue`, `abandon`",
        ),
        ("kind=periodic,work=1ms,period=1ms,jitter=2ms", "jitter", "`jitter` is longer than `period`", "overtake"),
        ("kind=poisson,work=1ms,rate=0", "rate", "`rate=0` makes no sense", "how often per second"),
        ("kind=poisson,work=1ms,rate=1e5", "rate", "`rate=1e5` makes no sense", "how often per second"),
        (
            "kind=poisson,work=1ms,rate=0." + 300 * "0" + "1",
            "rate",
            "makes no sense",
            "how often per second",
        ),
        ("kind=trace", "kind", "a workload of kind `trace` needs `at`", "add `at=…`"),
        ("kind=trace,at=", "at", "`at=` makes no sense", "is not a duration"),
        ("kind=trace,at=3ms:1ms;2ms:1ms", "at", "makes no sense", "the releases must be in order of time"),
        ("kind=trace,at=1ms:1ms,work=1ms", "work", "has no option `work`", "this kind has"),
        ("kind=idle,work=1ms", "work", "has no option `work`", "this kind has"),
    ],
)
def test_a_refused_option_is_named_with_what_would_be_right(workload: str, wrong: str, what: str, hint: str):
    with pytest.raises(BadSetting) as caught:
        guest_of(SITE, settings_of(workload))
    assert caught.value.setting.name == wrong
    assert what in str(caught.value)
    assert hint in caught.value.hint


def test_a_size_is_taken_with_and_without_a_unit():
    # What a job may take is 64 MiB, 67108864 bytes, of a domain with as much.
    for size in ("64MiB", "65536KiB", "67108864"):
        guest_of(SITE, settings_of(f"kind=backlog,work=1ms,dma={size}"))
    for size in ("65MiB", "65537KiB", "67108865"):
        with pytest.raises(BadSetting, match=f"`dma={size}` makes no sense"):
            guest_of(SITE, settings_of(f"kind=backlog,work=1ms,dma={size}"))


NAMES = ["work", "uncuttable", "deadline", "queue", "on_miss", "reaction", "dma", "period", "offset", "jitter", "rate"]
TEXTS = st.text(max_size=12) | st.from_regex(r"[0-9]{1,30}(s|ms|cycles|)", fullmatch=True)


@given(st.sampled_from(list(WORKLOADS)), st.dictionaries(st.sampled_from([*NAMES, "at"]), TEXTS), st.integers(1, 2**36))
def test_whatever_the_options_say_they_are_refused_or_fit_the_machine(kind: str, options: dict[str, str], hz: int):
    """No time or count that a guest works with leaves the 64 bits that registers, events and traces have."""
    written = {"kind": kind, "work": "1ms", "period": "1ms", "rate": "9", "at": "1ms:1ms", **options}
    site = GuestSite(spec(hz=hz), "generic", SITE.memory, 0, "x")
    known = {"period": "periodic", "rate": "poisson", "at": "trace"}
    wanted = {name: text for name, text in written.items() if known.get(name, kind) == kind}
    if kind in {"idle", "trace"}:
        del wanted["work"]
    try:
        guest = guest_of(
            site, settings_of(",".join(f"{name}={text}" for name, text in wanted.items() if "," not in text))
        )
    except BadSetting:
        return
    next_ps = guest.next_ps()
    assert next_ps is None or next_ps >= 0


def test_a_deadline_after_the_end_of_time_is_one_at_the_end_of_time():
    machine = alone("kind=backlog,work=1ms,deadline=9223372036854775807cycles", until_ps=10 * MS)
    assert {row[5] for row in machine.rows("job")} == {2**63 - 1}


def test_a_file_of_arrivals_is_read_like_the_option():
    rows = [["# release", "work"], ["3ms", "4ms"], [], [" 13ms ", "300cycles"]]
    assert arrivals_of_file(rows) == "3ms:4ms;13ms:300cycles"
    with pytest.raises(ValueError, match=r"^row 2 is `3ms`, not `release,work` such as `3ms,4ms`$"):
        arrivals_of_file([["1ms", "4ms"], ["3ms"]])


def doorbell(machine: Machine, domain: Domain) -> list[Row]:
    """Ring a domain's doorbell by hand, and return what follows at once."""
    before = len(machine.board.trace)
    base = domain.vcoprocs[0].windows[0].base
    mmio.access(machine.board, domain, base + reg.DOORBELL, 4, 1)
    machine.hypervisor.settle()
    return machine.rows()[before:]


def test_a_domain_without_a_workload_can_be_driven_by_hand():
    machine = Machine()
    machine.coproc()
    domain = machine.domain("a", "gpu0")
    assert [row[2] for row in doorbell(machine, domain)] == ["trap", "state", "iommu_enable", "switch_to"]
    lifecycle.sleep(machine.board, domain.vcoprocs[0])
    machine.run(MS)
    assert domain.vcoprocs[0].state.value == "SLEEPING"


@pytest.mark.parametrize("deadline_us", [1010, 1020, 1027, 1030, 1035])
def test_an_abort_in_the_interrupt_handler_is_heard_when_it_ends(deadline_us: int):
    """The handler of the first job's end gives up the second: that ends at once, with the line already high again."""
    deadline = f"deadline={deadline_us}us,on_miss=abandon"
    machine = alone(f"kind=trace,at=0s:1ms;0s:1ms,{deadline}", until_ps=50 * MS)
    vcoproc = machine.board.vcoprocs["d1v0"]
    assert vcoproc.state.value == "SLEEPING"
    machine.book()
    assert vcoproc.counters.run_ps < 3 * MS
    assert vcoproc.counters.ended + vcoproc.counters.abandoned == 2


@pytest.mark.parametrize("workload", ["kind=periodic,period=1ps,work=1us", "kind=poisson,rate=1000000000,work=1us"])
def test_a_long_pause_is_over_at_once(workload: str):
    machine = Machine()
    machine.coproc(described=spec())
    domain = machine.domain("a", f"gpu0 {workload}", paused=True)
    machine.run(10**6 * 10**12)
    domains.unpause(machine.board, domain)
    guest = domain.vcoprocs[0].guest
    assert guest is not None
    next_ps = guest.next_ps()
    assert next_ps is not None
    machine.run(machine.board.now_ps)


def test_a_periodic_guest_goes_on_in_step_after_a_pause():
    machine = Machine()
    machine.coproc(described=spec())
    domain = machine.domain("a", "gpu0 kind=periodic,period=10ms,offset=3ms,work=1ms")
    machine.run(25 * MS)
    domains.pause(machine.board, domain)
    machine.run(96 * MS)
    domains.unpause(machine.board, domain)
    machine.run(120 * MS)
    assert [row[4] // MS for row in machine.rows("job")] == [3, 13, 23, 103, 113]


@pytest.mark.parametrize(
    ("platform", "options", "cycles"),
    [
        ("generic", "work=5ms", 0),
        ("generic", "work=5ms,uncuttable=2ms", 2_000_000),
        ("generic", "work=1ms,uncuttable=2ms", 1_000_000),
        ("generic", "work=exp:5ms,uncuttable=all", 5_000_000),  # no law of this kind has a largest: the mean
        ("crypto", "work=5ms", 5_000_000),
        ("dsp", "work=5ms", 5_000_000),
        ("dsp", "work=5ms,points=1ms,state=8KiB", 1_000_000 + 8192 // 4),  # to the next point, then the checkpoint
        ("dsp", "work=1ms,points=1ms,state=8KiB", 1_000_000),
    ],
)
def test_how_long_a_job_denies_at_the_most_is_known_from_its_options_and_its_coproc(
    platform: str, options: str, cycles: int
):
    kind = PLATFORMS[platform]
    machine = Machine()
    machine.coproc(platform=kind, described=described_for(kind))
    guest = machine.domain("a", f"coproc kind=backlog,{options}").vcoprocs[0].guest
    assert guest is not None
    assert guest.uncuttable_cycles() == cycles
