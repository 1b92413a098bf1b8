"""What was done to a machine, and doing it again: on the same inputs the trace is the same, byte for byte.

A copy of a machine's file holds all that it takes: the device tree and options that it was booted with, every command
with its files read, and the trace to compare with.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from coprocsim import devicetree
from coprocsim.errors import CoprocsimError, StateError
from coprocsim.hypervisor import rest
from coprocsim.hypervisor.machine import Hypervisor
from coprocsim.model import TraceRow
from coprocsim.options.build import Build
from coprocsim.snapshot import HistoryRow, MachineRow
from coprocsim.store import MachineFile, NoMachine, Unusable, damaged, opened, read
from coprocsim.toolstack.boot import BootOptions, keeping_in, power_on
from coprocsim.toolstack.control import Progress, run_in_pieces
from coprocsim.toolstack.deeds import Boot, Deed, Done, Run, from_json
from coprocsim.units import TIMELINE_END_PS, format_duration, show_instant


@dataclass(frozen=True, slots=True)
class Did:
    """A command that changed the machine: at which instant, as it is typed, and what it said."""

    number: int
    at_ps: int
    command: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What doing it again gave: how many commands and rows of the trace were the same.

    `difference` is None if all were, else the first that is not, in words; `begins_ps` is where the kept trace begins.
    """

    commands: int
    rows: int
    begins_ps: int
    difference: str | None
    interrupted: bool

    @property
    def is_whole(self) -> bool:
        """Whether all was done, and is the same."""
        return self.difference is None and not self.interrupted


def history(machine_path: Path) -> list[Did]:
    """Return what was done to the machine, from its boot on."""
    with read(machine_path) as file:
        return [_shown(row, deed) for row, deed in _deeds(file)]


def _deeds(file: MachineFile) -> list[tuple[HistoryRow, Done]]:
    """Return the commands of a history, the boot first; StateError for one that is none."""
    rows = file.rows(HistoryRow)
    try:
        done = [(row, from_json(row.deed)) for row in rows]
    except msgspec.MsgspecError as error:
        raise damaged(file.path, f"its history: {error}") from error
    if [number for number, (_, deed) in enumerate(done) if isinstance(deed, Boot)] != [0]:
        raise damaged(file.path, "its history does not begin with its boot")
    return done


def _shown(row: HistoryRow, deed: Done) -> Did:
    if not isinstance(deed, Run):
        return Did(row.number, row.at_ps, row.command, row.outcome)
    took = format_duration(deed.to_ps - row.at_ps)
    return Did(row.number, row.at_ps, f"run {took}", f"up to {show_instant(deed.to_ps)} s")


def export(machine_path: Path, target: Path) -> None:
    """Write all that `replay` needs to a file that is not there yet; CoprocsimError if that cannot be."""
    if os.path.lexists(target):
        raise CoprocsimError(f"`{target}` is there already", hint="name a file that is not, or remove that one")
    partial = target.with_name(f".coprocsim.{os.getpid()}.part")
    try:
        with read(machine_path) as file:
            file.copy_to(partial)
        partial.replace(target)
    except OSError as error:
        raise CoprocsimError(f"cannot write `{target}`: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


# ---------------------------------------------------------------- again


def replay(machine_path: Path, progress: Progress) -> Replayed:
    """Do all that was done to a machine again, in memory, and compare the traces; the machine is only looked at."""
    with read(machine_path) as file:
        return _replay(file, progress)


def replay_file(path: Path, progress: Progress) -> Replayed:
    """Do the same with what `export` wrote; StateError for a file that is not such."""
    with _exported(path) as file:
        return _replay(file, progress)


def replay_and_keep(path: Path, machine_path: Path, progress: Progress) -> Replayed:
    """Do the same, and let the machine that comes out be up at `machine_path`, with its trace and history.

    StateError if one is up there. Nothing is kept where there is a difference, or the replay is stopped.
    """
    with keeping_in(machine_path.parent), opened(machine_path) as target:
        if target.is_up:
            raise StateError(
                "a machine is up already, and would be lost",
                hint="`coprocsim shutdown` ends it, `--machine NAME` keeps another one beside it",
            )
        with _exported(path) as file:
            replayed = _replay(file, progress, target)
        if not replayed.is_whole:
            target.clear()
    return replayed


@contextmanager
def _exported(path: Path) -> Iterator[MachineFile]:
    """Open what `export` wrote; StateError for what it has not written."""
    hint = "`coprocsim history export FILE` writes a file that can be replayed"
    try:
        with read(path) as file:
            yield file
    except NoMachine as error:
        raise StateError(f"there is no machine in `{path}`", hint=hint) from error
    except Unusable as error:
        raise StateError(f"`{path}` cannot be replayed", why=error.because, hint=hint) from error


def _replay(file: MachineFile, progress: Progress, target: MachineFile | None = None) -> Replayed:
    (machine,) = file.rows(MachineRow)
    (booted, boot), *done = _deeds(file)
    assert isinstance(boot, Boot)
    recorded = file.trace(0, TIMELINE_END_PS)
    again = _Again(machine, boot, booted.command, recorded, file.trace_begins_ps, progress, target)
    for row, deed in done:
        assert not isinstance(deed, Boot)
        try:
            again.do(row.command, deed)
        except KeyError as error:
            raise damaged(file.path, f"`{row.command}` is about {error}, which is not there") from error
        if again.difference is not None or again.interrupted:
            break
    else:
        again.end()
        if target is not None:
            target.save(rest.to_rows(again.board, machine))
            target.append_history(file.rows(HistoryRow))
    return Replayed(again.commands, again.rows, again.begins_ps, again.difference, again.interrupted)


class _Again:
    """A machine that is booted again, and does what the recorded one did."""

    def __init__(
        self,
        machine: MachineRow,
        boot: Boot,
        command: str,
        recorded: Iterator[TraceRow],
        begins_ps: int,
        progress: Progress,
        target: MachineFile | None,
    ) -> None:
        self.machine, self.target = machine, target
        self.end_ps, self.progress = machine.now_ps, progress
        self.build = Build(machine.config)
        spec = devicetree.loads(machine.tree, self.build.sharing).machine
        self.board, _ = power_on(spec, BootOptions(boot.platforms, machine.seed), self.build)
        self.hypervisor = Hypervisor(self.board)
        self.recorded, self.begins_ps = recorded, begins_ps
        self.commands, self.rows = 1, 0
        self.difference: str | None = None
        self.interrupted = False
        self._now = command
        if target is not None:
            target.save(rest.to_rows(self.board, machine))
        self._compare()

    def do(self, command: str, deed: Deed | Run) -> None:
        """Do one command, then compare what the trace has of it."""
        self._now = command
        if isinstance(deed, Run):
            self._run(deed.to_ps)
        else:
            deed.do(self.board, self.build)
        self.hypervisor.settle()
        self._compare()
        self.commands += 1

    def _run(self, to_ps: int) -> None:
        def run_until(until_ps: int) -> None:
            self.hypervisor.run_until(until_ps)
            self._compare()

        def progress(done_ps: int, total_ps: int) -> bool:
            del done_ps, total_ps
            self.interrupted = not self.progress(self.board.now_ps, self.end_ps)
            return self.difference is None and not self.interrupted

        run_in_pieces(self.board, run_until, to_ps, progress)

    def end(self) -> None:
        """Compare how both end."""
        missing, now_ps = next(self.recorded, None), self.board.now_ps
        if missing is not None:
            self._differ(missing, None)
        elif now_ps != self.end_ps:
            self.difference = f"it ends at {show_instant(now_ps)} s, the recorded one at {show_instant(self.end_ps)} s"

    def _compare(self) -> None:
        for row in self.board.trace:
            # What the trace has dropped cannot be compared; an instant of which a part may be gone neither.
            if row[0] <= self.begins_ps and self.begins_ps:
                continue
            recorded = next(self.recorded, None)
            while recorded is not None and self.begins_ps and recorded[0] <= self.begins_ps:
                recorded = next(self.recorded, None)
            if recorded != tuple(row):
                self._differ(recorded, row)
                break
            self.rows += 1
        if self.target is not None:
            self.target.append_trace(self.board.trace, self.machine.trace_limit_bytes)
        self.board.trace.clear()

    def _differ(self, recorded: "TraceRow | None", row: "TraceRow | None") -> None:
        self.difference = (
            f"row {self.rows + 1}, in `{self._now}`: recorded is {_words(recorded)}, and now it is {_words(row)}"
        )


def _words(row: "TraceRow | None") -> str:
    return "nothing more" if row is None else " ".join((f"{show_instant(row[0])} s", *map(str, row[1:])))
