"""All that a report of a machine shows: the schedule between two instants, and figures since boot as in `stats`."""

from typing import TYPE_CHECKING, NamedTuple

from coprocsim.errors import CoprocsimError
from coprocsim.histogram import percentiles
from coprocsim.observe import stats
from coprocsim.observe.domains import DomainShown, shown
from coprocsim.observe.listing import CoprocLine, coproc_lines
from coprocsim.observe.picture import Drawing, Picture
from coprocsim.observe.trace import Watch
from coprocsim.observe.verify import Verdict, Verification
from coprocsim.observe.view import View, who
from coprocsim.snapshot import DenialRow, HistogramRow, JobRow, MachineRow, VcoprocSettingRow
from coprocsim.units import show_instant

if TYPE_CHECKING:
    from coprocsim.store import MachineFile

SPREADS = ("latency", "wait", "entry")
"""Of which times it is known how they are spread."""

# A curve goes from all of the times over the longest tenth and hundredth to the longest ten-thousandth.
_STEPS_PER_TENTH = 20
_TENTHS = 4


class Curve(NamedTuple):
    """How a vcoproc's times of a kind are spread: pairs (tenths, time in ps).

    At 0 is the least of the times; at 1 what all but a tenth of them do not exceed, at 2 all but a hundredth. The last
    one is the longest.
    """

    coproc: str
    vcoproc: str
    domain: str
    domain_id: int
    kind: str
    points: tuple[tuple[float, int], ...]


class Report(NamedTuple):
    """What a page about a machine has; the trace is whole from `begins_ps` on."""

    machine: MachineRow
    begins_ps: int
    picture: Picture
    lines: tuple[CoprocLine, ...]
    coprocs: tuple[stats.CoprocStats, ...]
    vcoprocs: tuple[stats.VcoprocStats, ...]
    curves: tuple[Curve, ...]
    denials: tuple[stats.Denial, ...]
    verdict: Verdict
    domains: tuple[DomainShown, ...]


def report(
    file: "MachineFile", view: View, from_ps: int | None, to_ps: int | None, coproc: str | None, watch: Watch = iter
) -> Report:
    """Return the report of a machine, or of one of its coprocs; CoprocsimError where there is nothing to be seen.

    The trace is read once, through `watch`.
    """
    start_ps, end_ps = from_ps or 0, view.now_ps if to_ps is None else min(to_ps, view.now_ps)
    if view.now_ps == 0:
        raise CoprocsimError("no time has passed yet", hint="`coprocsim run 100ms`, then look again")
    if start_ps >= end_ps:
        what = f"nothing lies between {show_instant(start_ps)} s and {show_instant(end_ps)} s"
        raise CoprocsimError(what, hint=f"it is {show_instant(view.now_ps)} s now")
    lines = tuple(coproc_lines(view, coproc))
    chosen = [line.coproc for line in lines]
    settings, histograms = file.rows(VcoprocSettingRow), file.rows(HistogramRow)
    vcoprocs = tuple(stats.vcoproc_stats(view, file.rows(JobRow), coproc, None, histograms))
    begins_ps = file.trace_begins_ps
    verification = Verification(view, begins_ps)
    drawing = Drawing(view, chosen, start_ps, end_ps, whole=begins_ps == 0)
    for row in watch(file.trace(0, view.now_ps)):
        verification.take(row)
        drawing.take(row)
    verdict = verification.verdict()
    if coproc is not None:
        verdict = verdict._replace(findings=tuple(each for each in verdict.findings if each.coproc in chosen))
    taking_part = {each.domain_id for each in vcoprocs}
    return Report(
        view.machine,
        begins_ps,
        drawing.picture(),
        lines,
        tuple(each for each in stats.coproc_stats(view, settings) if each.coproc in chosen),
        vcoprocs,
        _curves(view, vcoprocs, histograms),
        tuple(stats.denials(view, file.rows(DenialRow), coproc, None)),
        verdict,
        tuple(shown(view, file, str(each)) for each in view.domains if each in taking_part or coproc is None),
    )


def _curves(view: View, vcoprocs: tuple[stats.VcoprocStats, ...], histograms: list[HistogramRow]) -> tuple[Curve, ...]:
    encoded = {(row.domain_id, row.number, row.kind): row.encoded for row in histograms}
    rows = {who(row): row for row in view.vcoprocs}
    curves = []
    for each in vcoprocs:
        row = rows[each.vcoproc]
        for kind, spread in zip(SPREADS, (each.latency, each.wait, each.entry), strict=True):
            if spread is not None:
                points = _points(encoded[row.domain_id, row.number, kind], spread)
                curves.append(Curve(each.coproc, each.vcoproc, each.domain, each.domain_id, kind, points))
    return tuple(curves)


def _points(encoded: str, spread: stats.Spread) -> tuple[tuple[float, int], ...]:
    """Return the points of a curve, up to where less than one of the times would be longer."""
    tenths = [step / _STEPS_PER_TENTH for step in range(_TENTHS * _STEPS_PER_TENTH + 1)]
    wanted = {each: 100 * (1 - 10**-each) for each in tenths if 10**each <= spread.counted}
    _, found = percentiles(encoded, list(wanted.values()))
    points = [(each, min(time_ps, spread.max_ps)) for each, time_ps in zip(wanted, found, strict=True)]
    return (*points, (points[-1][0], spread.max_ps))
