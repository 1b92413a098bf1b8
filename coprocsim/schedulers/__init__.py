"""The scheduling algorithms, by name; `README.md` says how to write another one."""

from coprocsim.plugins import Registry
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.cbs import ConstantBandwidthServer
from coprocsim.schedulers.credit import Credit
from coprocsim.schedulers.edf import EarliestDeadline
from coprocsim.schedulers.fair import Fair
from coprocsim.schedulers.fixed import FixedShare
from coprocsim.schedulers.null import Null
from coprocsim.schedulers.priority import FixedPriority
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.schedulers.rtds import DeferrableServer
from coprocsim.schedulers.timebased import TimeBased

ALGORITHMS: Registry[Scheduler] = Registry(
    "scheduling algorithm",
    "coprocsim.schedulers",
    Scheduler,
    (
        RoundRobin,
        FixedShare,
        Credit,
        Fair,
        FixedPriority,
        EarliestDeadline,
        DeferrableServer,
        ConstantBandwidthServer,
        TimeBased,
        Null,
    ),
    ("name", "summary"),
)
DEFAULT_ALGORITHM = RoundRobin.name
