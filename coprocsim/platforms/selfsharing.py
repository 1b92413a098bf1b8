"""What drivers of hardware that shares itself have in common: there is nothing to switch.

Each context is on the hardware from its domain's creation on, so that nobody is ever stopped, loaded or reset by force.
A subclass says how each gets its part: `start`, `halt` and `bus_id`.
"""

from typing import NoReturn

from coprocsim.model import VcoprocId
from coprocsim.platforms.base import Enter, Leave, Platform, Reset


class SelfSharingPlatform(Platform):
    """Answers for the hooks that are never called."""

    scheduled = False

    @property
    def switch_cost_max_ps(self) -> int:
        return 0

    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        _never()

    def switch_to(self, vcoproc: VcoprocId, now_ps: int) -> Enter:
        _never()

    def resume(self, vcoproc: VcoprocId, now_ps: int) -> None:
        _never()

    def reset(self, vcoproc: VcoprocId, now_ps: int) -> Reset:
        _never()

    def reset_coproc(self, now_ps: int) -> Reset:
        _never()


def _never() -> NoReturn:
    raise AssertionError("hardware that shares itself is not switched")
