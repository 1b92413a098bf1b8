"""What a user can do wrong, as exceptions that say what, where, why and how to cure it.

Raised where the mistake is known, with all that is known; caught once, in `cli`. Our own mistakes are `assert`.
Who reads a file hands a `Report` down: with a `FullReport` a mistake does not end the reading.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text file: `line` and `column` count from 1, `text` is the whole line without its newline."""

    path: str
    line: int
    column: int
    width: int
    text: str


@dataclass(frozen=True, slots=True)
class NodePlace:
    """A place in a device tree blob, which has no lines: the node's full path, and the property if it is about one."""

    node: str
    property: str | None = None


class CoprocsimError(Exception):
    """A mistake of the user or of a file: `what` is wrong, `why` if that is not plain, `hint` how to cure it."""

    def __init__(self, what: str, *, why: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint


class SourceError(CoprocsimError):
    """A mistake in a file, at `place`; `path` names the file where `place` does not, for who knows it."""

    path: str | None = None

    def __init__(
        self, what: str, place: Span | NodePlace | None, *, why: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(what, why=why, hint=hint)
        self.place = place


class CfgError(SourceError):
    """A mistake in a domain config."""


class DeviceTreeError(SourceError):
    """A mistake in a device tree, or a blob that is none."""


class OptionError(SourceError):
    """A mistake in a `.config`, or in an option that is set."""


class StateError(CoprocsimError):
    """Not now: nothing booted yet, already booted, the domain still runs, the file is of another version."""


class PluginError(CoprocsimError):
    """A platform, hardware model, algorithm or workload that is missing, there twice, or incomplete."""


class LookupFailed(CoprocsimError):  # noqa: N818 - the design's name for it
    """No such thing; the hint names the nearest that there is."""


# ---------------------------------------------------------------- what is found beside what was asked for


class Report:
    """What the reader of a file should know, in the order in which it was found; a mistake ends the reading."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.path: str | None = None
        """The file that is being read."""

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Let what is found within the block be of that file."""
        before, self.path = self.path, path
        try:
            yield
        finally:
            self.path = before

    def note(self, what: str) -> None:
        """Note what the user may want to know."""
        self.notes.append(what)

    def warn(self, what: str, place: Span | NodePlace | None = None, hint: str | None = None) -> None:
        """Warn of what is allowed and may not be meant; a place in a text stands before it."""
        where = f"{place.path}:{place.line}:{place.column}: " if isinstance(place, Span) else ""
        self.warnings.append(f"{where}{what}" + (f"\n hint: {hint}" if hint else ""))

    def one(self) -> Self:
        """Return the context for one of several things that are read, of which each may be wrong.

        Here its mistake is raised. In a full report it is noted, and what follows the block must do without its result.
        """
        return self

    def attempt(self, read: Callable[[], T], otherwise: U) -> T | U:
        """Return what `read` returns; in a full report, `otherwise` if that raises a mistake."""
        with self.one():
            return read()
        return otherwise

    def __enter__(self) -> None:
        """Begin to read one thing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Go on in spite of `error` if it is taken."""
        return error is not None and self.takes(error)

    def takes(self, error: BaseException) -> bool:
        """Return whether `error` has gone into the report; where not, it is raised."""
        del error
        return False


class Severity(StrEnum):
    """What a problem leads to: an error is refused, a warning is not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong or doubtful, as in a CoprocsimError; `path` is the file that was being read."""

    severity: Severity
    what: str
    place: Span | NodePlace | None
    path: str | None
    why: str | None = None
    hint: str | None = None


class FullReport(Report):
    """A report that mistakes go into, too: all that is wrong is found, not only the first of it."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[Problem] = []

    def warn(self, what: str, place: Span | NodePlace | None = None, hint: str | None = None) -> None:
        """Note a warning, its place apart from it."""
        self.problems.append(Problem(Severity.WARNING, what, place, self.path, hint=hint))

    def takes(self, error: BaseException) -> bool:
        """Note a mistake; what is none is raised."""
        if not isinstance(error, CoprocsimError):
            return False
        place, path = (error.place, error.path) if isinstance(error, SourceError) else (None, None)
        self.problems.append(Problem(Severity.ERROR, error.what, place, path or self.path, error.why, error.hint))
        return True


# ---------------------------------------------------------------- what was meant


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is most likely a misspelling of, or None when none is near."""
    import difflib  # noqa: PLC0415 - who makes no mistake does not wait for it

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return found[0] if found else None


# So many names are shown of a list that is longer than the second number.
_SHOWN, _SHOWN_WHOLE = 12, 16


def did_you_mean(name: str, known: Iterable[str], what: str) -> str:
    """Return a hint that lists what is known and the nearest to `name`: "it shares `gpu0`; did you mean …?"."""
    names = list(known)
    if not names:
        return f"{what} nothing"
    if what == "there are" and len(names) == 1:
        what = "there is"
    count = len(names) if len(names) <= _SHOWN_WHOLE else _SHOWN
    more = len(names) - count
    shown = ", ".join(f"`{each}`" for each in names[:count]) + (f" and {more} more" if more else "")
    near = nearest(name, names) if len(names) > 1 else None
    return f"{what} {shown}" + (f"; did you mean `{near}`?" if near else "")
