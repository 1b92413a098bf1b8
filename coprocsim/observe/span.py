"""What has happened since an instant, from the trace: what the counters would say if they had begun there."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coprocsim.errors import StateError
from coprocsim.histogram import Histogram
from coprocsim.observe.jobs import JobCount, Jobs
from coprocsim.observe.stats import CoprocTime, Spread, VcoprocTime, spread
from coprocsim.observe.timeline import STATES, UNKNOWN, Lane, coproc_lanes, vcoproc_lanes
from coprocsim.observe.view import View, who
from coprocsim.snapshot import JobRow
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


def coproc_spans(file: "MachineFile", view: View, from_ps: int, coproc: str | None) -> Iterator[CoprocTime]:
    """Yield what each coproc's time has gone into; StateError if the trace does not reach back so far."""
    chosen = list(view.coprocs) if coproc is None else [view.coproc_named(coproc).coproc_id]
    for lane in coproc_lanes(file, chosen, from_ps, view.now_ps):
        took = _took(lane, view.coprocs[lane.coproc].use)
        if took[UNKNOWN] or from_ps < file.trace_begins_ps:
            raise _too_old(lane.coproc, from_ps)
        run_ps, failed_ps = took["run"] + took["deny"] + took["share"], took["reset"] + took["failed"]
        yield CoprocTime(lane.coproc, view.now_ps - from_ps, run_ps, took["switch"], took["idle"], failed_ps)


def vcoproc_spans(
    file: "MachineFile", view: View, from_ps: int, coproc: str | None, domain: str | None
) -> Iterator[VcoprocSpan]:
    """Yield what each vcoproc that is still there has had; StateError as above."""
    rows = {who(row): row for row in view.of(coproc, domain)}
    lanes = vcoproc_lanes(file, [(each, row.coproc_id) for each, row in rows.items()], from_ps, view.now_ps)
    took = {str(lane.vcoproc): lane for lane in lanes}
    happened = _Happened(file, view, from_ps)
    became = happened.jobs.until(view.now_ps, file.rows(JobRow))
    for each, row in rows.items():
        # One that has come into being just now has no lane: no time has passed for it.
        times = _took(took[each], STATES[row.state]) if each in took else Counter[str]()
        if times[UNKNOWN] or from_ps < file.trace_begins_ps:
            raise _too_old(row.coproc_id, from_ps)
        run_ps = times["run"] + times["deny"]
        count, jobs = happened.counts[each], became.get(each, Jobs())
        yield VcoprocSpan(
            view.domains[row.domain_id].name,
            row.domain_id,
            each,
            row.coproc_id,
            run_ps / (view.now_ps - from_ps),
            run_ps,
            happened.wait_ps[each],
            count["switch"],
            count["denial"],
            times["deny"],
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


def _took(lane: Lane, now: str) -> Counter[str]:
    """Return how long each thing went on, in ps; `now` goes on at the end."""
    took: Counter[str] = Counter()
    # Where the trace tells nothing, nothing has changed for as long as it goes back.
    unchanged = all(stretch.what == UNKNOWN for stretch in lane.stretches)
    for stretch in lane.stretches:
        took[now if unchanged else stretch.what] += stretch.to_ps - stretch.from_ps
    return took


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

    def __init__(self, file: "MachineFile", view: View, from_ps: int) -> None:
        self.wait_ps: Counter[str] = Counter()
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.jobs = JobCount(from_ps)
        self._latencies: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._latency_ps_max: Counter[str] = Counter()
        self._since = {who(row): from_ps for row in view.vcoprocs}
        for row in file.trace(from_ps, view.now_ps):
            # What happened at the first instant itself was before the span; before boot there was nothing.
            if row[0] > from_ps or from_ps == 0:
                self._take(row)
        for vcoproc in view.vcoprocs:
            if vcoproc.state == "WAITING":
                self.wait_ps[who(vcoproc)] += view.now_ps - self._since[who(vcoproc)]

    def _take(self, row: "TraceRow") -> None:
        self.jobs.take(row)
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

    def latency(self, each: str) -> Spread | None:
        """Return how the latencies of the jobs done are spread."""
        return spread(self._latencies[each].encoded(), self._latency_ps_max[each])
