"""The statement of a setting: name, unit, default, limits, one line of help.

The single source for the device tree, the domain config, `sched set`, `list schedulers` and the docs: whoever takes
a setting from a user checks it here, so that every mouth says the same.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from coprocsim.errors import did_you_mean
from coprocsim.model import Setting
from coprocsim.units import PS_PER_US, format_duration, parse_duration_ps

Value: TypeAlias = int | str
"""A checked value: picoseconds, a whole number, or one of the choices."""


class Scope(StrEnum):
    """Whose a parameter is."""

    COPROC = "coproc"
    VCOPROC = "vcoproc"


class Kind(StrEnum):
    """What a parameter's value is."""

    TIME = "time"
    NUMBER = "number"
    CHOICE = "choice"


class BadValue(ValueError):  # noqa: N818 - carries a message for a SourceError, is none itself
    """A setting that its statement refuses; `hint` says what would be right."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Parameter:
    """One setting of an algorithm or of the sharing: times in ps; `bare_unit` is what a number without unit means.

    Where `zero` is given, 0 is allowed beside the limits and is written as that word: `auto`.
    """

    name: str
    kind: Kind
    default: Value
    help: str
    minimum: int = 0
    maximum: int = 2**62
    choices: tuple[str, ...] = ()
    scope: Scope = Scope.COPROC
    bare_unit: str | None = None
    unit: str = ""
    zero: str | None = None

    def check(self, value: Value) -> Value:
        """Return `value` if it is one of the choices or within the limits; BadValue otherwise."""
        if self.kind is Kind.CHOICE:
            if value not in self.choices:
                raise BadValue(f"`{self.name}` cannot be `{value}`", did_you_mean(str(value), self.choices, "it takes"))
        elif not isinstance(value, int) or not (self._is_zero(value) or self.minimum <= value <= self.maximum):
            raise BadValue(f"`{self.name}` = {self.show(value)} is out of range", f"`{self.name}` is {self.limits()}")
        return value

    def _is_zero(self, value: Value) -> bool:
        return self.zero is not None and value == 0

    def allows(self, value: Value) -> bool:
        """Return whether `check` would return `value`."""
        try:
            self.check(value)
        except BadValue:
            return False
        return True

    def parse(self, text: str) -> Value:
        """Return the value that a user wrote, checked; BadValue otherwise."""
        if self.kind is Kind.CHOICE:
            return self.check(text)
        if text.strip() == self.zero:
            return 0
        if self.kind is Kind.TIME:
            try:
                return self.check(parse_duration_ps(text, self.bare_unit))
            except BadValue:
                raise
            except ValueError as error:
                raise BadValue(f"`{self.name}`: {error}", f"`{self.name}` is {self.limits()}") from error
        if not re.fullmatch("[0-9]{1,40}", text.strip()):
            raise BadValue(f"`{self.name}` = `{text}` is not a whole number", f"`{self.name}` is {self.limits()}")
        return self.check(int(text))

    def show(self, value: Value) -> str:
        """Return `value` as a user would write it: `parse` reads it back."""
        if self.zero is not None and self._is_zero(value):
            return self.zero
        return format_duration(value) if self.kind is Kind.TIME and isinstance(value, int) else str(value)

    def limits(self) -> str:
        """Return what is allowed, in words."""
        if self.kind is Kind.CHOICE:
            return " or ".join(self.choices)
        unit = f" {self.unit}" if self.unit else ""
        zero = f"{self.zero} or " if self.zero is not None else ""
        if self.maximum == 2**62:
            return f"{zero}at least {self.show(self.minimum)}{unit}"
        return f"{zero}{self.show(self.minimum)} to {self.show(self.maximum)}{unit}"

    def property_name(self) -> str:
        """Return the tail of its device tree property: times end in `-us`."""
        return f"{self.name}-us" if self.kind is Kind.TIME else self.name

    def from_tree(self, data: bytes) -> Value:
        """Return a device tree property's value (a string for a choice, else a u32; times in µs), checked."""
        if self.kind is Kind.CHOICE:
            return self.check(data.rstrip(b"\0").decode("latin-1"))
        if len(data) != 4:
            raise BadValue(f"{len(data)} bytes are not one u32 cell", f"write `<N>`; it is {self.limits()}")
        cell = int.from_bytes(data, "big")
        return self.check(cell * PS_PER_US if self.kind is Kind.TIME else cell)


def named(name: str, known: Mapping[str, Parameter], whose: str) -> Parameter:
    """Return the parameter of that name; BadValue with the nearest known one."""
    if name not in known:
        raise BadValue(f"{whose} has no parameter `{name}`", did_you_mean(name, known, "it has"))
    return known[name]


def of_scope(parameters: Iterable[Parameter], scope: Scope) -> dict[str, Parameter]:
    """Return the parameters of that scope by name."""
    return {parameter.name: parameter for parameter in parameters if parameter.scope is scope}


class BadSetting(BadValue):
    """A `Setting` that is refused; whoever knows the file turns it into an error at the setting's place."""

    def __init__(self, setting: Setting, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.setting = setting


class MissingSetting(BadSetting):
    """A `Setting` that needs another one beside it, `name`, which is not there."""

    def __init__(self, setting: Setting, name: str, what: str, hint: str) -> None:
        super().__init__(setting, what, hint)
        self.name = name
