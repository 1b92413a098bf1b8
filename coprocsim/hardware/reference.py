"""The reference coprocessor, `vendor_xxx,coproc_xxx`: one register page with a job unit, one line, one DMA stream."""

from coprocsim.hardware.base import example_node
from coprocsim.hardware.generic import GenericHardware
from coprocsim.model import CoprocSpec


class ReferenceHardware(GenericHardware):
    """The silicon of the original framework's example: the job unit alone, in the node's only range."""

    name = "reference"
    summary = "one register page, one interrupt, a job unit that counts cycles and has a DMA window"
    identity = 0x31585858  # "XXX1" in memory

    @classmethod
    def example(cls) -> CoprocSpec:
        return example_node()
