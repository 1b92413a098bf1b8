"""The driver of `acme,vault-1` in a guest: it loads the domain's key before the first job."""

import struct
from hashlib import blake2b

from coprocsim.datasheets import crypto as reg
from coprocsim.guests.base import GuestPort
from coprocsim.guests.drivers.base import Driver


class CryptoDriver(Driver):
    """Draws the key from the name of the domain's random streams: another for each domain, the same each time."""

    range_bytes = reg.RANGE_BYTES

    def uncuttable_cycles(self, work: int, uncuttable: int) -> int:
        return work

    def bring_up(self, port: GuestPort) -> None:
        key = blake2b(self.site.stream.encode(), digest_size=4 * reg.KEY_WORDS).digest()
        for offset, (word,) in zip(reg.KEY_OFFSETS, struct.iter_unpack("<I", key), strict=True):
            port.write(self.region, offset, 4, word)
