"""What a shell completes beside coprocs, domains and machines: algorithms, parameters, options, kinds, lines.

Each is taken from where it is stated, which is imported when a shell asks. A word `key=value` is completed as a whole,
the last part of one with commas.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

import click

from coprocsim.cli.arguments import looked_at

if TYPE_CHECKING:
    from coprocsim.snapshot import CoprocRow

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[str]]


def one_of(names: Callable[[], Iterable[str]]) -> Completer:
    """Return what completes one of `names`."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        del ctx, param
        return [each for each in names() if each.startswith(incomplete)]

    return complete


def list_of(names: Callable[[], Iterable[str]]) -> Completer:
    """Return what completes `a,b,c`, each another one of `names`."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        del ctx, param
        before, last = _split(incomplete, ",")
        said = before.split(",")
        return [before + each for each in names() if each.startswith(last) and each not in said]

    return complete


def pairs_of(known: Callable[[click.Context, str], dict[str, tuple[str, ...]]]) -> Completer:
    """Return what completes `key=value,key=value`: `known` has the keys with those values that can be named.

    It is told of the word before its last part, too.
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        del param
        before, last = _split(incomplete, ",")
        key, equals, value = last.partition("=")
        found = known(ctx, before)
        if not equals:
            return [f"{before}{each}=" for each in found if each.startswith(last)]
        return [f"{before}{key}={each}" for each in found.get(key, ()) if each.startswith(value)]

    return complete


def _split(word: str, separator: str) -> tuple[str, str]:
    """Return what stands up to the last separator, it included, and what follows."""
    before, separated, last = word.rpartition(separator)
    return before + separated, last


# ---------------------------------------------------------------- what is installed


def _algorithms() -> Iterable[str]:
    from coprocsim.schedulers import ALGORITHMS

    return ALGORITHMS


def _parts() -> Iterable[str]:
    from coprocsim.guests import WORKLOADS
    from coprocsim.hardware import MODELS
    from coprocsim.platforms import PLATFORMS
    from coprocsim.schedulers import ALGORITHMS

    return dict.fromkeys((*PLATFORMS, *MODELS, *ALGORITHMS, *WORKLOADS))


def _formats() -> Iterable[str]:
    from coprocsim.toolstack.vendors import FORMATS

    return FORMATS


def _row_kinds() -> Iterable[str]:
    from coprocsim.observe.trace import KINDS

    return KINDS


def platforms(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return `ID=PLATFORM` for the platforms that begin so; what coprocs there are, a tree that is not read says."""
    del ctx, param
    from coprocsim.platforms import PLATFORMS

    coproc, equals, name = incomplete.partition("=")
    return [f"{coproc}={each}" for each in PLATFORMS if equals and each.startswith(name)]


def _options(ctx: click.Context, before: str) -> dict[str, tuple[str, ...]]:
    del ctx, before
    from coprocsim.options.kconfig import Options

    return Options().nameable()


# ---------------------------------------------------------------- what the machine has


def _coproc(ctx: click.Context) -> "CoprocRow | None":
    """Return the coproc that is named before, however it is, if there is such a one."""
    from coprocsim.observe.view import view

    name = ctx.params.get("coproc")
    return None if name is None else looked_at(ctx, lambda file: view(file).coproc_named(name))


def _parameters(ctx: click.Context, before: str) -> dict[str, tuple[str, ...]]:
    """Return the parameters that `sched set` would take now, with the choices of those that are one."""
    del before
    from coprocsim.parameters import Scope, of_scope
    from coprocsim.schedulers import ALGORITHMS
    from coprocsim.sharing import SHARING

    coproc = _coproc(ctx)
    algorithm = str(ctx.params.get("algorithm") or (coproc.algorithm if coproc else ""))
    stated = ALGORITHMS[algorithm].parameters if algorithm in ALGORITHMS else ()
    of_domain = ctx.params.get("domain") is not None
    known = of_scope(stated, Scope.VCOPROC) if of_domain else {**of_scope(stated, Scope.COPROC), **SHARING}
    return {name: parameter.choices for name, parameter in known.items()}


def _workload(ctx: click.Context, before: str) -> dict[str, tuple[str, ...]]:
    """Return `kind`, and the options of the kind that is said already; without one those of all kinds."""
    from coprocsim.guests import WORKLOADS

    coproc = _coproc(ctx)
    said = ",".join((*(ctx.params.get("options") or ()), before)).split(",")
    kinds = [part.removeprefix("kind=") for part in said if part.startswith("kind=")]
    chosen = [WORKLOADS[kind] for kind in kinds if kind in WORKLOADS] or WORKLOADS.values()
    names = [name for each in chosen for name in each.option_names("" if coproc is None else coproc.hardware)]
    return {"kind": tuple(WORKLOADS), **dict.fromkeys(names, ())}


def lines(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the interrupt lines of the coproc that is named before, which begin so."""
    del param
    from coprocsim.snapshot import LineRow

    rows, coproc = looked_at(ctx, lambda file: file.rows(LineRow)) or [], _coproc(ctx)
    if coproc is None:
        return []
    return [each.name for each in rows if each.coproc_id == coproc.coproc_id and each.name.startswith(incomplete)]


algorithm = one_of(_algorithms)
algorithms = list_of(_algorithms)
part = one_of(_parts)
settings_format = one_of(_formats)
row_kinds = list_of(_row_kinds)
option_values = pairs_of(_options)
parameters = pairs_of(_parameters)
workload = pairs_of(_workload)
