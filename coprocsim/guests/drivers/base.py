"""The job unit's driver in a guest: how a job gets into the coproc, and what is read of its end.

Which jobs there are, and when, is the business of the workload kinds. What a coproc has beside its job unit, a driver
of its own sees to: one file for each.
"""

from typing import ClassVar

from coprocsim.datasheets import jobunit as reg
from coprocsim.guests.base import GuestPort, GuestSite
from coprocsim.guests.options import Options


class Driver:
    """Drives a job unit at the start of the first range that holds one. Keeps no state: all comes from the site."""

    options: ClassVar[tuple[str, ...]] = ()
    """The options of `coproc_workload` that a guest of this coproc has beside the common ones."""
    range_bytes: ClassVar[int] = reg.BLOCK_BYTES
    """How much the range must hold that has the unit at its start."""

    def __init__(self, site: GuestSite) -> None:
        region = site.coproc.region_of(self.range_bytes)
        assert region is not None, "no platform accepts such a coproc"
        self.site = site
        self.region = region.name
        self.unit_offset = 0
        # Where in the domain's memory the DMA windows of its jobs may lie.
        self.dma_memory = site.memory

    def read_options(self, options: Options) -> None:
        """Take the options that the class names; parameters.BadSetting for a wrong one."""

    def read(self, port: GuestPort, offset: int, size: int = 4) -> int:
        """Read a register of the unit."""
        return port.read(self.region, self.unit_offset + offset, size)

    def write(self, port: GuestPort, offset: int, value: int, size: int = 4) -> None:
        """Write a register of the unit."""
        port.write(self.region, self.unit_offset + offset, size, value)

    def bring_up(self, port: GuestPort) -> None:
        """Do what the coproc needs before its unit takes jobs; called once, when the driver starts."""

    def is_mine(self, port: GuestPort) -> bool:
        """Return whether an interrupt is this domain's; asked where the hardware interrupts them all."""
        del port
        return True

    def acknowledge_error(self, port: GuestPort) -> None:
        """Clear what tells, beside the unit itself, that a job of it went wrong."""

    def submit(self, port: GuestPort, work_cycles: int, uncuttable_cycles: int, window: tuple[int, int] | None) -> None:
        """Put a job into the unit; `window` is where in the domain's memory its DMA goes, and how many bytes."""
        self.write(port, reg.WORK_LO, work_cycles, 8)
        self.write(port, reg.UNCUTTABLE_LO, uncuttable_cycles, 8)
        if window is not None:
            address, size_bytes = window
            self.write(port, reg.DMA_LO, self.bus_address(port, address), 8)
            self.write(port, reg.DMA_BYTES, size_bytes)
        self.write(port, reg.DOORBELL, 1)

    def uncuttable_cycles(self, work: int, uncuttable: int) -> int:
        """Return for how long such a job keeps the coproc from switching, at the longest."""
        del work
        return uncuttable

    def bus_address(self, port: GuestPort, address: int) -> int:
        """Return the address by which the coproc reaches `address` of the domain's memory; map it if need be."""
        del port
        return address
