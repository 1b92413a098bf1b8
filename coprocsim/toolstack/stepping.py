"""`step`: time passes from one scheduling decision to the next, and each decision is put into words."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from coprocsim.errors import StateError
from coprocsim.hypervisor.state import Asked, Board, Coproc, Phase
from coprocsim.model import VcoprocId
from coprocsim.schedulers.base import Idle, Run
from coprocsim.toolstack.control import Progress
from coprocsim.toolstack.session import session
from coprocsim.units import show_duration

# Events without a decision among them after which `step` gives up: seconds of work, not hours.
_EVENTS_MAX = 100_000


class Ended(Enum):
    """Why a `step` is over."""

    COUNTED = "counted"
    """As many decisions are made as were asked for."""
    NOTHING = "nothing is to come"
    NO_DECISION = "no decision"
    """Much happened, and no coproc had to decide."""
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision in words that a person can follow: when, on which coproc, what was asked and what is done."""

    at_ps: int
    coproc_id: str
    asked: str
    answered: str


@dataclass(frozen=True, slots=True)
class Stepped:
    """What `step` tells: the decisions, why there are no more, and what time it is now."""

    decisions: tuple[Explained, ...]
    ended: Ended
    now_ps: int


def step(machine_path: Path, count: int, progress: Progress) -> Stepped:
    """Let time pass until `count` decisions are made; those of one instant belong together and may be more.

    If `progress` says stop, or much happens and nothing is decided, what has happened up to that instant is kept.
    Raises StateError where nothing is ever decided.
    """
    with session(machine_path) as machine:
        board, timeline = machine.board, machine.board.timeline
        _check_scheduled(board)
        explained: list[Explained] = []
        ended, decided_at_order, going_on = Ended.COUNTED, timeline.order, progress(0, 0)
        while len(explained) < count:
            next_ps = timeline.next_ps()
            if not going_on or next_ps is None or timeline.order - decided_at_order > _EVENTS_MAX:
                ended = Ended.INTERRUPTED if not going_on else Ended.NOTHING if next_ps is None else Ended.NO_DECISION
                break
            board.decisions = []
            machine.run_until(next_ps)
            if board.decisions:
                decided_at_order = timeline.order
            explained += (_explained(board, asked) for asked in board.decisions)
            going_on = progress(0, 0)
        board.decisions = None
        machine.ran()
        return Stepped(tuple(explained), ended, board.now_ps)


def _check_scheduled(board: Board) -> None:
    """Raise StateError if no coproc of the machine has anything to decide."""
    whys = {coproc_id: _why_never(coproc) for coproc_id, coproc in board.coprocs.items()}
    if None not in whys.values():
        raise StateError(
            "nothing is scheduled on this machine, so there is no decision to step to",
            why=", ".join(f"`{coproc_id}` {why}" for coproc_id, why in whys.items()) or "it shares no coproc",
            hint="`coprocsim run 10ms` lets time pass",
        )


def _why_never(coproc: Coproc) -> str | None:
    """Return why nothing is ever decided on a coproc, else None."""
    if coproc.phase is Phase.FAILED:
        return "has failed"
    if not coproc.platform.scheduled:
        return "shares itself"
    return None if coproc.vcoprocs else "is shared by no domain"


def _explained(board: Board, asked: Asked) -> Explained:
    return Explained(asked.at_ps, asked.coproc.spec.coproc_id, _situation(board, asked), _decision(board, asked))


def _situation(board: Board, asked: Asked) -> str:
    turn = asked.turn
    if turn is None:
        return "nobody runs"
    who = _called(board, turn.vcoproc)
    if asked.denied_since_ps is not None:
        return f"{who} denies {show_duration(asked.at_ps - asked.denied_since_ps)}"
    its = "its " if turn.over(asked.at_ps) else ""
    return f"{who} ran {its}{show_duration(asked.at_ps - turn.since_ps)}"


def _decision(board: Board, asked: Asked) -> str:
    turn, answer = asked.turn, asked.answer
    who = "nobody" if isinstance(answer, Idle) else _called(board, answer.vcoproc)
    if asked.denied:
        return f"{who}, but denied"
    if isinstance(answer, Run) and turn is not None and turn.vcoproc == answer.vcoproc:
        if turn.over(asked.at_ps):
            return f"another turn{_for(_length_ps(answer, asked.at_ps))}"
        ends = [end for end in (turn.end_ps, answer.end_ps(turn.since_ps)) if end is not None]
        return f"goes on{_for(min(ends) - asked.at_ps if ends else None)}"
    return f"{who}{_for(_length_ps(answer, asked.at_ps))}"


def _length_ps(answer: Run | Idle, at_ps: int) -> int | None:
    """Return how long a decision made at `at_ps` holds at the most; None if that is open."""
    lengths = [] if answer.until_ps is None else [answer.until_ps - at_ps]
    if isinstance(answer, Run) and answer.length_ps is not None:
        lengths.append(answer.length_ps)
    return min(lengths, default=None)


def _for(length_ps: int | None) -> str:
    return "" if length_ps is None else f" for {show_duration(length_ps)}"


def _called(board: Board, vcoproc_id: VcoprocId) -> str:
    domain = board.domains.get(vcoproc_id.domain)
    return str(vcoproc_id) if domain is None else domain.name
