"""`mmio …`: one access of a guest to a register, and what became of it."""

from pathlib import Path

import click

from coprocsim.cli.arguments import domains, number
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import json_option, print_json

_SIZE = click.option("--size", type=click.Choice(["1", "2", "4", "8"]), default="4", show_default=True, help="Bytes.")


@click.group("mmio", epilog=examples("coprocsim mmio read instrument 0xfd000014"))
def mmio_command() -> None:
    """Do one access of a domain; tell what became of it.

    Direct: it reached the hardware. Trapped: the platform's handler answered. Aborted: the domain got a data abort;
    that is an answer, too, and no failure of this command.
    """


@mmio_command.command("read", epilog=examples("coprocsim mmio read instrument 0xfd000014 --size 2"))
@click.argument("domain", metavar="DOMAIN", shell_complete=domains)
@click.argument("address", metavar="ADDRESS", callback=number)
@_SIZE
@json_option
@click.pass_obj
def read_register(machine: Path, domain: str, address: int, size: str, as_json: bool) -> None:
    """Read at a guest address."""
    _access(machine, domain, address, int(size), None, as_json=as_json)


@mmio_command.command("write", epilog=examples("coprocsim mmio write instrument 0xfd000000 0x1"))
@click.argument("domain", metavar="DOMAIN", shell_complete=domains)
@click.argument("address", metavar="ADDRESS", callback=number)
@click.argument("value", metavar="VALUE", callback=number)
@_SIZE
@json_option
@click.pass_obj
def write_register(machine: Path, domain: str, address: int, value: int, size: str, as_json: bool) -> None:
    """Write VALUE at a guest address."""
    if value >= 1 << 8 * int(size):
        raise click.UsageError(f"{value:#x} does not fit in {size} byte{'' if size == '1' else 's'}")
    _access(machine, domain, address, int(size), value, as_json=as_json)


def _access(machine: Path, domain: str, address: int, size: int, value: int | None, *, as_json: bool) -> None:
    from coprocsim.toolstack import control

    outcome = control.access(machine, domain, address, size, value)
    coproc = None if outcome.vcoproc is None else outcome.vcoproc.coproc.spec.coproc_id
    aborted = outcome.why is not None
    shown = outcome.value if value is None else value
    if as_json:
        print_json(
            {
                "direction": "read" if value is None else "write",
                "address": address,
                "size_bytes": size,
                "value": None if aborted else shown,
                "outcome": outcome.route.value,
                "why": outcome.why,
                "coproc": coproc,
                "region": outcome.region,
                "offset": None if outcome.region is None else outcome.offset,
            }
        )
        return
    if aborted:
        print(f"aborted: {outcome.why}")
    else:
        print(f"0x{shown:0{2 * size}x}  {outcome.route.value}  {coproc} {outcome.region}+{outcome.offset:#x}")
