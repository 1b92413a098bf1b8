"""Packages of other people, as an installer leaves them, and a part for them that is complete."""

from pathlib import Path

GROUP = "coprocsim.schedulers"
COMPLETE = """
from coprocsim.schedulers.rrobin import RoundRobin

class Mine(RoundRobin):
    name = "mine"
    summary = "my own"
"""


class Site:
    """A folder on the path in which packages are installed, with the files that an installer leaves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, package: str, source: str, *points: str, group: str = GROUP) -> None:
        module = package.replace("-", "_")
        (self.folder / f"{module}.py").write_text(source)
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join((f"[{group}]", *points)) + "\n")
