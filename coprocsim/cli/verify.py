"""`verify`: the rules of isolation over the recorded trace."""

from pathlib import Path

import click

from coprocsim.cli import messages
from coprocsim.cli.examples import examples
from coprocsim.cli.progress import Progress, Reading
from coprocsim.cli.tables import json_option, left, print_json, right, table

EXIT_BROKEN = 1


@click.command("verify", epilog=examples("coprocsim run 1s", "coprocsim verify"))
@click.option("--most", type=click.IntRange(0), default=20, show_default=True, help="How many findings are shown.")
@json_option
@click.pass_obj
def verify_command(machine: Path, most: int, as_json: bool) -> int:
    """Check the rules of isolation over the recorded trace.

    They say that one guest cannot hurt another. `rows` is what is worked out from the trace again, `running` what was
    checked while it ran. A vcoproc is called after its domain's id, `d1v0`, and its domain's name stands beside it.

    Exits with 1 if one of them is broken.
    """
    from coprocsim.observe.verify import NOT_CHECKED, verified
    from coprocsim.observe.view import view
    from coprocsim.store import read
    from coprocsim.units import show_instant

    with read(machine) as file, Progress() as progress:
        seen = view(file)
        verdict = verified(seen, file, Reading(progress, file.trace_begins_ps, seen.now_ps))
    if as_json:
        print_json(verdict)
        return EXIT_BROKEN if verdict.findings else 0
    table(
        [*left("Rule", "Checked"), *right("Findings"), *left("What it demands")],
        [
            (each.rule, each.checked, "-" if each.checked == NOT_CHECKED else each.findings, each.demands)
            for each in verdict.rules
        ],
    )
    rows = messages.many(verdict.rows, "row")
    print(f"\n{rows} from {show_instant(verdict.from_ps)} s to {show_instant(verdict.to_ps)} s")
    for each in verdict.findings[:most]:
        domain = "" if each.vcoproc == "-" else seen.called(each.vcoproc)
        who = each.vcoproc if domain in {"", each.vcoproc} else f"{each.vcoproc} ({domain})"
        print(messages.printable(f"{show_instant(each.at_ps)}  {each.coproc}  {who}  {each.rule}: {each.what}"))
    if len(verdict.findings) > most:
        print(f"and {len(verdict.findings) - most} more: `--most {len(verdict.findings)}` or `--json` shows them all")
    return EXIT_BROKEN if verdict.findings else 0
