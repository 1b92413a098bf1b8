"""A machine put to rest as rows, and woken again from them: a run that is cut in two this way is the same run."""

from coprocsim.hypervisor.rest.from_rows import from_rows
from coprocsim.hypervisor.rest.to_rows import to_rows

__all__ = ["from_rows", "to_rows"]
