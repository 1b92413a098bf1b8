"""`compare`: the machine as it is now, with its load and its seed, under several choices of how a coproc is shared.

Nothing of it changes. Its rows are read once; each choice runs on a copy of them in memory, in a process of its own.
"""

import copy
import os
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import Array, c_longlong
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import TypeAlias

from coprocsim.errors import CoprocsimError
from coprocsim.hypervisor import rest
from coprocsim.hypervisor.machine import Hypervisor
from coprocsim.hypervisor.state import Board, Coproc, Spread
from coprocsim.model import Setting
from coprocsim.observe.comparison import Outcome, outcome
from coprocsim.observe.jobs import JobCount
from coprocsim.options.build import Build
from coprocsim.plugins import RaisedElsewhere, raised_in
from coprocsim.schedulers import ALGORITHMS
from coprocsim.snapshot import Snapshot
from coprocsim.store import read
from coprocsim.toolstack.control import Progress, check_end, run_in_pieces
from coprocsim.toolstack.lookup import coproc_named, vcoproc_named
from coprocsim.toolstack.parts import parts_of
from coprocsim.toolstack.schedule import set_coproc, set_vcoproc
from coprocsim.toolstack.session import board_of
from coprocsim.toolstack.typed import sched_set

# How often to look how far the processes are.
_LOOK_S = 0.1
# How long they have to stop when they are told to; some may still be beginning.
_PATIENCE_S = 3.0

Told: TypeAlias = "Array[c_longlong]"
"""What the processes tell: how many ps of each choice are done; and in the last place what they are told: to stop."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What `sched set` would be told: an algorithm or None for the present one, parameters, those of domains."""

    name: str
    algorithm: str | None
    settings: tuple[Setting, ...] = ()
    of_domains: tuple[tuple[str, tuple[Setting, ...]], ...] = ()

    def commands(self, coproc_id: str) -> tuple[str, ...]:
        """Return what has to be typed for it, after `coprocsim`."""
        of_all = [sched_set(coproc_id, self.algorithm, self.settings)] if self.algorithm or self.settings else []
        each = (sched_set(coproc_id, None, settings, domain=domain) for domain, settings in self.of_domains)
        return (*of_all, *each)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of `coproc` from one instant to the other under each choice, and the commands that make it so."""

    coproc: str
    from_ps: int
    to_ps: int
    outcomes: tuple[Outcome, ...]
    commands: tuple[tuple[str, ...], ...]


def compare(
    machine_path: Path, coproc_name: str | None, choices: Sequence[Choice], duration_ps: int, progress: Progress
) -> Comparison:
    """Let `duration_ps` pass under each choice; None is the only coproc that is scheduled.

    CoprocsimError for a choice that `sched set` would refuse, before any of them runs. KeyboardInterrupt if `progress`
    says stop.
    """
    with read(machine_path) as file:
        snapshot = file.load()
    board = board_of(copy.deepcopy(snapshot), machine_path)
    coproc_id = (_only_one(board) if coproc_name is None else coproc_named(board, coproc_name)).spec.coproc_id
    until_ps = board.now_ps + duration_ps
    check_end(until_ps)
    for choice in choices:
        try:
            _chosen(snapshot, coproc_id, choice)
        except CoprocsimError as error:
            raise CoprocsimError(f"choice `{choice.name}`: {error.what}", why=error.why, hint=error.hint) from error
    outcomes = _outcomes(snapshot, coproc_id, choices, duration_ps, progress)
    commands = tuple(choice.commands(coproc_id) for choice in choices)
    return Comparison(coproc_id, board.now_ps, until_ps, tuple(outcomes), commands)


def _only_one(board: Board) -> Coproc:
    """Return the coproc that is meant where none is named."""
    scheduled = [coproc for coproc in board.coprocs.values() if coproc.platform.scheduled]
    if len(scheduled) != 1:
        names = ", ".join(f"`{coproc.spec.coproc_id}`" for coproc in scheduled) or "none"
        raise CoprocsimError("which coproc is meant?", why=f"scheduled are: {names}", hint="name one with `--coproc`")
    return scheduled[0]


def _chosen(snapshot: Snapshot, coproc_id: str, choice: Choice) -> Hypervisor:
    """Return a copy of the machine that is shared as chosen, as after the commands that would do it."""
    hypervisor = Hypervisor(rest.from_rows(copy.deepcopy(snapshot), parts_of))
    board = hypervisor.board
    coproc = board.coprocs[coproc_id]
    set_coproc(board, coproc, choice.algorithm, choice.settings, Build(snapshot.machine.config))
    hypervisor.settle()
    for domain, settings in choice.of_domains:
        set_vcoproc(board, vcoproc_named(board, domain, coproc.spec.coproc_id), settings)
        hypervisor.settle()
    return hypervisor


# ---------------------------------------------------------------- a process for each choice


def _outcomes(
    snapshot: Snapshot, coproc_id: str, choices: Sequence[Choice], duration_ps: int, progress: Progress
) -> list[Outcome]:
    """Run all choices on all cores; return their outcomes in the order of the choices."""
    # Not forked: a copy of a process in which threads run may wait for ever.
    context = get_context("spawn")
    told = context.RawArray(c_longlong, len(choices) + 1)
    pool = ProcessPoolExecutor(
        min(len(choices), os.cpu_count() or 1), mp_context=context, initializer=_Worker.begin, initargs=(told,)
    )
    try:
        with pool, _stopping(pool, told):
            with _uninterrupted():
                futures = [
                    pool.submit(_run, snapshot, coproc_id, choice, duration_ps, place)
                    for place, choice in enumerate(choices)
                ]
            waiting: set[Future[Outcome]] = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if not progress(sum(told[:-1]), duration_ps * len(choices)):
                    raise KeyboardInterrupt
            return [future.result() for future in futures]
    except RaisedElsewhere as error:
        # The pool adds how it was carried.
        raise error from None
    except BrokenProcessPool as error:
        present = next(row.algorithm for row in snapshot.coprocs if row.coproc_id == coproc_id)
        named = (choice.algorithm or present for choice in choices)
        foreign = ", ".join(f"`{name}`" for name in dict.fromkeys(named) if not ALGORITHMS.is_ours(name))
        raise CoprocsimError(
            "a process that ran a choice was ended by force",
            hint="is there enough memory?" + (f" or does {foreign} of another package end it?" if foreign else ""),
        ) from error


@contextmanager
def _stopping(pool: ProcessPoolExecutor, told: Told) -> Iterator[None]:
    """Let the processes stop soon if anything goes wrong, and end those that do not: a part may never return."""
    try:
        yield
    except BaseException:
        told[-1] = 1
        # It waits for the processes, and is waited for: Python, as it ends, would meet a pool half closed.
        closing = Thread(target=pool.shutdown, kwargs={"cancel_futures": True})
        closing.start()
        until_s = time.monotonic() + _PATIENCE_S
        for process in active_children():
            process.join(max(0.0, until_s - time.monotonic()))
            process.terminate()
        closing.join()
        raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C: it goes to all of them, and one is enough to stop the others."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What a process of the pool was given when it began."""

    told: Told

    @classmethod
    def begin(cls, told: Told) -> None:
        cls.told = told
        Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that waits for it has been killed: what it runs may never return."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(snapshot: Snapshot, coproc_id: str, choice: Choice, duration_ps: int, place: int) -> Outcome:
    """Run one choice, in a process of the pool."""
    told = _Worker.told

    def progress(done_ps: int, total_ps: int) -> bool:
        del total_ps
        told[place] = done_ps
        return not told[-1]

    with _Carried():
        return run_choice(snapshot, coproc_id, choice, duration_ps, progress)


class _Carried:
    """Lets what a part raises, of whatever class, go from this process to the other: as text, with whose it is."""

    def __enter__(self) -> None:
        """Begin to run what may raise."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, CoprocsimError):
            raise RaisedElsewhere("".join(traceback.format_exception(error)), raised_in(error)) from None


def run_choice(snapshot: Snapshot, coproc_id: str, choice: Choice, duration_ps: int, progress: Progress) -> Outcome:
    """Let time pass on a copy of the machine that is shared as chosen; return what happened in it."""
    hypervisor = _chosen(snapshot, coproc_id, choice)
    board = hypervisor.board
    for vcoproc in board.coprocs[coproc_id].vcoprocs.values():
        # Sums can be subtracted, these cannot.
        vcoproc.spread = Spread()
        counters = vcoproc.counters
        counters.latency_ps_max = counters.wait_ps_max = counters.entry_ps_max = 0
    before, jobs = rest.to_rows(board, snapshot.machine), JobCount(board.now_ps)
    board.trace.clear()

    def run_until(until_ps: int) -> None:
        hypervisor.run_until(until_ps)
        for row in board.trace:
            jobs.take(row)
        board.trace.clear()

    run_in_pieces(board, run_until, board.now_ps + duration_ps, progress)
    return outcome(choice.name, coproc_id, before, rest.to_rows(board, snapshot.machine), jobs)
