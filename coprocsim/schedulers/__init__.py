"""The scheduling algorithms, by name; `README.md` says how to write another one."""

from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.rrobin import RoundRobin

ALGORITHMS: dict[str, type[Scheduler]] = {RoundRobin.name: RoundRobin}
DEFAULT_ALGORITHM = RoundRobin.name
