"""Round robin: nobody gets a second turn before all others have had theirs."""

from collections.abc import Sequence

from coprocsim.analysis.tasks import Time, ceil_div


def response(work: Time, slot: Time, others: Sequence[tuple[Time, Time | None]]) -> Time:
    """Return within what time `work` is done that needs ceil(C / Q) turns of `slot`.

    Before each of its turns every one of the `others`, (longest turn, all that it has to do), has at most one; who has
    less to do than its turns' sum takes no more than that, None is without end. pyCPA's RoundRobinScheduler (Racu,
    Li, Henia, Hamann and Ernst 2007) says the same.
    """
    turns = ceil_div(work, slot)
    return work + sum(turns * turn if rest is None else min(turns * turn, rest) for turn, rest in others)
