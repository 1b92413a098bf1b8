"""How far a coproc's switch is, as one column: nobody but the framework reads it."""

import msgspec

from coprocsim.hypervisor.state import Board, Coproc, Phase
from coprocsim.schedulers.base import Idle, Ran, Run, Turn


class _Switching(msgspec.Struct):
    version: int
    phase: Phase
    turn: Turn | None
    run: Run | None
    idle: Idle | None
    closed: Ran | None
    entry_cost_ps: int
    switched_before_ps: int
    denied_since_ps: int
    stopping: bool
    sufferer: str | None
    suffering_since_ps: int
    last: str | None
    noted: bool
    asserted: tuple[str, ...]


def to_text(coproc: Coproc) -> str:
    """Return how far the switch of `coproc` is, as JSON."""
    saved = _Switching(
        1,
        coproc.phase,
        coproc.turn,
        coproc.answer if isinstance(coproc.answer, Run) else None,
        coproc.answer if isinstance(coproc.answer, Idle) else None,
        coproc.closed,
        coproc.entry_cost_ps,
        coproc.switched_before_ps,
        coproc.denied_since_ps,
        coproc.stopping,
        None if coproc.sufferer is None else coproc.sufferer.who,
        coproc.suffering_since_ps,
        coproc.last,
        coproc.noted,
        coproc.asserted,
    )
    return msgspec.json.encode(saved).decode()


def from_text(board: Board, coproc: Coproc, text: str) -> None:
    """Let `coproc`, all of whose vcoprocs are there, be as far as `to_text` said; a ValueError for another text."""
    saved = msgspec.json.decode(text, type=_Switching)
    coproc.phase = saved.phase
    coproc.turn = saved.turn
    coproc.answer = saved.run if saved.run is not None else saved.idle
    coproc.closed = saved.closed
    coproc.entry_cost_ps = saved.entry_cost_ps
    coproc.switched_before_ps = saved.switched_before_ps
    coproc.denied_since_ps = saved.denied_since_ps
    coproc.stopping = saved.stopping
    coproc.sufferer = None if saved.sufferer is None else board.vcoprocs.get(saved.sufferer)
    coproc.suffering_since_ps = saved.suffering_since_ps
    coproc.last = saved.last
    coproc.noted, coproc.asserted = saved.noted, saved.asserted
