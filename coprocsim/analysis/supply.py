"""What a reservation surely supplies within a stretch of time, and how long some work takes there at most."""

from coprocsim.analysis.tasks import Time, ceil_div


def reservation_supply(length: Time, period: Time, budget: Time) -> Time:
    """Return what a reservation of `budget` in each `period` supplies at least in any stretch of that length.

    The supply bound function of the periodic resource model (Shin and Lee 2003): after a budget that came at once, the
    next one may come at the very end of its period, so that nothing may come for 2 (P - B).
    """
    gap = period - budget
    if length <= gap:
        return 0
    whole = int((length - gap) // period)
    return whole * budget + max(0, length - 2 * gap - whole * period)


def reservation_response(work: Time, period: Time, budget: Time) -> Time:
    """Return the time within which a reservation has surely supplied `work`: the inverse of `reservation_supply`."""
    return work + (period - budget) * (1 + ceil_div(work, budget))


def slot_supply(length: Time, cycle: Time, slot: Time) -> Time:
    """Return what a reserved slot in each cycle supplies at least in any stretch of that length.

    Time division: the slot's place in the cycle is fixed, so that nothing comes for P - Q at most.
    """
    whole = int(length // cycle)
    return whole * slot + max(0, length - whole * cycle - (cycle - slot))


def slot_response(work: Time, cycle: Time, slot: Time) -> Time:
    """Return the time within which a reserved slot has surely supplied `work`: ceil(C / Q) (P - Q) + C.

    The inverse of `slot_supply`: the work comes as its slot ends, and waits for each of its slots.
    """
    return ceil_div(work, slot) * (cycle - slot) + work


def bandwidth_response(work: Time, period: Time, budget: Time, *, fresh: bool = False) -> Time:
    """Return by when a constant bandwidth server has surely done `work` that comes when it has none.

    Each budget is done by its deadline, which is put off by a period when the budget is used up (Abeni and Buttazzo
    1998), provided that all servers and tasks together ask for no more than there is. If it has just begun a new
    deadline (`fresh`), that is ceil(C / Q) T; else a rest of an old budget may run under a deadline up to T away.
    """
    return (ceil_div(work, budget) + (0 if fresh else 1)) * period


def deferred_demand(length: Time, period: Time, budget: Time) -> Time:
    """Return the most that a deferrable server takes of a stretch of that length, in periods that end within it.

    It keeps its budget until the end of a period, which may be at the begin of the stretch or so much later that it
    can just use it up; those of whole periods follow in a row (Strosnider, Lehoczky and Sha 1995, "The deferrable
    server algorithm").
    """
    whole = int(length // period)
    return whole * budget + min(budget, length - whole * period)
