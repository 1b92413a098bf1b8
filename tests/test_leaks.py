"""What a context leaves behind for the next one, or does not get back, is found by its name and whose it is."""

from pathlib import Path
from typing import Any

import pytest

from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.base import Hardware
from coprocsim.hypervisor import domains
from coprocsim.model import Rule
from coprocsim.platforms.base import Platform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.jobunit import Context
from tests.forgetful import (
    NAME,
    ForgetsToRestore,
    ForgetsToSave,
    ForgetsToScrub,
    MemoryHardware,
    MemoryPlatform,
    OneForAll,
    forgetting,
)
from tests.machines import MS, US, Machine, spec
from tests.two_domains import (
    A_AGAIN_PS,
    B_RUNS_PS,
    SECRET,
    assert_found,
    at_work,
    found,
    found_later,
    pair,
    submit,
    write,
)

LOST = f"{NAME} is not what it was when it left: it holds 0x0"


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (ForgetsToSave, (A_AGAIN_PS, Rule.LEAK, "d1v0", LOST)),
        (ForgetsToRestore, (A_AGAIN_PS, Rule.LEAK, "d1v0", LOST)),
        (ForgetsToScrub, (B_RUNS_PS, Rule.LEAK, "d2v0", f"{NAME} holds 0x5ec7e7 of d1v0 (domain `a`)")),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_a_register_that_is_forgotten_is_found_by_name(tmp_path: Path, platform: type[Platform], expected: Any):
    machine, *_ = at_work(platform)
    machine.run(5 * MS)
    assert_found(machine, tmp_path / "m", expected)


def test_a_register_that_comes_back_with_another_s_value_is_found_with_whose_it_is(tmp_path: Path):
    """`b` wrote 7 while it ran; when it comes back, after 4,129 + 2,000 + 52 µs, it has what is `a`'s."""
    machine, _, b = at_work(OneForAll)
    machine.run(3 * MS)
    write(b, machine.board, reg.DMA_HI, 7)
    machine.run(7 * MS)
    again = [each for each in found(machine) if each[0] == A_AGAIN_PS + 2_052 * US]
    what = f"{NAME} is not what it was when it left: it holds 0x7 of d2v0 (domain `b`)"
    assert found(machine)[0] == (A_AGAIN_PS, Rule.LEAK, "d1v0", what)
    assert again == []
    assert found_later(machine, tmp_path / "m") == found(machine)


def test_what_a_destroyed_domain_leaves_behind_is_still_its_own(tmp_path: Path):
    """`a` sleeps from 1 ms on, has left 27 µs later and is gone. `b` comes, and finds what it had."""
    machine, a, b = pair(ForgetsToScrub)
    submit(machine, a)
    machine.run(500 * US)
    write(a, machine.board, reg.DMA_HI, SECRET)
    machine.run(MS)
    domains.destroy(machine.board, a.domain)
    machine.run(2 * MS)
    assert list(machine.board.domains) == [2]
    machine.rest()
    submit(machine, machine.board.vcoprocs[b.who])
    machine.run(3 * MS)
    what = f"{NAME} holds 0x5ec7e7 of d1v0 (domain `a`)"
    assert_found(machine, tmp_path / "m", (2_025 * US, Rule.LEAK, "d2v0", what))


@pytest.mark.parametrize("last", ["b", "c"])
def test_of_two_that_had_the_same_value_the_last_one_to_leave_has_left_it(last: str):
    """`b` and `c` both have the secret. The one that runs before `a` comes is the one whose value `a` finds."""
    machine = Machine()
    machine.coproc("gpu0", ForgetsToScrub, settings={"slice": 2 * MS}, described=spec(regions=2))
    a, b, c = (machine.vcoproc(name) for name in "abc")
    for vcoproc in (b, c) if last == "c" else (c, b):
        submit(machine, vcoproc)
    submit(machine, a)
    for at_ms in (1, 3):
        machine.run(at_ms * MS)
        current = a.coproc.current
        assert current in {b, c}
        write(current, machine.board, reg.DMA_HI, SECRET)
    machine.run(6 * MS)
    number = {"b": 2, "c": 3}[last]
    leaks = [what for _, rule, who, what in found(machine) if who == "d1v0"]
    assert leaks == [f"{NAME} holds 0x5ec7e7 of d{number}v0 (domain `{last}`)"]


HOLDS = "1 byte from offset 0x123 on"
LOST_BYTE = f"r1 is not what it was when it left: it holds {HOLDS} (0000000000000000…)"
LEFT_BYTE = f"r1 holds {HOLDS} (aa00000000000000…) of d1v0 (domain `a`)"
BACK_BYTE = f"r1 holds {HOLDS} (aa00000000000000…) of d2v0 (domain `b`)"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("", []),
        ("save", [(A_AGAIN_PS, Rule.LEAK, "d1v0", LOST_BYTE)]),
        ("load", [(A_AGAIN_PS, Rule.LEAK, "d1v0", LOST_BYTE)]),
        # All of it is written again when the next one enters: nobody ever sees it.
        ("clear", []),
        ("load and clear", [(B_RUNS_PS, Rule.LEAK, "d2v0", LEFT_BYTE), (A_AGAIN_PS, Rule.LEAK, "d1v0", BACK_BYTE)]),
    ],
)
def test_one_byte_of_memory_that_is_forgotten_is_found_by_its_offset(tmp_path: Path, what: str, expected: list[Any]):
    machine, a, b = at_work(forgetting(what))
    write(a, machine.board, 0x120, 0xAA00_0000, region=1)
    machine.run(3 * MS)
    write(b, machine.board, 0x200, 0xBB, region=1)
    machine.run(5 * MS)
    assert_found(machine, tmp_path / "m", *expected)


def test_a_hardware_whose_context_has_more_or_fewer_names_is_compared_all_the_same(tmp_path: Path):
    """Memory that is listed only where it is not zero: what is left there has a name that clean silicon lacks."""

    class Sparse(MemoryHardware):
        name = "sparse"

        def context(self) -> dict[str, bytes]:
            whole = super().context()
            return whole if any(self.memory) else {name: value for name, value in whole.items() if name != "r1"}

    class Leaky(MemoryPlatform):
        name = "leaky"
        hardware = "sparse"
        forgets = "load and clear"

    assert issubclass(Sparse, Hardware)
    machine, a, _ = at_work(Leaky)
    write(a, machine.board, 0x120, 0xAA00_0000, region=1)
    machine.run(3 * MS)
    [(at_ps, rule, who, what)] = found(machine)
    assert (at_ps, rule, who) == (B_RUNS_PS, Rule.LEAK, "d2v0")
    assert what.startswith("r1 holds 4096 bytes from offset 0x0 on")
    assert found_later(machine, tmp_path / "m") == found(machine)

    class Forgetting(Leaky):
        forgets = "save"

    machine, a, _ = at_work(Forgetting)
    write(a, machine.board, 0x120, 0xAA00_0000, region=1)
    machine.run(5 * MS)
    assert found(machine) == [(A_AGAIN_PS, Rule.LEAK, "d1v0", "r1 is not what it was when it left: it holds 0x0")]


class ForgetsInterruptEnable(GenericPlatform):
    """Does not save which interrupts the guest wants."""

    name = "forgets-interrupt-enable"

    def save_more(self, context: Context) -> None:
        context.registers.pop(reg.IRQ_ENABLE, None)


def test_what_was_not_saved_is_found_although_its_domain_wakes_it_by_a_trapped_write():
    """The domain sleeps between its jobs and writes to its context by traps: before the first, it can be compared."""
    machine = Machine()
    machine.coproc("gpu0", ForgetsInterruptEnable, settings={"slice": 10 * MS})
    machine.domain("a", "gpu0 kind=periodic,period=5ms,work=1ms")
    machine.run(30 * MS)
    found = [row for row in machine.rows("finding") if row[4] == "leak"]
    # It enters in 25 us and leaves when its job of 1 ms is over; 5 us later its handler clears the interrupt.
    assert found[0][0] == 1030 * US
    assert found[0][3:] == ("d1v0", "leak", "0x20 is not what it was when it left: it holds 0x0")


def test_nothing_is_found_of_a_driver_that_forgets_nothing_though_traps_change_its_contexts():
    machine = Machine()
    machine.coproc("gpu0", GenericPlatform, settings={"slice": 10 * MS})
    machine.domain("a", "gpu0 kind=periodic,period=5ms,work=1ms")
    machine.domain("b", "gpu0 kind=poisson,rate=300,work=exp:1ms,uncuttable=200us")
    machine.run(300 * MS)
    assert machine.rows("finding") == []
