"""What a scheduling algorithm is: it decides who has one coproc next and for how long, and nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, TypeAlias

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Parameter, Scope, Value, of_scope


@dataclass(frozen=True, slots=True)
class Turn:
    """`vcoproc` has the coproc from `since_ps`, and until `end_ps` unless something happens.

    `end_ps` is None where the algorithm set no end. `denied`: it was told to leave and has not left yet.
    """

    vcoproc: VcoprocId
    since_ps: int
    end_ps: int | None
    denied: bool = False

    def over(self, now_ps: int) -> bool:
        """Return whether the turn has come to its end."""
        return self.end_ps is not None and now_ps >= self.end_ps


@dataclass(frozen=True, slots=True)
class Ran:
    """A closed turn: `vcoproc` had the coproc for `run_ps`, of which it overran by `overrun_ps` while it denied.

    `switch_ps` is what this vcoproc is charged for switching, 0 where the system pays.
    """

    vcoproc: VcoprocId
    since_ps: int
    run_ps: int
    overrun_ps: int
    switch_ps: int
    now_ps: int


@dataclass(frozen=True, slots=True)
class Run:
    """Let `vcoproc` run: for `length_ps` from the end of the switch, and not past `until_ps`; the earlier wins."""

    vcoproc: VcoprocId
    length_ps: int | None = None
    until_ps: int | None = None

    def end_ps(self, since_ps: int) -> int | None:
        """Return the instant at which a turn that began at `since_ps` is over."""
        length_end_ps = None if self.length_ps is None else since_ps + self.length_ps
        if length_end_ps is None or self.until_ps is None:
            return self.until_ps if length_end_ps is None else length_end_ps
        return min(length_end_ps, self.until_ps)


@dataclass(frozen=True, slots=True)
class Idle:
    """Let nobody run; ask again at `until_ps` (a slot ends, a budget is refilled) or when something happens."""

    until_ps: int | None = None


Decision: TypeAlias = Run | Idle


class Scheduler(ABC):
    """Chooses who owns one coproc, and until when. Decides only: no timers, no clock, no switching.

    All instants are in ps on the machine's timeline. `wake`, `sleep` and the others may come at any time, also while
    the coproc switches; `pick` comes once per decision, after all that happened at its instant.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    starves: ClassVar[str | None] = None
    """By which rule a vcoproc that always has work may wait for ever beside others with the same parameters; None if
    by no rule."""
    books_overrun: ClassVar[bool] = False
    """Whether it takes what one overran while it denied out of a budget of its own; where not, the framework shortens
    the next turns by what is owed."""
    vcoprocs_max: ClassVar[int | None] = None
    """How many vcoprocs it can share a coproc among; None is any number."""

    def __init__(self, settings: Mapping[str, Value]) -> None:
        """Start with nobody to run (Xen: init). `settings` has a checked value for each parameter of scope coproc."""
        self.settings = dict(settings)

    @classmethod
    def defaults(cls, scope: Scope) -> dict[str, Value]:
        """Return the default of every parameter of that scope."""
        return {name: parameter.default for name, parameter in of_scope(cls.parameters, scope).items()}

    @classmethod
    def least_length_ps(cls, settings: Mapping[str, Value]) -> int | None:
        """Return the shortest turn that `settings` would give, None if there is no such thing.

        One that is not longer than a context switch is refused: it would leave no useful time.
        """
        del settings
        return None

    @classmethod
    def least_budget_ps(cls, settings: Mapping[str, Value]) -> int | None:
        """Return the budget that `settings`, a vcoproc's own, give it; None if there is no such thing.

        One that is not longer than a context switch is refused: to be switched to would use it up.
        """
        del settings
        return None

    @classmethod
    def reservations(cls, settings: Sequence[Mapping[str, Value]]) -> list[Fraction] | None:
        """Return which part of the coproc each vcoproc is sure of, `settings` being their own; None if of no part.

        More than the whole in sum is more than can be kept.
        """
        del settings
        return None

    @classmethod
    def check_together(cls, scope: Scope, settings: Mapping[str, Value]) -> None:
        """Raise BadValue if values of one scope, each of which is allowed, are wrong together."""

    def deinit(self) -> None:
        """Give up what `__init__` took; no other call follows."""

    def reconfigure(self, settings: Mapping[str, Value], now_ps: int) -> None:
        """Take new values of the coproc's parameters from now on; the running turn may end sooner, never later."""
        del now_ps
        self.settings = dict(settings)

    @abstractmethod
    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        """Know `vcoproc` from now on, asleep (Xen: vcoproc_init); called again with new settings when they change."""

    @abstractmethod
    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        """Forget `vcoproc`, which is asleep (Xen: vcoproc_deinit)."""

    @abstractmethod
    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        """Let `vcoproc` take part (Xen: vcoproc_wake); it may be running if it was asked to sleep and now goes on."""

    @abstractmethod
    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        """Leave `vcoproc` out; it may still be on the hardware (Xen: vcoproc_sleep)."""

    @abstractmethod
    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        """`vcoproc` gives way but has work (Xen: vcoproc_yield)."""

    def released(self, vcoproc: VcoprocId, release_ps: int, deadline_ps: int | None) -> None:
        """A job of `vcoproc` is released, to be done by `deadline_ps` if that is not None; behind another one it causes
        no wake, and if it takes part a decision follows all the same."""

    def finished(self, vcoproc: VcoprocId, now_ps: int) -> None:
        """The oldest job of `vcoproc` is done, or was given up; a decision follows if it takes part."""

    @abstractmethod
    def ready(self) -> Collection[VcoprocId]:
        """Return who takes part: woken, and not sent to sleep since."""

    @abstractmethod
    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        """Answer who should run now (Xen: do_schedule). Change nothing: the coproc may refuse to switch."""

    @abstractmethod
    def ran(self, ran: Ran) -> None:
        """Take note of what really ran, overran and was spent on switching (Xen: schedule_completed)."""

    @abstractmethod
    def save(self) -> Json:
        """Return all that was learnt, with a `version`; settings are kept by the caller."""

    @abstractmethod
    def restore(self, saved: Json) -> None:
        """Become what `save` described."""
