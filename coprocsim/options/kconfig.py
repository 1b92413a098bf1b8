"""The options themselves, by kconfiglib: what there is, what a `.config` makes of it, and writing one.

kconfiglib decides what an option's value is; what is wrong with a value, where and why, is said here.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import kconfiglib

from coprocsim.errors import OptionError, nearest
from coprocsim.options.dotconfig import PREFIX, Assignment

KCONFIG = Path(__file__).parent / "Kconfig"

_HEADER = (
    "# coprocsim's options; those that are not here have their defaults. `coprocsim config show FILE` shows all.\n"
)
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_UNKNOWN_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Option:
    """An option as it is shown. `value` is None where what it depends on does not hold and it has none."""

    name: str
    value: str | None
    default: str | None
    limits: str
    summary: str
    help: str


class Options:
    """All options with their values: the defaults, until `take` or `change` makes them others."""

    def __init__(self) -> None:
        self._kconfig = kconfiglib.Kconfig(str(KCONFIG), warn_to_stderr=False, encoding="utf-8")
        # It would take another prefix from the environment.
        self._kconfig.config_prefix = PREFIX
        self._symbols = {str(symbol.name): symbol for symbol in self._kconfig.unique_defined_syms}

    # ------------------------------------------------------------ setting

    def take(self, assignments: Iterable[Assignment]) -> list[str]:
        """Set what a file says; return warnings of what has no effect. OptionError for a value that cannot be."""
        said = list(assignments)
        known = [each for each in said if each.name in self._symbols]
        unknown = [each for each in said if each.name not in self._symbols]
        for each in known:
            self._set(each)
        last = {each.name: each for each in known}
        warnings = [
            f"{_where(each)}: `{each.name}` is said again later, as `{last[each.name].value}`"
            for each in known
            if each.value != last[each.name].value
        ]
        return [*warnings, *self._of_unknown(unknown), *self._of_no_effect(last.values())]

    def change(self, assignments: Iterable[Assignment]) -> None:
        """Set what a user says; OptionError for what is unknown, cannot be, or is overridden by another option."""
        found = list(assignments)
        for each in found:
            if each.name not in self._symbols:
                near = nearest(each.name.upper(), self._symbols)
                hint = f"did you mean `{near}`?" if near else "`coprocsim config show` shows all"
                raise OptionError(f"no option `{each.name}`", each.place, hint=hint)
            self._set(each)
        for each in found:
            cause = self._cause(each)
            if cause is not None:
                why, hint = cause
                what = f"`{each.name}` cannot be `{each.value}`"
                raise OptionError(what, each.place, why=why, hint=hint)

    def _set(self, assignment: Assignment) -> None:
        symbol = self._symbols[assignment.name]
        value = assignment.value.removeprefix('"').removesuffix('"') if _is_word(symbol) else assignment.value
        if symbol.type == kconfiglib.INT:
            right = re.fullmatch("[0-9]{1,18}", value) is not None and _within(symbol, int(value))
        elif _is_word(symbol):
            # Where nothing is to be named by default, a whole `.config` says so.
            right = value == "" or _WORD.fullmatch(value) is not None
        else:
            right = value in {"y", "n"}
        if not right:
            what = f"`{assignment.name}` cannot be `{assignment.value}`"
            raise OptionError(what, assignment.place, hint=f"it is {_limits(symbol)}")
        if value:
            symbol.set_value(str(int(value)) if symbol.type == kconfiglib.INT else value)

    def _cause(self, assignment: Assignment) -> tuple[str, str] | None:
        """Return why an option has not the value that it was given, and a cure; None if it has."""
        symbol = self._symbols[assignment.name]
        if symbol.visibility == 0:
            if assignment.value == "n":
                return None
            unmet = _unmet(symbol)
            return f"it depends on `{unmet}`, which is off", f"set `{unmet}=y`, too"
        if symbol.choice is None or symbol.str_value == assignment.value:
            return None
        others = [str(each.name) for each in symbol.choice.syms if each is not symbol]
        if assignment.value == "y":
            return f"`{symbol.choice.selection.name}` is set, too, and only one of them can be", "set one of the two"
        return "one of its choice has to be on", "set another one: " + " or ".join(f"`{other}=y`" for other in others)

    def _of_no_effect(self, assignments: Iterable[Assignment]) -> Iterator[str]:
        """Yield a warning for each cause why options of a file have not the values that it says."""
        causes: dict[str, list[Assignment]] = {}
        for each in assignments:
            cause = self._cause(each)
            # A whole `.config` says of a choice which of its options are off, too.
            if cause is not None and each.value != "n":
                causes.setdefault(cause[0], []).append(each)
        for why, found in causes.items():
            more = f", nor have {len(found) - 1} more" if len(found) > 1 else ""
            yield f"{_where(found[0])}: `{found[0]}` has no effect: {why}{more}"

    def foreign(self, assignments: Iterable[Assignment]) -> list[Assignment]:
        """Return those of a file that are about options which are not ours."""
        return [each for each in assignments if each.name not in self._symbols]

    def _of_unknown(self, unknown: list[Assignment]) -> Iterator[str]:
        """Yield warnings for options that are not ours: Xen's own are, in a `.config` of Xen."""
        rest = []
        for each in unknown:
            near = nearest(each.name, self._symbols)
            if near is None:
                rest.append(each)
            else:
                yield f"{_where(each)}: no option `{each.name}`, it is ignored; did you mean `{near}`?"
        shown = ", ".join(f"`{each.name}`" for each in rest[:_UNKNOWN_SHOWN])
        more = f" and {len(rest) - _UNKNOWN_SHOWN} more" if len(rest) > _UNKNOWN_SHOWN else ""
        if rest:
            yield f"{_where(rest[0])}: no option {shown}{more}: ignored"

    # ------------------------------------------------------------ what they are

    def shown(self) -> list[Option]:
        """Return all options; they have their defaults afterwards."""
        values = self._values()
        self._kconfig.unset_values()
        defaults = self._values()
        return [
            Option(
                name,
                values[name],
                defaults[name],
                _limits(symbol),
                str(symbol.nodes[0].prompt[0]),
                " ".join(str(symbol.nodes[0].help).split()),
            )
            for name, symbol in self._symbols.items()
        ]

    def nameable(self) -> dict[str, tuple[str, ...]]:
        """Return all options by name, with the values of those that are on or off."""
        return {name: ("y", "n") if symbol.type == kconfiglib.BOOL else () for name, symbol in self._symbols.items()}

    def chosen(self) -> dict[str, str]:
        """Return the values of all options that can be set now: what they depend on is on."""
        return {name: str(symbol.str_value) for name, symbol in self._symbols.items() if symbol.visibility}

    def _values(self) -> dict[str, str | None]:
        # Without what it depends on a number has no value, and kconfiglib says so by none.
        return {name: str(symbol.str_value) or None for name, symbol in self._symbols.items()}

    def text(self) -> str:
        """Return a whole `.config`, of which `build.Build` makes sense: a line for each option."""
        return "".join(str(symbol.config_string) for symbol in self._symbols.values())

    def write(self, path: Path) -> None:
        """Write what differs from the defaults, so that they still follow one another; all of the file or nothing.

        Raises OptionError if it cannot be written.
        """
        target = path.resolve()
        beside = target.with_name(f"{target.name}.{os.getpid()}.new")
        try:
            self._kconfig.write_min_config(str(beside), header=_HEADER)
            if target.exists():
                shutil.copymode(target, beside)
            beside.replace(target)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise OptionError(f"cannot write `{path}`: {error.strerror}", None, hint="nothing was changed") from error


def _where(assignment: Assignment) -> str:
    place = assignment.place
    assert place is not None, "a warning is about a file"
    return f"{place.path}:{place.line}"


def _unmet(item: kconfiglib.Symbol | kconfiglib.Choice) -> str:
    """Return the first option that an option or a choice depends on and that is off."""
    for each in kconfiglib.split_expr(item.direct_dep, kconfiglib.AND):
        if kconfiglib.expr_value(each) == 0:
            return _unmet(each) if isinstance(each, kconfiglib.Choice) else str(kconfiglib.expr_str(each))
    raise AssertionError("what cannot be seen depends on something")


def _is_word(symbol: kconfiglib.Symbol) -> bool:
    return bool(symbol.type == kconfiglib.STRING)


def _range(symbol: kconfiglib.Symbol) -> tuple[int, int]:
    low, high, _ = symbol.ranges[0]
    return int(low.str_value), int(high.str_value)


def _within(symbol: kconfiglib.Symbol, value: int) -> bool:
    low, high = _range(symbol)
    return low <= value <= high


def _limits(symbol: kconfiglib.Symbol) -> str:
    """Return what an option may be, in words."""
    if symbol.type == kconfiglib.INT:
        low, high = _range(symbol)
        return f"{low} to {high}"
    return "a name of lowercase letters, digits, `_` and `-`" if _is_word(symbol) else "y or n"
