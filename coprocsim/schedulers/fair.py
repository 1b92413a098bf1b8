"""Fair sharing by weight: earliest eligible virtual deadline first, EEVDF (Stoica and Abdel-Wahab, TR-95-22).

Each asks for one `slice` after the other. A request may be served once its vcoproc is not ahead of its share, and is
due, in virtual time, when that share would have given it the slice; of those that may, the one due first is served.
A request is not cut: the quantum of the paper is the request.

Nobody gets ahead of its share by more than a request, its longest uncuttable run and the switch that it is charged
for; nor, as long as nobody else leaves the competition while behind, does anybody fall back further.
"""

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Kind, Parameter, Scope, Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn
from coprocsim.schedulers.virtualtime import Account
from coprocsim.units import PS_PER_MS, PS_PER_S, PS_PER_US


class _Saved(msgspec.Struct):
    version: int
    ready: list[VcoprocId]
    had_ps: list[tuple[VcoprocId, int]]
    woken_ps: list[tuple[VcoprocId, list[int]]]
    yielded_ps: int | None


class Fair(Scheduler):
    """Who sleeps gives up what it is behind, but takes along what it is ahead until the others have caught up.

    Whoever overruns is ahead by that, so there is no debt beside it. To give way is to give up what one is behind.
    """

    name = "fair"
    summary = "EEVDF: shares by weight, and nobody is ahead by more than one request"
    books_overrun = True
    parameters = (
        Parameter(
            "slice",
            Kind.TIME,
            3 * PS_PER_MS,
            "how long a request is",
            100 * PS_PER_US,
            PS_PER_S,
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
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._account = Account()
        self._ready: dict[VcoprocId, None] = {}
        # What a turn has been is told when it is over, but who wakes meanwhile joins at the virtual time of that
        # instant. The first such instant of each matters, when its own time begins to count, and the last.
        self._woken_ps: dict[VcoprocId, list[int]] = {}
        self._yielded_ps: int | None = None

    @classmethod
    def least_length_ps(cls, settings: Mapping[str, Value]) -> int | None:
        return int(settings["slice"])

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        self._account.weigh(vcoproc, int(settings["weight"]))

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready.pop(vcoproc, None)
        self._woken_ps.pop(vcoproc, None)
        self._account.remove(vcoproc)

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready[vcoproc] = None
        self._woken_ps[vcoproc] = [*self._woken_ps.get(vcoproc, ())[:1], now_ps]

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready.pop(vcoproc, None)

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        if vcoproc in self._ready:
            self.wake(vcoproc, now_ps)
            self._yielded_ps = now_ps

    def ready(self) -> Collection[VcoprocId]:
        return self._ready

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        if not self._ready:
            return Idle()
        slice_ps, gives_way = int(self.settings["slice"]), None
        if turn is not None and turn.vcoproc in self._ready:
            yields = now_ps == self._yielded_ps
            if not (turn.denied or turn.over(now_ps) or yields):
                return Run(turn.vcoproc, slice_ps)
            if yields and len(self._ready) > 1:
                gives_way = turn.vcoproc
        account = self.account(now_ps, turn)
        # Of equal weights, who has had least is the first to be eligible and the first to be due.
        least: dict[int, tuple[int, VcoprocId]] = {}
        for each in self._ready:
            had = account.had_ps[each], each
            weight = account.weights[each]
            if each != gives_way and (weight not in least or had < least[weight]):
                least[weight] = had
        firsts = [each for _, each in least.values()]
        # Who is given way to may be ahead by what was rounded when it joined.
        eligible = [each for each in firsts if not account.ahead(each)] or firsts
        return Run(min(eligible, key=lambda each: (_due(account, each, slice_ps), each)), slice_ps)

    def account(self, now_ps: int, turn: Turn | None) -> Account:
        """Return what everybody has had by now, the running one's turn so far included."""
        if turn is None:
            return self._booked(None, now_ps, now_ps, 0)
        return self._booked(turn.vcoproc, turn.since_ps, now_ps, 0)

    def _booked(self, running: VcoprocId | None, since_ps: int, until_ps: int, switch_ps: int) -> Account:
        """Return the account after `running` has had the coproc, and all who woke have joined."""
        account, booked_ps = self._account.copy(), since_ps
        joins = list(self._joins())
        for woken_ps, vcoproc in joins:
            if woken_ps > until_ps:
                break
            if running is not None and woken_ps > booked_ps:
                account.had(running, woken_ps - booked_ps)
                booked_ps = woken_ps
            # The running one is still to be charged.
            account.join(vcoproc, self._ready if running is None else (*self._ready, running))
        if running is not None:
            account.had(running, until_ps - booked_ps + switch_ps)
        for woken_ps, vcoproc in joins:
            if woken_ps > until_ps:
                account.join(vcoproc, self._ready)
        account.settle(self._ready)
        return account

    def _joins(self) -> Iterator[tuple[int, VcoprocId]]:
        yield from sorted((at_ps, vcoproc) for vcoproc, instants in self._woken_ps.items() for at_ps in instants)

    def ran(self, ran: Ran) -> None:
        self._account = self._booked(ran.vcoproc, ran.since_ps, ran.since_ps + ran.run_ps, ran.switch_ps)
        self._woken_ps.clear()
        self._yielded_ps = None

    def save(self) -> Json:
        ready: list[Json] = [list(vcoproc) for vcoproc in sorted(self._ready)]
        had: list[Json] = [
            [list(vcoproc), had_ps] for vcoproc, had_ps in sorted(self._account.since_the_present().items())
        ]
        woken: list[Json] = [[list(vcoproc), list(instants)] for vcoproc, instants in sorted(self._woken_ps.items())]
        return {"version": 1, "ready": ready, "had_ps": had, "woken_ps": woken, "yielded_ps": self._yielded_ps}

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._ready = dict.fromkeys(state.ready)
        self._account.resume(dict(state.had_ps))
        self._woken_ps = dict(state.woken_ps)
        self._yielded_ps = state.yielded_ps


def _due(account: Account, vcoproc: VcoprocId, slice_ps: int) -> Fraction:
    """Return the virtual deadline of one's request."""
    return Fraction(account.had_ps[vcoproc] + slice_ps, account.weights[vcoproc])
