"""How far a long command is, or what it does, on a terminal; and Ctrl-C or SIGTERM, which ends it where it is."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from coprocsim.model import TraceRow

# How many rows are read before it is shown how far it is.
_ROWS = 4096


_STOPPED_BY: dict[signal.Signals, Callable[[int, FrameType | None], object] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
"""What stops a run where it is, and what Python does about it otherwise."""


class Progress:
    """Shows how far a run is, on a terminal; hears Ctrl-C and SIGTERM, which stop the run where it is."""

    stopped = False
    """Whether one of them was heard."""

    def __init__(self, *, shown: bool = True) -> None:
        self._shown = shown
        self._begun = False
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, done_ps: int, total_ps: int) -> bool:
        """Show that so much is done, of so much; answer whether to go on."""
        if not self._begun:
            self._begin(total_ps)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done_ps)
        return not self.stopped

    def _begin(self, total_ps: int) -> None:
        """Hear signals from now on: a command that still waits for another one has nothing to keep, and just ends."""
        self._begun = True
        self._bar = progress_bar(total_ps) if self._shown else None
        # In the background of a script Ctrl-C is ignored, and stays so.
        for number, default in _STOPPED_BY.items():
            if signal.getsignal(number) == default:
                signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        for number, default in _STOPPED_BY.items():
            if signal.getsignal(number) == self._interrupt:
                signal.signal(number, default)


class Reading:
    """Shows how far it is with reading the trace between two instants, all of it as often as `times`."""

    def __init__(self, progress: Callable[[int, int], bool], from_ps: int, to_ps: int, times: int = 1) -> None:
        """Take what is shown how much is done, of how much, and answers whether to go on: a `Progress`."""
        self._progress = progress
        self._length_ps = to_ps - from_ps
        self._times, self._done = times, 0

    def __call__(self, rows: "Iterator[TraceRow]") -> "Iterator[TraceRow]":
        """Yield the rows of one time, forwards or backwards; click.Abort when somebody wants it to end."""
        began_ps: int | None = None
        before_ps, self._done = self._done * self._length_ps, self._done + 1
        for number, row in enumerate(rows):
            if began_ps is None:
                began_ps = row[0]
            # Nothing is shown of what is read at once.
            elif number % _ROWS == 0 and not self._progress(
                before_ps + abs(row[0] - began_ps), self._times * self._length_ps
            ):
                raise click.Abort
            yield row


def progress_bar(total_ps: int) -> "Bar | None":
    """Return a progress bar where somebody can see it, and where there is an end to be seen."""
    if not sys.stderr.isatty() or not total_ps:
        return None
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task("", total=total_ps)
    bar.start()
    return bar


@contextmanager
def at_work_on(what: str) -> Iterator[None]:
    """Show what is being done, where somebody can see it, for as long as it is."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(what)):
        yield
