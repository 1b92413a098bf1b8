"""The datasheet of `acme,hexa-d4`: a DSP whose firmware lets go of a job at preemption points only.

All registers are in the range `control`, of 32 bits, `_LO`/`_HI` pairs for 64: the job unit (`jobunit.py`) at offset 0,
those below behind it. `l2ram` and `l1ram` are the working memory of the job that runs. They are not modelled and read
0: what matters of them at a preemption point is the job's state, which the firmware takes along in a checkpoint.

- A job has a preemption point whenever what is left of it is a multiple of its distance, and at its end; with a
  distance of 0 at its end only. Its distance and the size of its state are taken with it when the doorbell rings.
- Asked to let go (PREEMPT_REQUEST), the firmware looks at the next point. Of a job that has begun it writes the state
  to the checkpoint buffer, then it stops. The unit's own ways to stop a job, CONTROL_ENABLE cleared and CONTROL_ABORT,
  are looked at there, too. When the request is withdrawn, a checkpoint under way is dropped, and the job goes on.
- PREEMPT_LOAD reads the state of the job in place 0 back, as much as its slot says; meanwhile no job is worked.
- The unit's UNCUTTABLE means nothing here: a place reads 0 for it.
- CONTROL_RESET ends all of this and empties the places; the registers POINT, STATE_BYTES and CHECKPOINT stay.

The line `mailbox` is the unit's interrupt. `watchdog` is for whoever resets the firmware; the silicon never raises it.
"""

REGION = "control"
LINE = "mailbox"
WATCHDOG = "watchdog"

# For the next job, beside the unit's own.
POINT_LO, POINT_HI = 0xC0, 0xC4  # the distance between two preemption points, in cycles
STATE_BYTES = 0xC8  # the size of the state at a point; more than STATE_BYTES_MAX is taken as that

CHECKPOINT_LO, CHECKPOINT_HI = 0xD0, 0xD4  # the buffer in the domain's memory

PREEMPT = 0xE0
FIRMWARE_STATUS = 0xE4
READY_LO, READY_HI = 0xE8, 0xEC  # read only: cycles until the firmware has let go, if it is asked (or was)

# What the jobs in the unit's places were given, in the order of the places.
SLOT_0 = 0x100
SLOT_BYTES = 0x10
SLOT_POINT_LO, SLOT_POINT_HI = 0x00, 0x04
SLOT_STATE_BYTES = 0x08

BLOCK_BYTES = 0x120

STAGED = (POINT_LO, POINT_HI, STATE_BYTES)

PREEMPT_REQUEST = 1 << 0
PREEMPT_LOAD = 1 << 1  # write only; ignored while a job is worked, or a checkpoint is written or stands

FIRMWARE_STOPPED = 1 << 0  # it was asked, and has let go
FIRMWARE_WRITING = 1 << 1
FIRMWARE_LOADING = 1 << 2

STATE_BYTES_MAX = 256 * 2**10
BYTES_PER_CYCLE = 4


def checkpoint_cycles(state_bytes: int) -> int:
    """Return how long it takes to write or read so much state."""
    return -(-state_bytes // BYTES_PER_CYCLE)


def to_point(work_left: int, distance: int) -> int:
    """Return how many cycles a job works until its next preemption point."""
    return work_left % distance if distance else work_left


def taken(offset: int, value: int) -> int:
    """Return what a register makes of a value that is written to it."""
    sizes = (STATE_BYTES, SLOT_0 + SLOT_STATE_BYTES, SLOT_0 + SLOT_BYTES + SLOT_STATE_BYTES)
    return min(value, STATE_BYTES_MAX) if offset in sizes else value
