"""The build-time options: of a file, of the machine that is up, or the defaults; and setting them in a file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coprocsim.errors import LookupFailed, OptionError, Span
from coprocsim.options import build, dotconfig
from coprocsim.options.build import Build
from coprocsim.options.dotconfig import Assignment
from coprocsim.snapshot import MachineRow
from coprocsim.store import NoMachine, read
from coprocsim.toolstack.files import contents
from coprocsim.toolstack.parts import algorithm_named

if TYPE_CHECKING:
    from coprocsim.options.kconfig import Option, Options


@dataclass(frozen=True, slots=True)
class Shown:
    """Options and whose they are: `file`, `machine` or `defaults`; what a file's reader should be warned of."""

    source: str
    options: "list[Option]"
    warnings: tuple[str, ...] = ()


def build_of(machine_path: Path) -> Build:
    """Return what the machine that is up was built with; all of it if none is up."""
    try:
        with read(machine_path) as file:
            return Build(file.rows(MachineRow)[0].config)
    except NoMachine:
        return Build()


def build_of_file(path: str) -> tuple[Build, tuple[str, ...]]:
    """Return what a `.config` says, and warnings; OptionError at its place for what is wrong in it."""
    options, warnings = _options_of(_data(path), path)
    return Build(options.text()), warnings


def show(machine_path: Path, path: str | None) -> Shown:
    """Return the options of a file, else of the machine that is up, else the defaults."""
    if path is not None:
        options, warnings = _options_of(_data(path), path)
        return Shown("file", options.shown(), warnings)
    try:
        with read(machine_path) as file:
            config = file.rows(MachineRow)[0].config
    except NoMachine:
        return Shown("defaults", _taken([])[0].shown())
    # What it names may not be installed any more: looking works all the same.
    options, warnings = _taken(dotconfig.parse(config.encode(), "the machine's .config"))
    return Shown("machine", options.shown(), warnings)


def change(path: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Set options in a file, which is made if it is not there; return warnings about what was in it.

    Raises OptionError for what cannot be, and leaves the file as it was.
    """
    assignments = dotconfig.parse(_data_to_change(path), path)
    options, warnings = _taken(assignments)
    foreign = options.foreign(assignments)
    if foreign:
        raise OptionError(
            f"`{foreign[0].name}` is no option of coprocsim, and would be lost",
            foreign[0].place,
            why="the file is written anew, with our options only",
            hint="`--file` names another file; `boot --config` takes this one as it is",
        )
    set_before = {each.name for each in assignments}
    before = {name: value for name, value in options.chosen().items() if name in set_before}
    options.change(Assignment(name, value) for name, value in values.items())
    _check_default(options, None)
    lost = [f"`{name}={value}`" for name, value in before.items() if name not in {*options.chosen(), *values}]
    options.write(Path(path))
    if lost:
        it = "it depends" if len(lost) == 1 else "they depend"
        return (*warnings, f"{', '.join(lost)}: dropped, since what {it} on is off")
    return warnings


def _data(path: str) -> bytes:
    try:
        return contents(path)
    except OSError as error:
        hint = "`coprocsim config set NAME=VALUE --file FILE` writes a `.config`"
        raise OptionError(f"cannot read `{path}`: {error.strerror}", None, hint=hint) from error


def _data_to_change(path: str) -> bytes:
    """Return what is in a file that is to be written anew; nothing if it is to be made."""
    if not os.path.lexists(path):
        return b""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OptionError(f"`{path}` is not a file", None, hint="name one for the `.config` to be in")
    return _data(path)


def _options_of(data: bytes, path: str) -> "tuple[Options, tuple[str, ...]]":
    assignments = dotconfig.parse(data, path)
    options, warnings = _taken(assignments)
    _check_default(options, next((x.place for x in reversed(assignments) if x.name == build.DEFAULT_ALGORITHM), None))
    return options, warnings


def _taken(assignments: Sequence[Assignment]) -> "tuple[Options, tuple[str, ...]]":
    from coprocsim.options.kconfig import Options  # noqa: PLC0415 - only who reads a .config waits for kconfiglib

    options = Options()
    return options, tuple(options.take(assignments))


def _check_default(options: "Options", place: Span | None) -> None:
    """Refuse a default algorithm that there is not, or that is off; `place` is where it is named."""
    built = Build(options.text())
    name = built.default_algorithm
    if name is None:
        return
    try:
        algorithm_named(name, built)
    except LookupFailed as error:
        raise OptionError(error.what, place, why=f"`{build.DEFAULT_ALGORITHM}` is `{name}`", hint=error.hint) from error
