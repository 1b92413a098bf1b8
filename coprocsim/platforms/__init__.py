"""The platforms, by name; `README.md` says how to write another one."""

from coprocsim.platforms.base import Platform
from coprocsim.platforms.crypto import CryptoPlatform
from coprocsim.platforms.dsp import DspPlatform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.gsx import GsxPlatform
from coprocsim.platforms.reference import ReferencePlatform
from coprocsim.platforms.vgpu import VirtualGpuPlatform
from coprocsim.platforms.xxc import XxcPlatform
from coprocsim.plugins import Registry

PLATFORMS: Registry[Platform] = Registry(
    "platform",
    "coprocsim.platforms",
    Platform,
    (ReferencePlatform, XxcPlatform, GsxPlatform, DspPlatform, CryptoPlatform, VirtualGpuPlatform, GenericPlatform),
    ("name", "summary", "hardware", "compatible"),
)
