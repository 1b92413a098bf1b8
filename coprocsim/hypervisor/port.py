"""The way to a coproc's registers: for its driver, and for the accesses of domains that are mapped."""

from coprocsim.engine import Timeline
from coprocsim.hardware.base import Hardware


class HardwarePort:
    """A register port (see `platforms.base`): the hardware, brought to the present instant before each access."""

    def __init__(self, timeline: Timeline, hardware: Hardware) -> None:
        self.uses = 0
        """How often the hardware was reached."""
        self._timeline = timeline
        self._hardware = hardware
        self._advanced_ps = -1

    def read(self, region: str, offset: int, size: int) -> int:
        """Return what the hardware answers."""
        return self._hardware.read(region, offset, size, self._advance())

    def write(self, region: str, offset: int, size: int, value: int) -> None:
        """Let the hardware take `value`."""
        self._hardware.write(region, offset, size, value, self._advance())

    def read_as(self, bus_id: int, region: str, offset: int, size: int) -> int:
        """Return what the hardware answers to the domain that the bus names `bus_id`."""
        return self._hardware.read_as(bus_id, region, offset, size, self._advance())

    def write_as(self, bus_id: int, region: str, offset: int, size: int, value: int) -> None:
        """Let the hardware take `value` from the domain that the bus names `bus_id`."""
        self._hardware.write_as(bus_id, region, offset, size, value, self._advance())

    def copy_from(self, region: str, offset: int, size_bytes: int) -> bytes:
        """Return a stretch of memory."""
        return self._hardware.copy_from(region, offset, size_bytes, self._advance())

    def copy_to(self, region: str, offset: int, data: bytes) -> None:
        """Fill a stretch of memory."""
        self._hardware.copy_to(region, offset, data, self._advance())

    def reset(self) -> None:
        """Bring the hardware back to what it is at power-up."""
        self._advance()
        self._hardware.restore(type(self._hardware)(self._hardware.coproc).save())

    def _advance(self) -> int:
        """Bring the hardware to now, once per instant: `write` leaves it there."""
        self.uses += 1
        now_ps = self._timeline.now_ps
        if now_ps != self._advanced_ps:
            self._hardware.advance(now_ps)
            self._advanced_ps = now_ps
        return now_ps
