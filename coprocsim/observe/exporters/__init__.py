"""What writes the trace for other programs: a file for each format, each with `write(out, scene, rows)`.

All of them stream: memory does not grow with the trace. A package that a format needs is imported in its file only.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias

from coprocsim.errors import CoprocsimError

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.exporters.scene import Scene

Write: TypeAlias = "Callable[[BinaryIO, Scene, Iterable[TraceRow]], None]"


class Format(NamedTuple):
    """A format: by which suffixes a file of it is known, what it needs, and what opens it; `text` can be looked at.

    One that `draws` who has a coproc, and since when, needs every row of it."""

    suffixes: tuple[str, ...]
    opened_by: str
    needs: str | None = None
    text: bool = True
    draws: bool = True


FORMATS = {
    "xentrace": Format((".xentrace", ".xen"), "xenalyze --cpu-hz=1G --summary FILE", text=False),
    "vcd": Format((".vcd",), "gtkwave FILE", needs="pyvcd"),
    "chrome": Format((".json",), "https://ui.perfetto.dev"),
    "perfetto": Format((".perfetto", ".pftrace", ".perfetto-trace"), "https://ui.perfetto.dev", "perfetto", text=False),
    "csv": Format((".csv",), "any table program", draws=False),
}


def format_of(path: str) -> str | None:
    """Return the format that a file's suffix tells, if it tells one."""
    suffix = PurePath(path).suffix.lower()
    return next((name for name, each in FORMATS.items() if suffix in each.suffixes), None)


def writer(name: str) -> Write:
    """Return what writes a format; CoprocsimError where its package is not installed."""
    try:
        write: Write = import_module(f"coprocsim.observe.exporters.{name}").write
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("coprocsim"):
            raise
        raise CoprocsimError(
            f"`{name}` needs the package `{FORMATS[name].needs}`, which is not installed",
            hint="`pip install 'coprocsim[trace]'` installs it",
        ) from missing
    return write
