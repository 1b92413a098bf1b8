"""Time, frequency and size: exact on the timeline, read back as written, readable when shown."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocsim.units import (
    PS_PER_S,
    TIMELINE_END_PS,
    Clock,
    Work,
    format_duration,
    format_size,
    parse_duration_ps,
    parse_size_bytes,
    parse_work,
    show_duration,
    show_frequency,
    show_instant,
    show_size,
)

FREQUENCIES = st.integers(1, PS_PER_S)
INSTANTS = st.integers(0, TIMELINE_END_PS)

# ---------------------------------------------------------------- the clock


@given(FREQUENCIES, INSTANTS, st.integers(0, 2**40), st.integers(0, 2**60))
def test_an_edge_is_the_first_picosecond_of_its_cycle(hz: int, epoch_ps: int, epoch_cycle: int, cycles: int):
    clock = Clock(hz, epoch_ps, epoch_cycle)
    edge_ps = clock.instant_ps(epoch_cycle + cycles)
    exact = epoch_ps + Fraction(cycles * PS_PER_S, hz)
    assert exact <= edge_ps < exact + 1
    assert clock.cycle(edge_ps) == epoch_cycle + cycles
    assert clock.cycle(edge_ps - 1) < epoch_cycle + cycles


def test_600_mhz_does_not_drift_in_a_day():
    day_cycles = 600_000_000 * 86_400
    assert Clock(600_000_000).instant_ps(day_cycles) == 86_400 * PS_PER_S
    assert Clock(600_000_000).cycle(86_400 * PS_PER_S) == day_cycles


@given(FREQUENCIES, FREQUENCIES, INSTANTS)
def test_a_change_of_clock_keeps_the_cycle_and_starts_it_again(hz: int, then_hz: int, now_ps: int):
    changed = Clock(hz).changed(then_hz, now_ps)
    assert changed.cycle(now_ps) == Clock(hz).cycle(now_ps)
    assert changed.instant_ps(changed.epoch_cycle) == now_ps
    assert changed.hz == then_hz


# ---------------------------------------------------------------- durations


@given(st.integers(0, TIMELINE_END_PS))
def test_a_duration_reads_back_as_it_was_written(time_ps: int):
    assert parse_duration_ps(format_duration(time_ps)) == time_ps


@given(st.integers(1, TIMELINE_END_PS))
def test_a_negative_duration_is_written_with_its_sign(time_ps: int):
    assert format_duration(-time_ps) == f"-{format_duration(time_ps)}"


@pytest.mark.parametrize(
    ("time_ps", "written"),
    [
        (0, "0s"),
        (7, "7ps"),
        (16_600_000_000, "16.6ms"),
        # A run up to a decision, and 1/6 ms: the unit is that of its size, whatever the fraction.
        (2_502_942_480_000, "2.50294248s"),
        (166_666_667, "166.666667us"),
        (1_000_000_000_001, "1.000000000001s"),
    ],
)
def test_a_duration_is_written_in_the_unit_of_its_size(time_ps: int, written: str):
    assert format_duration(time_ps) == written


@pytest.mark.parametrize(
    ("text", "time_ps"),
    [("10ms", 10**10), ("2.5s", 25 * 10**11), ("0.5us", 500_000), ("0.5µs", 500_000), ("7ps", 7), (" 1ns ", 1000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, time_ps: int):
    assert parse_duration_ps(text) == time_ps


def test_a_bare_number_counts_in_the_unit_it_is_given():
    assert parse_duration_ps("250", "us") == 250 * 10**6
    with pytest.raises(ValueError, match=r"^`250` is not a duration: write `10ms`, `2.5s`, `500us`"):
        parse_duration_ps("250")


@pytest.mark.parametrize(
    "text", ["", "ms", "-1ms", "1e3ms", "1 ms", "10 m", "1.ms", ".5ms", "0x10ms", "1_0ms", "٣ms", "9" * 5000 + "s"]
)
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a duration: write `10ms`"):
        parse_duration_ps(text)


def test_a_fraction_of_a_picosecond_is_refused():
    with pytest.raises(ValueError, match=r"^`0\.0001ns` is not a whole number of picoseconds$"):
        parse_duration_ps("0.0001ns")


@pytest.mark.parametrize("text", ["10000000s", "9" * 30 + "s", "9223372036854775808ps"])
def test_a_duration_beyond_the_timeline_is_refused(text: str):
    with pytest.raises(ValueError, match="is longer than a machine can run: at most 106 days"):
        parse_duration_ps(text)


@pytest.mark.parametrize(
    ("time_ps", "shown"),
    [
        (0, "0 s"),
        (1, "1 ps"),
        (12_345_678_901, "12.35 ms"),
        (1_500_000, "1.5 us"),
        (90 * PS_PER_S, "90 s"),
        (86_400 * PS_PER_S, "86400 s"),
        (-3_000, "-3 ns"),
    ],
)
def test_a_duration_is_shown_in_four_figures(time_ps: int, shown: str):
    assert show_duration(time_ps) == shown


@given(st.integers(-TIMELINE_END_PS, TIMELINE_END_PS))
def test_a_shown_duration_is_near_and_has_no_exponent(time_ps: int):
    number, unit = show_duration(time_ps).split()
    unit_ps = {"s": 10**12, "ms": 10**9, "us": 10**6, "ns": 10**3, "ps": 1}[unit]
    assert "e" not in number
    assert abs(Fraction(number) * unit_ps - time_ps) <= abs(time_ps) * Fraction(1, 1000)


@given(INSTANTS)
def test_a_shown_instant_is_exact(at_ps: int):
    shown = show_instant(at_ps)
    assert Fraction(shown) * PS_PER_S == at_ps
    assert len(shown.partition(".")[2]) >= 6


# ---------------------------------------------------------------- work, sizes, frequencies


@given(st.integers(0, 2**50))
def test_a_size_reads_back_as_it_was_written(size_bytes: int):
    assert parse_size_bytes(format_size(size_bytes)) == size_bytes


@pytest.mark.parametrize(("size_bytes", "written"), [(0, "0"), (1000, "1000"), (3 * 2**10, "3KiB"), (2**28, "256MiB")])
def test_a_size_is_written_in_the_largest_unit_without_a_fraction(size_bytes: int, written: str):
    assert format_size(size_bytes) == written


@given(st.one_of(st.builds(Work, st.integers(1, 10**18)), st.builds(Work, st.just(0), st.integers(0, 2**63 - 1))))
def test_work_reads_back_as_it_was_written(work: Work):
    assert parse_work(str(work)) == work


@given(st.integers(1, 10**15), FREQUENCIES)
def test_work_in_time_takes_whole_cycles_that_last_no_less(time_ps: int, hz: int):
    cycles = Work(time_ps).in_cycles(hz)
    assert (cycles - 1) * PS_PER_S < time_ps * hz <= cycles * PS_PER_S
    assert Work(cycles=cycles).in_ps(hz) >= time_ps


def test_more_cycles_than_can_be_counted_are_refused():
    with pytest.raises(ValueError, match=r"^`9223372036854775808cycles` is more than a machine can count: at most "):
        parse_work("9223372036854775808cycles")


@pytest.mark.parametrize("text", ["", "4", "4cycle s", "-4cycles", "4.5cycles", "cycles"])
def test_what_is_no_work_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_work(text)


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("4096", 4096), ("64K", 65536), ("64KiB", 65536), ("256 MiB", 2**28), ("1G", 2**30)]
)
def test_a_size_is_bytes_or_binary_units(text: str, size_bytes: int):
    assert parse_size_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "1T", "1KB", "-1K", "1.5K", "iB", "1iB"])
def test_what_is_no_size_is_refused(text: str):
    with pytest.raises(ValueError, match=r"is not a size: write `256MiB`, `64KiB`, `4096`$"):
        parse_size_bytes(text)


def test_frequencies_and_sizes_are_shown_in_their_unit():
    assert [show_frequency(hz) for hz in (600_000_000, 10**9, 32_768, 50)] == [
        "600 MHz",
        "1 GHz",
        "32.768 kHz",
        "50 Hz",
    ]
    assert [show_size(size) for size in (12, 4096, 3 * 2**19, 2**30)] == ["12 B", "4 KiB", "1.5 MiB", "1 GiB"]
