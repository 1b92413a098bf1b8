"""`conformance`: the checks that every part must pass, on anybody's platform, hardware, scheduler or workload."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from coprocsim.cli import offered
from coprocsim.cli.examples import examples
from coprocsim.cli.progress import at_work_on
from coprocsim.cli.tables import heading, json_option, print_json

if TYPE_CHECKING:
    from coprocsim.conformance import Part, Verdict

_KINDS = ("platform", "hardware", "scheduler", "workload")
# As many lines of what led to a failure are shown at most; `--json` has all.
_STEPS_MAX = 40


@click.command(
    "conformance",
    epilog=examples("coprocsim conformance rrobin --examples 20"),
)
@click.argument("entry", metavar="ENTRY", shell_complete=offered.part)
@click.option("--kind", type=click.Choice(_KINDS), help="What ENTRY is, if its name does not say.")
@click.option(
    "--import",
    "modules",
    metavar="MODULE",
    multiple=True,
    help="Import this first: where the hardware of a platform, or the platform of a workload, is not installed.",
)
@click.option(
    "--examples",
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    help="Play so many scenarios for each check.",
)
@json_option
@click.pass_context
def conformance_command(
    ctx: click.Context, entry: str, kind: str | None, modules: tuple[str, ...], examples: int, as_json: bool
) -> None:
    """Check that a part keeps the rules of its kind.

    ENTRY is `module:Class`, or the name of a part that is installed. Scenarios are the same each time; one that
    shows a mistake is made as short as can be. Exits with 1 if a check has failed.
    """
    _require_hypothesis()
    from coprocsim.conformance import judge, no_notes, part_named
    from coprocsim.plugins import imported

    with _this_folder(), no_notes():
        for module in modules:
            imported(module)
        part = part_named(entry, kind)
        if not as_json:
            heading(f"{part.kind} {part.name}, {examples} scenarios for each check")
        verdicts = []
        for number, check in enumerate(part.checks, 1):
            with at_work_on(f"{number} of {len(part.checks)}: {check.name}"):
                verdicts.append(judge(check, examples))
            if not as_json:
                _print_line(verdicts[-1])
    failed = [each for each in verdicts if each.outcome == "failed"]
    if as_json:
        print_json(_document(part, examples, verdicts))
    else:
        for verdict in failed:
            _print_failure(verdict)
        print()
        print(_sum(verdicts, len(failed)))
    if failed:
        ctx.exit(1)


def _sum(verdicts: "list[Verdict]", failed: int) -> str:
    left_out = sum(each.outcome == "left out" for each in verdicts)
    more = f", {left_out} left out" if left_out else ""
    if failed:
        return f"{failed} of {len(verdicts)} checks failed{more}"
    many = f"{len(verdicts) - left_out} of {len(verdicts)}" if left_out else f"all {len(verdicts)}"
    return f"{many} checks passed{more}"


def _require_hypothesis() -> None:
    from importlib.util import find_spec

    from coprocsim.errors import PluginError

    if find_spec("hypothesis") is None:
        hint = "python -m pip install 'coprocsim[conformance]'"
        raise PluginError("`conformance` needs Hypothesis, which is not installed", hint=hint)


@contextmanager
def _this_folder() -> Iterator[None]:
    """Let modules of the present folder be found."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _print_line(verdict: "Verdict") -> None:
    why = "" if verdict.left_out is None else f" ({verdict.left_out})"
    print(f"{verdict.outcome:8}  {verdict.check}{why}", flush=True)


def _print_failure(verdict: "Verdict") -> None:
    print()
    heading(verdict.check)
    print(f"expected: {verdict.expects}")
    print(f"found: {verdict.found}")
    if verdict.raised_at is not None:
        print(f"raised by: {verdict.raised_at}")
    if verdict.steps:
        print("after:")
    for step in verdict.steps[:_STEPS_MAX]:
        print(f"    {step}")
    more = len(verdict.steps) - _STEPS_MAX
    if more > 0:
        print(f"    and {more} more, which `--json` has")


def _document(part: "Part", examples: int, verdicts: "list[Verdict]") -> dict[str, object]:
    failed = any(each.outcome == "failed" for each in verdicts)
    return {
        "entry": part.entry,
        "kind": part.kind,
        "name": part.name,
        "examples": examples,
        "passed": not failed,
        "checks": verdicts,
    }
