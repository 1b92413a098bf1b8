"""What became of one machine under several choices of how a coproc is shared, figure by figure.

Everything is of the span that was compared, not since boot.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from coprocsim.observe.jobs import JobCount, Jobs
from coprocsim.observe.stats import CoprocStats, Spread, VcoprocStats, coproc_stats, jain, vcoproc_stats
from coprocsim.observe.view import view_of
from coprocsim.snapshot import Snapshot
from coprocsim.units import PS_PER_US

# What is compared has been in no file.
_IN_MEMORY = Path("memory")


class VcoprocOutcome(NamedTuple):
    """What a vcoproc had and did; `share` is of its coproc's time, `latency` of the jobs done, None if none was.

    From `released` to `missed` it is what `jobs.Jobs` says; `done` is in time or late.
    """

    domain: str
    domain_id: int
    vcoproc: str
    share: float
    run_ps: int
    wait_ps: int
    switches: int
    released: int
    done: int
    in_time: int
    late: int
    abandoned: int
    dropped: int
    failed: int
    open: int
    overdue: int
    missed: int
    latency: Spread | None

    @property
    def works(self) -> bool:
        """Whether it has had anything to do."""
        return bool(self.run_ps or self.wait_ps or self.released or self.open)


class Outcome(NamedTuple):
    """What became of a coproc under one choice: run + switch + idle + failed is all of the time."""

    choice: str
    scheduler: str
    run_ps: int
    switch_ps: int
    idle_ps: int
    failed_ps: int
    switches: int
    denials: int
    resets: int
    findings: int
    fairness: float | None
    vcoprocs: tuple[VcoprocOutcome, ...]


def outcome(choice: str, coproc: str, before: Snapshot, after: Snapshot, jobs: JobCount) -> Outcome:
    """Return what happened between two different instants; histograms and longest times were empty at the first.

    `jobs` has seen all rows of the trace between them. A domain that is dying takes no part.
    """
    was, now = _coproc(before, coproc), _coproc(after, coproc)
    earlier = {each.vcoproc: each for each in _vcoprocs(before, coproc)}
    elapsed_ps = now.elapsed_ps - was.elapsed_ps
    became = jobs.until(after.machine.now_ps, after.jobs)
    vcoprocs = tuple(
        _vcoproc(earlier[each.vcoproc], each, elapsed_ps, became.get(each.vcoproc, Jobs()))
        for each in _vcoprocs(after, coproc)
    )
    return Outcome(
        choice,
        next(row.algorithm for row in after.coprocs if row.coproc_id == coproc),
        now.run_ps - was.run_ps,
        now.switch_ps - was.switch_ps,
        now.idle_ps - was.idle_ps,
        now.failed_ps - was.failed_ps,
        now.switches - was.switches,
        now.denials - was.denials,
        now.resets - was.resets,
        now.findings - was.findings,
        _fairness(after, vcoprocs),
        vcoprocs,
    )


def _coproc(snapshot: Snapshot, coproc: str) -> CoprocStats:
    figures = coproc_stats(view_of(snapshot, _IN_MEMORY), snapshot.vcoproc_settings)
    return next(each for each in figures if each.coproc == coproc)


def _vcoprocs(snapshot: Snapshot, coproc: str) -> list[VcoprocStats]:
    dying = {row.domain_id for row in snapshot.domains if row.dying}
    found = vcoproc_stats(view_of(snapshot, _IN_MEMORY), snapshot.jobs, coproc, histograms=snapshot.histograms)
    return [each for each in found if each.domain_id not in dying]


def _vcoproc(was: VcoprocStats, now: VcoprocStats, elapsed_ps: int, jobs: Jobs) -> VcoprocOutcome:
    run_ps = now.run_ps - was.run_ps
    return VcoprocOutcome(
        now.domain,
        now.domain_id,
        now.vcoproc,
        run_ps / elapsed_ps,
        run_ps,
        now.wait_ps - was.wait_ps,
        now.switches - was.switches,
        jobs.released,
        jobs.in_time + jobs.late,
        jobs.in_time,
        jobs.late,
        jobs.abandoned,
        jobs.dropped,
        jobs.failed,
        jobs.open,
        jobs.overdue,
        jobs.missed,
        now.latency,
    )


def _fairness(after: Snapshot, vcoprocs: Sequence[VcoprocOutcome]) -> float | None:
    weights = {f"d{row.domain_id}v{row.number}": row.value for row in after.vcoproc_settings if row.name == "weight"}
    wanting = [each for each in vcoprocs if each.run_ps + each.wait_ps > 0]
    return jain([each.run_ps / int(weights.get(each.vcoproc, 1)) for each in wanting])


# ---------------------------------------------------------------- figure by figure


class Kind(StrEnum):
    """What a figure is, and so how it is written."""

    COUNT = "count"
    INDEX = "index"
    PERCENT = "percent"
    TIME = "time"


# With how many decimals a figure is shown; a time is shown to the us, its middle rounded up.
DECIMALS = {Kind.COUNT: 0, Kind.INDEX: 4, Kind.PERCENT: 2, Kind.TIME: 0}


class Figure(NamedTuple):
    """One figure under each choice: of `domain`, or of the coproc where that is None; times in ps.

    `best` are the choices under which it is best as far as it is shown, by their places; none where all are equal, and
    where neither more nor less is better.
    """

    domain: str | None
    title: str
    kind: Kind
    values: tuple[float | None, ...]
    best: frozenset[int]


def figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return the figures of outcomes that have the same vcoprocs, as far as they say something.

    More is better of shares, fairness and jobs in time. What became of the other jobs is good or bad only in what it
    leaves in time and missed: an algorithm that lets nobody finish has no late jobs. In the same way latencies are of
    the jobs done, and so only a choice that misses no more jobs than any other can have the best.
    """
    elapsed = [each.run_ps + each.switch_ps + each.idle_ps + each.failed_ps for each in outcomes]
    overhead = [100 * each.switch_ps / all_ps for each, all_ps in zip(outcomes, elapsed, strict=True)]
    by_domain = [of_one for of_one in zip(*(each.vcoprocs for each in outcomes), strict=True) if _work(of_one)]
    found = [
        _figure(None, "Switches", Kind.COUNT, [each.switches for each in outcomes]),
        _figure(None, "Switching", Kind.PERCENT, overhead),
    ]
    if len(by_domain) > 1:
        # Of a single domain they would be its own once more.
        sums = [
            (sum(each.in_time for each in of), sum(each.missed for each in of)) for of in zip(*by_domain, strict=True)
        ]
        found = [
            _figure(None, "Fairness", Kind.INDEX, [each.fairness for each in outcomes], more=True),
            *found,
            _figure(None, "In time", Kind.COUNT, [in_time for in_time, _ in sums], more=True),
            _figure(None, "Missed", Kind.COUNT, [missed for _, missed in sums]),
        ]
    for of_one in by_domain:
        found += _figures_of(of_one)
    return found


def without_work(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the domains that have had nothing to do under any choice: they have no figures."""
    by_domain = zip(*(each.vcoprocs for each in outcomes), strict=True)
    return [of_one[0].domain for of_one in by_domain if not _work(of_one)]


def _work(of_one: Sequence[VcoprocOutcome]) -> bool:
    return any(each.works for each in of_one)


def _figures_of(of_one: Sequence[VcoprocOutcome]) -> Iterator[Figure]:
    """Yield the figures of a domain."""
    domain, latencies = of_one[0].domain, [each.latency for each in of_one]
    missed = [each.missed for each in of_one]
    fewest = {place for place, count in enumerate(missed) if count == min(missed)}
    yield _figure(domain, "Share", Kind.PERCENT, [100 * each.share for each in of_one], more=True)
    yield _told(domain, "Released", [each.released for each in of_one])
    yield _figure(domain, "In time", Kind.COUNT, [each.in_time for each in of_one], more=True)
    yield _figure(domain, "Missed", Kind.COUNT, missed)
    for figure in (
        _told(domain, "Late", [each.late for each in of_one]),
        _told(domain, "Quit", [each.abandoned for each in of_one]),
        _told(domain, "Dropped", [each.dropped for each in of_one]),
        _told(domain, "Failed", [each.failed for each in of_one]),
        _told(domain, "Overdue", [each.overdue for each in of_one]),
    ):
        if any(figure.values):
            yield figure
    for title, times in (
        ("Latency p99", [None if each is None else each.p99_ps for each in latencies]),
        ("Latency max", [None if each is None else each.max_ps for each in latencies]),
    ):
        figure = _figure(domain, title, Kind.TIME, times)
        yield figure._replace(best=figure.best & fewest)


def _told(domain: str, title: str, values: Sequence[int]) -> Figure:
    """Return a figure of which neither more nor less is better."""
    return Figure(domain, title, Kind.COUNT, tuple(values), frozenset())


def _as_shown(kind: Kind, value: float) -> float:
    """Return a value as exact as it is shown."""
    return (int(value) + PS_PER_US // 2) // PS_PER_US if kind is Kind.TIME else round(value, DECIMALS[kind])


def _figure(
    domain: str | None, title: str, kind: Kind, values: Sequence[float | None], *, more: bool = False
) -> Figure:
    shown = [None if value is None else _as_shown(kind, value) for value in values]
    known = [value for value in shown if value is not None]
    best: set[int] = set()
    if len(set(shown)) > 1:
        wanted = max(known) if more else min(known)
        best = {place for place, value in enumerate(shown) if value == wanted}
    return Figure(domain, title, kind, tuple(values), frozenset(best))
