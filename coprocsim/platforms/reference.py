"""The driver for `vendor_xxx,coproc_xxx`, the original framework's example coprocessor."""

from coprocsim.datasheets import jobunit as reg
from coprocsim.platforms.jobunit import ACCESS_PS, JobUnitPlatform


class ReferencePlatform(JobUnitPlatform):
    """Its costs are its register accesses: to stop and look, to read a context, to clear; to write one, to start."""

    name = "reference"
    summary = "the original's example: one page of registers, 16 contexts"
    hardware = "reference"
    compatible = ("vendor_xxx,coproc_xxx",)
    contexts_max = 16
    leave_cost_ps = (3 + reg.CONTEXT_REGISTERS) * ACCESS_PS
    enter_cost_ps = (1 + reg.CONTEXT_REGISTERS) * ACCESS_PS
