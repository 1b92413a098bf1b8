"""What commands take: durations, sizes, numbers, settings; and the names that a shell completes."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from coprocsim.model import Setting
    from coprocsim.store import MachineFile

T = TypeVar("T")

# ---------------------------------------------------------------- values: callbacks of click


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return `256MiB` in bytes; None where nothing is given."""
    del ctx
    if value is None:
        return None
    from coprocsim.units import parse_size_bytes

    try:
        found = parse_size_bytes(value)
        if found >= 2**63:
            raise ValueError(f"`{value[:40]}` is more than a file can hold")
        return found
    except ValueError as error:
        raise _refused(param, str(error)) from error


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return `10ms` in ps; None where nothing is given."""
    del ctx
    if value is None:
        return None
    from coprocsim.units import parse_duration_ps

    try:
        return parse_duration_ps(value)
    except ValueError as error:
        raise _refused(param, str(error)) from error


def number(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return a number of at most 64 bits, decimal or hexadecimal after `0x`; None where nothing is given."""
    del ctx
    if value is None:
        return None
    if not re.fullmatch(r"0[xX][0-9a-fA-F]+|[0-9]+", value):
        raise _refused(param, f"`{value}` is not a number: write `0xe6110000` or `4096`")
    found = 2**64 if len(value) > 20 else int(value, 16 if value[:2] in {"0x", "0X"} else 10)
    if found >= 2**64:
        raise _refused(param, f"`{value[:40]}` does not fit in 64 bits")
    return found


def _refused(param: click.Parameter, what: str) -> click.BadParameter:
    """Return the error for a value, named as the help names it."""
    name = param.opts[0] if isinstance(param, click.Option) else (param.metavar or "").strip("[]")
    return click.BadParameter(what, param_hint=f"`{name}`")


def settings(texts: Iterable[str], shape: str = "key=value", prefix: str = "") -> "list[Setting]":
    """Return `key=value` arguments, each of which may hold several with commas between them.

    Keys may begin with `prefix`, and are returned without it.
    """
    from coprocsim.model import Setting

    found: dict[str, Setting] = {}
    for part in (part for text in texts for part in text.split(",")):
        name, equals, value = (each.strip() for each in part.partition("="))
        name = name.removeprefix(prefix)
        if not (name and equals and value):
            raise click.UsageError(f"`{part}` is not `{shape}`")
        if name in found:
            raise click.UsageError(f"`{name}` is given twice")
        found[name] = Setting(name, value)
    return list(found.values())


# ---------------------------------------------------------------- names: completion of click


def coprocs(ctx: click.Context, param: click.Parameter | None, incomplete: str) -> list[str]:
    """Return the coprocs of the machine that begin so: their paths after a `/`, aliases if no identifier does."""
    del param
    from coprocsim.observe.view import view

    seen = looked_at(ctx, view)
    if seen is None:
        return []
    paths = [each.path for each in seen.coprocs.values()]
    aliases = [alias for alias, path in seen.aliases.items() if path in paths]
    names = paths if incomplete.startswith("/") else seen.coprocs
    found = [each for each in names if each.startswith(incomplete)]
    return found or [each for each in aliases if each.startswith(incomplete)]


def domains(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the domains of the machine that begin so."""
    del param
    from coprocsim.observe.view import view

    seen = looked_at(ctx, view)
    return [] if seen is None else [each.name for each in seen.domains.values() if each.name.startswith(incomplete)]


def looked_at(ctx: click.Context, look: "Callable[[MachineFile], T]") -> T | None:
    """Return what `look` finds in the machine that is meant, if it is up: a shell that completes tells no mistakes."""
    from coprocsim.cli.root import machine_path
    from coprocsim.errors import CoprocsimError
    from coprocsim.store import read

    try:
        with read(machine_path(ctx.find_root().params["name"])) as file:
            return look(file)
    except CoprocsimError:
        return None
