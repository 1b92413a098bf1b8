"""The platforms, by name; `README.md` says how to write another one."""

from coprocsim.platforms.base import Platform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.reference import ReferencePlatform

PLATFORMS: dict[str, type[Platform]] = {platform.name: platform for platform in (ReferencePlatform, GenericPlatform)}
