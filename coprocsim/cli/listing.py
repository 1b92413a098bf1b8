"""`list`: what there is. Rows from the machine's file to a table; nothing else is loaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from coprocsim.cli import messages
from coprocsim.cli.arguments import coprocs, domains
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import json_option, left, print_json, right, seconds, table, text_table

if TYPE_CHECKING:
    from coprocsim.observe.listing import CoprocLine, DomainLine, VcoprocLine
    from coprocsim.toolstack.catalogue import Algorithm, ParameterLine, PlatformLine

_OF_THE_MACHINE = ("coprocs", "vcoprocs", "domains")
_INSTALLED = ("schedulers", "platforms")
_MACHINES = "machines"


@click.command("list", epilog=examples("coprocsim list", "coprocsim list vcoprocs --coproc gpu0"))
@click.argument("what", type=click.Choice((*_OF_THE_MACHINE, *_INSTALLED, _MACHINES)), required=False)
@click.option("--coproc", metavar="COPROC", shell_complete=coprocs, help="Only this coproc, and who shares it.")
@click.option("--domain", metavar="DOMAIN", shell_complete=domains, help="Only this domain, and what it shares.")
@json_option
@click.pass_obj
def list_command(machine: Path, what: str | None, coproc: str | None, domain: str | None, as_json: bool) -> None:
    """List what the machine has, or what there is for it.

    Without a word: coprocs, vcoprocs and domains. Schedulers and platforms are those that are installed, machines
    those that `--machine` can name.
    """
    if what is not None and what not in _OF_THE_MACHINE:
        if coproc is not None or domain is not None:
            raise click.UsageError(f"`list {what}` is not about a machine: leave `--coproc` and `--domain` out")
        if what == _MACHINES:
            _list_machines(as_json)
        else:
            _list_installed(machine, what, as_json)
        return
    from coprocsim.observe import listing
    from coprocsim.observe.view import view
    from coprocsim.snapshot import VcoprocSettingRow
    from coprocsim.store import read

    with read(machine) as file:
        seen, settings = view(file), file.rows(VcoprocSettingRow)
    chosen = _OF_THE_MACHINE if what is None else (what,)
    coproc_lines = list(listing.coproc_lines(seen, coproc, domain)) if "coprocs" in chosen else []
    vcoproc_lines = list(listing.vcoproc_lines(seen, settings, coproc, domain)) if "vcoprocs" in chosen else []
    domain_lines = list(listing.domain_lines(seen, coproc, domain)) if "domains" in chosen else []
    if as_json:
        lines = {"coprocs": coproc_lines, "vcoprocs": vcoproc_lines, "domains": domain_lines}
        print_json({"now_ps": seen.now_ps, "model": seen.machine.model, **{name: lines[name] for name in chosen}})
        return
    if what is None:
        from coprocsim.units import show_instant

        print(f"{messages.printable(seen.machine.model)}, up for {show_instant(seen.now_ps)} s\n")
    for name in chosen:
        if name != chosen[0]:
            print()
        match name:
            case "coprocs":
                _print_coprocs(coproc_lines)
                if what == "coprocs":
                    print()
                    _print_drivers(coproc_lines)
            case "vcoprocs":
                _print_vcoprocs(vcoproc_lines)
            case "domains":
                _print_domains(domain_lines)


def _print_coprocs(lines: "Sequence[CoprocLine]") -> None:
    table(
        [
            *left("Coproc", "State", "Scheduler"),
            *right("Vcoprocs"),
            *left("Running"),
            *right("Switches", "Denied", "Resets"),
        ],
        [
            (
                *(line.coproc, line.state, line.scheduler, line.vcoprocs),
                *(line.running or "-", line.switches, line.denials, line.resets),
            )
            for line in lines
        ],
    )
    for line in lines:
        if line.failure is not None:
            print(f"{line.coproc} has failed: {line.failure}")


def _print_drivers(lines: "Sequence[CoprocLine]") -> None:
    from coprocsim.units import show_frequency

    rows = [(line.coproc, line.platform, show_frequency(line.clock_hz), line.path) for line in lines]
    table([*left("Coproc", "Platform"), *right("Clock"), *left("Path")], rows)


def _print_vcoprocs(lines: "Sequence[VcoprocLine]") -> None:
    weighted = any(line.weight is not None for line in lines)
    table(
        [
            *left("Domain"),
            *right("ID"),
            *left("Coproc", "State"),
            *right(*(["Weight"] if weighted else []), "Run(s)", "Wait(s)", "Switches", "Denied", "IRQs"),
        ],
        [
            (
                *(line.domain, line.domain_id, line.coproc, line.state),
                *(["-" if line.weight is None else line.weight] if weighted else []),
                *(seconds(line.run_ps), seconds(line.wait_ps), line.switches, line.denials, line.irqs),
            )
            for line in lines
        ],
    )


def _print_domains(lines: "Sequence[DomainLine]") -> None:
    table(
        [*left("Name"), *right("ID", "Mem", "VCPUs"), *left("State", "Coprocs")],
        [
            (line.domain, line.domain_id, line.memory_mib, line.vcpus, line.state, ",".join(line.coprocs) or "-")
            for line in lines
        ],
    )


# ---------------------------------------------------------------- machines


class _Machine(NamedTuple):
    """A machine that is kept; the fields' names are the keys of `--json`, null where it is not up."""

    machine: str
    state: str
    model: str | None
    now_ps: int | None
    domains: int | None


def _list_machines(as_json: bool) -> None:
    from coprocsim.cli.root import machine_names
    from coprocsim.units import show_instant

    found = [_machine(name) for name in machine_names()]
    if as_json:
        print_json({"machines": found})
        return
    table(
        [*left("Machine", "State"), *right("Domains", "Time(s)"), *left("Model")],
        [
            (
                *(each.machine, each.state, "-" if each.domains is None else each.domains),
                *("-" if each.now_ps is None else show_instant(each.now_ps), each.model or "-"),
            )
            for each in found
        ],
    )


def _machine(name: str) -> _Machine:
    from coprocsim.cli.root import machine_path
    from coprocsim.errors import StateError
    from coprocsim.observe.view import view
    from coprocsim.store import NoMachine, read

    try:
        with read(machine_path(name)) as file:
            seen = view(file)
    except NoMachine:
        return _Machine(name, "down", None, None, None)
    except StateError:
        # Whoever uses it is told why.
        return _Machine(name, "unreadable", None, None, None)
    return _Machine(name, "up", seen.machine.model, seen.now_ps, len(seen.domains))


# ---------------------------------------------------------------- what is installed


def _list_installed(machine: Path, what: str, as_json: bool) -> None:
    from coprocsim.toolstack import catalogue

    if what == "platforms":
        platforms, left_out = catalogue.platforms(machine)
        _print_platforms(platforms, as_json)
    else:
        algorithms, sharing, left_out = catalogue.algorithms(machine)
        _print_algorithms(algorithms, sharing, as_json)
    if left_out:
        off = ", ".join(f"`CONFIG_{each}`" for each in left_out)
        messages.note(f"this machine is built without {off}; `coprocsim config show` shows its options")


def _print_platforms(platforms: "Sequence[PlatformLine]", as_json: bool) -> None:
    if as_json:
        print_json({"platforms": platforms})
    else:
        table(left("Platform", "Hardware", "What it is"), [(x.platform, x.hardware, x.summary) for x in platforms])
        print()
        table(left("Platform", "Drives"), [(x.platform, drives) for x in platforms for drives in x.compatible])


def _print_algorithms(algorithms: "Sequence[Algorithm]", sharing: "Sequence[ParameterLine]", as_json: bool) -> None:
    if as_json:
        print_json({"schedulers": algorithms, "sharing": sharing})
        return
    table(left("Scheduler", "What it does"), [(each.scheduler, each.summary) for each in algorithms])
    print()
    parameters = [(each.scheduler, parameter) for each in algorithms for parameter in each.parameters]
    parameters += [("(any)", parameter) for parameter in sharing]
    table(
        left("Scheduler", "Parameter", "Of", "Default", "Limits"),
        [(of, each.name, each.scope, each.default, each.limits) for of, each in parameters],
    )
    print()
    text_table(
        left("Scheduler", "Parameter", "Bare unit", "What it says"),
        [(of, each.name, each.bare_unit or "-", each.help) for of, each in parameters],
    )
