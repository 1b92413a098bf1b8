"""Virtual time: who has had how much of the coproc, against its share of what all have had.

A vcoproc's own virtual time is what it has had, divided by its weight; the account's is their mean by weight, so that
the lags of all add up to nothing (Stoica and Abdel-Wahab, TR-95-22). All in whole numbers: a lag is a fraction only
where it is read.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from coprocsim.model import VcoprocId


@dataclass(slots=True)
class Account:
    """`weights` is of all that are known, `had_ps` of those that share; both begin when the first one joins.

    `all_had_ps` and `all_weights` are the sums over those that share: virtual time is the one divided by the other.
    """

    weights: dict[VcoprocId, int] = field(default_factory=dict)
    had_ps: dict[VcoprocId, int] = field(default_factory=dict)
    all_had_ps: int = 0
    all_weights: int = 0

    def copy(self) -> "Account":
        """Return an account that may be changed on its own, but for the weights."""
        return Account(self.weights, dict(self.had_ps), self.all_had_ps, self.all_weights)

    def lag_ps(self, vcoproc: VcoprocId) -> Fraction:
        """Return how far one that shares is behind what is due to it; below 0 it is ahead."""
        return Fraction(self.weights[vcoproc] * self.all_had_ps, self.all_weights) - self.had_ps[vcoproc]

    def ahead(self, vcoproc: VcoprocId) -> bool:
        """Return whether one that shares has had more than is due to it; never is everybody."""
        return self.had_ps[vcoproc] * self.all_weights > self.weights[vcoproc] * self.all_had_ps

    def had(self, vcoproc: VcoprocId, time_ps: int) -> None:
        """Book what one has had; nobody is charged for one that does not share."""
        if vcoproc in self.had_ps:
            self.had_ps[vcoproc] += time_ps
            self.all_had_ps += time_ps

    def join(self, vcoproc: VcoprocId, staying: Collection[VcoprocId]) -> None:
        """Let one share from now on, with no claim to what was before; who is still ahead remains so.

        It is measured against those that stay and those that are ahead.
        """
        self.settle({*staying, vcoproc})
        if vcoproc in self.had_ps and self.ahead(vcoproc):
            return
        self._leave(vcoproc)
        self.settle(staying)
        # Rounded up: of the others someone is behind, so that one who gives way finds whom to give way to.
        due_ps = -(-self.weights[vcoproc] * self.all_had_ps // self.all_weights) if self.all_weights else 0
        self._enter(vcoproc, due_ps)

    def weigh(self, vcoproc: VcoprocId, weight: int) -> None:
        """Give one another weight; its lag remains."""
        had_ps = self.had_ps.get(vcoproc)
        if had_ps is None:
            self.weights[vcoproc] = weight
            return
        more_ps = (weight - self.weights[vcoproc]) * self.all_had_ps // self.all_weights
        self._leave(vcoproc)
        self.weights[vcoproc] = weight
        self._enter(vcoproc, had_ps + more_ps)

    def remove(self, vcoproc: VcoprocId) -> None:
        """Forget one."""
        self._leave(vcoproc)
        self.weights.pop(vcoproc, None)

    def settle(self, staying: Collection[VcoprocId]) -> None:
        """Let go of all others that are not ahead: who is must wait for the rest to catch up."""
        leaving = [each for each in self.had_ps if each not in staying]
        while gone := [each for each in leaving if each in self.had_ps and not self.ahead(each)]:
            for each in gone:
                self._leave(each)

    def since_the_present(self) -> dict[VcoprocId, int]:
        """Return what each has had with the whole of virtual time taken off: as good, and small however long it ran."""
        whole = self.all_had_ps // self.all_weights if self.all_weights else 0
        return {each: own_ps - self.weights[each] * whole for each, own_ps in self.had_ps.items()}

    def resume(self, had_ps: Mapping[VcoprocId, int]) -> None:
        """Let those share, and nobody else, that have had so much."""
        for each in list(self.had_ps):
            self._leave(each)
        for each, own_ps in had_ps.items():
            self._enter(each, own_ps)

    def _enter(self, vcoproc: VcoprocId, own_ps: int) -> None:
        self.had_ps[vcoproc] = own_ps
        self.all_had_ps += own_ps
        self.all_weights += self.weights[vcoproc]

    def _leave(self, vcoproc: VcoprocId) -> None:
        own_ps = self.had_ps.pop(vcoproc, None)
        if own_ps is not None:
            self.all_had_ps -= own_ps
            self.all_weights -= self.weights[vcoproc]
