"""Changing how a coproc is shared while it runs: its sharing, its algorithm's parameters, the algorithm itself.

The running vcoproc is not torn down and no waiting one is lost; the change is in the trace at its instant.
"""

from collections.abc import Mapping

from coprocsim.hypervisor.state import Board, Coproc, Vcoproc
from coprocsim.model import VcoprocState
from coprocsim.parameters import Parameter, Scope, Value, of_scope
from coprocsim.schedulers.base import Scheduler
from coprocsim.sharing import SHARING, sharing_of, values_of


def set_sharing(board: Board, coproc: Coproc, values: Mapping[str, Value]) -> None:
    """Change a coproc's sharing; a denial that is under way keeps the timeout that it began with."""
    coproc.sharing = sharing_of({**values_of(coproc.sharing), **values})
    _record(board, coproc, "-", values, SHARING)


def set_parameters(board: Board, coproc: Coproc, values: Mapping[str, Value]) -> None:
    """Change parameters of a coproc's algorithm; the running turn may end sooner, never later."""
    coproc.settings.update(values)
    coproc.scheduler.reconfigure(coproc.settings, board.now_ps)
    _record(board, coproc, "-", values, of_scope(coproc.scheduler.parameters, Scope.COPROC))
    board.touch(coproc)


def set_vcoproc_parameters(board: Board, vcoproc: Vcoproc, values: Mapping[str, Value]) -> None:
    """Change a vcoproc's parameters of its coproc's algorithm."""
    vcoproc.settings.update(values)
    vcoproc.coproc.scheduler.add(vcoproc.vcoproc_id, vcoproc.settings, board.now_ps)
    known = of_scope(vcoproc.coproc.scheduler.parameters, Scope.VCOPROC)
    _record(board, vcoproc.coproc, vcoproc.who, values, known)
    board.touch(vcoproc.coproc)


def set_algorithm(
    board: Board,
    coproc: Coproc,
    algorithm: type[Scheduler],
    settings: dict[str, Value],
    vcoproc_settings: dict[str, Value],
) -> None:
    """Let another algorithm share the coproc; each vcoproc gets `vcoproc_settings`, and keeps what `kept` says.

    It learns of all open jobs, then of the running one, then of the waiting ones, the longest waiting first. The
    running turn may end sooner, never later.
    """
    now_ps = board.now_ps
    if coproc.closed is not None:
        # A turn that ended under the old algorithm is the old one's to book.
        coproc.scheduler.ran(coproc.closed)
        coproc.closed = None
    coproc.scheduler.deinit()
    coproc.scheduler = algorithm(settings)
    coproc.settings = settings
    ready = []
    for vcoproc in coproc.vcoprocs.values():
        vcoproc.settings = {**vcoproc_settings, **kept(algorithm, vcoproc.settings)}
        coproc.scheduler.add(vcoproc.vcoproc_id, vcoproc.settings, now_ps)
        for job in vcoproc.open_jobs:
            coproc.scheduler.released(vcoproc.vcoproc_id, job.release_ps, job.deadline_ps)
        if vcoproc.state in {VcoprocState.RUNNING, VcoprocState.WAITING} and not vcoproc.sleep_noted:
            ready.append(vcoproc)
    ready.sort(key=lambda vcoproc: (vcoproc is not coproc.current, vcoproc.state_since_ps, vcoproc.vcoproc_id))
    for vcoproc in ready:
        coproc.scheduler.wake(vcoproc.vcoproc_id, now_ps)
    board.record(coproc, "algorithm", algorithm.name)
    board.touch(coproc)


def kept(algorithm: type[Scheduler], settings: Mapping[str, Value]) -> dict[str, Value]:
    """Return those of a vcoproc's parameters that `algorithm` knows by the same name, and whose values it allows."""
    stated = of_scope(algorithm.parameters, Scope.VCOPROC)
    return {name: value for name, value in settings.items() if name in stated and stated[name].allows(value)}


def _record(
    board: Board, coproc: Coproc, who: str, values: Mapping[str, Value], known: Mapping[str, Parameter]
) -> None:
    """Add to the trace what was changed, as a number and as a user writes it."""
    for name, value in values.items():
        board.record(coproc, "setting", who, name, value, known[name].show(value))
