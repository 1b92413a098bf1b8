"""The scheduling algorithms, by name; `README.md` says how to write another one."""

from coprocsim.plugins import Registry
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.rrobin import RoundRobin

ALGORITHMS: Registry[Scheduler] = Registry(
    "scheduling algorithm", "coprocsim.schedulers", Scheduler, (RoundRobin,), ("name", "summary")
)
DEFAULT_ALGORITHM = RoundRobin.name
