"""Chrome's JSON: a process for each coproc, a thread for each vcoproc, and one for who has the coproc.

Times are in µs with all of their picoseconds, as exact decimals. What happens is an instant beside the slices.
"""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from coprocsim.observe.trace import fields
from coprocsim.observe.words import in_words
from coprocsim.units import PS_PER_US

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.exporters.scene import Scene

# Who does nothing has no slice.
BLANK = {"gone", "sleep", "idle", "unknown"}
# What is told by slices, or by other rows.
QUIET = {"state", "switch_from", "switch_to", "iommu_disable", "iommu_enable", "idle", "raised"}


def write(out: BinaryIO, scene: "Scene", rows: "Iterable[TraceRow]") -> None:
    """Write one JSON object; each event has a line."""
    out.write(b'{"displayTimeUnit":"ns","traceEvents":[\n')
    separator = b""
    for event in _events(scene, rows):
        out.write(separator + event.encode())
        separator = b",\n"
    out.write(b"\n]}\n")


def _events(scene: "Scene", rows: "Iterable[TraceRow]") -> Iterator[str]:
    pids = {coproc: number for number, coproc in enumerate(scene.coprocs, start=1)}
    tids = {name: number for number, name in enumerate(scene.players, start=1)}
    for coproc, pid in pids.items():
        yield _meta("process_name", pid, 0, coproc)
        yield _meta("thread_name", pid, 0, "has the coproc")
    for name, player in scene.players.items():
        yield _meta("thread_name", pids[player.coproc], tids[name], f"{player.domain} {name}")
    open_since: dict[tuple[int, int], tuple[int, str]] = {}
    for coproc, pid in pids.items():
        open_since[pid, 0] = scene.from_ps, _slice(scene, *scene.before(coproc))
    for name, player in scene.players.items():
        open_since[pids[player.coproc], tids[name]] = scene.from_ps, player.before
    for row, changes in scene.changes(rows):
        for change in changes:
            place = pids[change.coproc], tids[change.vcoproc] if change.vcoproc else 0
            yield from _closed(place, *open_since[place], row[0])
            what = change.what if change.vcoproc else _slice(scene, change.what, change.by)
            open_since[place] = row[0], what
        if row[2] not in QUIET or "failed" in row:
            yield _instant(row, pids.get(row[1], 0), tids.get(str(row[3]), 0) if len(row) > 3 else 0)
    for place, (since_ps, what) in open_since.items():
        yield from _closed(place, since_ps, what, scene.to_ps)


def _slice(scene: "Scene", what: str, by: str | None) -> str:
    """Return what the slice of a coproc is called: after who has it."""
    return scene.players[by].domain if what in {"run", "deny"} and by in scene.players else what


def _closed(place: tuple[int, int], since_ps: int, what: str, at_ps: int) -> Iterator[str]:
    if what not in BLANK and at_ps > since_ps:
        yield (
            f'{{"ph":"X","pid":{place[0]},"tid":{place[1]},"name":{json.dumps(what)},'
            f'"ts":{_us(since_ps)},"dur":{_us(at_ps - since_ps)}}}'
        )


def _instant(row: "TraceRow", pid: int, tid: int) -> str:
    return (
        f'{{"ph":"i","s":"t","pid":{pid},"tid":{tid},"cat":"{row[2]}","name":{json.dumps(in_words(row))},'
        f'"ts":{_us(row[0])},"args":{json.dumps(fields(row))}}}'
    )


def _meta(what: str, pid: int, tid: int, name: str) -> str:
    return f'{{"ph":"M","pid":{pid},"tid":{tid},"name":"{what}","args":{{"name":{json.dumps(name)}}}}}'


def _us(time_ps: int) -> str:
    """Return a time in µs, exactly."""
    whole, rest = divmod(time_ps, PS_PER_US)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".")
