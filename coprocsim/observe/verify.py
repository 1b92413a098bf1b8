"""The rules of isolation over a recorded trace.

What the rows themselves show is worked out again from them alone: who ran, whose memory the
IOMMU translated for, to whom interrupts went, where the time went. What no row shows (accesses, the contexts in the
hardware, the scheduler's queue) was checked while it ran: those findings are rows of the trace.
"""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from coprocsim.model import UNSCHEDULED, Rule
from coprocsim.observe.timeline import coproc_does

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coprocsim.model import TraceRow
    from coprocsim.observe.trace import Watch
    from coprocsim.observe.view import View
    from coprocsim.snapshot import CoprocRow
    from coprocsim.store import MachineFile

DEMANDS = {
    Rule.ONE_RUNS: "one vcoproc per coproc runs",
    Rule.IOMMU: "the IOMMU translates for who runs or nobody",
    Rule.IRQ: "an interrupt goes to who ran when it rose",
    Rule.ACCESS: "who does not run reaches no hardware",
    Rule.TIME: "run + switch + idle + failed = elapsed",
    Rule.LEAK: "a switch leaves nothing of others behind",
    Rule.KNOWN: "who waits is known to the scheduler",
}
NOT_CHECKED = "not checked"
_FROM_ROWS = {Rule.ONE_RUNS, Rule.IOMMU, Rule.IRQ, Rule.TIME}
_ON_HARDWARE = {"RUNNING", "ASKED_TO_SLEEP"}


class Finding(NamedTuple):
    """A rule that was broken: when, on which coproc, by or to which vcoproc (as `d1v0`, or `-`), and how."""

    at_ps: int
    coproc: str
    vcoproc: str
    rule: str
    what: str


class RuleLine(NamedTuple):
    """A rule, whether it was `checked` (from the rows, while it ran, both, or not), and how often it was broken."""

    rule: str
    checked: str
    findings: int
    demands: str


class Verdict(NamedTuple):
    """What `verify` says: of how many rows, from and to which instant, and all findings in order of time."""

    from_ps: int
    to_ps: int
    rows: int
    rules: tuple[RuleLine, ...]
    findings: tuple[Finding, ...]


class _Coproc:
    """What the rows have said of one coproc so far."""

    def __init__(self, row: "CoprocRow", *, whole: bool) -> None:
        self.scheduled = row.algorithm != UNSCHEDULED
        self.on_hardware: set[str] = set()
        self.holder: str | None = None
        self.entering: str | None = None
        self.known = whole
        """Whether the rows have said who has it: a trace that has lost its beginning does not at first."""
        self.at_ps = -1
        self.raised: dict[str, set[str]] = {}
        self.excused: set[str] = set()
        self.pending: set[tuple[str, str]] = set()
        self.use, self.use_since_ps = "idle", 0
        self.shown_ps: Counter[str] = Counter()

    def turn(self, at_ps: int, use: str) -> None:
        """From `at_ps` on, the coproc is used for `use`."""
        self.shown_ps[self.use] += at_ps - self.use_since_ps
        self.use, self.use_since_ps = use, at_ps

    def shown_until(self, now_ps: int) -> Counter[str]:
        """Return for how long it was used for each thing, as far as the rows tell, in ps."""
        return self.shown_ps + Counter({self.use: now_ps - self.use_since_ps})


class Verification:
    """Takes the rows of the trace from its beginning on, one by one, then says what they show of each rule."""

    def __init__(self, seen: "View", begins_ps: int) -> None:
        self._seen, self._begins_ps = seen, begins_ps
        self._coprocs = {each: _Coproc(row, whole=begins_ps == 0) for each, row in seen.coprocs.items()}
        self._told: list[Finding] = []
        self._findings: list[Finding] = []
        self._rows = 0

    def take(self, row: "TraceRow") -> None:
        """Look at a row."""
        self._rows += 1
        known = self._coprocs.get(row[1])
        if known is not None:
            found = [Finding(row[0], row[1], *each) for each in _of_row(known, row)]
            (self._told if row[2] == "finding" else self._findings).extend(found)

    def verdict(self) -> Verdict:
        """Return what the trace shows: no more rows come."""
        found = [*self._findings, *_of_time(self._seen, self._coprocs, whole=self._begins_ps == 0)]
        # What was found while it ran is not found once more, in other words.
        known_already = {each[:4] for each in self._told}
        findings = list(dict.fromkeys([*self._told, *(each for each in found if each[:4] not in known_already)]))
        findings.sort(key=lambda each: each.at_ps)
        rules = tuple(
            RuleLine(rule.value, _how(rule, self._seen), sum(each.rule == rule for each in findings), DEMANDS[rule])
            for rule in Rule
        )
        return Verdict(self._begins_ps, self._seen.now_ps, self._rows, rules, tuple(findings))


def verified(seen: "View", file: "MachineFile", watch: "Watch" = iter) -> Verdict:
    """Return what the trace shows of each rule; it is read once, through `watch`."""
    verification = Verification(seen, file.trace_begins_ps)
    for row in watch(file.trace(0, seen.now_ps)):
        verification.take(row)
    return verification.verdict()


def _how(rule: Rule, seen: "View") -> str:
    ways = [*(["rows"] if rule in _FROM_ROWS else []), *(["running"] if seen.machine.checks else [])]
    return " + ".join(ways) or NOT_CHECKED


def _of_row(coproc: _Coproc, row: "TraceRow") -> Iterator[tuple[str, str, str]]:
    """Yield (vcoproc, rule, what) for each rule that this row breaks."""
    if row[0] != coproc.at_ps:
        coproc.at_ps, coproc.raised, coproc.excused = row[0], {}, set()
    does = coproc_does(row)
    if does is not None:
        coproc.turn(row[0], _USES[does[0]])
    match row[2:]:
        case ("finding", str(who), str(rule), str(what)):
            yield who, rule, what
        case ("state", str(who), _, str(new)):
            yield from _of_state(coproc, who, new)
        case ("switch_from" | "switch_to" as hook, str(who), "left" | "entered", int(cost_ps)) if cost_ps < 0:
            yield who, Rule.TIME, f"`{hook}` answers a cost of {cost_ps} ps"
        case ("iommu_enable", str(who)):
            yield from _of_enable(coproc, who)
        case ("iommu_stale", str(who), int(address), *_, str(stale)):
            what = f"its DMA at {address:#x} went to the memory of {stale}: its translations were not invalidated"
            yield who, Rule.IOMMU, what
        case ("iommu_disable", str(who)):
            coproc.holder = None if coproc.holder == who else coproc.holder
        case ("switch_to", str(who), "entered", _):
            coproc.entering, coproc.known = who, True
        case ("raised", str(who), str(line)):
            judged = coproc.scheduled and coproc.known
            if judged and who not in coproc.on_hardware and who != coproc.entering:
                yield who, Rule.IRQ, f"line {line} was raised for it, and it did not run"
            coproc.raised.setdefault(line, set()).add(who)
            coproc.pending.add((who, line))
        case ("trap", str(who), *_) | ("reset", str(who), _):
            # What its own access or its reset has raised is its own.
            coproc.excused.add(who)
        case ("irq", str(who), str(line)):
            owners = coproc.raised.get(line, set())
            # A paused domain gets later, when it goes on, what was raised for it.
            if owners and who not in owners | coproc.excused and (who, line) not in coproc.pending:
                what = f"line {line} was raised for {', '.join(sorted(owners))} and is delivered to {who}"
                yield who, Rule.IRQ, what
            coproc.pending.discard((who, line))


def _of_enable(coproc: _Coproc, who: str) -> Iterator[tuple[str, str, str]]:
    if coproc.scheduled:
        if coproc.holder is not None:
            yield who, Rule.IOMMU, f"its translations are enabled while those of {coproc.holder} are"
        for other in sorted(coproc.on_hardware - {who}):
            yield who, Rule.IOMMU, f"its translations are enabled while {other} runs"
    coproc.holder = who


def _of_state(coproc: _Coproc, who: str, new: str) -> Iterator[tuple[str, str, str]]:
    coproc.entering = None if coproc.entering == who else coproc.entering
    if new not in _ON_HARDWARE:
        coproc.on_hardware.discard(who)
        return
    others = sorted(coproc.on_hardware - {who})
    if others and coproc.scheduled:
        yield who, Rule.ONE_RUNS, f"it runs while {others[0]} does"
    coproc.on_hardware.add(who)
    if coproc.scheduled and coproc.holder not in {None, who}:
        yield who, Rule.IOMMU, f"it runs while the IOMMU translates for {coproc.holder}"


def _of_time(seen: "View", coprocs: "Mapping[str, _Coproc]", *, whole: bool) -> Iterator[Finding]:
    """Yield where the counters of a coproc do not add up, or are not what the rows say; of a whole trace only."""
    for coproc_id, row in seen.coprocs.items():
        booked = seen.time_of(row)
        if sum(booked.values()) != seen.now_ps:
            what = f"{' + '.join(map(str, booked.values()))} ps are not the {seen.now_ps} ps that have passed"
            yield Finding(seen.now_ps, coproc_id, "-", Rule.TIME, what)
        shown_ps = coprocs[coproc_id].shown_until(seen.now_ps)
        for use, time_ps in booked.items():
            if whole and shown_ps[use] != time_ps:
                what = f"{use}: {time_ps} ps are booked, and {shown_ps[use]} ps stand in the trace"
                yield Finding(seen.now_ps, coproc_id, "-", Rule.TIME, what)


_USES = {
    "run": "run",
    "deny": "run",
    "share": "run",
    "switch": "switch",
    "idle": "idle",
    "reset": "failed",
    "failed": "failed",
}
