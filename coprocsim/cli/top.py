"""`top`: the machine goes on, and who has what of it is shown as it goes, as xentop does."""

import io
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from coprocsim.cli import messages
from coprocsim.cli.arguments import duration
from coprocsim.cli.examples import examples
from coprocsim.cli.progress import Progress
from coprocsim.cli.tables import heading, json_option, left, print_json, right, table

if TYPE_CHECKING:
    from rich.text import Text

    from coprocsim.observe.activity import Activity, Look

_BY = ("vcoproc", "domain", "coproc")
_SORT = ("name", "run", "wait", "switch", "denied", "missed")
_STEP_PS = 100 * 10**9
_KEYS = "q quits, p pauses, s sorts, b groups, + - step"


@click.command("top", epilog=examples("coprocsim top", "coprocsim top -b -n 3 --step 1s --by coproc"))
@click.option("-b", "--batch", is_flag=True, help="Print one table after the other; no keys, no screen.")
@click.option("-n", "--count", type=click.IntRange(1), metavar="N", help="So many steps; with -b one, else until `q`.")
@click.option("--step", "step_ps", metavar="DURATION", callback=duration, help="How long a step is; 100ms.")
@click.option("-d", "--delay", type=click.FloatRange(0, 3600), metavar="SECONDS", help="Seconds between steps; 1.")
@click.option("--by", type=click.Choice(_BY), default=_BY[0], help="What a line is about.")
@click.option("--sort", type=click.Choice(_SORT), default=_SORT[0], help="What comes first.")
@json_option
@click.pass_obj
def top_command(
    machine: Path,
    batch: bool,
    count: int | None,
    step_ps: int | None,
    delay: float | None,
    by: str,
    sort: str,
    as_json: bool,
) -> None:
    """Let the machine go on step by step, and show each step.

    Who had how much of its time, and counts. On a terminal q quits, p pauses, s sorts by the next column, b groups by
    the next kind, + and - double and halve the step. What has passed is kept, as after `run`.
    """
    if step_ps == 0:
        raise click.BadParameter("a step takes time: write `100ms`", param_hint="'--step'")
    if delay is not None and math.isnan(delay):
        raise click.BadParameter("`nan` is not a number of seconds", param_hint="'--delay'")
    view = _View(machine, step_ps or _STEP_PS, by, sort)
    if as_json:
        documents = []
        with view.kept():
            for _ in view.steps(count or 1, delay or 0):
                documents.append(view.document())  # noqa: PERF401 - what there is stays when it is stopped
        print_json({"steps": documents})
    elif batch or not (sys.stdin.isatty() and sys.stdout.isatty()):
        with view.kept():
            for number, _ in enumerate(view.steps(count or 1, delay or 0)):
                if number:
                    print()
                view.show()
    else:
        with view.kept():
            _live(view, count, 1.0 if delay is None else delay)


class _View:
    """The last step of a machine, and how it is shown."""

    def __init__(self, machine: Path, step_ps: int, by: str, sort: str) -> None:
        self.machine, self.step_ps, self.by, self.sort = machine, step_ps, by, sort
        self.before = self.after = self._look()
        self._began_ps = self.after.now_ps

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Let Ctrl-C be the end, once something has passed."""
        try:
            yield
        except KeyboardInterrupt:
            if self.after.now_ps == self._began_ps:
                raise
            messages.note("stopped; what has passed is kept")

    def _look(self) -> "Look":
        from coprocsim.observe import stats
        from coprocsim.observe.activity import Look
        from coprocsim.observe.view import view
        from coprocsim.snapshot import JobRow
        from coprocsim.store import read

        with read(self.machine) as file:
            seen, jobs = view(file), file.rows(JobRow)
        return Look(seen.now_ps, tuple(stats.coproc_stats(seen, ())), tuple(stats.vcoproc_stats(seen, jobs)))

    @contextmanager
    def step(self) -> Iterator[None]:
        """Let a step pass. Ctrl-C ends the step where it is, and is heard only once what passed has been shown here."""
        from coprocsim.toolstack import control

        with Progress(shown=False) as progress:
            control.run(self.machine, self.step_ps, progress)
            self.before, self.after = self.after, self._look()
            yield
        if progress.stopped:
            raise KeyboardInterrupt

    def steps(self, count: int, delay: float) -> Iterator[None]:
        """Let `count` steps pass, and `delay` seconds between two of them."""
        for number in range(count):
            if number:
                time.sleep(delay)
            with self.step():
                yield

    def lines(self) -> "list[Activity]":
        """Return what is to be seen."""
        from coprocsim.observe.activity import By, Sort, between

        return between(self.before, self.after, By(self.by), Sort(self.sort))

    def document(self) -> dict[str, object]:
        """Return the step for `--json`."""
        return {"from_ps": self.before.now_ps, "to_ps": self.after.now_ps, "by": self.by, "lines": self.lines()}

    def show(self) -> None:
        """Print the step."""
        from coprocsim.units import show_duration, show_instant

        passed = show_duration(self.after.now_ps - self.before.now_ps)
        heading(f"{show_instant(self.after.now_ps)} s, of the last {passed}; by {self.sort}")
        columns = left({"vcoproc": "Domain", "domain": "Domain", "coproc": "Coproc"}[self.by])
        columns += left("Coproc") if self.by == "vcoproc" else []
        columns += right("Run(%)", "Wait(%)", "Switch(%)", "Switches", "Denied", "Done", "Missed")
        table(columns, [self._cells(line) for line in self.lines()])

    def _cells(self, line: "Activity") -> list[str]:
        names = {"vcoproc": [line.domain, line.coproc], "domain": [line.domain], "coproc": [line.coproc]}[self.by]
        shares = [f"{100 * part / (line.elapsed_ps or 1):.1f}" for part in (line.run_ps, line.wait_ps, line.switch_ps)]
        return [*names, *shares, *map(str, (line.switches, line.denied, line.done, line.missed))]


# ---------------------------------------------------------------- on a terminal


def _live(view: _View, count: int | None, delay: float) -> None:
    from rich.console import Console
    from rich.live import Live

    with _keys() as key_within, Live(console=Console(highlight=False), screen=True, auto_refresh=False) as screen:
        steps = 0
        while count is None or steps < count:
            with view.step():
                screen.update(_drawn(view, paused=False), refresh=True)
            steps += 1
            next_s, paused = time.monotonic() + delay, False
            while paused or time.monotonic() < next_s:
                screen.update(_drawn(view, paused), refresh=True)
                key = key_within(None if paused else max(0.0, next_s - time.monotonic()))
                if key == "q":
                    return
                paused ^= key in {"p", " "}
                _obey(view, key)


def _obey(view: _View, key: str) -> None:
    match key:
        case "s":
            view.sort = _SORT[(_SORT.index(view.sort) + 1) % len(_SORT)]
        case "b":
            view.by = _BY[(_BY.index(view.by) + 1) % len(_BY)]
        case "+":
            view.step_ps *= 2
        case "-":
            view.step_ps = max(1, view.step_ps // 2)


class _Screen(io.StringIO):
    """Takes what is printed as a terminal would, in colour."""

    def isatty(self) -> bool:
        return True


def _drawn(view: _View, paused: bool) -> "Text":
    from rich.text import Text

    from coprocsim.units import show_duration

    screen = _Screen()
    with redirect_stdout(screen):
        view.show()
    state = "paused" if paused else f"{show_duration(view.step_ps)} a step"
    return Text.from_ansi(f"{screen.getvalue()}\n{state}; {_KEYS}")


@contextmanager
def _keys() -> Iterator[Callable[[float | None], str]]:
    """Let keys be read one by one, unseen: the key that is pressed within so many seconds, an empty text if none is.

    The terminal is as it was afterwards, also where somebody ends this by SIGTERM.
    """
    import termios
    import tty

    terminal = sys.stdin.fileno()

    def key_within(seconds: float | None) -> str:
        ready, _, _ = select.select([terminal], [], [], seconds)
        if not ready:
            return ""
        # Byte by byte: what is buffered cannot be waited for. Where the terminal is gone, nobody presses any more.
        return os.read(terminal, 1).decode("latin-1") or "q"

    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    handler = signal.signal(signal.SIGTERM, _end)
    try:
        yield key_within
    finally:
        signal.signal(signal.SIGTERM, handler)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _end(number: int, frame: FrameType | None) -> None:
    """Leave the screen as for any other end, with the status that a shell gives to this one."""
    del frame
    sys.exit(128 + number)
