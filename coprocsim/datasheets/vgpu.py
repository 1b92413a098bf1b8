"""The hardware-virtualised GPU's datasheet: it serves up to eight operating systems and shares itself among them.

The bus tells it whose access it is by a number (OSID, 0 to 7). The first page of its range is the hypervisor's, and
holds the interrupt status of all; each further page shows whoever looks its own registers: a job unit at the start of
the first of them (`jobunit.py`), nothing in the others.

The GPU works for one of them at a time, in turn, each for `QUANTUM_CYCLES` as long as another one has work, longer
only to the end of what cannot be cut. If that takes more than `LOCKUP_CYCLES`, the GPU takes the job for hung: the
jobs of that operating system are lost, and its job unit says so (`ERROR_RESET`). In each job unit the bit ENABLE of
CONTROL is the GPU's own.
"""

OS_COUNT = 8
PAGE_BYTES = 0x1000

# In the first page, 32 bits each, one bit per OSID.
IRQ_STATUS = 0x00  # read only: whose job unit asserts the line
OS_ENABLE = 0x04  # whose jobs are worked
OS_RESET = 0x08  # write only: back to power-up, whatever runs

# What the hypervisor answers an operating system that reads the first page.
OWN_IRQ_STATUS = 0x00  # bit 0: its own job unit asserts the line
OWN_OSID = 0x0C

UNIT_OFFSET = PAGE_BYTES
QUANTUM_CYCLES = 500_000
LOCKUP_CYCLES = 20_000_000
