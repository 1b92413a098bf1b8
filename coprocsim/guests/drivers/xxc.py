"""The driver of `vendor_xxx,coproc_xxc` in a guest: the pages that its DMA needs, in the coproc's own MMU."""

from coprocsim.datasheets import xxc as reg
from coprocsim.guests.base import GuestPort, GuestSite
from coprocsim.guests.drivers.base import Driver


class XxcDriver(Driver):
    """Shows the coproc the first 32 MiB of the domain's memory, each page always at the same address of the unit's.

    So no job's pages can be in the way of another's, and to map a page twice is no harm.
    """

    def __init__(self, site: GuestSite) -> None:
        super().__init__(site)
        self.region = reg.OP
        self.dma_memory = _first_pages(site.memory)

    def bring_up(self, port: GuestPort) -> None:
        port.write(reg.MMU, reg.IRQ_ENABLE, 4, reg.FAULT)
        port.write(reg.MMU, reg.CONTROL, 4, reg.CONTROL_ENABLE)

    def acknowledge_error(self, port: GuestPort) -> None:
        port.write(reg.MMU, reg.FAULT_CLEAR, 4, reg.FAULT)

    def submit(self, port: GuestPort, work_cycles: int, uncuttable_cycles: int, window: tuple[int, int] | None) -> None:
        if window is not None:
            address, size_bytes = window
            for page in range(address & -reg.PAGE_BYTES, address + size_bytes, reg.PAGE_BYTES):
                number = self.bus_address(port, page) // reg.PAGE_BYTES
                port.write(reg.MMU, reg.TABLE + 4 * number, 4, reg.entry_of(page, writable=True))
        super().submit(port, work_cycles, uncuttable_cycles, window)

    def bus_address(self, port: GuestPort, address: int) -> int:
        before = 0
        for bank in self.dma_memory:
            if address in bank:
                return before + address - bank.start
            before += len(bank)
        raise AssertionError("a DMA window lies in `dma_memory`")


def _first_pages(memory: tuple[range, ...]) -> tuple[range, ...]:
    """Return the whole pages of the domain's memory, as many as the table has entries for."""
    left = reg.ENTRIES * reg.PAGE_BYTES
    found = []
    for bank in memory:
        start = -(-bank.start // reg.PAGE_BYTES) * reg.PAGE_BYTES
        stop = min(bank.stop & -reg.PAGE_BYTES, start + left)
        if start < stop:
            found.append(range(start, stop))
            left -= stop - start
    return tuple(found)
