"""The drivers that guests have, by the hardware model that they are written for; others have the job unit's."""

from coprocsim.guests.base import GuestSite
from coprocsim.guests.drivers.base import Driver
from coprocsim.guests.drivers.vgpu import VirtualGpuDriver

DRIVERS: dict[str, type[Driver]] = {"vgpu": VirtualGpuDriver}


def driver_for(site: GuestSite) -> Driver:
    """Return the driver of a guest at `site`."""
    return DRIVERS.get(site.hardware, Driver)(site)
