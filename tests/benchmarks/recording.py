"""What it costs to record a run: into the machine's own file, as a command does it, beside the same run unrecorded."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from coprocsim.engine import Timeline
from coprocsim.hardware.reference import ReferenceHardware
from coprocsim.hypervisor import rest
from coprocsim.hypervisor.machine import Hypervisor, Parts, build_coproc
from coprocsim.hypervisor.state import Board, Coproc
from coprocsim.model import Sharing, TraceRow
from coprocsim.platforms.reference import ReferencePlatform
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.snapshot import MachineRow
from coprocsim.store import opened
from coprocsim.units import PS_PER_MS, PS_PER_S
from tests.benchmarks.machines import SPEC, add_domain

# As a session does it: the trace goes to the file in pieces.
_ROWS_AT_ONCE = 50_000
_LIMIT_BYTES = 2**28
_PIECE_PS = 10 * PS_PER_MS
_LENGTH_PS = 3 * PS_PER_S


@dataclass(slots=True)
class _Deaf(Board):
    """A board that records nothing."""

    def record(self, coproc: Coproc, what: str, *more: str | int) -> None:
        """Let it be forgotten."""


class Recorded(NamedTuple):
    """How many rows, how large they are in the file, and how long the run and its recording took."""

    rows: int
    size_bytes: int
    elapsed_s: float


def run(*, recorded: bool) -> Recorded:
    """Run three guests with a job of 0.3 ms every ms, each job with its registers, interrupt and switch."""
    board = (Board if recorded else _Deaf)(seed=1, timeline=Timeline(), checks=False)
    parts = Parts(ReferenceHardware, ReferencePlatform, RoundRobin)
    build_coproc(board, SPEC, parts, {"slice": 10 * PS_PER_MS, "wake": "tail", "min-run": 0}, Sharing())
    board.coprocs["c0"].platform.probe(0)
    machine = Hypervisor(board)
    for number in range(3):
        work = (("kind", "periodic"), ("period", "1ms"), ("work", "0.3ms"), ("reaction", "0us"))
        add_domain(machine, f"guest{number}", *work)
    row = MachineRow(1, 0, 0, 4, "a model", "a.dtb", b"", _LIMIT_BYTES, False)
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "machine.sqlite") as file:
        file.save(rest.to_rows(board, row))
        began = time.perf_counter()
        for until_ps in range(_PIECE_PS, _LENGTH_PS + 1, _PIECE_PS):
            machine.run_until(until_ps)
            if len(board.trace) >= _ROWS_AT_ONCE or until_ps == _LENGTH_PS:
                file.append_trace(board.trace, _LIMIT_BYTES)
                board.trace.clear()
        elapsed_s = time.perf_counter() - began
        kept = file.trace_kept()
    return Recorded(kept.rows, kept.size_bytes, elapsed_s)


def append_rate() -> tuple[float, float]:
    """Return how many rows per second are put into the file, and how many are read from it again."""
    rows: list[TraceRow] = []
    for number in range(100_000):
        rows += [
            (number * 997, "gpu0", "switch_from", "d1v0", "left", 50_000_000),
            (number * 997, "gpu0", "state", "d1v0", "RUNNING", "WAITING"),
        ]
    board = Board(seed=1, timeline=Timeline())
    row = MachineRow(1, 0, 0, 4, "a model", "a.dtb", b"", _LIMIT_BYTES, False)
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "machine.sqlite") as file:
        file.save(rest.to_rows(board, row))
        began = time.perf_counter()
        file.append_trace(rows, _LIMIT_BYTES)
        written = time.perf_counter()
        assert sum(1 for _ in file.trace(0, rows[-1][0])) == len(rows)
        read = time.perf_counter()
    return len(rows) / (written - began), len(rows) / (read - written)
