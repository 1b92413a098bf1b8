"""What the design text says of the framework as a whole: where it is, what each coproc has of its own, who may stay as
they are."""

import subprocess
import sys

import pytest

from coprocsim.guests.base import Guest, GuestPort
from coprocsim.model import GuestEffect, Json
from coprocsim.platforms import PLATFORMS
from coprocsim.platforms.base import Platform
from tests.machines import MS, Machine, S, described_for, driver

# Rooms that only bring a machine to the framework, or look at it.
OUTSIDE = ("cli", "conformance", "devicetree", "observe", "options", "store", "toolstack", "xlcfg")
SHARE = """
import sys
from tests.machines import MS, Machine

machine = Machine()
machine.coproc()
for name in ("a", "b"):
    machine.domain(name, "gpu0 kind=periodic,period=10ms,work=1ms")
machine.run(100 * MS - 1)
print([vcoproc.counters.ended for vcoproc in machine.board.vcoprocs.values()])
print(sorted({name.split(".")[1] for name in sys.modules if name.startswith("coprocsim.")}))
"""


def test_two_domains_share_a_coproc_with_nothing_but_the_hypervisor():
    """No tool, no Domain-0 and no file has a part in it: each has a job of 1 ms at 0, 10, … 90 ms, and all ten end."""
    shared = subprocess.run([sys.executable, "-c", SHARE], capture_output=True, text=True, check=True)
    ended, rooms = shared.stdout.splitlines()
    assert ended == "[10, 10]"
    assert "'hypervisor'" in rooms
    assert [room for room in OUTSIDE if f"'{room}'" in rooms] == []


def test_each_coproc_has_a_timer_a_scheduler_and_a_list_of_vcoprocs_of_its_own():
    """Turns of 10 ms on one and of 3 ms on the other, with two domains each, of which they have one in common."""
    machine = Machine()
    gpu = machine.coproc("gpu0", driver(), settings={"slice": 10 * MS})
    dsp = machine.coproc("dsp0", driver(), settings={"slice": 3 * MS})
    a, b, c = machine.domain("a", "gpu0"), machine.domain("b", "gpu0", "dsp0"), machine.domain("c", "dsp0")
    assert [list(coproc.vcoprocs.values()) for coproc in (gpu, dsp)] == [
        [a.vcoprocs[0], b.vcoprocs[0]],
        [b.vcoprocs[1], c.vcoprocs[0]],
    ]
    assert gpu.scheduler is not dsp.scheduler
    machine.wake(*a.vcoprocs, *b.vcoprocs, *c.vcoprocs)
    timers = {due.key: due.at_ps for due in machine.board.timeline.pending() if due.key[0] == "turn"}
    assert timers == {("turn", "gpu0"): 10 * MS, ("turn", "dsp0"): 3 * MS}
    machine.run(3 * MS)
    timers = {due.key: due.at_ps for due in machine.board.timeline.pending() if due.key[0] == "turn"}
    assert timers == {("turn", "gpu0"): 10 * MS, ("turn", "dsp0"): 6 * MS}


def test_a_domain_uses_none_one_or_several_coprocs():
    """Each has jobs of 1 ms every 10 ms on each coproc that it shares: ten of them end there in 100 ms."""
    machine = Machine()
    machine.coproc("gpu0")
    machine.coproc("dsp0")
    workload = "kind=periodic,period=10ms,work=1ms"
    machine.domain("none")
    machine.domain("one", f"gpu0 {workload}")
    machine.domain("several", f"gpu0 {workload}", f"dsp0 {workload}")
    machine.run(100 * MS - 1)
    ended = {
        domain.name: {each.coproc.spec.coproc_id: each.counters.ended for each in domain.vcoprocs}
        for domain in machine.board.domains.values()
    }
    assert ended == {"none": {}, "one": {"gpu0": 10}, "several": {"gpu0": 10, "dsp0": 10}}


def test_how_many_vcpus_a_domain_has_changes_nothing_of_who_has_the_coproc():
    def trace(vcpus: int) -> list[tuple[object, ...]]:
        machine = Machine()
        machine.coproc(settings={"slice": MS})
        for name, number in (("a", vcpus), ("b", 1)):
            machine.domain(name, "gpu0 kind=backlog,work=3ms", vcpus=number)
        machine.run(100 * MS)
        return machine.rows()

    assert len(trace(1)) > 100
    assert trace(1) == trace(8)


# ---------------------------------------------------------------- drivers stay as they are


class Watched(Guest):
    """A guest whose accesses are noted, with what they wrote or got."""

    def __init__(self, guest: Guest) -> None:  # it stands for a guest that is there already
        self.guest = guest
        self.accesses: list[tuple[str, str, int, int, int]] = []

    def next_ps(self) -> int | None:
        return self.guest.next_ps()

    def interrupt(self, line: str, now_ps: int) -> None:
        self.guest.interrupt(line, now_ps)

    def act(self, now_ps: int, port: GuestPort) -> tuple[GuestEffect, ...]:
        return self.guest.act(now_ps, WatchedPort(port, self.accesses))

    def unpaused(self, now_ps: int) -> None:
        self.guest.unpaused(now_ps)

    def save(self) -> Json:
        return self.guest.save()

    def restore(self, saved: Json) -> None:
        self.guest.restore(saved)


class WatchedPort:
    """The port of a watched guest."""

    def __init__(self, port: GuestPort, accesses: list[tuple[str, str, int, int, int]]) -> None:
        self.port, self.accesses = port, accesses

    def read(self, region: str, offset: int, size: int) -> int:
        value = self.port.read(region, offset, size)
        self.accesses.append(("read", region, offset, size, value))
        return value

    def write(self, region: str, offset: int, size: int, value: int) -> None:
        self.accesses.append(("write", region, offset, size, value))
        self.port.write(region, offset, size, value)

    def read_at(self, address: int, size: int) -> int:
        raise NotImplementedError("a driver of ours knows its ranges")

    def write_at(self, address: int, size: int, value: int) -> None:
        raise NotImplementedError("a driver of ours knows its ranges")


def watched(platform: type[Platform], *others: str) -> tuple[Watched, int]:
    """Return a guest that was watched for 1 s, and how often its context was switched in meanwhile."""
    machine = Machine()
    machine.coproc(platform=platform, described=described_for(platform), settings={"slice": MS})
    vcoproc = machine.domain(
        "a", "coproc kind=periodic,period=50ms,offset=1ms,work=4ms,uncuttable=100us,dma=20480"
    ).vcoprocs[0]
    for name in others:
        machine.domain(name, "coproc kind=backlog,work=3ms,uncuttable=100us")
    assert vcoproc.guest is not None
    vcoproc.guest = guest = Watched(vcoproc.guest)
    machine.run(S)
    assert vcoproc.counters.ended == 20
    return guest, vcoproc.counters.switches


@pytest.mark.parametrize("platform", ["reference", "generic", "crypto", "gsx", "xxc"])
def test_a_driver_that_shares_does_to_its_registers_what_it_does_alone_and_finds_the_same(platform: str):
    """Access by access: where, how much, what was written and what was read, in 20 jobs of 4 ms, cut into turns."""
    alone, _ = watched(PLATFORMS[platform])
    shared, switches = watched(PLATFORMS[platform], "b", "c")
    assert switches >= 20
    assert len(alone.accesses) > 100
    assert shared.accesses == alone.accesses
