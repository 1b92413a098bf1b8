"""What a machine was built with, as all commands but `config` and `boot --config` ask for it: without kconfiglib.

The text is one that `kconfig` has written, a line for each option, so that finding a line is all that is to be read.
"""

from dataclasses import dataclass

from coprocsim.model import Sharing
from coprocsim.parameters import Kind, Parameter, Value
from coprocsim.sharing import SHARING, sharing_of
from coprocsim.units import PS_PER_US

FRAMEWORK = "HAS_COPROC"
CHECKS = "COPROC_ISOLATION_CHECKS"
DEFAULT_ALGORITHM = "COPROC_SCHED_DEFAULT"
TRACE_LIMIT = "COPROC_TRACE_LIMIT_MIB"
TRACE_LIMIT_MIB = 256
"""The trace limit of a build with all defaults."""

_MIB = 2**20


def algorithm_symbol(name: str) -> str:
    """Return the option that builds an algorithm of ours in."""
    return f"COPROC_SCHED_{_upper(name)}"


def platform_symbol(name: str) -> str:
    """Return the option that builds a platform of ours in."""
    return f"COPROC_PLAT_{_upper(name)}"


def sharing_symbol(parameter: Parameter) -> str:
    """Return the option with a parameter's default; each value of a choice has one of its own, which begins so."""
    return f"COPROC_{_upper(parameter.property_name())}"


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Build:
    """The options of a machine; an empty `config` is the build of those who configure nothing: all of it."""

    config: str = ""

    def has(self, symbol: str) -> bool:
        """Return whether an option is on."""
        return not self.config or self._value(symbol) == "y"

    @property
    def checks(self) -> bool:
        """Whether the rules of isolation are checked while the machine runs."""
        return self.has(CHECKS)

    @property
    def trace_limit_bytes(self) -> int:
        """How large the trace may become."""
        return int(self._value(TRACE_LIMIT) or TRACE_LIMIT_MIB) * _MIB

    @property
    def default_algorithm(self) -> str | None:
        """The algorithm for where the device tree names none; None where the options name none either."""
        return (self._value(DEFAULT_ALGORITHM) or "").strip('"') or None

    @property
    def sharing(self) -> Sharing:
        """How a coproc is shared where the device tree says nothing."""
        return sharing_of({name: self._default(parameter) for name, parameter in SHARING.items()})

    def _default(self, parameter: Parameter) -> Value:
        symbol = sharing_symbol(parameter)
        if parameter.kind is Kind.CHOICE:
            chosen = (each for each in parameter.choices if self._value(f"{symbol}_{_upper(each)}") == "y")
            return next(chosen, parameter.default)
        value = self._value(symbol)
        if value is None:
            return parameter.default
        return int(value) * (PS_PER_US if parameter.kind is Kind.TIME else 1)

    def _value(self, symbol: str) -> str | None:
        begins = f"CONFIG_{symbol}="
        return next((line.removeprefix(begins) for line in self.config.splitlines() if line.startswith(begins)), None)
