"""The driver for coprocs that nobody has written one for: any ranges, any lines, a nominal cost."""

from coprocsim.platforms.jobunit import JobUnitPlatform
from coprocsim.units import PS_PER_US


class GenericPlatform(JobUnitPlatform):
    """Drives the generic hardware; its costs are of the size that GPUs and DSPs show."""

    name = "generic"
    summary = "any node with a range of registers; nominal switch cost"
    hardware = "generic"
    compatible = ("coprocsim,generic",)
    leave_cost_ps = 25 * PS_PER_US
    enter_cost_ps = 25 * PS_PER_US
