"""`domain …`: domains are created, seen, stopped and destroyed."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coprocsim.cli import messages
from coprocsim.cli.arguments import domains
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import facts, json_option, print_json
from coprocsim.cli.xen import XenGroup

if TYPE_CHECKING:
    from coprocsim.observe.domains import VcoprocShown


@click.group(
    "domain",
    cls=XenGroup,
    epilog=examples("coprocsim domain create domains/minimal.cfg", "coprocsim domain show minimal"),
)
def domain_command() -> None:
    """Create, destroy, pause, unpause and show domains."""


@domain_command.command(
    epilog=examples(
        "coprocsim domain create domains/minimal.cfg",
        "coprocsim domain create domains/minimal.cfg 'name=\"two\"' memory=64 --paused",
    )
)
@click.argument("config", metavar="GUEST.cfg", type=click.Path())
@click.argument("extra", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--paused", is_flag=True, help="Create it paused.")
@click.option("--dry-run", is_flag=True, help="Check all of it, change nothing.")
@json_option
@click.pass_obj
def create(machine: Path, config: str, extra: tuple[str, ...], paused: bool, dry_run: bool, as_json: bool) -> None:
    """Create a domain and its vcoprocs from an xl config, or nothing.

    KEY=VALUE arguments are added to the config, in its syntax.
    """
    from coprocsim.toolstack import domain

    created = domain.create(machine, config, extra, paused=paused, dry_run=dry_run)
    if as_json:
        print_json(
            {
                "domain": created.name,
                "domain_id": created.domain_id,
                "coprocs": created.coprocs,
                "paused": paused,
                "dry_run": dry_run,
            }
        )
    else:
        shares = ", ".join(f"`{each}`" for each in created.coprocs) or "no coproc"
        how = "would be created" if dry_run else "is created"
        print(f"domain {created.domain_id} `{created.name}` {how}{' paused' if paused else ''}; it shares {shares}")
    for warning in created.warnings:
        messages.warning(warning)


@domain_command.command(epilog=examples("coprocsim domain destroy infotainment"))
@click.argument("name", metavar="DOMAIN", shell_complete=domains)
@click.pass_obj
def destroy(machine: Path, name: str) -> None:
    """End a domain; DOMAIN is a name or an id."""
    from coprocsim.toolstack import domain

    ended = domain.destroy(machine, name)
    if ended.dying:
        print(f"domain {ended.domain_id} `{ended.name}` is dying: its context has yet to leave a coproc")
    else:
        print(f"domain {ended.domain_id} `{ended.name}` is destroyed")


@domain_command.command(epilog=examples("coprocsim domain pause infotainment"))
@click.argument("name", metavar="DOMAIN", shell_complete=domains)
@click.pass_obj
def pause(machine: Path, name: str) -> None:
    """Stop a domain.

    Its driver does nothing, its vcoprocs sleep, its interrupts pend.
    """
    from coprocsim.toolstack import domain

    print(f"domain `{domain.pause(machine, name)}` is paused")


@domain_command.command(epilog=examples("coprocsim domain pause infotainment", "coprocsim domain unpause infotainment"))
@click.argument("name", metavar="DOMAIN", shell_complete=domains)
@click.pass_obj
def unpause(machine: Path, name: str) -> None:
    """Let a paused domain go on."""
    from coprocsim.toolstack import domain

    print(f"domain `{domain.unpause(machine, name)}` goes on")


@domain_command.command(epilog=examples("coprocsim domain show infotainment"))
@click.argument("name", metavar="DOMAIN", shell_complete=domains)
@json_option
@click.pass_obj
def show(machine: Path, name: str, as_json: bool) -> None:
    """Show all that is known of a domain."""
    from coprocsim.observe.domains import shown
    from coprocsim.observe.view import view
    from coprocsim.store import read

    with read(machine) as file:
        domain = shown(view(file), file, name)
    if as_json:
        print_json(domain)
        return
    print(f"{domain.domain}: domain {domain.domain_id}, {domain.state}")
    banks = ", ".join(_range(bank.start, bank.size_bytes) for bank in domain.memory) or "no room at all"
    known = {
        "uuid": domain.uuid or "-",
        "memory": f"{domain.memory_mib} MiB, at most {domain.maxmem_mib} MiB",
        "banks": banks,
        "vcpus": str(domain.vcpus),
        "aborts": str(domain.aborts),
        **domain.config,
    }
    facts(known)
    for vcoproc in domain.vcoprocs:
        print(f"\n{vcoproc.coproc}: vcoproc {vcoproc.vcoproc}, {vcoproc.state}")
        facts(_vcoproc_facts(vcoproc))


def _range(start: int, size_bytes: int) -> str:
    from coprocsim.units import show_size

    return f"{start:#x}-{start + size_bytes - 1:#x} ({show_size(size_bytes)})"


def _vcoproc_facts(vcoproc: "VcoprocShown") -> dict[str, str]:
    from coprocsim.units import show_duration

    stats = vcoproc.stats
    known = {f"range {window.region}": _range(window.base, window.size_bytes) for window in vcoproc.windows}
    known |= {f"line {line.name}": line.label for line in vcoproc.lines}
    if vcoproc.pending_lines:
        known["pending"] = ", ".join(vcoproc.pending_lines)
    ran, waited = show_duration(stats.run_ps), show_duration(stats.wait_ps)
    missed = ", ".join(f"{count} {how}" for how, count in stats.ways_missed().items())
    happened = {"trap": stats.traps, "IRQ": stats.irqs, "fault": stats.faults, "reset": stats.resets}
    return known | {
        "workload": ",".join(f"{name}={value}" for name, value in vcoproc.workload.items()) or "-",
        "time": f"ran {ran}, waited {waited}, {messages.many(stats.switches, 'switch', 'es')}",
        "denials": f"{stats.denials} in {show_duration(stats.denied_ps)}, overran by {show_duration(stats.overrun_ps)}"
        f", owes {show_duration(vcoproc.owed_ps)}",
        "suffered": f"{messages.many(stats.suffered, 'denial')} in {show_duration(stats.suffered_ps)}",
        "jobs": f"{stats.released} released, {stats.done} done, {stats.missed} missed{missed and f': {missed}'}",
        "events": ", ".join(messages.many(count, what) for what, count in happened.items()),
    }
