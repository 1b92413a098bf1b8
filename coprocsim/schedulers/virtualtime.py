"""Virtual time: who has had how much of the coproc, against its share of what all have had.

A vcoproc's own virtual time is what it has had, divided by its weight; the account's is their mean by weight, so that
the lags of all add up to nothing (Stoica and Abdel-Wahab, TR-95-22). All in whole numbers: a lag is a fraction only
where it is read.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction

from coprocsim.model import VcoprocId


@dataclass(slots=True)
class Account:
    """`weights` is of all that are known, `had_ps` of those that share; both begin when the first one joins."""

    weights: dict[VcoprocId, int] = field(default_factory=dict)
    had_ps: dict[VcoprocId, int] = field(default_factory=dict)

    def copy(self) -> "Account":
        """Return an account that may be changed on its own, but for the weights."""
        return Account(self.weights, dict(self.had_ps))

    def _mean(self) -> tuple[int, int]:
        """Return what all have had, and their weight: virtual time is the one divided by the other."""
        return sum(self.had_ps.values()), sum(self.weights[each] for each in self.had_ps)

    def lag_ps(self, vcoproc: VcoprocId) -> Fraction:
        """Return how far one that shares is behind what is due to it; below 0 it is ahead."""
        had_ps, weight = self._mean()
        return Fraction(self.weights[vcoproc] * had_ps, weight) - self.had_ps[vcoproc]

    def behind(self) -> list[VcoprocId]:
        """Return those that are not ahead of their share; never nobody while anybody shares."""
        had_ps, weight = self._mean()
        return [each for each, own_ps in self.had_ps.items() if own_ps * weight <= self.weights[each] * had_ps]

    def had(self, vcoproc: VcoprocId, time_ps: int) -> None:
        """Book what one has had; nobody is charged for one that does not share."""
        if vcoproc in self.had_ps:
            self.had_ps[vcoproc] += time_ps

    def join(self, vcoproc: VcoprocId, staying: Collection[VcoprocId]) -> None:
        """Let one share from now on, with no claim to what was before; who is still ahead remains so.

        It is measured against those that stay and those that are ahead.
        """
        self.settle((*staying, vcoproc))
        if vcoproc in self.had_ps and vcoproc not in self.behind():
            return
        self.had_ps.pop(vcoproc, None)
        self.settle(staying)
        had_ps, weight = self._mean()
        # Rounded up: of the others someone is behind, so that one who gives way finds whom to give way to.
        self.had_ps[vcoproc] = -(-self.weights[vcoproc] * had_ps // weight) if weight else 0

    def weigh(self, vcoproc: VcoprocId, weight: int) -> None:
        """Give one another weight; its lag remains."""
        if vcoproc in self.had_ps:
            had_ps, all_weight = self._mean()
            self.had_ps[vcoproc] += (weight - self.weights[vcoproc]) * had_ps // all_weight
        self.weights[vcoproc] = weight

    def remove(self, vcoproc: VcoprocId) -> None:
        """Forget one."""
        self.had_ps.pop(vcoproc, None)
        self.weights.pop(vcoproc, None)

    def settle(self, staying: Collection[VcoprocId]) -> None:
        """Let go of all others that are not ahead: who is must wait for the rest to catch up."""
        while gone := [each for each in self.behind() if each not in staying]:
            for each in gone:
                del self.had_ps[each]
        if self.had_ps:
            had_ps, weight = self._mean()
            # The whole of virtual time is taken off, so that numbers stay small however long the machine runs.
            for each in self.had_ps:
                self.had_ps[each] -= self.weights[each] * (had_ps // weight)
