"""A command's session with a machine: its file locked and loaded, and in the end saved or left as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from coprocsim import names
from coprocsim.errors import LookupFailed, StateError, did_you_mean
from coprocsim.hypervisor import rest
from coprocsim.hypervisor.machine import Hypervisor
from coprocsim.hypervisor.state import Board, Coproc, Domain, Vcoproc
from coprocsim.snapshot import MachineRow
from coprocsim.store import MachineFile, no_machine, opened, require
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

    def save(self) -> None:
        """Let what was caused happen as far as it takes no time, and put all into the file."""
        self.hypervisor.settle()
        self._file.save(rest.to_rows(self.board, self.machine))
        self._write_trace()


@contextmanager
def session(path: Path) -> Iterator[Session]:
    """Open the machine in `path` to change it; StateError if there is none."""
    require(path)
    with opened(path) as file:
        if not file.is_up:
            raise no_machine()
        snapshot = file.load()
        require_workloads(snapshot.workloads)
        try:
            board = rest.from_rows(snapshot, parts_of)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            what = f"`{path}` does not hold what this coprocsim and its plugins have saved"
            raise StateError(what, why=str(error), hint="boot the machine anew with `boot --force`") from error
        loaded = Session(file, snapshot.machine, board)
        yield loaded
        if loaded.keep:
            loaded.save()


def coproc_named(board: Board, name: str) -> Coproc:
    """Return the coproc of that identifier, path or alias, in this order; LookupFailed with the nearest."""
    paths = {coproc_id: coproc.spec.path for coproc_id, coproc in board.coprocs.items()}
    return board.coprocs[names.coproc_id(name, paths, board.aliases)]


def domain_named(board: Board, name: str) -> Domain:
    """Return the domain of that id or name; LookupFailed with the nearest."""
    return board.domains[names.domain_id(name, {each.domain_id: each.name for each in board.domains.values()})]


def vcoproc_named(board: Board, domain_name: str, coproc_name: str) -> Vcoproc:
    """Return a domain's vcoproc of a coproc; LookupFailed if it has none."""
    domain, coproc = domain_named(board, domain_name), coproc_named(board, coproc_name)
    for vcoproc in domain.vcoprocs:
        if vcoproc.coproc is coproc:
            return vcoproc
    shared = [vcoproc.coproc.spec.coproc_id for vcoproc in domain.vcoprocs]
    raise LookupFailed(
        f"domain `{domain.name}` has no vcoproc of `{coproc.spec.coproc_id}`",
        hint=did_you_mean(coproc_name, shared, "it shares"),
    )
