"""The driver for `acme,vault-1`, a crypto engine that lets go between two jobs only, and does not tell its key."""

from coprocsim.datasheets import crypto as reg
from coprocsim.datasheets import jobunit
from coprocsim.model import Region, VcoprocId
from coprocsim.platforms.base import Answer, Refused
from coprocsim.platforms.jobunit import ACCESS_PS, Context, JobUnitPlatform


class CryptoPlatform(JobUnitPlatform):
    """Keeps each key as it is written, since it cannot be read back: the page of the key is mapped for nobody.

    A switch costs its accesses: to stop and look, to read a context, to clear it and the key; to write them, to start.
    """

    name = "crypto"
    summary = "a crypto engine whose jobs cannot be cut"
    hardware = "crypto"
    compatible = ("acme,vault-1",)
    range_bytes = reg.RANGE_BYTES
    leave_cost_ps = (3 + jobunit.CONTEXT_REGISTERS + reg.KEY_WORDS) * ACCESS_PS
    enter_cost_ps = (1 + jobunit.CONTEXT_REGISTERS + reg.KEY_WORDS) * ACCESS_PS

    def direct_ranges(self) -> tuple[Region, ...]:
        return tuple(
            Region(region.name, region.base, reg.KEY) for region in self.coproc.regions if region.name == self._region
        )

    def probe(self, now_ps: int) -> None:
        super().probe(now_ps)
        self.clear_more()

    def load_more(self, vcoproc: VcoprocId, context: Context) -> None:
        for offset, value in context.others.get(self._region, {}).items():
            self.port.write(self._region, offset, 4, value)

    def clear_more(self) -> None:
        for offset in reg.KEY_OFFSETS:
            self.port.write(self._region, offset, 4, 0)

    def write_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        if region == self._region and reg.is_key(offset):
            jobunit.write_sized(lambda _: 0, lambda at, word: self._write_key(vcoproc, at, word), offset, size, value)
        return Answer()

    def _write_key(self, vcoproc: VcoprocId, offset: int, word: int) -> None:
        self.context(vcoproc).others.setdefault(self._region, {})[offset] = word
        if self.is_live(vcoproc):
            self.port.write(self._region, offset, 4, word)
