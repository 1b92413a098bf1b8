"""What a context leaves behind: the `leak` rule of isolation, checked without the platform's help.

When a context enters, a second driver loads it on clean silicon too, the mirror: the hardware must look like that.
Unless something changed it meanwhile, it must also be what it was when it left. What differs is named, and whose it is.
"""

from collections.abc import Mapping, Sequence

from coprocsim.engine import Timeline
from coprocsim.hypervisor.isolation import found
from coprocsim.hypervisor.port import HardwarePort
from coprocsim.hypervisor.state import Board, Coproc, Departed, Mirror, Vcoproc
from coprocsim.model import Rule
from coprocsim.platforms.base import Entered

# ---------------------------------------------------------------- as it leaves


def context_of(board: Board, coproc: Coproc) -> dict[str, bytes]:
    """Return the context that is in the hardware now."""
    coproc.hardware.advance(board.now_ps)
    return dict(coproc.hardware.context())


def note_left(coproc: Coproc, vcoproc: Vcoproc, context: dict[str, bytes] | None) -> None:
    """Keep what a context was as it left, None if that is not to be checked."""
    vcoproc.left, vcoproc.changed = context, False
    coproc.last, coproc.departed = vcoproc.who, None


def note_destroyed(coproc: Coproc, vcoproc: Vcoproc) -> None:
    """Keep the context of a vcoproc that is destroyed, if it was the last to leave: what stays behind is its own."""
    if coproc.last == vcoproc.who and vcoproc.left is not None:
        coproc.departed = Departed(vcoproc.who, vcoproc.domain.name, vcoproc.left)


# ---------------------------------------------------------------- as it enters


def mirror_of(timeline: Timeline, coproc: Coproc) -> Mirror:
    """Return silicon like the coproc's at power-up, and a driver for it."""
    hardware = type(coproc.hardware)(coproc.spec)
    return Mirror(hardware, type(coproc.platform)(coproc.spec, HardwarePort(timeline, hardware)))


def load_mirror(board: Board, coproc: Coproc, vcoproc: Vcoproc) -> None:
    """Begin to load the entering context on clean silicon too."""
    coproc.mirror = mirror_of(board.timeline, coproc)
    driver = coproc.mirror.platform
    driver.probe(board.now_ps)
    driver.restore(coproc.platform.save())
    driver.switch_to(vcoproc.vcoproc_id, board.now_ps)


def refresh_mirror(board: Board, coproc: Coproc) -> None:
    """Let the mirror have what the domain wrote while its context was being loaded."""
    if coproc.mirror is not None:
        coproc.mirror.hardware.advance(board.now_ps)
        coproc.mirror.platform.restore(coproc.platform.save())


def check_entered(board: Board, coproc: Coproc, vcoproc: Vcoproc) -> None:
    """Check that the hardware, just started, holds the entering context as its mirror does, and as it was left."""
    mirror, coproc.mirror = coproc.mirror, None
    if mirror is None:
        return
    mirror.platform.start(vcoproc.vcoproc_id, board.now_ps)
    clean, now = mirror.hardware.context(), coproc.hardware.context()
    unclean = _differing(now, clean)
    for name in unclean:
        here, expected = now.get(name, b""), clean.get(name, b"")
        origin = _origin(coproc, vcoproc, name, here, expected) or "an unknown context"
        found(board, coproc, Rule.LEAK, vcoproc.who, f"{name} holds {_shown(here, expected)} of {origin}")
    if not vcoproc.changed:
        _check_kept(board, coproc, vcoproc, now, unclean)


# ---------------------------------------------------------------- while it is away


def check_before_change(board: Board, vcoproc: Vcoproc) -> None:
    """Check, before a domain first changes its context while it is away, that what was saved is what had left.

    Afterwards nobody but the driver knows what it should be.
    """
    coproc = vcoproc.coproc
    away = coproc.current is not vcoproc or not coproc.phase.decides
    if vcoproc.left is None or vcoproc.changed or not away:
        return
    # Loading takes its time there, too, and none here.
    timeline = Timeline(board.now_ps)
    mirror = mirror_of(timeline, coproc)
    mirror.platform.probe(timeline.now_ps)
    mirror.platform.restore(coproc.platform.save())
    answer = mirror.platform.switch_to(vcoproc.vcoproc_id, timeline.now_ps)
    if isinstance(answer, Entered):
        timeline.now_ps += max(0, answer.cost_ps)
        mirror.hardware.advance(timeline.now_ps)
        mirror.platform.start(vcoproc.vcoproc_id, timeline.now_ps)
        _check_kept(board, coproc, vcoproc, mirror.hardware.context(), ())


# ---------------------------------------------------------------- what differs, and whose it is


def _check_kept(board: Board, coproc: Coproc, vcoproc: Vcoproc, now: Mapping[str, bytes], known: Sequence[str]) -> None:
    """Check that a context is what it was as it left, but for the names that are known to be wrong."""
    left = now if vcoproc.left is None else vcoproc.left
    for name in _differing(now, left):
        if name not in known:
            _not_kept(board, coproc, vcoproc, name, now.get(name, b""), left.get(name, b""))


def _not_kept(board: Board, coproc: Coproc, vcoproc: Vcoproc, name: str, here: bytes, was: bytes) -> None:
    """Report a value that is not what it was; whose it is now, if it is no power-up value."""
    blank = type(coproc.hardware)(coproc.spec).context().get(name, b"")
    origin = None if here == blank else _origin(coproc, vcoproc, name, here, was)
    whose = "" if origin is None else f" of {origin}"
    what = f"{name} is not what it was when it left: it holds {_shown(here, was)}{whose}"
    found(board, coproc, Rule.LEAK, vcoproc.who, what)


def _origin(coproc: Coproc, vcoproc: Vcoproc, name: str, here: bytes, expected: bytes) -> str | None:
    """Return whose context the bytes come from that are not as expected: the last one's that left with them."""
    others = [
        Departed(each.who, each.domain.name, each.left)
        for each in coproc.vcoprocs.values()
        if each is not vcoproc and each.left is not None
    ]
    if coproc.departed is not None:
        others.append(coproc.departed)
    others.sort(key=lambda each: each.who != coproc.last)
    wrong = _wrong_offsets(here, expected)
    for other in others:
        theirs = other.context.get(name, b"")
        if all(theirs[n : n + 1] == here[n : n + 1] for n in wrong):
            return f"{other.who} (domain `{other.domain}`)"
    return None


def _differing(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Return the names of which two contexts do not say the same."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def _wrong_offsets(value: bytes, expected: bytes) -> list[int]:
    """Return the offsets of the bytes of a value that are not as expected."""
    return [n for n in range(len(value)) if value[n : n + 1] != expected[n : n + 1]]


def _shown(value: bytes, expected: bytes) -> str:
    """Return a value; of a long one the first bytes that are not as expected, with their offset in it."""
    if len(value) <= 8:
        return f"{int.from_bytes(value, 'little'):#x}"
    wrong = _wrong_offsets(value, expected)
    first = wrong[0] if wrong else len(value)
    many = "1 byte" if len(wrong) == 1 else f"{len(wrong)} bytes"
    return f"{many} from offset {first:#x} on ({value[first : first + 8].hex()}…)"
