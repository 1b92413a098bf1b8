"""A well-behaved domain beside one that has gone wrong, and what the trace says of both.

The same machine without the wrong one is the measure: what it does to the other may be a matter of time, and of
nothing else. Where DMA really went is asked of the silicon, whatever the hypervisor says of it.
"""

import copy
from collections import Counter
from hashlib import blake2b
from itertools import zip_longest

import msgspec

from coprocsim.guests.fuzz import Fuzz
from coprocsim.hardware.base import Hardware
from coprocsim.hypervisor import rest
from coprocsim.hypervisor.machine import Hypervisor, Parts
from coprocsim.hypervisor.state import Coproc, Domain
from coprocsim.model import DmaAccess
from coprocsim.platforms.base import Platform
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.snapshot import CoprocRow, MachineRow
from tests.machines import MS, Machine, Row, described_for, hardware_of

GOOD, WRONG = 1, 2
# Its jobs are over before the next one comes even if it waits for the other one's slice, denial (40 ms) and reset.
PERIOD_PS = 60 * MS
GOOD_WORK = (
    "gpu0 kind=periodic,period=60ms,work=uniform:200us-1ms,dma=4096",
    "dsp0 kind=periodic,period=60ms,jitter=2ms,work=exp:300us,uncuttable=50us,dma=64",
)
# The guests of this one take part in the switch: no part of a job is uncuttable, but it has preemption points.
_OF_DSP = tuple(each.replace("uncuttable=50us", "points=50us,state=4096") for each in GOOD_WORK)
KINDS: dict[str, tuple[str, ...]] = {
    "one coproc, its windows": ("gpu0 kind=fuzz,within=windows",),
    "one coproc, anywhere": ("gpu0 kind=fuzz,within=anywhere",),
    "both coprocs, anywhere": ("gpu0 kind=fuzz,within=anywhere", "dsp0 kind=fuzz,within=anywhere"),
}
"""What the wrong domain has, and what it aims at."""
# Hardware that shares itself has one line for all, so that one's interrupts make rows of another's, too.
JOB_ROWS = {"job", "job_end", "job_dropped"}
_HARM = {"abort", "iommu_fault", "iommu_stale", "dma_unprotected", "job_dropped", "timeout", "reset", "reset_coproc"}


class Side:
    """A machine with the good domain, and the wrong one unless that has no workload; its trace is taken off it."""

    def __init__(self, platform: type[Platform], wrong: tuple[str, ...] = (), *, rate: int = 20_000, seed: int = 1):
        self.machine = Machine(seed)
        algorithm = RoundRobin if platform.scheduled else Unscheduled
        self.parts = Parts(self._witnessed(hardware_of(platform)), platform, algorithm)
        settings = {"slice": 5 * MS} if platform.scheduled else {}
        for coproc_id in ("gpu0", "dsp0"):
            described = described_for(platform, coproc_id)
            self.machine.coproc(
                coproc_id, platform, algorithm, settings=settings, described=described, model=self.parts.hardware
            )
        self.scheduled = platform.scheduled
        self.machine.domain("good", *(_OF_DSP if platform.name == "dsp" else GOOD_WORK))
        if wrong:
            self.machine.domain("wrong", *(f"{each},rate={rate}" for each in wrong))
        self.good: dict[str, list[Row]] = {"gpu0": [], "dsp0": []}
        self.digest = blake2b()
        self.rows = 0
        self.aborts = 0
        self.harm: list[str] = []
        self.dma = 0
        self.astray: Counter[tuple[str, int, int]] = Counter()
        """DMA outside of its owner's memory that no fault row tells of: coproc, address and size of each."""

    def _witnessed(self, model: type[Hardware]) -> type[Hardware]:
        """Return a model of the same silicon whose DMA is seen as it goes out."""

        def take_dma(hardware: Hardware) -> tuple[DmaAccess, ...]:
            accesses = model.take_dma(hardware)
            for access in accesses:
                self._saw(self.machine.board.coprocs[hardware.coproc.coproc_id], access)
            return accesses

        return type(model.__name__, (model,), {"take_dma": take_dma})

    def _saw(self, coproc: Coproc, access: DmaAccess) -> None:
        """Note DMA that is in none of the memory banks of the domain whose context made it."""
        self.dma += 1
        owner = coproc.current
        if not coproc.platform.scheduled:
            bus_ids = {coproc.platform.bus_id(each.vcoproc_id): each for each in coproc.vcoprocs.values()}
            owner = bus_ids.get(access.stream)
        wanted = range(access.address, access.address + access.size_bytes)
        banks = () if owner is None else owner.domain.memory
        if not any(wanted.start in bank and wanted.stop <= bank.stop for bank in banks):
            self.astray[coproc.spec.coproc_id, access.address, access.size_bytes] += 1

    @property
    def wrong(self) -> Domain:
        """The domain gone wrong."""
        return self.machine.board.domains[WRONG]

    @property
    def accesses(self) -> int:
        """How often it has struck."""
        return sum(guest.accesses for guest in self._guests())

    def _guests(self) -> list[Fuzz]:
        guests = [vcoproc.guest for vcoproc in self.wrong.vcoprocs]
        assert all(isinstance(guest, Fuzz) for guest in guests)
        return [guest for guest in guests if isinstance(guest, Fuzz)]

    def run(self, until_ps: int) -> None:
        """Let time pass, check what must hold always, and take the trace in."""
        machine = self.machine
        machine.run(until_ps)
        machine.check()
        machine.check_time()
        for row in machine.board.trace:
            self._take(row)
        machine.board.trace.clear()
        if self.astray:
            self.harm.append(f"DMA went astray: {dict(self.astray)}")
            self.astray.clear()
        if WRONG in machine.board.domains:
            seen = sum(guest.aborts for guest in self._guests())
            if not self.aborts == self.wrong.aborts == seen:
                self.harm.append(f"{self.aborts} rows, {self.wrong.aborts} counted, {seen} seen aborts")

    def _take(self, row: Row) -> None:
        self.rows += 1
        _, coproc_id, what, *more = row
        if coproc_id == "dsp0":
            self.digest.update(msgspec.msgpack.encode(row))
        if what == "abort" and more[0] == WRONG:
            self.aborts += 1
        if what == "iommu_fault":
            self._contained(coproc_id, int(more[1]), int(more[2]))
        who = str(more[0]) if more else ""
        if who.startswith(f"d{GOOD}v") and (self.scheduled or what in JOB_ROWS):
            self.good[coproc_id].append(_without_time(row))
        mine = who.startswith(f"d{GOOD}v") or (what == "abort" and more[0] == GOOD)
        nobody_s = what in _HARM and who == "-"
        lost = what == "job_end" and more[1] != "done"
        if what in {"finding", "failed", "irq_spurious"} or nobody_s or (mine and (what in _HARM or lost)):
            self.harm.append(str(row))

    def _contained(self, *access: *tuple[str, int, int]) -> None:
        """Take a fault row for an access that went astray; one that was refused inside the memory is no harm."""
        if self.astray[access]:
            self.astray[access] -= 1
        self.astray = +self.astray

    def jobs(self, coproc_id: str) -> int:
        """Return how many jobs of the good domain have ended."""
        return sum(what == "job_end" for what, *_ in self.good[coproc_id])

    def cut(self) -> None:
        """Put the machine to rest and back."""
        rows = copy.deepcopy(rest.to_rows(self.machine.board, BLANK))
        trace = self.machine.board.trace
        self.machine.board = rest.from_rows(rows, self._parts_of)
        self.machine.board.trace = trace
        self.machine.hypervisor = Hypervisor(self.machine.board)

    def _parts_of(self, row: CoprocRow) -> Parts:
        del row
        return self.parts


def _without_time(row: Row) -> Row:
    """Return a row of the good domain without what the wrong one may change: its instant, and how long a job took.

    When a job is released, what a switch costs, which registers are reached by a trap: all this remains.
    """
    what, *more = row[2:]
    return (what, *(more[:3] if what == "job_end" else more))


BLANK = MachineRow(0, 0, 0, 0, "a model", "a.dtb", b"\xd0\x0d\xfe\xed", 0, True)


def end_ps(accesses: int, rate: int, vcoprocs: int) -> int:
    """Return an instant by which so many accesses are made on average, and at which no job is under way."""
    periods = -(-accesses * 10**12 // (rate * vcoprocs * PERIOD_PS))
    return max(2, periods) * PERIOD_PS - MS


def harm_done(beside: Side, alone: Side, *, shared: tuple[str, ...]) -> list[str]:
    """Return what the wrong domain did to the other one beyond time, given the same machine without it."""
    harm = [*beside.harm, *alone.harm]
    for coproc_id, rows in alone.good.items():
        for number, (row, usual) in enumerate(zip_longest(beside.good[coproc_id], rows)):
            if row != usual:
                harm.append(f"{coproc_id}: row {number} of the other domain is {row}, alone {usual}")
                break
    if "dsp0" not in shared and beside.digest.digest() != alone.digest.digest():
        harm.append("dsp0, which it does not have, has another trace")
    return harm


def shared_by(kind: str) -> tuple[str, ...]:
    """Return the coprocs that a wrong domain of this kind has."""
    return tuple(each.partition(" ")[0] for each in KINDS[kind])
