"""What time has gone into, and what has happened, per coproc and per vcoproc.

Exact: every figure is of the counters, only percentiles are of the histograms, to three digits. Shares are of the time
since boot: those of a coproc's vcoprocs, switching, idle and failed time make 1 together, unless a domain has been
destroyed and taken its counters along.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import msgspec

from coprocsim.histogram import percentiles
from coprocsim.observe.view import View, who
from coprocsim.snapshot import CoprocRow, DenialRow, HistogramRow, JobRow, VcoprocRow, VcoprocSettingRow
from coprocsim.store import damaged


@dataclass(frozen=True)
class CoprocTime:
    """Where a coproc's time went: run + switch + idle + failed = elapsed."""

    coproc: str
    elapsed_ps: int
    run_ps: int
    switch_ps: int
    idle_ps: int
    failed_ps: int


@dataclass(frozen=True)
class CoprocStats(CoprocTime):
    """And what has happened on it.

    `fairness` is Jain's index over what its vcoprocs ran, per weight; None if none of them has had work yet.
    """

    switches: int
    denials: int
    resets: int
    coproc_resets: int
    spurious_irqs: int
    findings: int
    fairness: float | None


class Spread(NamedTuple):
    """How so many times are spread: what half of them, 95, 99 and 99.9 of 100 do not exceed; the longest exactly."""

    counted: int
    p50_ps: int
    p95_ps: int
    p99_ps: int
    p99_9_ps: int
    max_ps: int


@dataclass(frozen=True)
class VcoprocTime:
    """What a vcoproc has had; `share` is of its coproc's time."""

    domain: str
    domain_id: int
    vcoproc: str
    coproc: str
    share: float
    run_ps: int
    wait_ps: int
    switches: int


@dataclass(frozen=True)
class VcoprocStats(VcoprocTime):
    """And what it has been charged for, denied, suffered and done.

    `released` jobs are done, abandoned, failed, dropped, or not yet over; `late` are some of those done, `overdue` some
    of those not yet over, `missed` are all that were not in time (`jobs.py`). The mean latency is of the jobs done.
    `owed_ps` is what it still owes for overrunning. `latency`, `wait` and `entry` are None where nothing was counted.
    """

    switch_ps: int
    overrun_ps: int
    owed_ps: int
    denials: int
    denied_ps: int
    suffered: int
    suffered_ps: int
    resets: int
    released: int
    done: int
    missed: int
    late: int
    abandoned: int
    dropped: int
    failed: int
    overdue: int
    latency_ps_mean: int | None
    latency_ps_max: int | None
    traps: int
    irqs: int
    faults: int
    latency: Spread | None
    wait: Spread | None
    entry: Spread | None

    def ways_missed(self) -> dict[str, int]:
        """Return in which ways jobs were missed, in words, and how many in each, where there were any."""
        ways = {"late": self.late, "given up": self.abandoned, "dropped": self.dropped, "failed": self.failed}
        return {how: count for how, count in (ways | {"overdue": self.overdue}).items() if count}


class Denial(NamedTuple):
    """How often and for how long `sufferer` was to be next on a coproc while `denier` denied."""

    coproc: str
    denier: str
    sufferer: str
    times: int
    time_ps: int


def denials(view: View, rows: Iterable[DenialRow], coproc: str | None, domain: str | None) -> Iterator[Denial]:
    """Yield who denied whom, the longest first, the one under way included; only of a coproc's, or a domain's."""
    chosen = None if coproc is None else view.coproc_named(coproc).coproc_id
    name = None if domain is None else view.domain_named(domain).name
    for row in sorted(rows, key=lambda row: -row.time_ps):
        sufferer = next((each for each in view.vcoprocs if who(each) == row.sufferer), None)
        under_way_ps = 0
        if sufferer is not None and view.coprocs[row.coproc_id].current == row.denier:
            _, under_way_ps = _denial_under_way(view, sufferer)
        pair = view.called(row.denier), view.called(row.sufferer)
        if chosen in {None, row.coproc_id} and (name is None or name in pair):
            yield Denial(row.coproc_id, *pair, row.times, row.time_ps + under_way_ps)


def coproc_stats(view: View, settings: Iterable[VcoprocSettingRow]) -> Iterator[CoprocStats]:
    """Yield the figures of every coproc; `settings` has the vcoprocs' weights."""
    weights = {(row.domain_id, row.number): int(row.value) for row in settings if row.name == "weight"}
    for coproc in view.coprocs.values():
        times, counters = view.time_of(coproc), coproc.counters
        yield CoprocStats(
            coproc.coproc_id,
            view.now_ps,
            times["run"],
            times["switch"],
            times["idle"],
            times["failed"],
            counters.switches,
            counters.denials,
            counters.resets,
            counters.coproc_resets,
            counters.spurious,
            counters.findings,
            _fairness(view, coproc, weights),
        )


def _fairness(view: View, coproc: CoprocRow, weights: Mapping[tuple[int, int], int]) -> float | None:
    wanting = [row for row in view.of(coproc.coproc_id, None) if view.run_ps(row) + view.wait_ps(row) > 0]
    return jain([view.run_ps(row) / weights.get((row.domain_id, row.number), 1) for row in wanting])


def jain(shares: list[float]) -> float | None:
    """Return Jain's index: 1 if all have the same, 1/n if one has all; None if nobody has anything."""
    if not any(shares):
        return None
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def vcoproc_stats(
    view: View,
    jobs: Iterable[JobRow],
    coproc: str | None = None,
    domain: str | None = None,
    histograms: Iterable[HistogramRow] = (),
) -> Iterator[VcoprocStats]:
    """Yield the figures of every vcoproc; only of a coproc's, or a domain's.

    `jobs` are those not yet over, percentiles are of `histograms`.
    """
    overdue = Counter(
        (row.domain_id, row.number) for row in jobs if row.deadline_ps is not None and row.deadline_ps < view.now_ps
    )
    encoded = {(row.domain_id, row.number, row.kind): row.encoded for row in histograms}

    def of(row: VcoprocRow, kind: str, max_ps: int) -> Spread | None:
        return spread(encoded.get((row.domain_id, row.number, kind), ""), max_ps)

    for row in view.of(coproc, domain):
        counters, unfinished = row.counters, overdue[row.domain_id, row.number]
        denied_ps, suffered_ps = _denial_under_way(view, row)
        yield VcoprocStats(
            view.domains[row.domain_id].name,
            row.domain_id,
            who(row),
            row.coproc_id,
            view.run_ps(row) / view.now_ps if view.now_ps else 0.0,
            view.run_ps(row),
            view.wait_ps(row),
            counters.switches,
            counters.switch_ps,
            counters.overrun_ps,
            row.owed_ps,
            counters.denials,
            counters.denied_ps + denied_ps,
            counters.suffered,
            counters.suffered_ps + suffered_ps,
            counters.resets,
            counters.jobs,
            counters.ended,
            counters.late + counters.abandoned + counters.dropped + counters.failed + unfinished,
            counters.late,
            counters.abandoned,
            counters.dropped,
            counters.failed,
            unfinished,
            counters.latency_ps // counters.ended if counters.ended else None,
            counters.latency_ps_max if counters.ended else None,
            counters.traps,
            counters.irqs,
            counters.faults,
            of(row, "latency", counters.latency_ps_max),
            of(row, "wait", counters.wait_ps_max),
            of(row, "entry", counters.entry_ps_max),
        )


def spread(encoded: str, max_ps: int) -> Spread | None:
    """Return how times are spread, none of them longer than the longest."""
    if not encoded:
        return None
    counted, found = percentiles(encoded, (50, 95, 99, 99.9))
    p50_ps, p95_ps, p99_ps, p99_9_ps = (min(time_ps, max_ps) for time_ps in found)
    return Spread(counted, p50_ps, p95_ps, p99_ps, p99_9_ps, max_ps)


class _Switching(TypedDict):
    """What is read of a coproc's `switching`."""

    phase: str
    denied_since_ps: int
    suffering_since_ps: int
    sufferer: str | None


def _denial_under_way(view: View, vcoproc: VcoprocRow) -> tuple[int, int]:
    """Return for how long a vcoproc is denying just now, and for how long it is suffering from another's denial."""
    coproc = view.coprocs[vcoproc.coproc_id]
    try:
        switching = msgspec.json.decode(coproc.switching, type=_Switching)
    except msgspec.MsgspecError as error:
        raise damaged(view.path, f"how far `{coproc.coproc_id}` is with a switch: {error}") from error
    if switching["phase"] != "denied":
        return 0, 0
    denies, suffers = coproc.current == who(vcoproc), switching["sufferer"] == who(vcoproc)
    return (
        view.now_ps - switching["denied_since_ps"] if denies else 0,
        view.now_ps - switching["suffering_since_ps"] if suffers else 0,
    )
