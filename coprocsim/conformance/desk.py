"""The desk: the stage on which the hypervisor is played to a platform, with two domains and no machine around them."""

import json
from typing import NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from coprocsim.conformance.base import Broken, Trial, several
from coprocsim.conformance.bench import model_of, node_of
from coprocsim.conformance.hardware import PLACES, VALUES, Place, expect_version
from coprocsim.engine import Timeline
from coprocsim.hardware.base import EXAMPLE_MEMORY, Write
from coprocsim.hypervisor.machine import Parts, build_coproc
from coprocsim.hypervisor.mmio import direct_offsets
from coprocsim.hypervisor.state import Board
from coprocsim.model import DmaAccess, Sharing, VcoprocId
from coprocsim.platforms.base import Answer, Busy, Entered, Left, Platform, Refused
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.units import PS_PER_S, PS_PER_US, format_duration

A, B = VcoprocId(1, 0), VcoprocId(2, 0)
MEMORY = {A: (EXAMPLE_MEMORY,), B: (range(0x2_0000_0000, 0x2_0400_0000),)}
"""Each domain's banks. What the one may name is none of the other's business, so that both can try the same."""
# A job that has just begun may be put back as if it had not: only one that has done something can deny.
MOMENT_PS = PS_PER_US
_ATTEMPTS_MAX = 1_000


class Garbage(NamedTuple):
    """A write that makes sense only by chance."""

    place: Place
    value: int


class Scene(NamedTuple):
    """What domains write at three times, and whether the context that matters is on the hardware then.

    With `traps` all accesses trap, as those of a running context do that was asked to sleep.
    """

    garbage: list[Garbage]
    more: list[Garbage]
    others: list[Garbage]
    loaded: bool = True
    traps: bool = False


ONE_GARBAGE: st.SearchStrategy[Garbage] = st.builds(Garbage, PLACES, VALUES)
GARBAGE = several(ONE_GARBAGE, 30)
SCENES = st.builds(Scene, GARBAGE, GARBAGE, GARBAGE, st.booleans(), st.booleans())
ONE_WRITE = st.builds(
    Scene, st.lists(ONE_GARBAGE, min_size=1, max_size=1), st.just([]), st.just([]), traps=st.booleans()
)


class Desk:
    """Plays the hypervisor to a driver: contexts in and out, accesses, time."""

    def __init__(self, platform: type[Platform], trial: Trial, *, traps: bool = False) -> None:
        self.trial, self._traps = trial, traps
        self.board = Board(1, Timeline())
        parts = Parts(model_of(platform), platform, Unscheduled)
        self.coproc = build_coproc(self.board, node_of(platform), parts, {}, Sharing())
        self.platform, self.hardware = self.coproc.platform, self.coproc.hardware
        self.platform.probe(0)
        self.running: tuple[VcoprocId, ...] = ()
        """Who has the coproc: one at most, unless its hardware shares itself."""
        self.last_seen: dict[str, bytes] = {}
        """The context as it was just before the last attempt to save it."""
        self.dma: list[tuple[tuple[VcoprocId, ...], DmaAccess]] = []
        """The hardware's accesses to memory, and who was running."""
        for vcoproc, memory in MEMORY.items():
            refused = self.platform.domain_create(vcoproc, memory)
            trial.expect(refused is None, f"`domain_create` refuses {vcoproc}, one of the first two: {refused}")

    @property
    def now_ps(self) -> int:
        """The present instant."""
        return self.board.now_ps

    def say(self, text: str) -> None:
        """Note a step, with its instant."""
        self.trial.step(f"{format_duration(self.now_ps)}: {text}")

    def wait(self, time_ps: int) -> None:
        """Let time pass."""
        if time_ps:
            self.say(f"let {format_duration(time_ps)} pass")
        self.board.timeline.now_ps += time_ps
        self.hardware.advance(self.now_ps)
        self.dma += [(self.running, access) for access in self.hardware.take_dma()]

    def context(self) -> dict[str, bytes]:
        """Return what is in the hardware."""
        self.hardware.advance(self.now_ps)
        return dict(self.hardware.context())

    def load(self, vcoproc: VcoprocId) -> int:
        """Begin to load a context; return what it costs."""
        self.say(f"switch_to {vcoproc}")
        answer = self.platform.switch_to(vcoproc, self.now_ps)
        if not isinstance(answer, Entered):
            raise Broken(f"`switch_to` answers {answer}")
        return answer.cost_ps

    def enter(self, vcoproc: VcoprocId) -> int:
        """Load a context and start it; return what it cost. Hardware that shares itself is only told to start."""
        if not self.platform.scheduled:
            self.start(vcoproc)
            return 0
        cost_ps = self.load(vcoproc)
        self.wait(max(0, cost_ps))
        self.start(vcoproc)
        return cost_ps

    def start(self, vcoproc: VcoprocId) -> None:
        """Start a context that is loaded."""
        self.say(f"start {vcoproc}")
        self.platform.start(vcoproc, self.now_ps)
        self.running = (vcoproc,) if self.platform.scheduled else (*self.running, vcoproc)

    def rest(self) -> None:
        """Save the driver, and go on with a new one that is restored from that."""
        saved = self.platform.save()
        expect_version(self.trial, saved)
        self.say("save, and restore into a new one")
        self.platform = type(self.platform)(self.coproc.spec, self.coproc.port)
        self.platform.restore(json.loads(json.dumps(saved)))
        found = "restored, it saves something else than it was restored from"
        self.trial.expect(self.platform.save() == saved, found)

    def leave(self, vcoproc: VcoprocId) -> int:
        """After a moment save a context, as often as it denies; return what it cost. Give up if it denies for ever."""
        self.wait(MOMENT_PS)
        for _ in range(_ATTEMPTS_MAX):
            self.last_seen = self.context()
            self.say(f"switch_from {vcoproc}")
            answer = self.platform.switch_from(vcoproc, self.now_ps)
            if isinstance(answer, Left):
                self.running = ()
                return answer.cost_ps
            if not isinstance(answer, Busy):
                raise Broken(f"`switch_from` answers {answer}")
            found = f"`switch_from` answers `Busy({answer.retry_ps})`: it asks to be asked again at once"
            self.trial.expect(answer.retry_ps > 0, found)
            assume(answer.retry_ps <= PS_PER_S)
            self.wait(max(answer.retry_ps, self.coproc.sharing.retry_floor_ps))
        raise Broken(f"`switch_from` answers `Busy` {_ATTEMPTS_MAX} times in turn, each time soon to be over")

    def write(self, vcoproc: VcoprocId, garbage: Garbage) -> list[Answer | Refused]:
        """Let a domain write: straight to the hardware if its context runs and the range is mapped, else by trap."""
        writes = garbage.place.writes(type(self.hardware), self.coproc.spec.regions, garbage.value)
        return [self._write(vcoproc, each) for each in writes]

    def _write(self, vcoproc: VcoprocId, write: Write) -> Answer | Refused:
        region, offset, size, value = write
        self.say(f"{vcoproc} writes {value:#x} to {size} bytes at {region}+{offset:#x}")
        if self._is_mapped(vcoproc, region, offset, size):
            if self.platform.scheduled:
                self.coproc.port.write(region, offset, size, value)
            else:
                self.coproc.port.write_as(self.platform.bus_id(vcoproc), region, offset, size, value)
            return Answer()
        return self.platform.write(vcoproc, region, offset, size, value)

    def read(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        """Let a domain read."""
        if self._is_mapped(vcoproc, region, offset, size):
            if self.platform.scheduled:
                return Answer(self.coproc.port.read(region, offset, size))
            return Answer(self.coproc.port.read_as(self.platform.bus_id(vcoproc), region, offset, size))
        return self.platform.read(vcoproc, region, offset, size)

    def _is_mapped(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> bool:
        return (
            vcoproc in self.running
            and not self._traps
            and any(
                name == region and first <= offset and offset + size <= stop
                for name, first, stop in direct_offsets(self.coproc)
            )
        )

    def scribble(self, vcoproc: VcoprocId, garbage: list[Garbage]) -> None:
        """Let a domain write all of that."""
        for each in garbage:
            self.write(vcoproc, each)

    def registers(self, vcoproc: VcoprocId) -> dict[str, Answer | Refused]:
        """Return the first words of each region, and of each part that is mapped, as a domain reads them."""
        regions = [(region.name, 0, region.size_bytes) for region in self.coproc.spec.regions]
        return {
            f"{name}+{offset:#x}": self.read(vcoproc, name, offset, 4)
            for name, first, stop in (*regions, *direct_offsets(self.coproc))
            for offset in range(first, min(stop, first + 0x200), 4)
        }

    def expect_context(self, expected: dict[str, bytes], when: str) -> None:
        """Expect that the hardware holds what it held before."""
        now = self.context()
        differ = [name for name in expected if now.get(name) != expected[name]]
        if differ:
            name = differ[0]
            shown = now[name].hex() if name in now else "nothing"
            raise Broken(
                f"{when}, `{name}` of the hardware's context is {shown} and not {expected[name].hex()}"
                + (f"; {len(differ) - 1} others differ, too" if len(differ) > 1 else "")
            )

    def expect_registers(self, vcoproc: VcoprocId, expected: dict[str, Answer | Refused], when: str) -> None:
        """Expect that a domain reads what it read before."""
        for where, now in self.registers(vcoproc).items():
            self.trial.expect(
                now == expected[where], f"{when}, {vcoproc} reads {now} at {where}, and not {expected[where]}"
            )

    def expect_at_rest(self, when: str) -> None:
        """Expect that nothing is due in the hardware, and no line is asserted."""
        lines, next_ps = self.hardware.asserted(), self.hardware.next_ps()
        self.trial.expect(not lines, f"{when}, the hardware still asserts {lines}")
        self.trial.expect(next_ps is None, f"{when}, the hardware is still at work")
