"""The workloads, by kind; `README.md` says how to write another one."""

from collections.abc import Sequence

from coprocsim.errors import did_you_mean
from coprocsim.guests.backlog import Backlog
from coprocsim.guests.base import Guest, GuestSite
from coprocsim.guests.fuzz import Fuzz
from coprocsim.guests.idle import Idle
from coprocsim.guests.periodic import Periodic
from coprocsim.guests.poisson import Poisson
from coprocsim.guests.trace import Trace
from coprocsim.model import Setting
from coprocsim.parameters import BadSetting, MissingSetting
from coprocsim.plugins import Registry

WORKLOADS: Registry[Guest] = Registry(
    "workload",
    "coprocsim.workloads",
    Guest,
    (Idle, Periodic, Poisson, Backlog, Trace, Fuzz),
    ("kind", "summary"),
    "kind",
)


def guest_of(site: GuestSite, options: Sequence[Setting]) -> Guest:
    """Return the guest that the options describe, at the beginning of its work; BadSetting names the wrong one."""
    kind = next((option for option in options if option.name == "kind"), None)
    if kind is None:
        first = options[0] if options else Setting("kind", "")
        hint = did_you_mean("", WORKLOADS, "write `kind=…`, one of")
        raise MissingSetting(first, "kind", "a workload needs `kind`", hint)
    if kind.value not in WORKLOADS:
        hint = did_you_mean(kind.value, WORKLOADS, "there are")
        raise BadSetting(kind, f"no workload of kind `{kind.value}`", hint)
    return WORKLOADS[kind.value](site, options)
