"""The rules of isolation, checked while the machine runs. A finding is a row of the trace; it stops nothing.

| rule | demands |
|---|---|
| `one-runs` | one vcoproc per coproc is RUNNING |
| `iommu` | the IOMMU translates for the domain whose vcoproc runs or enters, or for nobody |
| `irq` | an interrupt goes to the domain that ran when it was raised |
| `access` | no access of a domain that does not run reaches the hardware |
| `time` | run + switch + idle + failed = elapsed, per coproc: no cost is negative |
| `leak` | after a switch the hardware holds what the entering context saved, and nothing of another one (`leaks.py`) |
| `known` | a vcoproc that waits is known to its scheduler |
"""

from coprocsim.hypervisor.state import Board, Coproc, Vcoproc
from coprocsim.model import Effect, RaiseIrq, Rule, VcoprocId, VcoprocState

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


def check_timer(board: Board, coproc: Coproc, effects: tuple[Effect, ...]) -> None:
    """Check that what follows from a timer of the driver is an interrupt of the vcoproc that has the coproc, if any."""
    current = None if coproc.current is None else coproc.current.vcoproc_id
    for effect in effects if coproc.platform.scheduled else ():
        if isinstance(effect, RaiseIrq) and effect.vcoproc != current:
            what = f"line {effect.line} is delivered to it because of a timer while {_who_has(coproc)}"
            found(board, coproc, Rule.IRQ, str(effect.vcoproc), what)


def _who_has(coproc: Coproc) -> str:
    return "nobody has it" if coproc.current is None else f"{coproc.current.who} has it"


def check_access(board: Board, vcoproc: Vcoproc, region: str, offset: int, uses_before: int) -> None:
    """Check that an access, mapped or trapped, has left the hardware alone if `vcoproc` does not have it."""
    coproc = vcoproc.coproc
    if coproc.platform.scheduled and coproc.current is not vcoproc and coproc.port.uses != uses_before:
        what = f"its access to {region}+{offset:#x} reached the hardware while {_who_has(coproc)}"
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
