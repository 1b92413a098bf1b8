"""`acme,vault-1`, a crypto engine: its jobs run to their end, and its key shows nowhere."""

from collections.abc import Mapping

import msgspec

from coprocsim.datasheets import crypto as reg
from coprocsim.datasheets.jobunit import write_sized
from coprocsim.hardware.base import example_node
from coprocsim.hardware.generic import GenericHardware
from coprocsim.hardware.jobunit import JobUnit
from coprocsim.model import CoprocSpec, Json


class CryptoHardware(GenericHardware):
    """The job unit at the start of the range, the key a page behind it."""

    name = "crypto"
    summary = "a crypto engine: a job unit that works every job to its end, a key that is written only"
    identity = 0x31545056  # "VPT1" in memory
    range_bytes = reg.RANGE_BYTES

    @classmethod
    def example(cls) -> CoprocSpec:
        return example_node({"0": 0x4000})

    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        self.unit = JobUnit(self.identity, self.clock, cuttable=False)
        self._key: dict[int, int] = {}

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        if region == self._region and reg.is_key(offset):
            write_sized(lambda _: 0, self._key.__setitem__, offset, size, value)
        else:
            super().write(region, offset, size, value, now_ps)

    def context(self) -> Mapping[str, bytes]:
        key = {f"key {n}": self._key.get(at, 0).to_bytes(4, "little") for n, at in enumerate(reg.KEY_OFFSETS)}
        return {**super().context(), **key}

    def save(self) -> Json:
        key: Json = msgspec.to_builtins(self._key, str_keys=True)
        return {"version": 1, "unit": super().save(), "key": key}

    def restore(self, saved: Json) -> None:
        assert isinstance(saved, dict)
        super().restore(saved["unit"])
        self._key = msgspec.convert(saved["key"], dict[int, int], str_keys=True)
