"""A coproc without silicon, for tests: its driver answers as it is told, and its switches cost what it is told."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from coprocsim.hardware.base import Hardware
from coprocsim.model import CoprocSpec, Effect, Json, Region, VcoprocId
from coprocsim.platforms.base import (
    Answer,
    Busy,
    Done,
    Enter,
    Entered,
    Leave,
    Left,
    Platform,
    Refused,
    RegisterPort,
    Reset,
)


class ScriptedHardware(Hardware):
    """Nothing at all."""

    name = "scripted"
    summary = "nothing"

    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        return 0

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        pass

    def advance(self, now_ps: int) -> None:
        pass

    def next_ps(self) -> int | None:
        return None

    def asserted(self) -> tuple[str, ...]:
        return ()

    def context(self) -> Mapping[str, bytes]:
        return {}

    def save(self) -> Json:
        return {"version": 1}

    def restore(self, saved: Json) -> None:
        pass


class _Saved(msgspec.Struct):
    version: int
    script: list[tuple[VcoprocId, list[int]]]
    resumed: list[VcoprocId]


class ScriptedPlatform(Platform):
    """The k-th `switch_from` of a vcoproc is denied for `script[vcoproc][k]` ps, 0 or none left is not denied."""

    name = "scripted"
    summary = "answers as it is told"
    hardware = "scripted"
    compatible = ("test,scripted",)
    iommu_invalidate_ps = 0
    leave_cost_ps: ClassVar[int] = 0
    enter_cost_ps: ClassVar[int] = 0

    def __init__(self, coproc: CoprocSpec, port: RegisterPort) -> None:
        super().__init__(coproc, port)
        self.script: dict[VcoprocId, list[int]] = {}
        self.resumed: list[VcoprocId] = []

    def probe(self, now_ps: int) -> None:
        pass

    @property
    def switch_cost_max_ps(self) -> int:
        return self.leave_cost_ps + self.enter_cost_ps

    def domain_create(self, vcoproc: VcoprocId, memory: tuple[range, ...]) -> Refused | None:
        return None

    def domain_destroy(self, vcoproc: VcoprocId) -> None:
        pass

    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        script = self.script.get(vcoproc)
        retry_ps = script.pop(0) if script else 0
        return Busy(retry_ps) if retry_ps else Left(self.leave_cost_ps)

    def switch_to(self, vcoproc: VcoprocId, now_ps: int) -> Enter:
        return Entered(self.enter_cost_ps)

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        return ()

    def resume(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self.resumed.append(vcoproc)

    def reset(self, vcoproc: VcoprocId, now_ps: int) -> Reset:
        return Done(0)

    def reset_coproc(self, now_ps: int) -> Reset:
        return Done(0)

    def read(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        return Answer()

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        return Answer()

    def interrupt(self, vcoproc: VcoprocId, line: str, now_ps: int) -> tuple[Effect, ...]:
        return ()

    def direct_ranges(self) -> tuple[Region, ...]:
        return ()

    def save(self) -> Json:
        saved: Json = msgspec.to_builtins(_Saved(1, list(self.script.items()), self.resumed))
        return saved

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self.script, self.resumed = dict(state.script), state.resumed
