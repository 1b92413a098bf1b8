"""`analyse`: bounds from theory beside what was measured."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coprocsim.cli.arguments import coprocs
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import heading, json_option, left, milliseconds, print_json, right, table

if TYPE_CHECKING:
    from coprocsim.toolstack.analyse import AnalysedCoproc


@click.command("analyse", epilog=examples("coprocsim analyse --coproc gpu0"))
@click.option("--coproc", metavar="COPROC", shell_complete=coprocs, help="Only this coproc.")
@json_option
@click.pass_obj
def analyse_command(machine: Path, coproc: str | None, as_json: bool) -> None:
    """Show how long a job can take, by theory and as measured.

    The longest of each, and the deadline. Nothing is run or changed. It holds for what is set now; what was measured
    under other settings, or while something was paused or made to fail, may be more.
    """
    from coprocsim.toolstack import analyse

    analysed = analyse.analyse(machine, coproc)
    if as_json:
        print_json({"coprocs": analysed})
        return
    for number, each in enumerate(analysed):
        if number:
            print()
        _print(each)


def _print(analysed: "AnalysedCoproc") -> None:
    from coprocsim.units import show_duration

    timeout = f"after {show_duration(analysed.switch_timeout_ps)}" if analysed.switch_timeout_ps else "never"
    heading(f"{analysed.coproc}: {analysed.scheduler}; a change takes {show_duration(analysed.change_ps)} at most")
    print(f"A denial ends by force {timeout}. Times in ms.")
    rows = [
        (
            each.domain,
            *(_limit(time_ps) for time_ps in (each.work_ps, each.uncuttable_ps, each.period_ps)),
            *(_time(time_ps) for time_ps in (each.deadline_ps, each.latency_ps_max, each.bound_ps)),
            each.verdict,
        )
        for each in analysed.vcoprocs
    ]
    table(
        [
            *left("Domain"),
            *right("Work", "Uncuttable", "Period", "Deadline", "Measured", "Bound"),
            *left("Deadlines"),
        ],
        rows,
    )
    for each in analysed.vcoprocs:
        if each.why is not None:
            print(f"{each.domain}: {each.verdict}: {each.why}")


def _limit(time_ps: int | None) -> str:
    return "any" if time_ps is None else milliseconds(time_ps)


def _time(time_ps: int | None) -> str:
    return "-" if time_ps is None else milliseconds(time_ps)
