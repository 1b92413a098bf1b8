"""The kinds of parts, the checks that each has, and how somebody's part is found."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from coprocsim.conformance import hardware, platform, scheduler, whole, workload
from coprocsim.conformance.base import Check, Failure
from coprocsim.errors import LookupFailed, did_you_mean
from coprocsim.guests import WORKLOADS
from coprocsim.guests.base import Guest
from coprocsim.hardware import MODELS
from coprocsim.hardware.base import Hardware
from coprocsim.platforms import PLATFORMS
from coprocsim.platforms.base import Platform
from coprocsim.plugins import Registry, imported
from coprocsim.schedulers import ALGORITHMS
from coprocsim.schedulers.base import Scheduler

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bound:
    """A check of one part: `left_out` says why it does not apply, `run` plays so many scenarios."""

    name: str
    expects: str
    left_out: str | None
    run: Callable[[int, bool], Failure | None]


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody's part with all checks of its kind; `name` is its own, `entry` how it was asked for."""

    kind: str
    name: str
    entry: str
    checks: tuple[Bound, ...]


class Verdict(NamedTuple):
    """What became of a check: `outcome` is passed, failed or left out, and the other fields say why."""

    check: str
    expects: str
    outcome: str
    left_out: str | None = None
    found: str | None = None
    raised_at: str | None = None
    steps: tuple[str, ...] = ()


class Kind(Protocol):
    """A kind of parts: what is installed of it, and what a part of it is checked for."""

    def names(self) -> Mapping[str, type[object]]:
        """Return what is installed, by name."""
        ...

    def holds(self, part: object) -> bool:
        """Return whether `part` is meant to be of this kind."""
        ...

    def part(self, part: object, entry: str) -> Part:
        """Return `part` with its checks; PluginError if it is incomplete."""
        ...


class _Kind(Generic[T]):
    """A kind whose parts derive from one base."""

    def __init__(self, name: str, registry: Registry[T], *checks: Check[T]) -> None:
        self.name, self.registry, self.checks = name, registry, checks

    def names(self) -> Mapping[str, type[object]]:
        return self.registry

    def holds(self, part: object) -> bool:
        return isinstance(part, type) and issubclass(part, self.registry.base)

    def part(self, part: object, entry: str) -> Part:
        complete = self.registry.complete(part, f"`{entry}`")
        return Part(self.name, self.registry.name_of(complete), entry, tuple(self._bound(complete)))

    def _bound(self, part: type[T]) -> Iterator[Bound]:
        for check in self.checks:
            yield Bound(check.name, check.expects, check.left_out(part), _run(check, part))


def _run(check: Check[T], part: type[T]) -> Callable[[int, bool], Failure | None]:
    return lambda scenarios, shorten: check.run(part, scenarios, shorten)


KINDS: Mapping[str, Kind] = {
    "platform": _Kind[Platform]("platform", PLATFORMS, *platform.DESK_CHECKS, *whole.PLATFORM_CHECKS),
    "hardware": _Kind[Hardware]("hardware", MODELS, *hardware.CHECKS),
    "scheduler": _Kind[Scheduler]("scheduler", ALGORITHMS, *scheduler.STAGE_CHECKS, *whole.SCHEDULER_CHECKS),
    "workload": _Kind[Guest]("workload", WORKLOADS, *workload.CHECKS),
}


def part_named(entry: str, kind: str | None = None) -> Part:
    """Return the part that `entry` means: `module:Class`, or the name of one that is installed.

    Raises LookupFailed if there is none, or several kinds have one and `kind` does not say which is meant.
    """
    if re.fullmatch(r"[\w.]+:[\w.]+", entry):
        return _of_class(imported(entry), entry, kind)
    found = [name for name, each in KINDS.items() if kind in {None, name} and entry in each.names()]
    if not found:
        raise _not_found(entry, kind)
    if len(found) > 1:
        hint = "add " + " or ".join(f"`--kind {name}`" for name in found)
        raise LookupFailed(f"more than one part has the name `{entry}`", hint=hint)
    return KINDS[found[0]].part(KINDS[found[0]].names()[entry], entry)


def _not_found(entry: str, kind: str | None) -> LookupFailed:
    """Return what is wrong with a name that is none, or that a part of another kind has."""
    others = [name for name, each in KINDS.items() if entry in each.names()]
    known = {name: None for each in KINDS if kind in {None, each} for name in KINDS[each].names()}
    hint = did_you_mean(entry, known, "write `module:Class`, or one of")
    if others:
        hint = f"`{entry}` is a {others[0]}: leave `--kind` out, or write `--kind {others[0]}`"
    return LookupFailed(f"no {kind or 'part'} `{entry}` is installed", hint=hint)


def _of_class(part: object, entry: str, kind: str | None) -> Part:
    found = kind or next((name for name, each in KINDS.items() if each.holds(part)), None)
    if found is None:
        bases = ", ".join(f"`{each.__name__}`" for each in (Platform, Hardware, Scheduler, Guest))
        raise LookupFailed(
            f"`{entry}` is no part of coprocsim", hint=f"a part is a class that derives from one of {bases}"
        )
    return KINDS[found].part(part, entry)


def judge(check: Bound, scenarios: int, *, shorten: bool = True) -> Verdict:
    """Play so many scenarios of a check, unless it does not apply; return what became of it.

    A scenario that fails is made as short as can be, which takes a while, unless `shorten` says no.
    """
    if check.left_out is not None:
        return Verdict(check.name, check.expects, "left out", check.left_out)
    failure = check.run(scenarios, shorten)
    if failure is None:
        return Verdict(check.name, check.expects, "passed")
    return Verdict(check.name, check.expects, "failed", None, failure.found, failure.raised_at, failure.steps)
