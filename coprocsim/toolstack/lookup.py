"""From what a user calls it to the coproc, the domain, the vcoproc."""

from coprocsim import names
from coprocsim.errors import LookupFailed, did_you_mean
from coprocsim.hypervisor.state import Board, Coproc, Domain, Vcoproc


def coproc_named(board: Board, name: str) -> Coproc:
    """Return the coproc of that identifier, path or alias, in this order; LookupFailed with the nearest."""
    paths = {coproc_id: coproc.spec.path for coproc_id, coproc in board.coprocs.items()}
    return board.coprocs[names.coproc_id(name, paths, board.aliases)]


def domain_named(board: Board, name: str) -> Domain:
    """Return the domain of that id or name; LookupFailed with the nearest."""
    return board.domains[names.domain_id(name, {each.domain_id: each.name for each in board.domains.values()})]


def vcoproc_named(board: Board, domain_name: str, coproc_name: str) -> Vcoproc:
    """Return a domain's vcoproc of a coproc; LookupFailed if it has none."""
    domain, coproc = domain_named(board, domain_name), coproc_named(board, coproc_name)
    for vcoproc in domain.vcoprocs:
        if vcoproc.coproc is coproc:
            return vcoproc
    shared = [vcoproc.coproc.spec.coproc_id for vcoproc in domain.vcoprocs]
    raise LookupFailed(
        f"domain `{domain.name}` has no vcoproc of `{coproc.spec.coproc_id}`",
        hint=did_you_mean(coproc_name, shared, "it shares"),
    )
