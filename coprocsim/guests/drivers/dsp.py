"""The driver of `acme,hexa-d4` in a guest: says of each job where it can be preempted, and what its state is then."""

from coprocsim.datasheets import dsp
from coprocsim.guests.base import GuestPort, GuestSite
from coprocsim.guests.drivers.base import Driver
from coprocsim.guests.options import Options
from coprocsim.parameters import BadSetting
from coprocsim.units import Work

_PAGE_BYTES = 4096


class DspDriver(Driver):
    """Keeps room for a checkpoint at the end of the largest bank of its domain's memory."""

    options = ("points", "state")

    def __init__(self, site: GuestSite) -> None:
        super().__init__(site)
        self.region = dsp.REGION
        self._points_cycles = 0
        self._state_bytes = 0

    def read_options(self, options: Options) -> None:
        if options.uncuttable() != Work(0):
            what = "a job on this coproc has no part that cannot be cut"
            hint = "`points=500us` says how far its preemption points are apart, `points=0` that it has none"
            raise BadSetting(options.required("uncuttable"), what, hint)
        self._points_cycles = options.duration("points", Work(0)).in_cycles(self.site.coproc.clock_hz)
        largest_bank_bytes = max((len(bank) for bank in self.site.memory), default=0)
        self._state_bytes = options.size_bytes("state", 0, min(dsp.STATE_BYTES_MAX, largest_bank_bytes))

    def uncuttable_cycles(self, work: int, uncuttable: int) -> int:
        if self._points_cycles == 0 or work <= self._points_cycles:
            return work
        return self._points_cycles + dsp.checkpoint_cycles(self._state_bytes)

    def bring_up(self, port: GuestPort) -> None:
        if self._state_bytes:
            bank = max(self.site.memory, key=len)
            self.write(port, dsp.CHECKPOINT_LO, bank.stop - -(-self._state_bytes // _PAGE_BYTES) * _PAGE_BYTES, 8)

    def submit(self, port: GuestPort, work_cycles: int, uncuttable_cycles: int, window: tuple[int, int] | None) -> None:
        self.write(port, dsp.POINT_LO, self._points_cycles, 8)
        self.write(port, dsp.STATE_BYTES, self._state_bytes)
        super().submit(port, work_cycles, uncuttable_cycles, window)
