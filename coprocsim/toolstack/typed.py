"""Commands as they are typed, without `coprocsim` before them: what the history keeps, and what `compare` proposes.

An option that would only say what holds without it is left out.
"""

import shlex
from collections.abc import Sequence

from coprocsim.hypervisor.state import Board, Domain
from coprocsim.model import Setting
from coprocsim.toolstack.files import shown_path
from coprocsim.toolstack.lookup import domain_named


def typed(verb: str, *arguments: str) -> str:
    """Return a command; what a shell would read otherwise is quoted."""
    return f"{verb} {shlex.join(arguments)}"


def sched_set(coproc_id: str, algorithm: str | None, settings: Sequence[Setting], *, domain: str | None = None) -> str:
    """Return the command that changes a coproc's algorithm and parameters, or those of a domain."""
    chosen = () if algorithm is None else ("--algorithm", algorithm)
    of = () if domain is None else ("-d", domain)
    return typed("sched set", coproc_id, *chosen, *of, *words(settings))


def words(settings: Sequence[Setting]) -> tuple[str, ...]:
    """Return settings as arguments."""
    return tuple(f"{setting.name}={setting.value}" for setting in settings)


def file(path: str) -> str:
    """Return a file's name as an argument, which does not look like an option."""
    name = shown_path(path)
    return f"./{name}" if name.startswith("-") else name


def called(board: Board, domain: Domain) -> str:
    """Return what a domain is called in a command: its name, or its id where that name is another one's id."""
    return domain.name if domain_named(board, domain.name) is domain else str(domain.domain_id)
