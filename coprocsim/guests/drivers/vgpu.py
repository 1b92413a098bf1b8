"""A guest's driver for the GPU that shares itself: its registers are in the second page, and interrupts are for all."""

from coprocsim.datasheets import vgpu
from coprocsim.guests.base import GuestPort, GuestSite
from coprocsim.guests.drivers.base import Driver


class VirtualGpuDriver(Driver):
    """Asks before it handles an interrupt whether it is its own."""

    def __init__(self, site: GuestSite) -> None:
        super().__init__(site)
        self.region = site.coproc.regions[0].name
        self.unit_offset = vgpu.UNIT_OFFSET

    def is_mine(self, port: GuestPort) -> bool:
        return bool(port.read(self.region, vgpu.OWN_IRQ_STATUS, 4) & 1)
