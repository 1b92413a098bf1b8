"""The driver of `renesas,gsx` in a guest: says where its firmware's image is, then drives the unit as any other."""

from coprocsim.datasheets import gsx
from coprocsim.guests.base import GuestPort, GuestSite
from coprocsim.guests.drivers.base import Driver

# The image is at the start of the first bank of the domain's memory.
IMAGE_BYTES_MAX = 64 * 2**10


class GsxDriver(Driver):
    """Waits for nothing: the jobs that it submits are worked when the firmware has booted."""

    def __init__(self, site: GuestSite) -> None:
        super().__init__(site)
        region = site.coproc.region_of(gsx.BLOCK_BYTES)
        assert region is not None, "the platform accepts no such coproc"
        self.region = region.name

    def bring_up(self, port: GuestPort) -> None:
        bank = self.site.memory[0]
        self.write(port, gsx.FIRMWARE_BYTES, 0)
        self.write(port, gsx.FIRMWARE_LO, bank.start, 8)
        self.write(port, gsx.FIRMWARE_BYTES, min(len(bank), IMAGE_BYTES_MAX))
