"""The datasheet of `renesas,gsx`, in the shape of a PowerVR GX6xxx: a job unit behind a firmware, switched by power.

One range, one line. Page 0 is the job unit (`jobunit.py`) at offset 0; power, firmware and cache have a page each, so
that page 0 alone can be mapped into a guest. Registers of 32 bits, `_LO`/`_HI` pairs for 64.

- Powered down, everything is lost: all registers read 0, and a write to anything but POWER_CONTROL is ignored. The
  registers can be written as soon as power is asked for; unit and firmware work when it is up.
- The unit works only while the firmware runs. A boot that is asked for while power comes up begins when it is up; when
  it is over, the firmware has read its image, through the second DMA stream if there is one. An image that the IOMMU
  refuses does not run (FIRMWARE_FAULT).
- Asked to go idle, the firmware gives the unit no more cycles than its job's uncuttable part. It is idle when the time
  has passed and the unit stands still. When the request is withdrawn, it goes on at once.
- A flush that is asked for during a flush begins anew.
"""

IDENTITY = 0x31585347  # what the unit's ID reads: "GSX1" in memory

UNIT_PAGE_BYTES = 0x1000
BLOCK_BYTES = 0x4000

POWER_CONTROL = 0x1000
POWER_STATUS = 0x1004

FIRMWARE_LO, FIRMWARE_HI = 0x2000, 0x2004  # the image's base, an address of the domain
FIRMWARE_BYTES = 0x2008  # its size; 0: there is none
FIRMWARE_CONTROL = 0x200C
FIRMWARE_STATUS = 0x2010

CACHE_CONTROL = 0x3000
CACHE_STATUS = 0x3004

POWER_ON = 1 << 0  # in control: power is wanted; in status: it is up
POWER_CHANGING = 1 << 1  # it comes up, or goes down

FIRMWARE_BOOT = 1 << 0  # write only: read the image, and start; without an image, or when it runs, ignored
FIRMWARE_IDLE = 1 << 1  # go idle; cleared: go on

FIRMWARE_RUNS = 1 << 0  # also while it is idle
FIRMWARE_BOOTING = 1 << 1
FIRMWARE_IS_IDLE = 1 << 2
FIRMWARE_FAULT = 1 << 3  # the image could not be read

CACHE_FLUSH = 1 << 0  # write only
CACHE_BUSY = 1 << 0

# How long each takes, in cycles.
POWER_UP_CYCLES = 12_000
POWER_DOWN_CYCLES = 3_000
BOOT_CYCLES = 18_000
IDLE_CYCLES = 6_000
FLUSH_CYCLES = 9_000
