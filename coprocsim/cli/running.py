"""`run` and `step`: time passes."""

from pathlib import Path

import click

from coprocsim.cli import messages
from coprocsim.cli.arguments import coprocs, duration
from coprocsim.cli.examples import examples
from coprocsim.cli.progress import Progress
from coprocsim.cli.tables import exact_seconds, json_option, left, print_json, right, table


@click.command("run", epilog=examples("coprocsim run 2.5s", "coprocsim run --cycles 1000000 --coproc gpu0"))
@click.argument("duration_ps", metavar="[DURATION]", callback=duration, required=False)
@click.option("--cycles", type=click.IntRange(1), metavar="N", help="So many cycles of the coproc's clock.")
@click.option("--coproc", metavar="COPROC", shell_complete=coprocs, help="Whose cycles are counted.")
@click.option("--until", type=click.Choice(["idle"]), help="Until nobody has work, for DURATION at the most.")
@json_option
@click.pass_obj
def run_command(
    machine: Path, duration_ps: int | None, cycles: int | None, coproc: str | None, until: str | None, as_json: bool
) -> None:
    """Let time pass: 10ms, 2.5s, 500us.

    Ctrl-C, or SIGTERM, stops the machine at an instant; everything up to it is kept, and the next `run` goes on from
    there. A guest
    with a backlog always has work: `--until idle` then lasts for DURATION, or until Ctrl-C.
    """
    if (cycles is None) != (coproc is None):
        raise click.UsageError("`--cycles` and `--coproc` belong together")
    if sum(choice is not None for choice in (cycles, until or duration_ps)) != 1:
        raise click.UsageError("say how long: `run 10ms`, `run --cycles N --coproc COPROC` or `run --until idle`")
    from coprocsim.toolstack import control

    if until is not None and duration_ps is None:
        _say_what_never_ends(machine)
    with Progress() as progress:
        if cycles is not None and coproc is not None:
            ran = control.run_cycles(machine, coproc, cycles, progress)
        elif until is not None:
            ran = control.run_until_idle(machine, duration_ps, progress)
        else:
            assert duration_ps is not None
            ran = control.run(machine, duration_ps, progress)
    if as_json:
        print_json(
            {
                "from_ps": ran.from_ps,
                "to_ps": ran.to_ps,
                "switches": ran.switches,
                "denials": ran.denials,
                "jobs_done": ran.jobs,
                "findings": ran.findings,
                "idle": ran.idle,
                "interrupted": ran.interrupted,
            }
        )
    else:
        from coprocsim.units import show_duration, show_instant

        counts = (
            messages.many(ran.switches, "switch", "es"),
            messages.many(ran.denials, "denial"),
            messages.many(ran.jobs, "job"),
        )
        passed = show_duration(ran.to_ps - ran.from_ps)
        idle = "" if until is None else "; idle" if ran.idle else "; not idle"
        print(f"{passed} passed, it is {show_instant(ran.to_ps)} s: {', '.join(counts)} done{idle}")
    if ran.findings:
        broken = messages.many(ran.findings, "finding")
        messages.warning(f"{broken}: a rule of isolation is broken; `coprocsim verify` says which, and how")
    if ran.interrupted:
        messages.note("stopped before its end; everything up to this instant is kept")


def _say_what_never_ends(machine: Path) -> None:
    """Say who always has work, and how a run until nobody has any ends then."""
    from coprocsim.guests.backlog import Backlog
    from coprocsim.observe.domains import workloads
    from coprocsim.observe.view import view
    from coprocsim.snapshot import WorkloadRow
    from coprocsim.store import read

    with read(machine) as file:
        seen = view(file)
        found = [
            f"`{each.domain}` on `{each.coproc}`"
            for each in workloads(seen, file.rows(WorkloadRow))
            if each.options.get("kind") == Backlog.kind and not seen.domains[each.domain_id].paused
        ]
    if found:
        has = "has" if len(found) == 1 else "have"
        messages.note(f"{', '.join(found)} {has} a backlog, which never ends: Ctrl-C stops the run and keeps it")


@click.command("step", epilog=examples("coprocsim step 5"))
@click.argument("count", metavar="[N]", type=click.IntRange(1, 100_000), default=1)
@json_option
@click.pass_obj
def step_command(machine: Path, count: int, as_json: bool) -> None:
    """Make N scheduling decisions, each told in a line.

    `a ran 2 ms`: a has the coproc since 2 ms; `a ran its 5 ms`: its turn is over; `a denies 20 us`: its driver does not
    leave since then. `b for 5 ms`: b is next, for 5 ms at the most; `b, but denied`: b would be.

    Those of one instant belong together, so there may be more. Where much happens and nothing is decided there may be
    fewer, and a note says so; Ctrl-C ends it, too. What has happened is kept.
    """
    from coprocsim.toolstack.stepping import Ended, step

    with Progress() as progress:
        stepped = step(machine, count, progress)
    if as_json:
        decisions = [
            {"at_ps": each.at_ps, "coproc": each.coproc_id, "situation": each.asked, "decision": each.answered}
            for each in stepped.decisions
        ]
        print_json({"now_ps": stepped.now_ps, "ended": stepped.ended.value, "decisions": decisions})
    else:
        instants = exact_seconds([(each.at_ps,) for each in stepped.decisions])
        rows = [(at, x.coproc_id, x.asked, x.answered) for (at,), x in zip(instants, stepped.decisions, strict=True)]
        table([*right("At(s)"), *left("Coproc", "Situation", "Decision")], rows)
    from coprocsim.units import show_instant

    now = f"it is {show_instant(stepped.now_ps)} s"
    match stepped.ended:
        case Ended.NOTHING:
            messages.note("nothing more is to come")
        case Ended.NO_DECISION:
            messages.note(f"{now}, much has happened, and nothing was to be decided; `step` again goes on")
        case Ended.INTERRUPTED:
            messages.note(f"{now}: stopped before its end; everything up to this instant is kept")
        case Ended.COUNTED:
            pass
