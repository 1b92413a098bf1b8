"""The hardware models, by name; `README.md` says how to write another one."""

from coprocsim.hardware.base import Hardware
from coprocsim.hardware.crypto import CryptoHardware
from coprocsim.hardware.dsp import DspHardware
from coprocsim.hardware.generic import GenericHardware
from coprocsim.hardware.gsx import GsxHardware
from coprocsim.hardware.reference import ReferenceHardware
from coprocsim.hardware.vgpu import VirtualGpuHardware
from coprocsim.hardware.xxc import XxcHardware
from coprocsim.plugins import Registry

MODELS: Registry[Hardware] = Registry(
    "hardware model",
    "coprocsim.hardware",
    Hardware,
    (ReferenceHardware, XxcHardware, GsxHardware, DspHardware, CryptoHardware, VirtualGpuHardware, GenericHardware),
    ("name", "summary"),
)
