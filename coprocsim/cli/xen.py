"""What people of Xen type, and how it is called here."""

import click

MEANT = {
    "create": "domain create",
    "destroy": "domain destroy",
    "pause": "domain pause",
    "unpause": "domain unpause",
    "domain list": "list domains",
    "vcpu-list": "list vcoprocs",
    "info": "list",
    "uptime": "list",
    "sched-credit": "sched",
    "sched-credit2": "sched",
    "sched-rtds": "sched",
    "dmesg": "trace show",
    "xentop": "top",
}


class XenGroup(click.Group):
    """A group that knows what is meant by a command of `xl` which is called otherwise here."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say what is meant by a word of theirs that is no command here."""
        here = "" if ctx.parent is None else f"{ctx.info_name} "
        meant = MEANT.get(f"{here}{args[0]}")
        if meant is not None and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"no such command `{here}{args[0]}`: did you mean `coprocsim {meant}`?", ctx)
        return super().resolve_command(ctx, args)
