"""The trace in its file: chunks of rows, packed and squeezed, bounded in size.

A chunk is full at `CHUNK_ROWS`; the last one is filled up by the next command, so that the file does not depend on how
a run was cut into commands.
"""

import sqlite3
import zlib
from collections.abc import Iterator
from typing import NamedTuple, cast

import msgspec

from coprocsim.model import TraceRow
from coprocsim.store.file import Unusable

CHUNK_ROWS = 4096


class Kept(NamedTuple):
    """What the file has of the trace: `rows` of them from `begins_ps` on; `dropped` older ones outgrew the limit."""

    rows: int
    dropped: int
    begins_ps: int
    ends_ps: int
    size_bytes: int


_ROWS = msgspec.msgpack.Decoder(list[tuple[int | str, ...]])


def append(sql: sqlite3.Connection, rows: list[TraceRow], limit_bytes: int) -> None:
    """Add `rows`, which are no older than those that are there; drop the oldest chunks beyond `limit_bytes`."""
    if not rows:
        return
    number, last = sql.execute("SELECT number, rows FROM trace_chunk ORDER BY number DESC LIMIT 1").fetchone() or (
        0,
        CHUNK_ROWS,
    )
    if last < CHUNK_ROWS:
        data = sql.execute("SELECT data FROM trace_chunk WHERE number = ?", (number,)).fetchone()[0]
        rows = [*_unpack(data), *rows]
    else:
        number += 1
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        packed = zlib.compress(msgspec.msgpack.encode(chunk), level=1)
        values = (number, chunk[0][0], chunk[-1][0], len(chunk), packed)
        sql.execute("INSERT OR REPLACE INTO trace_chunk VALUES (?, ?, ?, ?, ?)", values)
        number += 1
    _bound(sql, limit_bytes)


def _bound(sql: sqlite3.Connection, limit_bytes: int) -> None:
    """Drop the oldest chunks; the newest stays, however small the limit, and its number says what was before it."""
    chunks = sql.execute("SELECT number, length(data) FROM trace_chunk ORDER BY number").fetchall()
    size_bytes = sum(chunk_bytes for _, chunk_bytes in chunks)
    for number, chunk_bytes in chunks[:-1]:
        if size_bytes <= limit_bytes:
            return
        sql.execute("DELETE FROM trace_chunk WHERE number = ?", (number,))
        size_bytes -= chunk_bytes


def between(sql: sqlite3.Connection, from_ps: int, to_ps: int) -> Iterator[TraceRow]:
    """Yield the rows between two instants, both included, in order."""
    query = "SELECT data FROM trace_chunk WHERE last_ps >= ? AND first_ps <= ? ORDER BY number"
    for (data,) in sql.execute(query, (from_ps, to_ps)):
        for row in _unpack(data):
            if from_ps <= row[0] <= to_ps:
                yield row


def backwards(sql: sqlite3.Connection, from_ps: int, to_ps: int) -> Iterator[TraceRow]:
    """Yield the rows between two instants, both included, the last one first."""
    query = "SELECT data FROM trace_chunk WHERE last_ps >= ? AND first_ps <= ? ORDER BY number DESC"
    for (data,) in sql.execute(query, (from_ps, to_ps)):
        for row in reversed(_unpack(data)):
            if from_ps <= row[0] <= to_ps:
                yield row


def kept(sql: sqlite3.Connection) -> Kept:
    """Return what there is, without unpacking it."""
    query = """SELECT coalesce(sum(rows), 0), coalesce(min(number), 1), coalesce(min(first_ps), 0),
        coalesce(max(last_ps), 0), coalesce(sum(length(data)), 0) FROM trace_chunk"""
    rows, number, begins_ps, ends_ps, size_bytes = sql.execute(query).fetchone()
    # Only full chunks are dropped.
    return Kept(rows, (number - 1) * CHUNK_ROWS, begins_ps if number > 1 else 0, ends_ps, size_bytes)


def _unpack(data: bytes) -> list[TraceRow]:
    try:
        return cast("list[TraceRow]", _ROWS.decode(zlib.decompress(data)))
    except (zlib.error, msgspec.MsgspecError) as error:
        hint = "put a good copy of the file back, or boot the machine anew with `boot --force`"
        what = "the machine's trace is damaged"
        raise Unusable(what, because=f"its trace is damaged: {error}", why=str(error), hint=hint) from error
