"""What became of one machine under several choices of how a coproc is shared, figure by figure.

Everything is of the span that was compared, not since boot.
"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from coprocsim.observe.stats import CoprocStats, Spread, VcoprocStats, coproc_stats, jain, vcoproc_stats
from coprocsim.observe.view import view_of
from coprocsim.snapshot import Snapshot

# What is compared has been in no file.
_IN_MEMORY = Path("memory")


class VcoprocOutcome(NamedTuple):
    """What a vcoproc had and did; `share` is of its coproc's time, `latency` of the jobs done, None if none was."""

    domain: str
    domain_id: int
    vcoproc: str
    share: float
    run_ps: int
    wait_ps: int
    switches: int
    done: int
    missed: int
    latency: Spread | None


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


def outcome(choice: str, coproc: str, before: Snapshot, after: Snapshot) -> Outcome:
    """Return what happened between two different instants; histograms and longest times were empty at the first."""
    was, now = _coproc(before, coproc), _coproc(after, coproc)
    earlier = {each.vcoproc: each for each in _vcoprocs(before, coproc)}
    elapsed_ps = now.elapsed_ps - was.elapsed_ps
    vcoprocs = tuple(_vcoproc(earlier[each.vcoproc], each, elapsed_ps) for each in _vcoprocs(after, coproc))
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
    return list(vcoproc_stats(view_of(snapshot, _IN_MEMORY), coproc, histograms=snapshot.histograms))


def _vcoproc(was: VcoprocStats, now: VcoprocStats, elapsed_ps: int) -> VcoprocOutcome:
    run_ps = now.run_ps - was.run_ps
    return VcoprocOutcome(
        now.domain,
        now.domain_id,
        now.vcoproc,
        run_ps / elapsed_ps,
        run_ps,
        now.wait_ps - was.wait_ps,
        now.switches - was.switches,
        now.done - was.done,
        now.missed - was.missed,
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


# With how many decimals a figure is shown; a time is exact to the ps here.
DECIMALS = {Kind.COUNT: 0, Kind.INDEX: 4, Kind.PERCENT: 2, Kind.TIME: 0}


class Figure(NamedTuple):
    """One figure under each choice: of `domain`, or of the coproc where that is None; times in ps.

    `best` are the choices under which it is best as far as it is shown, by their places; none where all are equal.
    """

    domain: str | None
    title: str
    kind: Kind
    values: tuple[float | None, ...]
    best: frozenset[int]


def figures(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return all figures of outcomes that have the same vcoprocs. More is better of shares, fairness and jobs done."""
    missed = [sum(each.missed for each in outcome.vcoprocs) for outcome in outcomes]
    elapsed = [each.run_ps + each.switch_ps + each.idle_ps + each.failed_ps for each in outcomes]
    overhead = [100 * each.switch_ps / all_ps for each, all_ps in zip(outcomes, elapsed, strict=True)]
    found = [
        _figure(None, "Fairness", Kind.INDEX, [each.fairness for each in outcomes], more=True),
        _figure(None, "Switches", Kind.COUNT, [each.switches for each in outcomes]),
        _figure(None, "Switching", Kind.PERCENT, overhead),
        _figure(None, "Missed", Kind.COUNT, missed),
    ]
    for of_one in zip(*(each.vcoprocs for each in outcomes), strict=True):
        domain, latencies = of_one[0].domain, [each.latency for each in of_one]
        found += [
            _figure(domain, "Share", Kind.PERCENT, [100 * each.share for each in of_one], more=True),
            _figure(domain, "Done", Kind.COUNT, [each.done for each in of_one], more=True),
            _figure(domain, "Missed", Kind.COUNT, [each.missed for each in of_one]),
            _figure(domain, "Latency p99", Kind.TIME, [None if each is None else each.p99_ps for each in latencies]),
            _figure(domain, "Latency max", Kind.TIME, [None if each is None else each.max_ps for each in latencies]),
        ]
    return found


def _figure(
    domain: str | None, title: str, kind: Kind, values: Sequence[float | None], *, more: bool = False
) -> Figure:
    shown = [None if value is None else round(value, DECIMALS[kind]) for value in values]
    known = [value for value in shown if value is not None]
    best: set[int] = set()
    if len(set(shown)) > 1:
        wanted = max(known) if more else min(known)
        best = {place for place, value in enumerate(shown) if value == wanted}
    return Figure(domain, title, kind, tuple(values), frozenset(best))
