"""The hardware models, by name; `README.md` says how to write another one."""

from coprocsim.hardware.base import Hardware
from coprocsim.hardware.generic import GenericHardware
from coprocsim.hardware.reference import ReferenceHardware
from coprocsim.plugins import Registry

MODELS: Registry[Hardware] = Registry(
    "hardware model", "coprocsim.hardware", Hardware, (ReferenceHardware, GenericHardware), ("name", "summary")
)
