"""Waiting for what another process does: for a condition, not for a time. What it does not say, Linux tells of it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import TypeAlias

TIMEOUT_S = 120
"""How long a command may take that takes a second on a machine that has nothing else to do."""


Process: TypeAlias = Popen[str] | Popen[bytes]


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds; fail if it never does."""
    until_s = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < until_s, f"waited in vain: {what}"
        time.sleep(0.02)


def wait_until_it_runs(process: Process, processor_s: float = 0) -> None:
    """Wait until a command lets time pass, and has had a processor for so long since.

    From then on it hears SIGTERM, and Ctrl-C stops it where it is.
    """
    bit = 1 << (signal.SIGTERM - 1)
    wait_until(lambda: bool(int(_status(process)["SigCgt"], 16) & bit), "no time passes")
    began_s = _processor_s(process)
    wait_until(lambda: _processor_s(process) >= began_s + processor_s, "it does nothing")


def wait_until_it_waits(process: Process, path: Path) -> None:
    """Wait until a command has opened a file and sleeps: somebody else has the file's lock."""
    wait_until(lambda: _has_open(process, path) and _status(process)["State"].startswith("S"), "nobody waits")


def processes_of(group: int) -> int:
    """Return how many processes of a group have not ended, whether or not anybody has asked how the others ended."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group, *_ = path.read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        count += int(its_group) == group and state != "Z"
    return count


def _processor_s(process: Process) -> float:
    assert process.poll() is None, "it has ended"
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()[11]
    return int(ticks) / os.sysconf("SC_CLK_TCK")


def _status(process: Process) -> dict[str, str]:
    assert process.poll() is None, "it has ended"
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _has_open(process: Process, path: Path) -> bool:
    links = Path(f"/proc/{process.pid}/fd").iterdir()
    return any(os.path.realpath(link) == os.path.realpath(path) for link in links)
