"""`fault …` and `irq …`: let something go wrong, and see what becomes of it."""

from pathlib import Path

import click
from click.core import ParameterSource

from coprocsim.cli import messages, offered
from coprocsim.cli.arguments import coprocs, domains, duration
from coprocsim.cli.examples import examples
from coprocsim.cli.tables import json_option, left, print_json, right, table
from coprocsim.model import FaultKind

_KINDS = [kind.value for kind in FaultKind]


@click.group(
    "fault", epilog=examples("coprocsim fault inject gpu0 hang", "coprocsim run 100ms", "coprocsim list coprocs")
)
def fault_command() -> None:
    """Let something go wrong with a coproc.

    \b
    deny               its driver refuses to leave, for a time
    hang               it refuses until it is reset, by the switch timeout
    fail-leave         leaving fails
    fail-enter         entering fails
    fail-reset         with one of those above: the reset of the context fails,
                       and the whole coproc is reset
    fail-reset-coproc  with fail-reset: that fails, too; the coproc has failed
    iommu              the IOMMU cannot be set up for the entering context
    stale-iommu        the leaving context's translations are not invalidated
    dma                it accesses memory where no domain has any, at once
    spurious-irq       its first line goes up while nobody has it

    Of several that are about leaving, fail-leave comes before deny, deny before hang; of one kind the oldest is first.
    """


@fault_command.command(
    "inject", epilog=examples("coprocsim fault inject gpu0 deny --for 5ms --times 3 -d infotainment")
)
@click.argument("coproc", metavar="COPROC", shell_complete=coprocs)
@click.argument("kind", metavar="KIND", type=click.Choice(_KINDS))
@click.option("-d", "--domain", metavar="DOMAIN", shell_complete=domains, help="Only when it hits this domain.")
@click.option("--times", type=click.IntRange(1, 2**31 - 1), default=1, show_default=True, help="How often.")
@click.option("--always", is_flag=True, help="Every time, until `fault clear`.")
@click.option("--for", "time_ps", metavar="DURATION", callback=duration, default="1ms", help="Of a denial; 1ms.")
@click.pass_context
def inject_fault(
    ctx: click.Context, coproc: str, kind: str, domain: str | None, times: int, always: bool, time_ps: int
) -> None:
    """Let KIND go wrong with a coproc when it is next tried.

    `coprocsim fault --help` says what each KIND is.
    """
    given = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if "time_ps" in given and kind != FaultKind.DENY:
        raise click.UsageError(f"`--for` is how long a `deny` lasts; `{kind}` has no such thing")
    if {"times", "always"} <= given:
        raise click.UsageError("`--times` and `--always` exclude each other")
    from coprocsim.toolstack import provoke

    injected = provoke.inject(ctx.obj, coproc, FaultKind(kind), domain, None if always else times, time_ps)
    what = [kind] if injected.domain is None else [kind, injected.domain]
    if kind == FaultKind.DENY:
        from coprocsim.units import show_duration

        what.append(f"for {show_duration(time_ps)}")
    if always or times > 1:
        what.append("always" if always else f"{times} times")
    print(f"{injected.coproc_id}: {', '.join(what)}")


@fault_command.command("clear", epilog=examples("coprocsim fault clear gpu0"))
@click.argument("coproc", metavar="COPROC", shell_complete=coprocs)
@click.pass_obj
def clear_faults(machine: Path, coproc: str) -> None:
    """Let nothing more go wrong with a coproc on purpose."""
    from coprocsim.toolstack import provoke

    count = provoke.clear(machine, coproc)
    print(f"{coproc}: {messages.many(count, 'fault')} cleared")


@fault_command.command("list", epilog=examples("coprocsim fault list"))
@json_option
@click.pass_obj
def list_faults(machine: Path, as_json: bool) -> None:
    """List the faults that are still to come."""
    from coprocsim.observe.faults import fault_lines
    from coprocsim.observe.view import view
    from coprocsim.store import read

    with read(machine) as file:
        lines = fault_lines(view(file), file)
    if as_json:
        print_json({"faults": lines})
        return
    from coprocsim.units import show_duration

    rows = [
        (
            *(each.coproc, each.kind, each.domain or "-", "-" if each.times is None else each.times),
            "-" if each.time_ps is None else show_duration(each.time_ps),
        )
        for each in lines
    ]
    table([*left("Coproc", "Fault", "Domain"), *right("Times", "For")], rows)


@click.group("irq", epilog=examples("coprocsim irq raise xxc0 op"))
def irq_command() -> None:
    """Raise a coproc's interrupt lines."""


@irq_command.command("raise", epilog=examples("coprocsim irq raise xxc0 op"))
@click.argument("coproc", metavar="COPROC", shell_complete=coprocs)
@click.argument("line", metavar="LINE", shell_complete=offered.lines)
@click.pass_obj
def raise_irq(machine: Path, coproc: str, line: str) -> None:
    """Pulse LINE of a coproc, as if its hardware had raised it.

    The driver decides what becomes of it. `boot` and `domain show` name the lines; one without a name is called by its
    number, from 0. The INTID that the line has in the interrupt controller is understood, too, where no line is called
    so.
    """
    from coprocsim.toolstack import provoke

    owners = provoke.raise_irq(machine, coproc, line)
    names = ", ".join(f"`{owner}`" for owner in owners) or "nobody"
    print(f"{coproc}: line {line} was raised while {names} had it")
