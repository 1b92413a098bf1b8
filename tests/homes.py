"""A user's folder: the examples, a machine, and commands run there in a process of their own or in this one."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from coprocsim.store import read
from tests.cli import golden
from tests.waiting import TIMEOUT_S, wait_until

PROJECT = Path(__file__).parent.parent


class Home:
    """A folder with the examples, and machines of its own."""

    def __init__(self, folder: Path) -> None:
        golden.prepare(folder)
        self.folder = folder
        self.file = folder / "state/default.sqlite"
        others = {name: value for name, value in os.environ.items() if not name.startswith(("COPROCSIM_", "NO_COLOR"))}
        self.environment = {**others, "PYTHONPATH": str(PROJECT), "COPROCSIM_STATE_DIR": "state", "TERM": "xterm"}
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **more) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        environment = {**self.environment, **streams.pop("environment", {})}
        command = [sys.executable, "-m", "coprocsim", *arguments]
        process = subprocess.Popen(command, cwd=self.folder, env=environment, text=True, **streams)
        self._started.append(process)
        return process

    def end(self) -> None:
        """End the commands that a test which failed has left behind."""
        for process in self._started:
            process.kill()
            process.wait()

    def run(self, *arguments: str, **more) -> tuple[int, str, str]:
        """Return a command's status and what it says on stdout and stderr."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, out, err

    def python(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Return what Python does with `code`, in a process of its own."""
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def quickly(self, line: str) -> str:
        """Return what a command says, run in this process."""
        return golden.run(f"coprocsim {line}", self.folder)

    def busy(self) -> None:
        """Boot a machine on which something goes on."""
        self.quickly("boot dts/minimal.dtb --force")
        for guest in ("polite", "frames", "denying"):
            assert "is created" in self.quickly(f"domain create {guest}.cfg")

    def dump(self) -> str:
        """Return all that is in the machine's file."""
        with read(self.file) as file:
            return file.dump()

    def wait_for_lock(self) -> None:
        """Wait until a command is changing the machine."""
        wait_until(self._is_locked, "nobody has changed the machine")

    def _is_locked(self) -> bool:
        connection = sqlite3.connect(self.file, timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        finally:
            connection.close()
        return False
