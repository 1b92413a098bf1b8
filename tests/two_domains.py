"""Two domains in turns of 2 ms on a coproc of 1 GHz, and what is found of them.

The generic platform leaves and enters in 25 µs each, and invalidates in 2 µs: `a` runs from 25 µs on, `b` from 2,025 +
25 + 2 + 25 = 2,077 µs on, `a` again from 4,129 µs on.
"""

from pathlib import Path
from typing import Any

from coprocsim.datasheets import jobunit as reg
from coprocsim.hypervisor import mmio
from coprocsim.hypervisor.state import Board, Vcoproc
from coprocsim.model import Rule, VcoprocId
from coprocsim.observe.verify import Finding, verified
from coprocsim.observe.view import view
from coprocsim.platforms.base import Platform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.store import opened, read
from tests.machines import MS, US, Machine, spec

A, B = VcoprocId(1, 0), VcoprocId(2, 0)
A_RUNS_PS, B_RUNS_PS, A_AGAIN_PS = 25 * US, 2_077 * US, 4_129 * US
SECRET = 0x5EC7E7

Pair = tuple[Machine, Vcoproc, Vcoproc]


def pair(
    platform: type[Platform] = GenericPlatform, algorithm: type[Scheduler] = RoundRobin, *, checks: bool = True
) -> Pair:
    """Return a machine and its two vcoprocs, which do nothing by themselves."""
    machine = Machine()
    machine.board.checks = checks
    machine.coproc("gpu0", platform, algorithm, settings={"slice": 2 * MS}, described=spec(regions=2))
    return machine, machine.vcoproc("a"), machine.vcoproc("b")


def write(vcoproc: Vcoproc, board: Board, offset: int, value: int, region: int = 0) -> None:
    mmio.access(board, vcoproc.domain, vcoproc.windows[region].base + offset, 4, value)


def submit(machine: Machine, vcoproc: Vcoproc, work_cycles: int = 10**8, dma: tuple[int, int] = (0, 0)) -> None:
    """Let a domain put a job into the unit."""
    for offset, value in ((reg.WORK_LO, work_cycles), (reg.DMA_LO, dma[0]), (reg.DMA_BYTES, dma[1]), (reg.DOORBELL, 1)):
        write(vcoproc, machine.board, offset, value)
    machine.hypervisor.settle()


def at_work(platform: type[Platform] = GenericPlatform, *, checks: bool = True) -> Pair:
    """Return the two with a job each that outlasts all: `a` has a secret in the registers of its next one."""
    machine, a, b = pair(platform, checks=checks)
    submit(machine, a)
    submit(machine, b)
    machine.run(MS)
    write(a, machine.board, reg.DMA_HI, SECRET)
    return machine, a, b


def found(machine: Machine) -> list[tuple[Any, ...]]:
    """Return what was found while it ran: instant, rule, who, how."""
    return [(at_ps, rule, who, what) for at_ps, _, _, who, rule, what in machine.rows("finding")]


def found_later(machine: Machine, path: Path) -> list[tuple[Any, ...]]:
    """Store the machine, and return what `verify` finds in it."""
    path.unlink(missing_ok=True)
    with opened(path) as file:
        file.save(machine.stored())
        file.append_trace(machine.board.trace, 2**30)
    with read(path) as file:
        findings: tuple[Finding, ...] = verified(view(file), file).findings
    return [(each.at_ps, each.rule, each.vcoproc, each.what) for each in findings]


def assert_found(machine: Machine, path: Path, *expected: tuple[int, Rule, str, str]) -> None:
    """Assert what was found while it ran, that it was counted, and that `verify` says the same."""
    assert found(machine) == list(expected)
    assert machine.board.coprocs["gpu0"].counters.findings == len(expected)
    assert found_later(machine, path) == list(expected)
