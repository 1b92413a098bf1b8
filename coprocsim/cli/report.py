"""`report`: one page about the machine that is up."""

from pathlib import Path

import click

from coprocsim.cli.arguments import coprocs, duration
from coprocsim.cli.examples import examples
from coprocsim.cli.progress import Progress, Reading
from coprocsim.cli.written import written


@click.command("report", epilog=examples("coprocsim report monday.html --from 1.9s"))
@click.argument("path", metavar="FILE", type=click.Path(allow_dash=True))
@click.option(
    "--from", "from_ps", metavar="INSTANT", callback=duration, help="Where the picture begins; default: boot."
)
@click.option("--to", "to_ps", metavar="INSTANT", callback=duration, help="Where the picture ends; default: now.")
@click.option("--coproc", metavar="COPROC", shell_complete=coprocs, help="Only this coproc.")
@click.pass_obj
def report_command(machine: Path, path: str, from_ps: int | None, to_ps: int | None, coproc: str | None) -> None:
    """Write an HTML page: the schedule to zoom into, figures.

    To stdout where FILE is `-`. The page needs nothing but itself. `--from` and `--to` are for the picture; figures are
    since boot. A FILE that is there is replaced when the new one is complete.
    """
    from coprocsim.cli.pages.report import page_of
    from coprocsim.observe.report import report
    from coprocsim.observe.view import view
    from coprocsim.store import read
    from coprocsim.toolstack import catalogue, history

    with read(machine) as file, Progress() as progress:
        seen = view(file)
        reading = Reading(progress, file.trace_begins_ps, seen.now_ps)
        found = report(file, seen, from_ps, to_ps, coproc, reading)
    schedules = [catalogue.schedule(machine, line.coproc) for line in found.lines]
    page = page_of(found, schedules, history.history(machine))
    with written(path, text=True) as out:
        out.write(page.encode())
    if path != "-":
        print(f"{path}: open it in a browser")
