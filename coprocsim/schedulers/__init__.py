"""The scheduling algorithms, by name; `README.md` says how to write another one."""

from coprocsim.plugins import Registry
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.cbs import ConstantBandwidthServer
from coprocsim.schedulers.edf import EarliestDeadline
from coprocsim.schedulers.fixed import FixedShare
from coprocsim.schedulers.null import Null
from coprocsim.schedulers.priority import FixedPriority
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.schedulers.rtds import DeferrableServer

ALGORITHMS: Registry[Scheduler] = Registry(
    "scheduling algorithm",
    "coprocsim.schedulers",
    Scheduler,
    (
        RoundRobin,
        FixedShare,
        FixedPriority,
        EarliestDeadline,
        DeferrableServer,
        ConstantBandwidthServer,
        Null,
    ),
    ("name", "summary"),
)
DEFAULT_ALGORITHM = RoundRobin.name
