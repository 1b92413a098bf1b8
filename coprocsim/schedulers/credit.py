"""Credit, as Xen's credit scheduler (xen/common/sched/credit.c): credits by weight, caps, and a boost for who wakes.

Whoever runs pays with credits. Once in a period, which is as long as the slice, what was paid is handed out again by
weight among those that take part. Who has credits left is UNDER, who has none is OVER and waits for those that have;
among equals it goes round. One that wakes UNDER is boosted: it comes before all others, and preempts as soon as the
`ratelimit` allows. Credits below 0 are a debt; it is not forgiven to one that sleeps.

Xen hands out the whole period whatever was used, and trims what piles up. Here as much is handed out as was used, so
that idle time and switches that nobody pays leave no credits behind; an account that is in balance keeps each share
within a few periods of its due, however long the time.

A cap is so much of a period: who has used that is parked until the next one. What it does not use it saves up, one
period's cap at most, for others may have their turn just then; asleep for longer, it has no more. So within a window
in which n periods end it has n + 2 periods' caps at most: no more than the cap says of the window and three periods.
What nothing cuts short (a denial, a turn of less than the `ratelimit`) comes on top, and is taken off thereafter.
Xen parks one only as a period ends, if it is a period's cap behind, and lets it save up a slice whatever its cap.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Kind, Parameter, Scope, Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn
from coprocsim.units import PS_PER_MS, PS_PER_S


class _Rank(IntEnum):
    """Xen's priorities, the first the highest."""

    BOOST = 0
    UNDER = 1
    OVER = 2


@dataclass(slots=True)
class Books:
    """Everybody's credits, and what those with a cap have used of it, below 0 what they have saved up.

    `accounted_ps` is when they were last settled.
    """

    accounted_ps: int = 0
    credit_ps: dict[VcoprocId, int] = field(default_factory=dict)
    used_ps: dict[VcoprocId, int] = field(default_factory=dict)

    def copy(self) -> "Books":
        """Return books that may be changed on their own."""
        return Books(self.accounted_ps, dict(self.credit_ps), dict(self.used_ps))

    def pay(self, vcoproc: VcoprocId, time_ps: int) -> None:
        """Take what one has had out of its credits."""
        if vcoproc in self.credit_ps:
            self.credit_ps[vcoproc] -= time_ps
        if vcoproc in self.used_ps:
            self.used_ps[vcoproc] += time_ps


class _Saved(msgspec.Struct):
    version: int
    ring: list[VcoprocId]
    boosted: list[VcoprocId]
    accounted_ps: int
    credit_ps: list[tuple[VcoprocId, int]]
    used_ps: list[tuple[VcoprocId, int]]
    yielded_ps: int | None


class Credit(Scheduler):
    """A vcoproc that has used its cap is parked until the next period; what it overran is taken off then."""

    name = "credit"
    summary = "as Xen's: credits by weight, a cap, a boost for who wakes"
    books_overrun = True
    parameters = (
        Parameter(
            "slice",
            Kind.TIME,
            30 * PS_PER_MS,
            "how long a turn is, and how often credits are handed out",
            PS_PER_MS,
            PS_PER_S,
            bare_unit="ms",
        ),
        Parameter(
            "ratelimit",
            Kind.TIME,
            PS_PER_MS,
            "a turn is not preempted before it has lasted so long",
            0,
            500 * PS_PER_MS,
            bare_unit="us",
        ),
        Parameter(
            "weight",
            Kind.NUMBER,
            256,
            "its share, against the weights of the others",
            1,
            65535,
            scope=Scope.VCOPROC,
        ),
        Parameter(
            "cap",
            Kind.NUMBER,
            0,
            "the most that it may have of the coproc, 0 for no limit",
            0,
            100,
            scope=Scope.VCOPROC,
            unit="%",
        ),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._weights: dict[VcoprocId, int] = {}
        # Of those that have one.
        self._caps: dict[VcoprocId, int] = {}
        self._ring: OrderedDict[VcoprocId, None] = OrderedDict()
        self._boosted: set[VcoprocId] = set()
        self._books = Books()
        # The books as they were last read ahead of their time.
        self._ahead: Books | None = None
        self._yielded_ps: int | None = None
        self._read_settings()

    @classmethod
    def least_length_ps(cls, settings: Mapping[str, Value]) -> int | None:
        return int(settings["slice"])

    def reconfigure(self, settings: Mapping[str, Value], now_ps: int) -> None:
        self._settle(now_ps)
        super().reconfigure(settings, now_ps)
        self._read_settings()
        for each in self._caps:
            self._limit_saved(each)

    def _read_settings(self) -> None:
        self._slice_ps = int(self.settings["slice"])
        self._ratelimit_ps = int(self.settings["ratelimit"])

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        self._settle(now_ps)
        self._weights[vcoproc] = int(settings["weight"])
        self._books.credit_ps.setdefault(vcoproc, 0)
        if settings["cap"]:
            self._caps[vcoproc] = int(settings["cap"])
            self._books.used_ps.setdefault(vcoproc, 0)
            self._limit_saved(vcoproc)
        else:
            self._uncap(vcoproc)

    def _uncap(self, vcoproc: VcoprocId) -> None:
        self._caps.pop(vcoproc, None)
        self._books.used_ps.pop(vcoproc, None)

    def _limit_saved(self, vcoproc: VcoprocId) -> None:
        """Let one have saved up no more than a period of what it may have from now on."""
        self._books.used_ps[vcoproc] = max(-self._allowance_ps(vcoproc), self._books.used_ps[vcoproc])

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self.sleep(vcoproc, now_ps)
        self._uncap(vcoproc)
        del self._weights[vcoproc], self._books.credit_ps[vcoproc]

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._settle(now_ps)
        credit_ps = min(self._books.credit_ps[vcoproc], self._allowance_ps(vcoproc))
        self._books.credit_ps[vcoproc] = credit_ps
        self._ring[vcoproc] = None
        if credit_ps >= 0:
            self._boosted.add(vcoproc)

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._settle(now_ps)
        self._ring.pop(vcoproc, None)
        self._boosted.discard(vcoproc)

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        if vcoproc in self._ring:
            self._yielded_ps = now_ps

    def ready(self) -> Collection[VcoprocId]:
        return self._ring

    # ------------------------------------------------------------ credits

    def _allowance_ps(self, vcoproc: VcoprocId) -> int:
        """Return what one can use in a period; more credits than that it cannot save up."""
        return self._slice_ps * self._caps.get(vcoproc, 100) // 100

    def _parked(self, books: Books) -> set[VcoprocId]:
        return {each for each in self._caps if each in self._ring and books.used_ps[each] >= self._allowance_ps(each)}

    def _settle(self, now_ps: int) -> None:
        """Account for the periods that have ended before now, since something is about to change."""
        self._account(self._books, now_ps)
        self._ahead = None

    def _books_at(self, now_ps: int, turn: Turn | None, pays: bool) -> Books:
        """Return the books of an instant, the periods that end with it included, after `turn` has paid if it does."""
        if turn is not None and pays:
            books = self._books.copy()
            self._pay(books, turn.vcoproc, turn.since_ps, now_ps - turn.since_ps)
            self._account(books, now_ps + 1)
            return books
        if now_ps < self._books.accounted_ps + self._slice_ps:
            return self._books
        if self._ahead is None:
            self._ahead = self._books.copy()
        self._account(self._ahead, now_ps + 1)
        return self._ahead

    def _pay(self, books: Books, vcoproc: VcoprocId, since_ps: int, time_ps: int) -> None:
        """Let one pay for what it has had since an instant: at the first end of a period, and the rest thereafter.

        That end is the only one at which it may have something saved up.
        """
        self._account(books, since_ps + 1)
        first_ps = min(time_ps, books.accounted_ps + self._slice_ps - since_ps)
        books.pay(vcoproc, first_ps)
        self._account(books, since_ps + time_ps)
        books.pay(vcoproc, time_ps - first_ps)

    def _account(self, books: Books, before_ps: int) -> None:
        """Settle `books` for each period that has ended before an instant; what happens at an end happens before it."""
        periods = max(0, (before_ps - 1 - books.accounted_ps) // self._slice_ps)
        if not periods:
            return
        books.accounted_ps += periods * self._slice_ps
        for vcoproc, used_ps in books.used_ps.items():
            allowance_ps = self._allowance_ps(vcoproc)
            books.used_ps[vcoproc] = max(-allowance_ps, used_ps - periods * allowance_ps)
        for _ in range(periods):
            if not self._hand_out(books):
                break

    def _hand_out(self, books: Books) -> bool:
        """Hand out by weight what was paid, or take back what is too much; return whether that was anything."""
        paid_ps = -sum(books.credit_ps[each] for each in self._ring)
        weight = sum(self._weights[each] for each in self._ring)
        before = dict(books.credit_ps)
        for each in self._ring:
            part_ps = abs(paid_ps) * self._weights[each] // weight
            credit_ps = books.credit_ps[each] + (part_ps if paid_ps >= 0 else -part_ps)
            # What a cap keeps one from using goes to the others, the next time.
            books.credit_ps[each] = min(credit_ps, self._allowance_ps(each)) if each in self._caps else credit_ps
        return books.credit_ps != before

    # ------------------------------------------------------------ turns

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        if not self._ring:
            return Idle()
        leaves = turn is not None and (turn.denied or turn.over(now_ps) or now_ps == self._yielded_ps)
        current = turn.vcoproc if turn is not None and turn.vcoproc in self._ring else None
        books = self._books_at(now_ps, turn, pays=leaves or current is None)
        parked = self._parked(books)
        able = [each for each in self._ring if each not in parked] if parked else list(self._ring)
        if not able:
            return Idle(until_ps=books.accounted_ps + self._slice_ps)
        if leaves and current in able:
            able.remove(current)
            if now_ps != self._yielded_ps or not able:
                able.append(current)
        parked_until_ps = books.accounted_ps + self._slice_ps if parked else None
        first = self._first(books, able, current if leaves else None)
        if turn is None or current is None or leaves or current in parked:
            return self._run(books, first, parked_until_ps)
        granted = self._run(books, current, parked_until_ps)
        if self._rank(books, first, None) < self._rank(books, current, None):
            preempted_ps = turn.since_ps + self._ratelimit_ps
            if now_ps >= preempted_ps:
                return self._run(books, first, parked_until_ps)
            return replace(granted, until_ps=min(preempted_ps, granted.until_ps or preempted_ps))
        return granted

    def _first(self, books: Books, able: Sequence[VcoprocId], served: VcoprocId | None) -> VcoprocId:
        """Return the first of those with the highest priority."""
        for each in able if self._boosted else ():
            if each in self._boosted and self._rank(books, each, served) is _Rank.BOOST:
                return each
        return next((each for each in able if books.credit_ps[each] >= 0), able[0])

    def _rank(self, books: Books, vcoproc: VcoprocId, served: VcoprocId | None) -> _Rank:
        """Return one's priority; a boost is over when it has been `served`."""
        if books.credit_ps[vcoproc] < 0:
            return _Rank.OVER
        return _Rank.BOOST if vcoproc in self._boosted and vcoproc != served else _Rank.UNDER

    def _run(self, books: Books, vcoproc: VcoprocId, parked_until_ps: int | None) -> Run:
        """Return a turn: a slice, or less if the cap allows less, but not less than what no preemption cuts.

        It ends with the period if then somebody may go on who is parked.
        """
        length_ps = self._slice_ps
        if vcoproc in self._caps:
            left_ps = self._allowance_ps(vcoproc) - books.used_ps[vcoproc]
            length_ps = min(length_ps, max(left_ps, self._ratelimit_ps))
        return Run(vcoproc, length_ps, parked_until_ps)

    def ran(self, ran: Ran) -> None:
        self._pay(self._books, ran.vcoproc, ran.since_ps, ran.run_ps + ran.switch_ps)
        self._settle(ran.now_ps)
        self._boosted.discard(ran.vcoproc)
        self._yielded_ps = None
        if ran.vcoproc in self._ring:
            self._ring.move_to_end(ran.vcoproc)

    def save(self) -> Json:
        books = self._books
        state = _Saved(
            1,
            list(self._ring),
            sorted(self._boosted),
            books.accounted_ps,
            sorted(books.credit_ps.items()),
            sorted(books.used_ps.items()),
            self._yielded_ps,
        )
        saved: Json = msgspec.to_builtins(state)
        return saved

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._ring = OrderedDict.fromkeys(state.ring)
        self._boosted = set(state.boosted)
        self._books = Books(state.accounted_ps, dict(state.credit_ps), dict(state.used_ps))
        self._yielded_ps = state.yielded_ps
