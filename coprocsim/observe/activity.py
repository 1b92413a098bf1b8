"""What went on between two looks at a machine, per vcoproc, per domain or per coproc."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from coprocsim.observe.stats import CoprocStats, VcoprocStats


class By(StrEnum):
    """What a line is about."""

    VCOPROC = "vcoproc"
    DOMAIN = "domain"
    COPROC = "coproc"


class Sort(StrEnum):
    """What lines are sorted by: the name from the first letter on, figures from the largest on."""

    NAME = "name"
    RUN = "run"
    WAIT = "wait"
    SWITCH = "switch"
    DENIED = "denied"
    MISSED = "missed"


class Look(NamedTuple):
    """All figures of a machine at an instant."""

    now_ps: int
    coprocs: tuple[CoprocStats, ...]
    vcoprocs: tuple[VcoprocStats, ...]


class Activity(NamedTuple):
    """A line: times in ps within the `elapsed_ps` that passed, counts of what happened in it.

    `switch_ps` of a coproc is what went into switching, of a vcoproc what it was charged for that.
    """

    domain: str
    coproc: str
    elapsed_ps: int
    run_ps: int
    wait_ps: int
    switch_ps: int
    switches: int
    denied: int
    done: int
    missed: int


def between(before: Look, after: Look, by: By, sort: Sort) -> list[Activity]:
    """Return a line for each vcoproc, domain or coproc; of what came into being between the looks all of it counts."""
    elapsed_ps = after.now_ps - before.now_ps
    earlier = {(each.domain_id, each.vcoproc, each.coproc): each for each in before.vcoprocs}
    lines = [
        _vcoproc(earlier.get((each.domain_id, each.vcoproc, each.coproc)), each, elapsed_ps) for each in after.vcoprocs
    ]
    if by is By.DOMAIN:
        names = dict.fromkeys(line.domain for line in lines)
        lines = [_sum(name, "-", [line for line in lines if line.domain == name]) for name in names]
    elif by is By.COPROC:
        coprocs = {each.coproc: each for each in before.coprocs}
        lines = [
            _coproc(coprocs[each.coproc], each, [line for line in lines if line.coproc == each.coproc], elapsed_ps)
            for each in after.coprocs
        ]
    return sorted(lines, key=lambda line: _key(line, sort))


def _key(line: Activity, sort: Sort) -> tuple[int, str, str]:
    figures = {
        Sort.NAME: 0,
        Sort.RUN: line.run_ps,
        Sort.WAIT: line.wait_ps,
        Sort.SWITCH: line.switch_ps,
        Sort.DENIED: line.denied,
        Sort.MISSED: line.missed,
    }
    return -figures[sort], line.domain, line.coproc


def _vcoproc(was: VcoprocStats | None, now: VcoprocStats, elapsed_ps: int) -> Activity:
    return Activity(
        now.domain,
        now.coproc,
        elapsed_ps,
        now.run_ps - (was.run_ps if was else 0),
        now.wait_ps - (was.wait_ps if was else 0),
        now.switch_ps - (was.switch_ps if was else 0),
        now.switches - (was.switches if was else 0),
        now.denials - (was.denials if was else 0),
        now.done - (was.done if was else 0),
        now.missed - (was.missed if was else 0),
    )


def _coproc(was: CoprocStats, now: CoprocStats, lines: Sequence[Activity], elapsed_ps: int) -> Activity:
    total = _sum("-", now.coproc, lines)
    return total._replace(
        elapsed_ps=elapsed_ps,
        run_ps=now.run_ps - was.run_ps,
        switch_ps=now.switch_ps - was.switch_ps,
        switches=now.switches - was.switches,
        denied=now.denials - was.denials,
    )


def _sum(domain: str, coproc: str, lines: Iterable[Activity]) -> Activity:
    lines = list(lines)
    elapsed_ps = lines[0].elapsed_ps if lines else 0
    figures = (sum(each) for each in zip(*(line[3:] for line in lines), strict=True)) if lines else (0,) * 7
    return Activity(domain, coproc, elapsed_ps, *figures)
