"""A command's session with a machine: its file locked and loaded, and in the end saved or left as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from coprocsim.errors import StateError
from coprocsim.hypervisor import rest
from coprocsim.hypervisor.machine import Hypervisor
from coprocsim.hypervisor.state import Board
from coprocsim.options.build import Build
from coprocsim.snapshot import HistoryRow, MachineRow, Snapshot
from coprocsim.store import MachineFile, no_machine, opened, require
from coprocsim.toolstack.deeds import Deed, Run, to_json
from coprocsim.toolstack.parts import parts_of, require_workloads

# The trace goes to the file in pieces of this size, so that a long run needs no more memory than a short one.
_TRACE_ROWS_MAX = 50_000


class Session:
    """A loaded machine. What is done to `board` is kept when the session ends without an exception."""

    def __init__(self, file: MachineFile, machine: MachineRow, board: Board) -> None:
        self._file = file
        self.machine = machine
        self.board = board
        self.hypervisor = Hypervisor(board)
        self._began_ps = board.now_ps
        self._did: list[HistoryRow] = []
        self.keep = True
        """Whether the session's end saves the machine; False leaves it as it was."""

    def run_until(self, until_ps: int) -> None:
        """Let time pass; the trace does not pile up in memory."""
        self.hypervisor.run_until(until_ps)
        if len(self.board.trace) >= _TRACE_ROWS_MAX:
            self._write_trace()

    def _write_trace(self) -> None:
        self._file.append_trace(self.board.trace, self.machine.trace_limit_bytes)
        self.board.trace.clear()

    @property
    def build(self) -> Build:
        """What the machine was built with."""
        return Build(self.machine.config)

    def do(self, deed: Deed, command: str) -> None:
        """Do something, and note it for the history."""
        deed.do(self.board, self.build)
        self.did(deed, command)

    def did(self, deed: Deed | Run, command: str, outcome: str = "") -> None:
        """Note for the history what was done, at the instant at which the session began, and as it is typed."""
        self._did.append(HistoryRow(0, self._began_ps, command, outcome, to_json(deed)))

    def ran(self) -> None:
        """Note for the history that time has passed up to now."""
        self.did(Run(self.board.now_ps), "run")

    def save(self) -> None:
        """Let what was caused happen as far as it takes no time, and put all into the file."""
        self.hypervisor.settle()
        self._file.save(rest.to_rows(self.board, self.machine))
        self._write_trace()
        self._file.append_history(self._did)


def board_of(snapshot: Snapshot, path: Path) -> Board:
    """Return the machine that was read from `path`; StateError if the rows do not make one."""
    require_workloads(snapshot.workloads)
    try:
        return rest.from_rows(snapshot, parts_of)
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        what = f"`{path}` does not hold what this coprocsim and its plugins have saved"
        raise StateError(what, why=str(error), hint="boot the machine anew with `boot --force`") from error


@contextmanager
def session(path: Path) -> Iterator[Session]:
    """Open the machine in `path` to change it; StateError if there is none."""
    require(path)
    with opened(path) as file:
        if not file.is_up:
            raise no_machine()
        snapshot = file.load()
        loaded = Session(file, snapshot.machine, board_of(snapshot, path))
        yield loaded
        if loaded.keep:
            loaded.save()
