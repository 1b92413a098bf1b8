"""The drivers that guests have, by the hardware model that they are written for; others have the job unit's."""

from coprocsim.guests.base import GuestSite
from coprocsim.guests.drivers.base import Driver
from coprocsim.guests.drivers.crypto import CryptoDriver
from coprocsim.guests.drivers.dsp import DspDriver
from coprocsim.guests.drivers.gsx import GsxDriver
from coprocsim.guests.drivers.vgpu import VirtualGpuDriver
from coprocsim.guests.drivers.xxc import XxcDriver

DRIVERS: dict[str, type[Driver]] = {
    "crypto": CryptoDriver,
    "dsp": DspDriver,
    "gsx": GsxDriver,
    "vgpu": VirtualGpuDriver,
    "xxc": XxcDriver,
}


def driver_for(site: GuestSite) -> Driver:
    """Return the driver of a guest at `site`."""
    return driver_of(site.hardware)(site)


def driver_of(hardware: str) -> type[Driver]:
    """Return the driver that is written for a hardware model."""
    return DRIVERS.get(hardware, Driver)
