"""How a user names a coproc and a domain: the same wherever a name is taken, in a config, a command or a filter."""

from collections.abc import Mapping

from coprocsim.errors import LookupFailed, did_you_mean


def coproc_id(name: str, paths: Mapping[str, str], aliases: Mapping[str, str]) -> str:
    """Return which coproc `name` is: an identifier, else a path, else an alias; LookupFailed with the nearest.

    `paths` has the path of each coproc by its identifier, `aliases` those of the device tree.
    """
    if name in paths:
        return name
    path = aliases.get(name, name)
    for known, its_path in paths.items():
        if its_path == path:
            return known
    near = [*paths, *(paths.values() if name.startswith("/") else ())]
    raise LookupFailed(f"no shared coproc `{name}`", hint=did_you_mean(name, near, "this machine shares"))


def domain_id(name: str, names: Mapping[int, str]) -> int:
    """Return which domain `name` is: an id, as xl reads a number, else a name; LookupFailed with the nearest."""
    if name.isascii() and name.isdecimal() and len(name) < 20 and int(name) in names:
        return int(name)
    for known, its_name in names.items():
        if its_name == name:
            return known
    raise LookupFailed(f"no domain `{name}`", hint=did_you_mean(name, names.values(), "there are"))
