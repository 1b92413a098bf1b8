"""The driver for `vendor_xxx,coproc_xxx`, the original framework's example coprocessor."""

from coprocsim.datasheets import jobunit as reg
from coprocsim.platforms.jobunit import JobUnitPlatform
from coprocsim.units import PS_PER_NS

# An access to a device register over the bus, uncached.
_ACCESS_PS = 100 * PS_PER_NS
_CONTEXT_REGISTERS = len(reg.STAGED) + 4 + reg.PLACES * reg.PLACE_BYTES // 4


class ReferencePlatform(JobUnitPlatform):
    """Its costs are its register accesses: to stop and look, to read a context, to clear; to write one, to start."""

    name = "reference"
    summary = "the original's example: one page of registers, 16 contexts"
    hardware = "reference"
    compatible = ("vendor_xxx,coproc_xxx",)
    contexts_max = 16
    leave_cost_ps = (3 + _CONTEXT_REGISTERS) * _ACCESS_PS
    enter_cost_ps = (1 + _CONTEXT_REGISTERS) * _ACCESS_PS
