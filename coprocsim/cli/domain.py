"""`domain …`: domains are created, seen, stopped and destroyed."""

from pathlib import Path

import click

from coprocsim.cli import messages
from coprocsim.cli.arguments import domains
from coprocsim.cli.tables import json_option, print_json


@click.group("domain", epilog="Example: coprocsim domain create domains/infotainment.cfg")
def domain_command() -> None:
    """Create, destroy, pause, unpause and show domains."""


@domain_command.command(epilog="Example: coprocsim domain create domains/infotainment.cfg 'memory=64' --paused")
@click.argument("config", metavar="GUEST.cfg", type=click.Path())
@click.argument("extra", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--paused", is_flag=True, help="Create it paused.")
@click.option("--dry-run", is_flag=True, help="Check all of it, change nothing.")
@json_option
@click.pass_obj
def create(machine: Path, config: str, extra: tuple[str, ...], paused: bool, dry_run: bool, as_json: bool) -> None:
    """Create a domain and its vcoprocs as an xl config says, or nothing.

    KEY=VALUE arguments are added to the config, in its syntax.
    """
    from coprocsim.toolstack import domain  # noqa: PLC0415

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


@domain_command.command(epilog="Example: coprocsim domain destroy infotainment")
@click.argument("name", metavar="DOMAIN", shell_complete=domains)
@click.pass_obj
def destroy(machine: Path, name: str) -> None:
    """End a domain; DOMAIN is a name or an id."""
    from coprocsim.toolstack import domain  # noqa: PLC0415

    ended = domain.destroy(machine, name)
    if ended.dying:
        print(f"domain {ended.domain_id} `{ended.name}` is dying: its context has yet to leave a coproc")
    else:
        print(f"domain {ended.domain_id} `{ended.name}` is destroyed")


@domain_command.command(epilog="Example: coprocsim domain pause infotainment")
@click.argument("name", metavar="DOMAIN", shell_complete=domains)
@click.pass_obj
def pause(machine: Path, name: str) -> None:
    """Stop a domain: its driver does nothing, its vcoprocs sleep, its interrupts pend."""
    from coprocsim.toolstack import domain  # noqa: PLC0415

    domain.pause(machine, name)
    print(f"domain `{name}` is paused")


@domain_command.command(epilog="Example: coprocsim domain unpause infotainment")
@click.argument("name", metavar="DOMAIN", shell_complete=domains)
@click.pass_obj
def unpause(machine: Path, name: str) -> None:
    """Let a paused domain go on."""
    from coprocsim.toolstack import domain  # noqa: PLC0415

    domain.unpause(machine, name)
    print(f"domain `{name}` goes on")
