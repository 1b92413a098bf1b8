"""What has happened since an instant, from the trace: what the counters would say if they had begun there."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from coprocsim.errors import StateError
from coprocsim.histogram import Histogram
from coprocsim.observe.jobs import JobCount, Jobs
from coprocsim.observe.stats import CoprocTime, Spread, VcoprocTime, spread
from coprocsim.observe.timeline import STATES, UNKNOWN, CoprocPens, Stretch, VcoprocPens
from coprocsim.observe.trace import Watch
from coprocsim.observe.view import View, who
from coprocsim.snapshot import JobRow, VcoprocRow
from coprocsim.units import show_instant

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.store import MachineFile


@dataclass(frozen=True)
class VcoprocSpan(VcoprocTime):
    """And what it denied and did; its jobs are counted as `jobs.Jobs` says. `latency` is of those done, if any was."""

    denials: int
    denied_ps: int
    released: int
    done: int
    missed: int
    late: int
    abandoned: int
    dropped: int
    failed: int
    overdue: int
    latency: Spread | None


class Span(NamedTuple):
    """What has gone on between two instants: of each coproc, and of each vcoproc that is still there."""

    coprocs: tuple[CoprocTime, ...]
    vcoprocs: tuple[VcoprocSpan, ...]


def span(
    file: "MachineFile", view: View, from_ps: int, coproc: str | None, domain: str | None, watch: Watch = iter
) -> Span:
    """Return what has gone on since `from_ps`, of a coproc's or a domain's; StateError if the trace has lost a part.

    The trace is read once, through `watch`.
    """
    chosen = list(view.coprocs) if coproc is None else [view.coproc_named(coproc).coproc_id]
    rows = {who(row): row for row in view.of(coproc, domain)}
    of_coprocs, of_vcoprocs = {each: _Tally() for each in chosen}, {each: _Tally() for each in rows}
    whole = file.trace_begins_ps == 0
    coproc_pens = CoprocPens({each: tally.add for each, tally in of_coprocs.items()}, from_ps, view.now_ps, whole=whole)
    vcoproc_pens = VcoprocPens(
        {each: tally.add for each, tally in of_vcoprocs.items()}, from_ps, view.now_ps, whole=whole
    )
    happened = _Happened(view, from_ps)
    for row in watch(file.trace(0, view.now_ps)):
        coproc_pens.take(row)
        vcoproc_pens.take(row)
        happened.take(row)
    coproc_pens.end()
    vcoproc_pens.end()
    happened.end(file.rows(JobRow))
    lost = from_ps < file.trace_begins_ps
    return Span(
        tuple(_of_coproc(view, each, tally, from_ps, lost=lost) for each, tally in of_coprocs.items()),
        tuple(
            _of_vcoproc(view, rows[each], tally, happened, from_ps, lost=lost) for each, tally in of_vcoprocs.items()
        ),
    )


class _Tally:
    """How long each thing went on, in ps."""

    def __init__(self) -> None:
        self._took: Counter[str] = Counter()

    def add(self, stretch: Stretch) -> None:
        """Add a stretch."""
        self._took[stretch.what] += stretch.to_ps - stretch.from_ps

    def took(self, now: str) -> Counter[str]:
        """Return it; where the trace tells nothing, `now` has gone on for as long as it goes back."""
        return Counter({now: self._took[UNKNOWN]}) if set(self._took) == {UNKNOWN} else self._took


def _of_coproc(view: View, coproc: str, tally: _Tally, from_ps: int, *, lost: bool) -> CoprocTime:
    took = tally.took(view.coprocs[coproc].use)
    if took[UNKNOWN] or lost:
        raise _too_old(coproc, from_ps)
    run_ps, failed_ps = took["run"] + took["deny"] + took["share"], took["reset"] + took["failed"]
    return CoprocTime(coproc, view.now_ps - from_ps, run_ps, took["switch"], took["idle"], failed_ps)


def _of_vcoproc(
    view: View, row: VcoprocRow, tally: _Tally, happened: "_Happened", from_ps: int, *, lost: bool
) -> VcoprocSpan:
    each = who(row)
    took = tally.took(STATES[row.state])
    if took[UNKNOWN] or lost:
        raise _too_old(row.coproc_id, from_ps)
    run_ps = took["run"] + took["deny"]
    count, jobs = happened.counts[each], happened.jobs.get(each, Jobs())
    return VcoprocSpan(
        view.domains[row.domain_id].name,
        row.domain_id,
        each,
        row.coproc_id,
        run_ps / (view.now_ps - from_ps),
        run_ps,
        happened.wait_ps[each],
        count["switch"],
        count["denial"],
        took["deny"],
        jobs.released,
        jobs.in_time + jobs.late,
        jobs.missed,
        jobs.late,
        jobs.abandoned,
        jobs.dropped,
        jobs.failed,
        jobs.overdue,
        happened.latency(each),
    )


def _too_old(coproc: str, from_ps: int) -> StateError:
    return StateError(
        f"the trace does not tell any more what `{coproc}` did at {show_instant(from_ps)} s",
        why="the oldest rows go when it outgrows its limit",
        hint="name a later instant; `boot --trace-limit SIZE` keeps more",
    )


class _Happened:
    """What each vcoproc did, and how long it has been WAITING.

    A lane does not tell of that: while a context is loaded its vcoproc still waits, and is seen there as switching.
    """

    def __init__(self, view: View, from_ps: int) -> None:
        self._view, self._from_ps = view, from_ps
        self.wait_ps: Counter[str] = Counter()
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.jobs: dict[str, Jobs] = {}
        self._count = JobCount(from_ps)
        self._latencies: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._latency_ps_max: Counter[str] = Counter()
        self._since = {who(row): from_ps for row in view.vcoprocs}

    def take(self, row: "TraceRow") -> None:
        """Count what a row says, if it is of the span."""
        # What happened at the first instant itself was before the span; before boot there was nothing.
        if row[0] <= self._from_ps and self._from_ps > 0:
            return
        self._count.take(row)
        match row[2:]:
            case ("state", str(each), "WAITING", new):
                self.wait_ps[each] += row[0] - self._since.get(each, row[0])
                self.counts[each]["switch"] += new == "RUNNING"
                self._since[each] = row[0]
            case ("state", str(each), *_):
                self._since[each] = row[0]
            case ("switch_from", str(each), "busy", _):
                self.counts[each]["denial"] += 1
            case ("job_end", str(each), "done", _, int(latency_ps), _):
                self._latencies[each].record(latency_ps)
                self._latency_ps_max[each] = max(self._latency_ps_max[each], latency_ps)

    def end(self, still_open: Iterable[JobRow]) -> None:
        """Add the waits under way, and the jobs that are not over: no more rows come."""
        self.jobs = self._count.until(self._view.now_ps, still_open)
        for vcoproc in self._view.vcoprocs:
            if vcoproc.state == "WAITING":
                self.wait_ps[who(vcoproc)] += self._view.now_ps - self._since[who(vcoproc)]

    def latency(self, each: str) -> Spread | None:
        """Return how the latencies of the jobs done are spread."""
        return spread(self._latencies[each].encoded(), self._latency_ps_max[each])
