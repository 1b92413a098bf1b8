"""The hypervisor as a whole: brings coprocs up, and does what the engine's events say."""

from dataclasses import dataclass

from coprocsim.engine import Key, run
from coprocsim.hardware.base import Hardware
from coprocsim.hypervisor import domains, interrupts, iommu, isolation, lifecycle, switching
from coprocsim.hypervisor.mmio import direct_offsets
from coprocsim.hypervisor.port import HardwarePort
from coprocsim.hypervisor.state import Board, Coproc
from coprocsim.model import CoprocSpec, Sharing
from coprocsim.parameters import Value
from coprocsim.platforms.base import Platform
from coprocsim.schedulers.base import Scheduler

EVENTS_OF_VCOPROCS = frozenset({"guest"})
EVENTS_OF_COPROCS = frozenset({"hardware", "lines", "turn", "step", "retry", "timeout", "platform"})
"""The kinds of events that `Hypervisor.handle` acts on, by whose they are."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a coproc is made of: the classes of its silicon, its driver and its algorithm."""

    hardware: type[Hardware]
    platform: type[Platform]
    scheduler: type[Scheduler]


def build_coproc(board: Board, spec: CoprocSpec, parts: Parts, settings: dict[str, Value], sharing: Sharing) -> Coproc:
    """Put a coproc on the board with its hardware, driver and algorithm; no register is touched yet."""
    hardware = parts.hardware(spec)
    port = HardwarePort(board.timeline, hardware)
    scheduler = parts.scheduler(settings)
    coproc = Coproc(spec, hardware, port, parts.platform(spec, port), scheduler, settings, sharing)
    coproc.direct = direct_offsets(coproc)
    coproc.use_since_ps = board.now_ps
    board.coprocs[spec.coproc_id] = coproc
    return coproc


class Hypervisor:
    """One machine, running. The functions of its room change `board`; this lets time pass on it."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def run_until(self, until_ps: int) -> None:
        """Let everything happen that is due by `until_ps`, that instant included."""
        run(self.board.timeline, self, until_ps)

    def settle(self) -> None:
        """Let what a command has caused happen, as far as it takes no time."""
        self.run_until(self.board.now_ps)

    def handle(self, key: Key) -> None:
        """Act on an event, which is due now."""
        board = self.board
        kind, owner = key[0], key[1]
        if kind == "guest":
            domains.act(board, board.vcoprocs[owner])
            return
        coproc = board.coprocs[owner]
        match kind:
            case "hardware":
                self._look_at_hardware(coproc, by_hardware=True)
            case "lines":
                self._look_at_hardware(coproc, by_hardware=False)
            case "turn":
                board.touch(coproc)
            case "step":
                switching.step(board, coproc)
            case "retry":
                switching.retry(board, coproc)
            case "timeout":
                switching.timed_out(board, coproc)
            case "platform":
                effects = coproc.platform.timer(key[2], board.now_ps)
                if board.checks:
                    isolation.check_timer(board, coproc, effects)
                lifecycle.apply(board, coproc, effects)
                interrupts.look(board, coproc)
            case _:
                raise AssertionError(f"an event of no kind: {key}")

    def _look_at_hardware(self, coproc: Coproc, *, by_hardware: bool) -> None:
        """Let the hardware go on to now; see to its DMA and its interrupt lines."""
        board = self.board
        # An access may have let it go on now: the end of a job that was given up is the hardware's own doing.
        next_ps = coproc.hardware.next_ps()
        by_hardware = by_hardware or (next_ps is not None and next_ps <= board.now_ps)
        coproc.hardware.advance(board.now_ps)
        for access in coproc.hardware.take_dma():
            iommu.translate(board, coproc, access)
        lifecycle.apply(board, coproc, interrupts.raised(board, coproc, by_hardware=by_hardware))
        interrupts.look(board, coproc)

    def decide(self) -> bool:
        """Let each coproc that was touched make its decision; return whether any was."""
        board = self.board
        touched, board.touched = board.touched, {}
        for coproc in touched.values():
            switching.decide(board, coproc)
        if board.dying:
            domains.bury(board)
        return bool(touched)
