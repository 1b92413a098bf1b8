"""The hardware models, by name; `README.md` says how to write another one."""

from coprocsim.hardware.base import Hardware
from coprocsim.hardware.dsp import DspHardware
from coprocsim.hardware.generic import GenericHardware
from coprocsim.hardware.gsx import GsxHardware
from coprocsim.hardware.reference import ReferenceHardware
from coprocsim.plugins import Registry

MODELS = Registry(
    "hardware model",
    "coprocsim.hardware",
    Hardware,
    (ReferenceHardware, GenericHardware, GsxHardware, DspHardware),
    ("name", "summary"),
)
