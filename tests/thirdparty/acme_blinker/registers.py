"""The blinker's datasheet: 32-bit registers in two ranges. Accesses of another size read 0 and write nothing."""

RANGES = {"regs": 0x1000, "host": 0x1000}
LINE = "done"

# Range `regs`: for whoever uses it.
ID = 0x00
CONTROL = 0x04  # bit 0: run
PATTERN = 0x08  # the 32 lamps
PERIOD = 0x0C  # cycles from one step to the next; 0 is 1
COUNT = 0x10  # steps to go; each turns the pattern left by one lamp
STATUS = 0x14  # writing a one clears it; the line is high while any is set

RUN = 1 << 0
DONE = 1 << 0  # the count has come to 0
LOST = 1 << 1  # the hypervisor has reset this context

IDENTITY = 0x4B4E4C42  # "BLNK" in memory
CONTEXT = (CONTROL, PATTERN, PERIOD, COUNT)
"""What a switch exchanges as it is read and written; STATUS is written through `host`."""

# Range `host`: for the hypervisor alone.
HALT = 0x00  # bit 0: stop after the present step
LEFT = 0x04  # read only: cycles to the end of the step that is under way, 0 if none is
RESET = 0x08  # writing a one: back to power-up, halted, whatever moves
HOST_STATUS = 0x0C  # STATUS, but what is written is what it becomes
