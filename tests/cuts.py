"""The same, cut or not: a machine that is put to rest and woken, silicon whose time passes in steps."""

from collections.abc import Callable

from coprocsim.conformance.base import Trial
from coprocsim.conformance.hardware import Access, Aim, Bus, Place, Seen
from coprocsim.hardware.base import Hardware
from tests.machines import MS, Machine

Told = tuple[int, int, int, int, int | None]
"""An access to silicon: gap before it in ps, number of the range, word, size in bytes, value or None for a read."""


def assert_same_when_cut(made: Callable[[], Machine], cuts_ps: list[int]) -> None:
    """Assert that 40 ms of a machine are the same when it is put to rest at these instants, twice at each."""
    ends = []
    for instants_ps in ([], sorted(cuts_ps)):
        machine = made()
        for at_ps in instants_ps:
            machine.run(at_ps)
            machine.rest()
            machine.rest()
        machine.run(40 * MS)
        ends.append((machine.board.trace, machine.stored()))
    assert ends[0] == ends[1]


def assert_silicon_same_when_cut(model: type[Hardware], accesses: list[Told], cut: int) -> None:
    """Assert that silicon shows the same if time passes in steps, and if it is saved and loaded before access `cut`."""

    def played(*, in_steps: bool = False, cut: int | None = None) -> list[Seen]:
        told = [Access(gap_ps, Place(Aim.ANYWHERE, *place), value) for gap_ps, *place, value in accesses]
        return Bus(model, Trial()).play(told, in_steps=in_steps, cut=cut)

    whole = played()
    assert played(in_steps=True) == whole
    assert played(cut=cut) == whole
