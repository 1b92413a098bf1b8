"""A machine between two commands: one SQLite file, and in it the rows of `snapshot` and the trace.

`README.md` says what is in the file and what is promised of it.
"""

from coprocsim.store.file import MachineFile, NoMachine, Unusable, damaged, no_machine, opened, read, require

__all__ = ["MachineFile", "NoMachine", "Unusable", "damaged", "no_machine", "opened", "read", "require"]
