"""What is installed: our own parts and those that others add by an entry point, held to the same completeness.

A part is a class with a name. Ours stand in a table in their room's `__init__`; another package adds one with a line
in its `pyproject.toml`:

    [project.entry-points."coprocsim.schedulers"]
    lottery = "lottery:Lottery"
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from traceback import walk_tb
from typing import Generic, TypeVar, cast

from coprocsim.errors import PluginError

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Registry(Mapping[str, type[T]], Generic[T]):
    """The parts of one kind by name: `kind` for people, `group` of entry points, `base` that all derive from.

    `stated` are the attributes that a complete one has beside its methods, `named_by` the one that is its name.
    Other packages are asked only when a name is not one of ours, when all are listed, and by `check`, which `boot`
    calls for each kind: an incomplete part is refused when a machine starts, whether or not the machine uses it.
    Raises PluginError for a part that is incomplete, there twice, or cannot be imported.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        base: type[object],
        ours: Iterable[type[T]],
        stated: tuple[str, ...],
        named_by: str = "name",
    ) -> None:
        self.kind, self.group, self.base, self.stated, self.named_by = kind, group, base, stated, named_by
        self._ours = {self.name_of(part): part for part in ours}
        self._others: dict[str, type[T]] | None = None

    def name_of(self, part: type[T]) -> str:
        """Return a part's name."""
        return str(getattr(part, self.named_by))

    def is_ours(self, name: str) -> bool:
        """Return whether that is the name of a part of our own, which can be left out when a machine is built."""
        return name in self._ours

    def __getitem__(self, name: str) -> type[T]:
        return self._ours[name] if name in self._ours else self._installed()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._ours or name in self._installed()

    def __iter__(self) -> Iterator[str]:
        return iter((*self._ours, *self._installed()))

    def __len__(self) -> int:
        return len(self._ours) + len(self._installed())

    def check(self) -> None:
        """Load what other packages add; PluginError for the first part that will not do."""
        self._installed()

    def _installed(self) -> dict[str, type[T]]:
        """Return the parts of other packages, loaded and checked, in the order of their names."""
        if self._others is None:
            others: dict[str, type[T]] = {}
            for point in sorted(entry_points(group=self.group), key=lambda each: each.name):
                part = self.complete(loaded(point), f"entry point `{point.name}` of `{_package(point)}`")
                name = self.name_of(part)
                if name in self._ours or name in others:
                    raise PluginError(
                        f"{self.kind} `{name}` is there twice",
                        why=f"`{point.value}` of `{_package(point)}` has a name that is taken",
                        hint="give it another name, or uninstall one of the two",
                    )
                others[name] = part
            self._others = others
        return self._others

    def complete(self, part: object, where: str) -> type[T]:
        """Return `part` if it is a complete one of this kind; PluginError with all that is missing."""
        if not isinstance(part, type) or not issubclass(part, self.base):
            why = f"a {self.kind} is a class that derives from `{self.base.__qualname__}`"
            raise PluginError(f"{where} is no {self.kind}", why=why)
        missing = [name for name in self.stated if not hasattr(part, name)]
        missing += sorted(getattr(part, "__abstractmethods__", ()))
        if missing:
            raise PluginError(
                f"{where}: {self.kind} `{part.__qualname__}` is incomplete",
                why="it lacks " + ", ".join(f"`{name}`" for name in missing),
                hint="complete it, or uninstall its package",
            )
        complete = cast("type[T]", part)
        if not _NAME.fullmatch(self.name_of(complete)):
            raise PluginError(
                f"{where}: {self.kind} `{part.__qualname__}` cannot be named `{self.name_of(complete)}`",
                hint="lowercase letters, digits, `_` and `-`, 32 at most",
            )
        return complete


def loaded(point: EntryPoint) -> object:
    """Return what an entry point names; PluginError if it cannot be imported."""
    why = f"`{_package(point)}` says that it adds `{point.name}`"
    return _loaded(point, why, "mend it, or uninstall its package")


def imported(place: str) -> object:
    """Return what `module:Class`, or `module`, names; PluginError if it cannot be imported."""
    return _loaded(EntryPoint("", place, ""), None, "it is looked for as Python does, and in this folder")


def _loaded(point: EntryPoint, why: str | None, hint: str) -> object:
    try:
        found: object = point.load()
    except (Exception, SystemExit) as error:
        what = f"`{point.value}` cannot be imported: {type(error).__name__}: {error}"
        raise PluginError(what, why=why, hint=hint) from error
    return found


def author_of(modules: Iterable[str]) -> tuple[str, str] | None:
    """Return the first of `modules` that another package with parts has brought, and that package; None if none has."""
    packages = others()
    for module in modules:
        package = packages.get(module.partition(".")[0])
        if package is not None:
            return module, package
    return None


def raised_in(error: BaseException | None) -> list[str]:
    """Return the modules through which `error` went, the innermost last; those of the process that raised it."""
    if error is None:
        return []
    if isinstance(error, RaisedElsewhere):
        return list(error.modules)
    return [str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)]


class RaisedElsewhere(Exception):  # noqa: N818 - says what has happened
    """A part has raised something in another process, or we have: the traceback as text, and through which modules."""

    def __init__(self, text: str, modules: Sequence[str]) -> None:
        super().__init__(text, modules)
        self.text = text
        self.modules = modules

    def __str__(self) -> str:
        return f"in another process\n{self.text}"


def others() -> dict[str, str]:
    """Return the packages that add parts, by the top name of the modules that these are in. Nothing is imported."""
    points = entry_points()
    groups = [group for group in points.groups if group.startswith("coprocsim.")]
    return {
        point.module.partition(".")[0]: _package(point)
        for group in sorted(groups)
        for point in points.select(group=group)
    }


def _package(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else point.dist.name
