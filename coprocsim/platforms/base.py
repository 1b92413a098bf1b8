"""What a platform is: the hypervisor's driver for one kind of coproc, as hooks.

A platform reaches the silicon through a register port only, as a real driver would, and *returns* what should follow.
It never calls the hypervisor.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

from coprocsim.model import CoprocSpec, Effect, Json, Region, VcoprocId
from coprocsim.units import PS_PER_US


class RegisterPort(Protocol):
    """The way to the coproc's registers, at the present instant; sizes are 1, 2, 4 or 8 bytes, aligned."""

    def read(self, region: str, offset: int, size: int) -> int:
        """Return what the hardware answers."""
        ...

    def write(self, region: str, offset: int, size: int, value: int) -> None:
        """Let the hardware take `value`."""
        ...

    def copy_from(self, region: str, offset: int, size_bytes: int) -> bytes:
        """Return a stretch of memory in a region; `offset` and `size_bytes` are multiples of 8."""
        ...

    def copy_to(self, region: str, offset: int, data: bytes) -> None:
        """Fill a stretch of memory in a region; `offset` and the length of `data` are multiples of 8."""
        ...

    def reset(self) -> None:
        """Pulse the coproc's reset line, which a reset controller drives: the silicon is as at power-up."""
        ...


# ---------------------------------------------------------------- what the hooks answer


@dataclass(frozen=True, slots=True)
class Left:
    """The vcoproc's context is saved; stopping and saving it takes `cost_ps`."""

    cost_ps: int


@dataclass(frozen=True, slots=True)
class Busy:
    """The context cannot be stopped now (a denial); ask again in `retry_ps`."""

    retry_ps: int


@dataclass(frozen=True, slots=True)
class Entered:
    """The vcoproc's context is loaded; loading and starting it takes `cost_ps`."""

    cost_ps: int


@dataclass(frozen=True, slots=True)
class Done:
    """A reset has succeeded and takes `cost_ps`; `effects` tell the domain."""

    cost_ps: int
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The hardware did not do what it should; the framework goes to the reset ladder."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Not done, and nothing is changed: no room for another context, an access that is not allowed."""

    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a trapped access gets (`value` is 0 for a write), and what should follow."""

    value: int = 0
    effects: tuple[Effect, ...] = ()


Leave: TypeAlias = Left | Busy | Failed
Enter: TypeAlias = Entered | Failed
Reset: TypeAlias = Done | Failed


class Platform(ABC):
    """Drives one kind of coproc: its registers, its contexts, what a switch costs. One instance per coproc.

    All instants and costs are in ps. A hook of one vcoproc must not disturb another's saved context.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    hardware: ClassVar[str]
    """The name of the hardware model behind it."""
    compatible: ClassVar[tuple[str, ...]]
    """The device tree strings that it claims."""
    scheduled: ClassVar[bool] = True
    """False for hardware that shares itself: no algorithm, no switches; every context is always on it. Then of the
    hooks from `switch_from` to `reset_coproc` only `start` is called, when a domain begins or goes on, and `halt` when
    it is paused or dies: `selfsharing.py` has the others."""
    own_mmu: ClassVar[bool] = False
    """Whether the platform itself contains the coproc's DMA, through an MMU of the coproc's own."""
    iommu_invalidate_ps: ClassVar[int] = 2 * PS_PER_US
    """What it costs to make the IOMMU forget the leaving context's translations; a part of the switch."""
    reset_cost_ps: ClassVar[int | None] = None
    """The most that freeing a context by force may cost; None if that is not known."""

    def __init__(self, coproc: CoprocSpec, port: RegisterPort) -> None:
        """Take the coproc over at boot (Xen: probe). Touches no register before `probe`."""
        self.coproc = coproc
        self.port = port

    @classmethod
    def unfit(cls, coproc: CoprocSpec) -> str | None:
        """Return why this node cannot be driven (missing region, line, …), or None if it can."""
        del coproc
        return None

    @abstractmethod
    def probe(self, now_ps: int) -> None:
        """Bring the hardware into the state in which no context is loaded."""

    @property
    @abstractmethod
    def switch_cost_max_ps(self) -> int:
        """The most that leaving one context and entering the next may cost, without denial and IOMMU."""

    @property
    def stop_steps_ps(self) -> tuple[int, ...]:
        """How long each step takes for which a context that could be cut is denied, since it has yet to be stopped."""
        return ()

    @abstractmethod
    def domain_create(self, vcoproc: VcoprocId, memory: tuple[range, ...]) -> Refused | None:
        """Make room for a context (Xen: vcoproc_init); may refuse, and has then kept nothing.

        `memory` are the banks of the domain's memory: what its context names beyond them must not be reached.
        """

    @abstractmethod
    def domain_destroy(self, vcoproc: VcoprocId) -> None:
        """Give the context's room back (Xen: vcoproc_deinit); it is not on the hardware. Must not fail."""

    @abstractmethod
    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        """Stop the running context and save it (Xen: ctx_switch_from). After `Busy` the same call comes again."""

    @abstractmethod
    def switch_to(self, vcoproc: VcoprocId, now_ps: int) -> Enter:
        """Load a saved context, stopped (Xen: ctx_switch_to); `start` follows when its cost has elapsed."""

    @abstractmethod
    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        """Let the loaded context run: its turn begins."""

    @abstractmethod
    def resume(self, vcoproc: VcoprocId, now_ps: int) -> None:
        """Let the context go on that was told to stop and answered `Busy`; it stays."""

    def halt(self, vcoproc: VcoprocId, now_ps: int) -> None:
        """Let a context work no more until `start`; only for hardware that shares itself."""
        del vcoproc, now_ps

    @abstractmethod
    def reset(self, vcoproc: VcoprocId, now_ps: int) -> Reset:
        """Free the hardware of this context by force; its jobs are lost, and its registers tell its domain so."""

    @abstractmethod
    def reset_coproc(self, now_ps: int) -> Reset:
        """Bring the whole coproc back to power-up, since `reset` has failed; the saved contexts stay as they are.

        The jobs of the context that was on it are lost, and its registers tell its domain so.
        """

    @abstractmethod
    def read(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        """Answer a trapped read, of the context that runs or of one that does not."""

    @abstractmethod
    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        """Act on a trapped write: keep it in the context, or refuse it; return what should follow."""

    @abstractmethod
    def interrupt(self, vcoproc: VcoprocId, line: str, now_ps: int) -> tuple[Effect, ...]:
        """The hardware asserted `line` while `vcoproc` owned the coproc; say what should follow.

        Of hardware that shares itself every vcoproc is asked.
        """

    def timer(self, tag: str, now_ps: int) -> tuple[Effect, ...]:
        """The time asked for with `After` has passed. An interrupt may follow for whoever has the coproc by now."""
        del tag, now_ps
        return ()

    @abstractmethod
    def direct_ranges(self) -> tuple[Region, ...]:
        """Return what the running vcoproc's domain reaches without a trap; the `name` of each is its region's."""

    def iommu_streams(self, vcoproc: VcoprocId) -> tuple[int, ...]:
        """Return which entries of the coproc's `iommus` carry this context's DMA; all unless it knows better."""
        del vcoproc
        return tuple(range(len(self.coproc.streams)))

    def bus_id(self, vcoproc: VcoprocId) -> int:
        """Return by which number the bus tells the silicon whose access it is; only for hardware that shares itself."""
        del vcoproc
        return 0

    @abstractmethod
    def save(self) -> Json:
        """Return all contexts and what is loaded, with a `version`."""

    @abstractmethod
    def restore(self, saved: Json) -> None:
        """Become what `save` described; the hardware is restored by itself."""
