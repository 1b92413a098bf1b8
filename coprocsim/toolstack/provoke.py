"""`fault …` and `irq …`: let something go wrong on purpose, to see what becomes of it."""

from dataclasses import dataclass
from pathlib import Path

from coprocsim.errors import CoprocsimError, LookupFailed, StateError, nearest
from coprocsim.hypervisor import faults
from coprocsim.hypervisor.state import Board, Coproc, Phase
from coprocsim.model import FaultKind
from coprocsim.toolstack import typed
from coprocsim.toolstack.deeds import ClearFaults, InjectFault, RaiseLine
from coprocsim.toolstack.lookup import coproc_named, vcoproc_named
from coprocsim.toolstack.session import session
from coprocsim.units import format_duration

# These happen at once, or when nobody has the coproc: they are no single vcoproc's.
_NOBODYS = {FaultKind.DMA, FaultKind.SPURIOUS_IRQ}
_OF_SWITCHES = set(FaultKind) - _NOBODYS


@dataclass(frozen=True, slots=True)
class Injected:
    """Where a fault is to come: on which coproc, and to which domain only, if to one."""

    coproc_id: str
    domain: str | None


def inject(
    machine_path: Path, coproc_name: str, kind: FaultKind, domain: str | None, times: int | None, time_ps: int
) -> Injected:
    """Let `kind` go wrong with a coproc: the next `times` times, always if that is None; `time_ps` is of a denial.

    StateError or CoprocsimError where it cannot come to that.
    """
    with session(machine_path) as machine:
        board = machine.board
        coproc = coproc_named(board, coproc_name)
        who = None if domain is None else vcoproc_named(board, domain, coproc_name).who
        _check(coproc, kind, domain, times)
        _check_comes(coproc, kind, who)
        deed = InjectFault(coproc.spec.coproc_id, kind, who, None if kind is FaultKind.HANG else times, time_ps)
        machine.do(deed, _typed(board, deed))
        return Injected(deed.coproc_id, None if who is None else board.vcoprocs[who].domain.name)


def _typed(board: Board, deed: InjectFault) -> str:
    """Return the command that injects a fault."""
    words = [] if deed.who is None else ["-d", typed.called(board, board.vcoprocs[deed.who].domain)]
    if deed.kind is FaultKind.DENY:
        words += ["--for", format_duration(deed.time_ps)]
    if deed.times is None and deed.kind is not FaultKind.HANG:
        words.append("--always")
    elif deed.times not in {None, 1}:
        words += ["--times", str(deed.times)]
    return typed.typed("fault inject", deed.coproc_id, deed.kind.value, *words)


def _check(coproc: Coproc, kind: FaultKind, domain: str | None, times: int | None) -> None:
    coproc_id = coproc.spec.coproc_id
    _check_works(coproc)
    if domain is not None and kind in _NOBODYS:
        raise CoprocsimError(f"`{kind.value}` is not about a single domain", hint="leave `-d` out")
    if kind in _OF_SWITCHES and not coproc.platform.scheduled:
        raise CoprocsimError(f"`{coproc_id}` shares itself: there is no switch that could fail")
    if kind in {FaultKind.IOMMU, FaultKind.STALE_IOMMU, FaultKind.DMA} and not coproc.spec.streams:
        raise CoprocsimError(f"`{coproc_id}` has no IOMMU in front of it", hint="its node has no `iommus`")
    if kind is FaultKind.DMA and times != 1:
        raise CoprocsimError(f"`{kind.value}` happens once, and at once", hint="leave `--times` and `--always` out")
    if kind is FaultKind.HANG and times != 1:
        raise CoprocsimError("`hang` lasts until a reset", hint="leave `--times` and `--always` out")
    if kind is FaultKind.SPURIOUS_IRQ and not coproc.platform.scheduled:
        raise CoprocsimError(f"`{coproc_id}` shares itself: its lines are for all its domains, and none is spurious")
    if kind is FaultKind.SPURIOUS_IRQ and not coproc.spec.lines:
        raise CoprocsimError(f"`{coproc_id}` has no interrupt line")


def _check_comes(coproc: Coproc, kind: FaultKind, who: str | None) -> None:
    """Refuse a fault before which another one comes each time: nobody would ever see it."""
    coproc_id = coproc.spec.coproc_id
    for fault in coproc.faults:
        if faults.hides(fault, kind, who):
            raise StateError(
                f"`{kind.value}` would never come: `{coproc_id}` has a `{fault.kind.value}` that is first each time",
                hint=f"`coprocsim fault clear {coproc_id}` ends that; `coprocsim fault list` shows what is to come",
            )


def _check_works(coproc: Coproc) -> None:
    if coproc.phase is Phase.FAILED:
        raise StateError(
            f"`{coproc.spec.coproc_id}` has failed: {coproc.failure}",
            hint="boot the machine anew to bring it back",
        )


def clear(machine_path: Path, coproc_name: str) -> int:
    """Let nothing more go wrong with a coproc on purpose; return how many faults were still to come."""
    with session(machine_path) as machine:
        deed = ClearFaults(coproc_named(machine.board, coproc_name).spec.coproc_id)
        cleared = deed.do(machine.board, machine.build)
        machine.did(deed, typed.typed("fault clear", deed.coproc_id))
        return cleared


def raise_irq(machine_path: Path, coproc_name: str, line: str) -> tuple[str, ...]:
    """Pulse an interrupt line of a coproc; return the names of the domains that have the coproc, none or one if shared.

    `line` is a name or an INTID; LookupFailed for one that it does not have.
    """
    with session(machine_path) as machine:
        coproc = coproc_named(machine.board, coproc_name)
        _check_works(coproc)
        line = _line_named(coproc, line)
        owners = [] if coproc.current is None else [coproc.current]
        if not coproc.platform.scheduled:
            owners = list(coproc.vcoprocs.values())
        deed = RaiseLine(coproc.spec.coproc_id, line)
        machine.do(deed, typed.typed("irq raise", deed.coproc_id, line))
        return tuple(owner.domain.name for owner in owners)


def _line_named(coproc: Coproc, name: str) -> str:
    """Return the line of that name, else the only one of that INTID; LookupFailed with those that there are."""
    lines = coproc.spec.lines
    found = [each.name for each in lines if each.name == name] or [
        each.name for each in lines if each.intid is not None and str(each.intid) == name
    ]
    if len(found) != 1:
        hint = "it has " + (", ".join(f"`{each.name}` ({each.label})" for each in lines) or "none")
        near = nearest(name, (each.name for each in lines))
        hint += f"; did you mean `{near}`?" if near else ""
        raise LookupFailed(f"`{coproc.spec.coproc_id}` has no interrupt line `{name}`", hint=hint)
    return found[0]
