"""The drivers that guests have, by the hardware model that they are written for; others have the job unit's."""

from coprocsim.guests.base import GuestSite
from coprocsim.guests.drivers.base import Driver
from coprocsim.guests.drivers.dsp import DspDriver
from coprocsim.guests.drivers.gsx import GsxDriver

DRIVERS: dict[str, type[Driver]] = {"gsx": GsxDriver, "dsp": DspDriver}


def driver_for(site: GuestSite) -> Driver:
    """Return the driver of a guest at `site`."""
    return DRIVERS.get(site.hardware, Driver)(site)
