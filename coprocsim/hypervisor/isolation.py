"""The rules of isolation, checked while the machine runs. A finding is a row of the trace; it stops nothing.

| rule | demands |
|---|---|
| `one-runs` | one vcoproc per coproc is RUNNING |
| `iommu` | the IOMMU translates for the domain whose vcoproc runs or enters, or for nobody |
| `irq` | an interrupt goes to the domain that ran when it was raised |
| `access` | no access of a domain that does not run reaches the hardware |
| `time` | run + switch + idle + failed = elapsed, per coproc: no cost is negative |
| `leak` | after a switch the hardware holds what the entering context saved, and nothing of another one |
| `known` | a vcoproc that waits is known to its scheduler |
"""

from collections.abc import Mapping, Sequence

from coprocsim.engine import Timeline
from coprocsim.hypervisor.port import HardwarePort
from coprocsim.hypervisor.state import Board, Coproc, Departed, Mirror, Vcoproc
from coprocsim.model import Effect, RaiseIrq, Rule, VcoprocId, VcoprocState
from coprocsim.platforms.base import Entered

_ON_HARDWARE = {VcoprocState.RUNNING, VcoprocState.ASKED_TO_SLEEP}


def found(board: Board, coproc: Coproc, rule: Rule, who: str, what: str) -> None:
    """Report that a rule is broken: `who` is the vcoproc that suffers or does it, `what` the circumstances."""
    coproc.counters.findings += 1
    board.record(coproc, "finding", who, rule.value, what)


def check_runs(board: Board, vcoproc: Vcoproc) -> None:
    """Check, as `vcoproc` becomes RUNNING, that it is the only one, and that its streams translate for its domain."""
    coproc = vcoproc.coproc
    if coproc.platform.scheduled:
        for other in coproc.vcoprocs.values():
            if other is not vcoproc and other.state in _ON_HARDWARE:
                found(board, coproc, Rule.ONE_RUNS, vcoproc.who, f"it runs while {other.who} does")
    for stream in vcoproc.streams:
        holder = board.attached.get(stream)
        if holder != vcoproc.vcoproc_id:
            translates = "nobody" if holder is None else str(holder)
            found(board, coproc, Rule.IOMMU, vcoproc.who, f"it runs while stream {stream} translates for {translates}")


def check_enable(board: Board, vcoproc: Vcoproc) -> None:
    """Check, as streams begin to translate for `vcoproc`, that no other one is on the hardware."""
    coproc = vcoproc.coproc
    for other in coproc.vcoprocs.values() if coproc.platform.scheduled else ():
        if other is not vcoproc and other.state in _ON_HARDWARE:
            found(board, coproc, Rule.IOMMU, vcoproc.who, f"its translations are enabled while {other.who} runs")


def check_irq(board: Board, coproc: Coproc, line: str, asked: VcoprocId, effects: tuple[Effect, ...]) -> None:
    """Check that the driver sends `line`, which was raised while `asked` had the coproc, to nobody else."""
    for effect in effects:
        if isinstance(effect, RaiseIrq) and effect.vcoproc != asked:
            what = f"line {line} was raised for {asked} and is delivered to {effect.vcoproc}"
            found(board, coproc, Rule.IRQ, str(effect.vcoproc), what)


def check_own(board: Board, vcoproc: Vcoproc, why: str, effects: tuple[Effect, ...]) -> None:
    """Check that what follows from a domain's own access, start or reset is an interrupt of its own, if any."""
    for effect in effects:
        if isinstance(effect, RaiseIrq) and effect.vcoproc != vcoproc.vcoproc_id:
            what = f"line {effect.line} is delivered to it because of {why} of {vcoproc.who}"
            found(board, vcoproc.coproc, Rule.IRQ, str(effect.vcoproc), what)


def check_access(board: Board, vcoproc: Vcoproc, region: str, offset: int, uses_before: int) -> None:
    """Check that an access, mapped or trapped, has left the hardware alone if `vcoproc` does not have it."""
    coproc = vcoproc.coproc
    if coproc.platform.scheduled and coproc.current is not vcoproc and coproc.port.uses != uses_before:
        has = "nobody has it" if coproc.current is None else f"{coproc.current.who} has it"
        what = f"its access to {region}+{offset:#x} reached the hardware while {has}"
        found(board, coproc, Rule.ACCESS, vcoproc.who, what)


def checked_cost_ps(board: Board, coproc: Coproc, who: str, hook: str, cost_ps: int) -> int:
    """Return the cost that a hook answers; a negative one is a finding, and counts as none."""
    if cost_ps < 0 and board.checks:
        found(board, coproc, Rule.TIME, who, f"`{hook}` answers a cost of {cost_ps} ps")
    return max(0, cost_ps)


def check_known(board: Board, coproc: Coproc) -> None:
    """Check that the scheduler takes every waiting vcoproc into account."""
    ready = coproc.scheduler.ready()
    for vcoproc in coproc.vcoprocs.values():
        waits = vcoproc.state is VcoprocState.WAITING and not vcoproc.sleep_noted
        if waits and vcoproc.vcoproc_id not in ready:
            found(board, coproc, Rule.KNOWN, vcoproc.who, "it waits, and its scheduler has forgotten it")


# ---------------------------------------------------------------- what a context leaves behind


def context_of(board: Board, coproc: Coproc) -> dict[str, bytes]:
    """Return the context that is in the hardware now."""
    coproc.hardware.advance(board.now_ps)
    return dict(coproc.hardware.context())


def left(coproc: Coproc, vcoproc: Vcoproc, context: dict[str, bytes] | None) -> None:
    """Keep what a context was as it left, None if that is not to be checked."""
    vcoproc.left, vcoproc.changed = context, False
    coproc.last, coproc.departed = vcoproc.who, None


def forgotten(coproc: Coproc, vcoproc: Vcoproc) -> None:
    """Keep the context of a vcoproc that is destroyed, if it was the last to leave: what stays behind is its own."""
    if coproc.last == vcoproc.who and vcoproc.left is not None:
        coproc.departed = Departed(vcoproc.who, vcoproc.domain.name, vcoproc.left)


def entering(board: Board, coproc: Coproc, vcoproc: Vcoproc) -> None:
    """Begin to load the entering context on clean silicon too."""
    coproc.mirror = mirror_of(board.timeline, coproc)
    driver = coproc.mirror.platform
    driver.probe(board.now_ps)
    driver.restore(coproc.platform.save())
    driver.switch_to(vcoproc.vcoproc_id, board.now_ps)


def mirror_of(timeline: Timeline, coproc: Coproc) -> Mirror:
    """Return silicon like the coproc's at power-up, and a driver for it."""
    hardware = type(coproc.hardware)(coproc.spec)
    return Mirror(hardware, type(coproc.platform)(coproc.spec, HardwarePort(timeline, hardware)))


def changing(board: Board, vcoproc: Vcoproc) -> None:
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


def starting(board: Board, coproc: Coproc) -> None:
    """Let clean silicon have what the domain wrote while its context was being loaded."""
    if coproc.mirror is not None:
        coproc.mirror.hardware.advance(board.now_ps)
        coproc.mirror.platform.restore(coproc.platform.save())


def entered(board: Board, coproc: Coproc, vcoproc: Vcoproc) -> None:
    """Check that the hardware, just started, holds the entering context as clean silicon would, and as it was left."""
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


def _check_kept(board: Board, coproc: Coproc, vcoproc: Vcoproc, now: Mapping[str, bytes], known: Sequence[str]) -> None:
    """Check that a context is what it was as it left, but for the names that are known to be wrong."""
    left = now if vcoproc.left is None else vcoproc.left
    for name in _differing(now, left):
        if name not in known:
            _not_kept(board, coproc, vcoproc, name, now.get(name, b""), left.get(name, b""))


def _differing(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Return the names of which two contexts do not say the same."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


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
    wrong = [n for n in range(len(here)) if here[n : n + 1] != expected[n : n + 1]]
    for other in others:
        theirs = other.context.get(name, b"")
        if all(theirs[n : n + 1] == here[n : n + 1] for n in wrong):
            return f"{other.who} (domain `{other.domain}`)"
    return None


def _shown(value: bytes, expected: bytes) -> str:
    """Return a value; of a long one the first bytes that are not as expected, with their offset in it."""
    if len(value) <= 8:
        return f"{int.from_bytes(value, 'little'):#x}"
    wrong = [n for n in range(len(value)) if value[n : n + 1] != expected[n : n + 1]]
    first = wrong[0] if wrong else len(value)
    many = "1 byte" if len(wrong) == 1 else f"{len(wrong)} bytes"
    return f"{many} from offset {first:#x} on ({value[first : first + 8].hex()}…)"
