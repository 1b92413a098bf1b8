"""The datasheet of `vendor_xxx,coproc_xxc`: a job unit, an MMU for its DMA, and a memory, each in a range of its own.

`op` begins with the job unit's registers (see `jobunit.py`), and its line is `op`. `sram` is plain memory. In `mmu`,
whose line is `mmu`, are 32-bit registers and a page table of one level, as GARTs have it: entry n says where page n of
the unit's addresses is. An entry:

     31                         8 7         2     1       0
    +----------------------------+-----------+----------+-------+
    | bits 39..16 of the address | read as 0 | WRITABLE | VALID |
    +----------------------------+-----------+----------+-------+

An access of the unit's is cut at the ends of pages. To reach a page without a valid entry (with the MMU disabled: any
page) and to write to one that is not writable is a fault: the rest of the access is not made, the unit sees a bus
error, and FAULT_STATUS and FAULT_ADDRESS tell of it, unless they still tell of an earlier one.
"""

OP, MMU, SRAM = "op", "mmu", "sram"
RANGE_BYTES = {OP: 0x1000, MMU: 0x1000, SRAM: 0x8000}
LINES = (OP, MMU)

CONTROL = 0x00
FAULT_STATUS = 0x10
FAULT_ADDRESS_LO, FAULT_ADDRESS_HI = 0x18, 0x1C  # by the unit's addresses
FAULT_CLEAR = 0x20  # write only: 1 clears the fault
IRQ_ENABLE = 0x24
TABLE = 0x800
ENTRIES = 512
TABLE_BYTES = 4 * ENTRIES
PAGE_BYTES = 0x1_0000

CONTROL_ENABLE = 1 << 0
CONTROL_RESET = 1 << 1  # write only: back to power-up, the table included

FAULT = 1 << 0
FAULT_WRITE = 1 << 1
FAULT_READ_ONLY = 1 << 2  # the page has an entry, which allows no write

ENTRY_VALID = 1 << 0
ENTRY_WRITABLE = 1 << 1

# What of each register can be written: those of the fault by whoever loads a context.
REGISTERS = {
    CONTROL: CONTROL_ENABLE,
    FAULT_STATUS: FAULT | FAULT_WRITE | FAULT_READ_ONLY,
    FAULT_ADDRESS_LO: 0xFFFF_FFFF,
    FAULT_ADDRESS_HI: 0xFFFF_FFFF,
    IRQ_ENABLE: FAULT,
}
_ENTRY_BITS = 0xFFFF_FF03


def entry_of(address: int, *, writable: bool) -> int:
    """Return the entry that leads to the page at a physical address."""
    return address >> 16 << 8 | (ENTRY_WRITABLE if writable else 0) | ENTRY_VALID


def page_of(entry: int) -> range:
    """Return the physical addresses that a valid entry leads to."""
    start = entry >> 8 << 16
    return range(start, start + PAGE_BYTES)


def write_word(words: dict[int, int], offset: int, value: int) -> None:
    """Change the words of the `mmu` range as a write of 32 bits does, in the silicon or in a driver's copy of them."""
    if offset == CONTROL and value & CONTROL_RESET:
        words.clear()
    elif offset == FAULT_CLEAR and value & FAULT:
        for cleared in (FAULT_STATUS, FAULT_ADDRESS_LO, FAULT_ADDRESS_HI):
            words.pop(cleared, None)
    elif offset in REGISTERS:
        words[offset] = value & REGISTERS[offset]
    elif TABLE <= offset < TABLE + TABLE_BYTES:
        words[offset] = value & _ENTRY_BITS


def asserted(words: dict[int, int]) -> bool:
    """Return whether these words hold the line `mmu` high."""
    return bool(words.get(FAULT_STATUS, 0) & words.get(IRQ_ENABLE, 0) & FAULT)
