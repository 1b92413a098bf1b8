"""What a user can do wrong, as exceptions that say what, where, why and how to cure it.

Raised where the mistake is known, with all that is known; caught once, in `cli`. Our own mistakes are `assert`.
"""

from collections.abc import Iterable
from dataclasses import dataclass


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


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is most likely a misspelling of, or None when none is near."""
    import difflib  # noqa: PLC0415 - who makes no mistake does not wait for it

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str], what: str) -> str:
    """Return a hint that lists what is known and the nearest to `name`: "it shares `gpu0`; did you mean …?"."""
    names = list(known)
    if not names:
        return f"{what} nothing"
    if what == "there are" and len(names) == 1:
        what = "there is"
    shown = ", ".join(f"`{each}`" for each in names[:12]) + (", …" if len(names) > 12 else "")
    near = nearest(name, names) if len(names) > 1 else None
    return f"{what} {shown}" + (f"; did you mean `{near}`?" if near else "")
