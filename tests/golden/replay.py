"""Replay scenarios that the original framework ran, through our switching code, and compare every switch.

    python tests/golden/replay.py FILE.jsonl

Each line of FILE is a scenario: its coprocs and vcoprocs, what happened when, what the driver answered, and what the
original then did. Prints `N/M identical`, last; exits 0 only when all are.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from coprocsim.engine import Timeline
from coprocsim.errors import NodePlace
from coprocsim.hypervisor import domains, lifecycle
from coprocsim.hypervisor.machine import Hypervisor, Parts, build_coproc
from coprocsim.hypervisor.state import Board, Vcoproc
from coprocsim.model import Charge, CoprocSpec, Sharing, Stream, VcoprocId
from coprocsim.parameters import Value
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.units import PS_PER_NS
from tests.scripted import ScriptedHardware, ScriptedPlatform

Row = list[str | int]


class Scenario(TypedDict):
    """One line of the file."""

    slice_ns: int
    coprocs: list[dict[str, str | bool]]
    vcoprocs: dict[str, str]
    events: list[tuple[int, str, str]]
    denials: dict[str, dict[str, list[int]]]
    until: int
    trace: list[Row]
    final: dict[str, dict[str, str | int]]


class Replay:
    """One scenario on a machine of its own: 1 GHz, switches that cost nothing, the original's round robin."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.names = {f"d{number}v0": name for number, name in enumerate(scenario["vcoprocs"], start=1)}
        self.numbers = {name: number for number, name in enumerate(scenario["vcoprocs"], start=1)}
        self.board = Board(seed=0, timeline=Timeline())
        self.machine = Hypervisor(self.board)
        self.gone: dict[str, Vcoproc] = {}
        for coproc in scenario["coprocs"]:
            self._build(str(coproc["name"]), iommu=bool(coproc["iommu"]))

    def _build(self, name: str, *, iommu: bool) -> None:
        streams = (Stream(f"/iommu-{name}", ()),) if iommu else ()
        spec = CoprocSpec(name, f"/{name}", (), (), (), streams, 10**9, "coproc-clock-hz", NodePlace(f"/{name}"))
        settings: dict[str, Value] = {"slice": self.scenario["slice_ns"] * PS_PER_NS, "wake": "head", "min-run": 0}
        sharing = Sharing(switch_timeout_ps=0, retry_floor_ps=0, charge=Charge.NONE)
        parts = Parts(ScriptedHardware, ScriptedPlatform, RoundRobin)
        coproc = build_coproc(self.board, spec, parts, settings, sharing)
        assert isinstance(coproc.platform, ScriptedPlatform)
        for vcoproc, denials in self.scenario["denials"].items():
            retries = [retry_ns * PS_PER_NS for retry_ns in denials["from"]]
            coproc.platform.script[VcoprocId(self.numbers[vcoproc], 0)] = retries

    def run(self) -> None:
        """Let everything happen; an event comes before a timer of its instant."""
        for at_ns, what, name in self.scenario["events"]:
            self.machine.run_until(at_ns * PS_PER_NS - 1) if at_ns * PS_PER_NS > self.board.now_ps else None
            self.board.timeline.now_ps = at_ns * PS_PER_NS
            self._do(what, name)
        self.machine.run_until(self.scenario["until"] * PS_PER_NS)

    def _do(self, what: str, name: str) -> None:
        number = self.numbers[name]
        if what == "attach":
            plan = domains.VcoprocPlan(self.scenario["vcoprocs"][name], (), {})
            domains.create(self.board, domains.DomainPlan(name, 0, 0, 1, (plan,), domain_id=number))
            self.machine.settle()
            return
        domain = self.board.domains.get(number)
        if domain is None:
            return
        vcoproc = domain.vcoprocs[0]
        match what:
            case "wake":
                lifecycle.wake(self.board, vcoproc)
            case "sleep":
                lifecycle.sleep(self.board, vcoproc)
            case "yield":
                lifecycle.yield_(self.board, vcoproc)
            case "destroy":
                self.gone[name] = vcoproc
                domains.destroy(self.board, domain)
        self.machine.settle()

    def rows(self) -> Iterator[Row]:
        """Yield the trace as the original writes it."""
        for at_ps, coproc, what, *more in self.board.trace:
            assert at_ps % PS_PER_NS == 0
            if what == "idle":
                continue
            row: Row = [at_ps // PS_PER_NS, coproc, what, self.names.get(str(more[0]), str(more[0]))]
            if what == "state":
                yield [*row, *more[1:]]
            elif what in {"switch_from", "switch_to"}:
                yield [*row, int(more[2]) // PS_PER_NS]
            elif what in {"iommu_enable", "iommu_disable"}:
                yield [*row, 0]

    def final(self) -> dict[str, dict[str, str | int]]:
        """Return the state and the counters of each vcoproc."""
        for coproc in self.board.coprocs.values():
            lifecycle.use(self.board, coproc, coproc.use)
        found = {}
        for name, number in self.numbers.items():
            domain = self.board.domains.get(number)
            vcoproc = self.gone.get(name) if domain is None else domain.vcoprocs[0]
            found[name] = {
                "state": "UNKNOWN" if vcoproc is None else vcoproc.state.value,
                "ran_ns": 0 if vcoproc is None else vcoproc.counters.run_ps // PS_PER_NS,
                "switched_in": 0 if vcoproc is None else vcoproc.counters.switches,
                "denials": 0 if vcoproc is None else vcoproc.counters.denials,
            }
        return found


def difference(scenario: Scenario) -> str | None:
    """Return the first thing in which we differ from the original, None if there is nothing."""
    replay = Replay(scenario)
    replay.run()
    ours = list(replay.rows())
    theirs = scenario["trace"]
    for number, (our_row, their_row) in enumerate(zip(ours, theirs, strict=False)):
        if our_row != their_row:
            return f"row {number}: ours {our_row}, the original's {their_row}"
    if len(ours) != len(theirs):
        return f"{len(ours)} rows, the original has {len(theirs)}"
    final = replay.final()
    for name, expected in scenario["final"].items():
        if final[name] != expected:
            return f"{name} in the end: ours {final[name]}, the original's {expected}"
    return None


def main(path: str) -> int:
    """Replay a file; return the exit status."""
    same = total = 0
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            total += 1
            found = difference(json.loads(line))
            if found is None:
                same += 1
            else:
                print(f"line {number}: {found}")
    print(f"{same}/{total} identical")
    return 0 if same == total else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
