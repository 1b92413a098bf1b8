"""`boot` and `shutdown`: a machine begins and ends."""

from pathlib import Path

import click

from coprocsim.cli import messages
from coprocsim.cli.arguments import settings, size
from coprocsim.cli.tables import json_option, left, print_json, right, table


@click.command(epilog="Example: coprocsim boot dts/system.dtb --seed 7")
@click.argument("tree", metavar="SYSTEM.dtb|.dts", type=click.Path())
@click.option("--platform", "platforms", metavar="ID=NAME", multiple=True, help="Drive a coproc with this platform.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of all that is random.")
@click.option("--trace-limit", metavar="SIZE", callback=size, default="256MiB", show_default=True, help="On disk.")
@click.option("--force", is_flag=True, help="Replace a machine that is up.")
@json_option
@click.pass_obj
def boot_command(
    machine: Path, tree: str, platforms: tuple[str, ...], seed: int, trace_limit: int, force: bool, as_json: bool
) -> None:
    """Boot a machine from a device tree and show the coprocs that it shares.

    A source (.dts) is compiled with dtc.
    """
    from coprocsim.observe import listing  # noqa: PLC0415
    from coprocsim.observe.view import View  # noqa: PLC0415
    from coprocsim.toolstack.boot import BootOptions, boot  # noqa: PLC0415

    chosen = {setting.name: setting.value for setting in settings(platforms, "ID=NAME")}
    booted = boot(machine, tree, BootOptions(chosen, seed, trace_limit, force))
    snapshot = booted.snapshot
    found = listing.devices(snapshot)
    if as_json:
        print_json({"model": snapshot.machine.model, "seed": seed, "coprocs": found})
    else:
        many = "1 shared coproc" if len(found) == 1 else f"{len(found)} shared coprocs"
        print(f"{snapshot.machine.model}: {many}, seed {seed}")
        table(
            [*left("Coproc", "Platform", "Scheduler"), *right("Clock"), *left("Ranges", "Lines", "IOMMU", "Path")],
            [
                (each.coproc, each.platform, each.algorithm, show_frequency(each.clock_hz), *_wiring(each), each.path)
                for each in found
            ],
        )
    for note in booted.notes:
        messages.note(note)
    for warning in booted.warnings:
        messages.warning(warning)
