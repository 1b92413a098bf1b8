"""`boot` and `shutdown`: a machine begins and ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from coprocsim.cli import messages, offered
from coprocsim.cli.arguments import settings, size
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import json_option, left, print_json, right, table

if TYPE_CHECKING:
    from coprocsim.snapshot import CoprocRow, Snapshot


@click.command(
    "boot", epilog=examples("coprocsim boot dts/system.dtb", "coprocsim boot dts/system.dtb --force --seed 7")
)
@click.argument("tree", metavar="SYSTEM.dtb|.dts", type=click.Path())
@click.option(
    "--platform",
    "platforms",
    metavar="ID=NAME",
    multiple=True,
    shell_complete=offered.platforms,
    help="Drive a coproc with this platform.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of all that is random.")
@click.option("--trace-limit", metavar="SIZE", callback=size, help="On disk; default: as configured, 256MiB.")
@click.option("--config", metavar="FILE", type=click.Path(), help="What is built in; default: everything.")
@click.option("--force", is_flag=True, help="Replace a machine that is up.")
@json_option
@click.pass_obj
def boot_command(
    machine: Path,
    tree: str,
    platforms: tuple[str, ...],
    seed: int,
    trace_limit: int | None,
    config: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Boot a machine from a device tree; show what it shares.

    A source (.dts) is compiled with dtc. The FILE of `--config` is a `.config`, as `coprocsim config set` writes it;
    it is kept with the machine.
    """
    from coprocsim.toolstack.boot import BootOptions, boot

    chosen = {setting.name: setting.value for setting in settings(platforms, "ID=NAME")}
    booted = boot(machine, tree, BootOptions(chosen, seed, trace_limit, force, config))
    found = [_device(booted.snapshot, row) for row in booted.snapshot.coprocs]
    if as_json:
        print_json({"model": booted.snapshot.machine.model, "seed": seed, "coprocs": found})
    else:
        _print_devices(booted.snapshot.machine.model, seed, found)
    for note in booted.notes:
        messages.note(note)
    for warning in booted.warnings:
        messages.warning(warning)


class _Device(NamedTuple):
    """A shared coproc as `boot` has found it; the fields' names are the keys of `--json`."""

    coproc: str
    path: str
    platform: str
    scheduler: str
    clock_hz: int
    ranges: tuple[dict[str, str | int], ...]
    lines: tuple[dict[str, str | int | None], ...]
    streams: tuple[str, ...]


def _device(snapshot: "Snapshot", row: "CoprocRow") -> _Device:
    mine = row.coproc_id
    return _Device(
        mine,
        row.path,
        row.platform,
        row.algorithm,
        row.clock_hz,
        tuple(
            {"name": each.name, "base": each.base, "size_bytes": each.size_bytes}
            for each in snapshot.regions
            if each.coproc_id == mine
        ),
        tuple(
            {"name": each.name, "label": each.label, "intid": each.intid}
            for each in snapshot.lines
            if each.coproc_id == mine
        ),
        tuple(f"{each.iommu}:{each.cells}".rstrip(":") for each in snapshot.streams if each.coproc_id == mine),
    )


def _print_devices(model: str, seed: int, devices: list[_Device]) -> None:
    from coprocsim.units import show_frequency

    print(f"{messages.printable(model)}: {messages.many(len(devices), 'shared coproc')}, seed {seed}")
    table(
        [*left("Coproc", "Platform", "Scheduler"), *right("Clock"), *left("Path")],
        [(each.coproc, each.platform, each.scheduler, show_frequency(each.clock_hz), each.path) for each in devices],
    )
    print()
    table(left("Coproc", "Has", "Where"), [row for each in devices for row in _resources(each)])


def _resources(device: _Device) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each range, interrupt line and IOMMU stream; those without a name have a number."""
    from coprocsim.units import show_size

    for window in device.ranges:
        where = f"{window['base']:#x}, {show_size(int(window['size_bytes']))}"
        yield device.coproc, f"range {window['name']}", where
    for line in device.lines:
        yield device.coproc, f"line {line['name']}", str(line["label"])
    for stream in device.streams:
        yield device.coproc, "stream", stream


@click.command("shutdown", epilog=examples("coprocsim shutdown"))
@click.pass_obj
def shutdown_command(machine: Path) -> None:
    """End the machine: nothing of it stays."""
    from coprocsim.toolstack.boot import shutdown

    shutdown(machine)
    print("the machine is down")
