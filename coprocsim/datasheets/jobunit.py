"""The job unit's datasheet: the registers that silicon, platform and guest driver agree on.

Offsets in bytes from the start of the unit's block; 32 bits each, little-endian, `_LO`/`_HI` pairs for 64. Offset 0x10
and its bit 0 are those of the original framework's example coprocessor. A write to what is read-only or no register is
ignored, and such a register reads as 0.
"""

from collections.abc import Callable

ID = 0x00
VERSION = 0x04
CONTROL = 0x10
STATUS = 0x14
IRQ_STATUS = 0x18
IRQ_CLEAR = 0x1C
IRQ_ENABLE = 0x20
DONE_COUNT = 0x24
ERROR = 0x28
WORK_LO, WORK_HI = 0x30, 0x34
UNCUTTABLE_LO, UNCUTTABLE_HI = 0x38, 0x3C
DMA_LO, DMA_HI = 0x40, 0x44
DMA_BYTES = 0x48
DOORBELL = 0x4C

# The queue as it stands, for whoever saves and loads contexts. Its jobs are places of eight registers each.
PLACES = 2
PLACE_0 = 0x60
PLACE_BYTES = 0x20
PLACE_WORK_LO, PLACE_WORK_HI = 0x00, 0x04
PLACE_UNCUTTABLE_LO, PLACE_UNCUTTABLE_HI = 0x08, 0x0C
PLACE_DMA_LO, PLACE_DMA_HI = 0x10, 0x14
PLACE_DMA_BYTES = 0x18
PLACE_STATE = 0x1C

BLOCK_BYTES = PLACE_0 + PLACES * PLACE_BYTES

# What a guest prepares before it rings the doorbell: the next job.
STAGED = (WORK_LO, WORK_HI, UNCUTTABLE_LO, UNCUTTABLE_HI, DMA_LO, DMA_HI, DMA_BYTES)

# What is a context: these, and the jobs in their places.
SAVED = (*STAGED, IRQ_STATUS, IRQ_ENABLE, DONE_COUNT, ERROR)
CONTEXT_REGISTERS = len(SAVED) + PLACES * PLACE_BYTES // 4

CONTROL_ENABLE = 1 << 0  # run jobs; cleared: stop as soon as the present one can be cut
CONTROL_ABORT = 1 << 1  # write only: give up the oldest job, after its uncuttable part
CONTROL_RESET = 1 << 2  # write only: back to power-up at once, whatever runs

STATUS_BUSY = 1 << 0  # there is a job
STATUS_FULL = 1 << 1  # there is no place for another
STATUS_STOPPED = 1 << 2  # no cycle is being worked

IRQ_DONE = 1 << 0
IRQ_ERROR = 1 << 1

ERROR_NONE = 0
ERROR_DMA = 1  # an access of the job's was refused by the IOMMU
ERROR_RESET = 2  # the hypervisor reset the context; its jobs are lost

PLACE_EMPTY = 0
PLACE_NEW = 1
PLACE_BEGUN = 2

_WORD = 0xFFFF_FFFF


def read_sized(read: Callable[[int], int], offset: int, size: int) -> int:
    """Return `size` bytes at an aligned `offset` of registers that `read` reads by 32 bits."""
    word = read(offset & ~3)
    if size == 8:
        return word | read(offset + 4) << 32
    return word >> 8 * (offset & 3) & (1 << 8 * size) - 1


def write_sized(
    read: Callable[[int], int], write: Callable[[int, int], None], offset: int, size: int, value: int
) -> None:
    """Write `size` bytes at an aligned `offset` of registers that take 32 bits; other bytes stay as they read."""
    if size >= 4:
        write(offset, value & _WORD)
        if size == 8:
            write(offset + 4, value >> 32 & _WORD)
        return
    shift = 8 * (offset & 3)
    mask = (1 << 8 * size) - 1 << shift
    write(offset & ~3, read(offset & ~3) & ~mask | value << shift & mask)
