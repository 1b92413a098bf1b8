"""Ten million accesses of guests gone wrong, over all cores: `make torture`, or `python -m tests.torture NUMBER`.

Each piece is a machine with a platform, a kind of wrong guest and a seed of its own; progress goes to stderr. What does
harm is told with its piece, which does the same again: `python -m tests.torture NUMBER PIECE`.
"""

import os
import sys
import time
from multiprocessing import Pool
from typing import NamedTuple

from coprocsim.platforms import PLATFORMS
from tests.machines import MS
from tests.wrong_guests import KINDS, Side, end_ps, harm_done, shared_by

ACCESSES = 10_000_000
RATE = 20_000
# The trace is taken off the machine as often as that.
STEP_PS = 100 * MS
PIECE_ACCESSES_MAX = 50_000


class Piece(NamedTuple):
    """A machine to be tortured, and for how many accesses."""

    number: int
    platform: str
    kind: str
    accesses: int


def pieces_of(accesses: int) -> list[Piece]:
    """Return what makes up so many accesses: as many pieces for each platform and kind of wrong guest."""
    pairs = [(platform, kind) for platform in PLATFORMS for kind in KINDS]
    rounds = -(-accesses // (len(pairs) * PIECE_ACCESSES_MAX))
    each = -(-accesses // (len(pairs) * rounds))
    return [Piece(number, *pairs[number % len(pairs)], each) for number in range(rounds * len(pairs))]


def torture(piece: Piece) -> tuple[Piece, int, list[str]]:
    """Return how many accesses a piece has made, and what harm they did."""
    shared = shared_by(piece.kind)
    until_ps = end_ps(piece.accesses, RATE, len(shared))
    platform = PLATFORMS[piece.platform]
    beside = Side(platform, KINDS[piece.kind], rate=RATE, seed=piece.number)
    alone = Side(platform, seed=piece.number)
    try:
        for side in (beside, alone):
            for at_ps in (*range(STEP_PS, until_ps, STEP_PS), until_ps):
                side.run(at_ps)
    except BaseException as error:
        error.add_note(f"in {piece}")
        raise
    return piece, beside.accesses, harm_done(beside, alone, shared=shared)


def main(accesses: int, only: int | None = None) -> int:
    """Do it; return 0 if no harm was done."""
    pieces = [piece for piece in pieces_of(accesses) if only in {None, piece.number}]
    made, harmful, began_s = 0, 0, time.monotonic()
    with Pool(os.cpu_count()) as pool:
        for count, (piece, accesses_made, harm) in enumerate(pool.imap_unordered(torture, pieces), start=1):
            made += accesses_made
            harmful += bool(harm)
            for line in harm:
                print(f"{piece}: {line}")
            per_s = made / (time.monotonic() - began_s)
            print(f"{count} of {len(pieces)} pieces, {made:,} accesses, {per_s:,.0f} per second", file=sys.stderr)
    verdict = f"{harmful} pieces did harm" if harmful else "no harm done"
    print(f"{made:,} accesses in {time.monotonic() - began_s:.0f} s: {verdict}")
    return int(bool(harmful))


if __name__ == "__main__":
    numbers = [int(each.replace("_", "")) for each in sys.argv[1:3]]
    sys.exit(main(*(numbers or [ACCESSES])))
