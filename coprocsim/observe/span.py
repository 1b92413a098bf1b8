"""What time has gone into since an instant, from the trace: what the counters would say if they had begun there."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from coprocsim.errors import StateError
from coprocsim.observe.timeline import UNKNOWN, Lane, coproc_lanes, vcoproc_lanes
from coprocsim.observe.view import View, who
from coprocsim.units import show_instant

if TYPE_CHECKING:
    from coprocsim.store import MachineFile

_NOW = {"SLEEPING": "sleep", "WAITING": "wait", "RUNNING": "run", "ASKED_TO_SLEEP": "run"}


class CoprocSpan(NamedTuple):
    """Where a coproc's time went: run + switch + idle + failed = elapsed."""

    coproc: str
    elapsed_ps: int
    run_ps: int
    switch_ps: int
    idle_ps: int
    failed_ps: int


class VcoprocSpan(NamedTuple):
    """What a vcoproc has had; `share` is of its coproc's time."""

    domain: str
    domain_id: int
    vcoproc: str
    coproc: str
    share: float
    run_ps: int
    wait_ps: int
    switches: int


def coproc_spans(file: "MachineFile", view: View, from_ps: int, coproc: str | None) -> Iterator[CoprocSpan]:
    """Yield what each coproc's time has gone into; StateError if the trace does not reach back so far."""
    chosen = list(view.coprocs) if coproc is None else [view.coproc_named(coproc).coproc_id]
    for lane in coproc_lanes(file, chosen, from_ps, view.now_ps):
        took = _took(lane, view.coprocs[lane.coproc].use)
        if took[UNKNOWN] or from_ps < file.trace_begins_ps:
            raise _too_old(lane.coproc, from_ps)
        run_ps, failed_ps = took["run"] + took["deny"] + took["share"], took["reset"] + took["failed"]
        yield CoprocSpan(lane.coproc, view.now_ps - from_ps, run_ps, took["switch"], took["idle"], failed_ps)


def vcoproc_spans(
    file: "MachineFile", view: View, from_ps: int, coproc: str | None, domain: str | None
) -> Iterator[VcoprocSpan]:
    """Yield what each vcoproc that is still there has had; StateError as above."""
    rows = {who(row): row for row in view.of(coproc, domain)}
    lanes = vcoproc_lanes(file, [(each, row.coproc_id) for each, row in rows.items()], from_ps, view.now_ps)
    took = {str(lane.vcoproc): lane for lane in lanes}
    waits = _Waits(file, view, from_ps)
    for each, row in rows.items():
        # One that has come into being just now has no lane: no time has passed for it.
        times = _took(took[each], _NOW[row.state]) if each in took else Counter[str]()
        if times[UNKNOWN] or from_ps < file.trace_begins_ps:
            raise _too_old(row.coproc_id, from_ps)
        run_ps = times["run"] + times["deny"]
        yield VcoprocSpan(
            view.domains[row.domain_id].name,
            row.domain_id,
            each,
            row.coproc_id,
            run_ps / (view.now_ps - from_ps),
            run_ps,
            waits.time_ps[each],
            waits.switches[each],
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


class _Waits:
    """How long each vcoproc has been WAITING, and how often it came to run then.

    A lane does not tell: while a context is loaded its vcoproc still waits, and is seen there as switching.
    """

    def __init__(self, file: "MachineFile", view: View, from_ps: int) -> None:
        self.time_ps: Counter[str] = Counter()
        self.switches: Counter[str] = Counter()
        since = {who(row): from_ps for row in view.vcoprocs}
        for at_ps, _, what, *more in file.trace(from_ps, view.now_ps):
            # What happened at the first instant itself was before the span.
            if what != "state" or at_ps == from_ps:
                continue
            each, old, new = (str(column) for column in more)
            if old == "WAITING":
                self.time_ps[each] += at_ps - since.get(each, from_ps)
                self.switches[each] += new == "RUNNING"
            since[each] = at_ps
        for row in view.vcoprocs:
            if row.state == "WAITING":
                self.time_ps[who(row)] += view.now_ps - since[who(row)]
