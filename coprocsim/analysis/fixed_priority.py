"""Fixed priorities: the response times of a task below others, preemptive and not, with deadlines of any length."""

from collections.abc import Iterator, Sequence

from coprocsim.analysis.tasks import Task, Time, busy_period


def preemptive(task: Task, above: Sequence[Task], blocking: Time = 0) -> list[Time] | None:
    """Return the response time of each job of `task` in the busy period that begins with all at once.

    `above` are those of higher priority, and of the same; `blocking` is the longest that one below cannot be
    interrupted. The worst case is the maximum (Joseph and Pandya 1986 for the first job; Lehoczky 1990 for all of them,
    which matter when a deadline is beyond the period; Audsley et al. 1993 for B and J). None: there is no bound.
    """
    length = busy_period((task, *above), blocking)
    if length is None:
        return None
    responses = []
    for job, release in _releases(task, length):
        done = blocking + (job + 1) * task.work
        while True:
            later = blocking + (job + 1) * task.work + sum(each.arrivals(done) * each.work for each in above)
            if later <= done:
                break
            done = later
        responses.append(done - release)
    return responses


def non_preemptive(task: Task, above: Sequence[Task], blocking: Time = 0) -> list[Time] | None:
    """Return the response time of each job of `task` in its longest busy period, if no job can be interrupted.

    `blocking` is the longest job below, which has begun just before: a supremum that no schedule quite reaches. Each
    job of the busy period counts, not only the first, though all deadlines lie within the periods (Davis, Burns, Bril
    and Lukkien 2007, "Controller Area Network (CAN) schedulability analysis: refuted, revisited and revised").
    None: there is no bound.
    """
    length = busy_period((task, *above), blocking)
    if length is None:
        return None
    responses = []
    for job, release in _releases(task, length):
        begun = blocking + job * task.work
        while True:
            # Who arrives at the instant at which it would begin goes first.
            arrived = [int((begun + each.jitter) // each.period) + 1 for each in above]
            later = blocking + job * task.work
            later += sum(count * each.work for count, each in zip(arrived, above, strict=True))
            if later <= begun:
                break
            begun = later
        responses.append(begun + task.work - release)
    return responses


def _releases(task: Task, length: Time) -> Iterator[tuple[int, Time]]:
    """Yield the number and the earliest release of each job of a busy period."""
    for job in range(task.arrivals(length)):
        yield job, max(0, job * task.period - task.jitter)
