"""The hardware models, by name; `README.md` says how to write another one."""

from coprocsim.hardware.base import Hardware
from coprocsim.hardware.generic import GenericHardware
from coprocsim.hardware.reference import ReferenceHardware

MODELS: dict[str, type[Hardware]] = {model.name: model for model in (ReferenceHardware, GenericHardware)}
