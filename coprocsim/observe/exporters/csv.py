"""CSV: a line for each row, a column for each thing that a row can say.

`at_ns` is the instant in whole nanoseconds, as other tools count; `at_ps` the exact one. All other times are in ps.
"""

import csv
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from coprocsim.observe.exporters.text import Text
from coprocsim.observe.trace import FIELDS, domain_of, fields, kind_of
from coprocsim.units import PS_PER_NS

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.exporters.scene import Scene

COLUMNS = ("at_ns", "at_ps", "coproc", "kind", "what", "domain_id", "domain", "vcoproc", *FIELDS)


def write(out: BinaryIO, scene: "Scene", rows: "Iterable[TraceRow]") -> None:
    """Write the rows, below the columns' names."""
    lines = csv.DictWriter(Text(out), COLUMNS, lineterminator="\n")
    lines.writeheader()
    for row in rows:
        domain_id = domain_of(row)
        lines.writerow(
            fields(row)
            | {
                "at_ns": row[0] // PS_PER_NS,
                "at_ps": row[0],
                "coproc": row[1],
                "kind": kind_of(row),
                "what": row[2],
                "domain_id": domain_id,
                "domain": None if domain_id is None else scene.seen.name_of(domain_id),
            }
        )
