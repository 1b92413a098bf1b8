"""`stats`: where the time went, who denied whom, what became of the jobs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from coprocsim.cli import messages
from coprocsim.cli.arguments import coprocs, domains, duration
from coprocsim.cli.examples import examples
from coprocsim.cli.progress import Progress, Reading
from coprocsim.cli.tables import (
    exact_seconds,
    heading,
    json_option,
    left,
    microseconds,
    milliseconds,
    print_json,
    right,
    seconds,
    table,
)

if TYPE_CHECKING:
    from coprocsim.observe.span import VcoprocSpan
    from coprocsim.observe.stats import CoprocStats, CoprocTime, Spread, VcoprocStats, VcoprocTime

Line = TypeVar("Line", bound="VcoprocTime")
Worker = TypeVar("Worker", "VcoprocStats", "VcoprocSpan")
_PERCENTILES = ("p50", "p95", "p99", "p99.9", "Max")


@click.command("stats", epilog=examples("coprocsim stats --coproc gpu0"))
@click.option("--coproc", metavar="COPROC", shell_complete=coprocs, help="Only this coproc.")
@click.option("--domain", metavar="DOMAIN", shell_complete=domains, help="Only this domain's vcoprocs.")
@click.option("--since", "since_ps", metavar="INSTANT", callback=duration, help="What the trace tells, from then on.")
@json_option
@click.pass_obj
def stats_command(machine: Path, coproc: str | None, domain: str | None, since_ps: int | None, as_json: bool) -> None:
    """Show figures since boot, per coproc and per vcoproc.

    With `--since` what the trace tells of the time from then on: shares, denials, jobs and how long they took.
    """
    if since_ps is not None:
        _since(machine, since_ps, coproc, domain, as_json)
        return
    from coprocsim.observe import stats
    from coprocsim.observe.view import view
    from coprocsim.snapshot import DenialRow, HistogramRow, JobRow, VcoprocSettingRow
    from coprocsim.store import read

    with read(machine) as file:
        seen, settings, denied = view(file), file.rows(VcoprocSettingRow), file.rows(DenialRow)
        histograms, jobs, begins_ps = file.rows(HistogramRow), file.rows(JobRow), file.trace_begins_ps
    chosen = None if coproc is None else seen.coproc_named(coproc).coproc_id
    of_coprocs = [each for each in stats.coproc_stats(seen, settings) if chosen in {None, each.coproc}]
    of_vcoprocs = list(stats.vcoproc_stats(seen, jobs, coproc, domain, histograms))
    denials = list(stats.denials(seen, denied, coproc, domain))
    if as_json:
        figures = {"coprocs": of_coprocs, "vcoprocs": of_vcoprocs, "denials": denials}
        print_json({"now_ps": seen.now_ps, "trace_begins_ps": begins_ps, **figures})
        return
    if not seen.coprocs:
        messages.note("this machine shares no coproc")
        return
    _print_coprocs(of_coprocs)
    if of_vcoprocs:
        _print_vcoprocs(of_vcoprocs)
    if denials:
        print()
        heading("Who denied, and who was to be next")
        table(
            [*left("Coproc", "Denied by", "Waited"), *right("Times", "Time(ms)")],
            [(each.coproc, each.denier, each.sufferer, each.times, milliseconds(each.time_ps)) for each in denials],
        )
    if begins_ps:
        from coprocsim.units import show_instant

        messages.note(
            f"the trace has outgrown its limit: before {show_instant(begins_ps)} s it is gone, not these figures"
        )


def _since(machine: Path, since_ps: int, coproc: str | None, domain: str | None, as_json: bool) -> None:
    from coprocsim.errors import CoprocsimError
    from coprocsim.observe.span import span
    from coprocsim.observe.view import view
    from coprocsim.store import read
    from coprocsim.units import show_instant

    with read(machine) as file, Progress() as progress:
        seen = view(file)
        if since_ps >= seen.now_ps:
            raise CoprocsimError(
                f"no time has passed since {show_instant(since_ps)} s", hint=f"it is {show_instant(seen.now_ps)} s now"
            )
        reading = Reading(progress, file.trace_begins_ps, seen.now_ps)
        of_coprocs, of_vcoprocs = span(file, seen, since_ps, coproc, domain, reading)
    if as_json:
        print_json({"from_ps": since_ps, "now_ps": seen.now_ps, "coprocs": of_coprocs, "vcoprocs": of_vcoprocs})
        return
    _print_times(of_coprocs)
    if of_vcoprocs:
        _section(
            f"Share of the coproc since {show_instant(since_ps)} s",
            ("Share(%)", "Run(s)", "Wait(s)", "Switches", "Denied", "Denied(ms)"),
            of_vcoprocs,
            lambda each: (*_shares(each), each.switches, each.denials, milliseconds(each.denied_ps)),
        )
        _jobs("Jobs; missed are those that became so since", of_vcoprocs)
        _spreads(
            "Latency of a job in ms: what so many percent do not exceed",
            of_vcoprocs,
            lambda each: each.latency,
            milliseconds,
        )


def _shares(each: "VcoprocTime") -> tuple[str, str, str]:
    return f"{100 * each.share:.2f}", seconds(each.run_ps, 6), seconds(each.wait_ps, 6)


def _print_times(lines: "Sequence[CoprocTime]") -> None:
    times = exact_seconds(
        [(each.run_ps, each.switch_ps, each.idle_ps, each.failed_ps, each.elapsed_ps) for each in lines]
    )
    sums = ("run", "+ switch", "+ idle", "+ failed", "= elapsed")
    table(
        [*left("Seconds"), *right(*(each.coproc for each in lines))],
        [(name, *figures) for name, figures in zip(sums, zip(*times, strict=True), strict=True)],
    )


def _print_coprocs(lines: "Sequence[CoprocStats]") -> None:
    _print_times(lines)
    print()
    table(
        [*left("Coproc"), *right("Switches", "Denials", "Resets", "Spurious", "Findings", "Fairness")],
        [
            (
                *(each.coproc, each.switches, each.denials, each.resets, each.spurious_irqs, each.findings),
                "-" if each.fairness is None else f"{each.fairness:.4f}",
            )
            for each in lines
        ],
    )


def _print_vcoprocs(lines: "Sequence[VcoprocStats]") -> None:
    _section(
        "Share of the coproc",
        ("Share(%)", "Run(s)", "Wait(s)"),
        lines,
        _shares,
    )
    _section(
        "Switches and overruns; what is charged and still owed, in ms",
        ("Switches", "Charged", "Overrun", "Owed"),
        lines,
        lambda each: (
            *(each.switches, milliseconds(each.switch_ps)),
            *(milliseconds(each.overrun_ps), milliseconds(each.owed_ps)),
        ),
    )
    _section(
        "Denials: caused, and suffered from others",
        ("Denied", "Denied(ms)", "Suffered", "Suffered(ms)", "Resets"),
        lines,
        lambda each: (
            *(each.denials, milliseconds(each.denied_ps), each.suffered, milliseconds(each.suffered_ps)),
            each.resets,
        ),
    )
    _jobs("Jobs; missed are the late, quit, dropped, failed and overdue ones", lines)
    _section(
        "Latency of a job in ms: its mean, and what so many percent do not exceed",
        ("Mean", *_PERCENTILES),
        lines,
        lambda each: (
            "-" if each.latency_ps_mean is None else milliseconds(each.latency_ps_mean),
            *_percentiles(each.latency, milliseconds),
        ),
    )
    _spreads("Time of a wait in ms", lines, lambda each: each.wait, milliseconds)
    _spreads("Time of a switch to it in us", lines, lambda each: each.entry, microseconds)
    _section("Events", ("Traps", "IRQs", "Faults"), lines, lambda each: (each.traps, each.irqs, each.faults))


def _jobs(title: str, lines: "Sequence[Worker]") -> None:
    _section(
        title,
        ("Jobs", "Done", "Missed", "Late", "Quit", "Dropped", "Failed", "Overdue"),
        lines,
        lambda each: (
            *(each.released, each.done, each.missed, each.late),
            *(each.abandoned, each.dropped, each.failed, each.overdue),
        ),
    )


def _spreads(
    title: str,
    lines: "Sequence[Line]",
    spread_of: "Callable[[Line], Spread | None]",
    show: Callable[[int], str],
) -> None:
    _section(title, _PERCENTILES, lines, lambda each: _percentiles(spread_of(each), show))


def _percentiles(spread: "Spread | None", show: Callable[[int], str]) -> tuple[str, ...]:
    return ("-",) * len(_PERCENTILES) if spread is None else tuple(show(time_ps) for time_ps in spread[1:])


def _section(
    title: str,
    columns: tuple[str, ...],
    lines: "Sequence[Line]",
    cells: "Callable[[Line], tuple[str | int, ...]]",
) -> None:
    print()
    heading(title)
    rows = [(each.domain, each.coproc, *cells(each)) for each in lines]
    table([*left("Domain", "Coproc"), *right(*columns)], rows)
