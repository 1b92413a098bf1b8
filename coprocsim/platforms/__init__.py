"""The platforms, by name; `README.md` says how to write another one."""

from coprocsim.platforms.base import Platform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.reference import ReferencePlatform
from coprocsim.plugins import Registry

PLATFORMS: Registry[Platform] = Registry(
    "platform",
    "coprocsim.platforms",
    Platform,
    (ReferencePlatform, GenericPlatform),
    ("name", "summary", "hardware", "compatible"),
)
