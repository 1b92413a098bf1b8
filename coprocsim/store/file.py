"""Opening a machine's file: who may, when, and what can be wrong with it.

One command is one transaction. Whoever changes a machine holds its lock from before it reads to the commit, so that
two commands queue up; who only looks sees the last commit and waits for nobody. A killed command leaves no trace.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from coprocsim.errors import StateError
from coprocsim.snapshot import HistoryRow, MachineRow, Snapshot
from coprocsim.store.tables import (
    APPLICATION_ID,
    HISTORY,
    MACHINE,
    TABLES,
    VERSION,
    Table,
    columns_of,
    create_statements,
    row_of,
    values_of,
)

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.store.trace import Kept

# How long to sleep between two tries for the lock; short sleeps let Ctrl-C through.
_LOCK_POLL_S = 0.05
# How long to wait for another command that opens or closes the file just now.
_BUSY_S = 5.0
_PAGE_BYTES = 4096
# Read without unpacking any, so that it costs a page for some ten of them.
_SPOILT_CHUNKS = """SELECT number FROM trace_chunk WHERE NOT (
    typeof(first_ps) = 'integer' AND typeof(last_ps) = 'integer' AND typeof(rows) = 'integer' AND typeof(data) = 'blob'
    AND number > 0 AND rows > 0 AND first_ps >= 0 AND last_ps >= first_ps)"""
R = TypeVar("R")


class MachineFile:
    """An open machine, inside a transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._sql = connection
        self.path = path

    @property
    def is_up(self) -> bool:
        """Whether there is a machine in the file."""
        return _table_count(self._sql) > 0 and bool(self.rows(MachineRow))

    def rows(self, of: type[R]) -> list[R]:
        """Return all rows of a class, in the order in which they were written."""
        table = next(table for table in (MACHINE, HISTORY, *TABLES.values()) if table.rows is of)
        columns = ", ".join(name for name, _ in columns_of(table))
        found = self._sql.execute(f"SELECT {columns} FROM {table.name} ORDER BY rowid")
        try:
            return [cast("R", row_of(of, iter(values))) for values in found]
        except ValueError as error:
            raise damaged(self.path, f"table `{table.name}`: {error}") from error

    def load(self) -> Snapshot:
        """Return the whole machine."""
        snapshot = Snapshot(self.rows(MachineRow)[0])
        for attribute, table in TABLES.items():
            setattr(snapshot, attribute, self.rows(table.rows))
        return snapshot

    def save(self, snapshot: Snapshot) -> None:
        """Let the file hold `snapshot` instead of what it held; the trace stays."""
        if not _table_count(self._sql):
            for statement in create_statements():
                self._sql.execute(statement)
        for table in (*reversed(TABLES.values()), MACHINE):
            self._sql.execute(f"DELETE FROM {table.name}")
        self._insert(MACHINE, [snapshot.machine])
        for attribute, table in TABLES.items():
            self._insert(table, getattr(snapshot, attribute))

    def _insert(self, table: Table, rows: Iterable[object]) -> None:
        places = ", ".join("?" for _ in columns_of(table))
        values = (tuple(values_of(row)) for row in rows)
        try:
            self._sql.executemany(f"INSERT INTO {table.name} VALUES ({places})", values)
        except OverflowError as error:
            raise StateError(
                f"a number in table `{table.name}` of the machine's file has outgrown 64 bits",
                why="the machine has counted for too long, or its file is damaged",
                hint="nothing was changed; boot the machine anew with `boot --force`",
            ) from error

    def append_history(self, rows: Iterable[HistoryRow]) -> None:
        """Add commands to the history, numbered on from the last; a run that follows a run makes that longer."""
        found = self._sql.execute("SELECT number, command FROM history ORDER BY number DESC LIMIT 1").fetchone()
        number, command = found or (0, "")
        for row in rows:
            if row.command == command == "run":
                self._sql.execute("UPDATE history SET deed = ? WHERE number = ?", (row.deed, number))
                continue
            number, command = number + 1, row.command
            self._insert(HISTORY, [row._replace(number=number)])

    def append_trace(self, rows: "list[TraceRow]", limit_bytes: int) -> None:
        """Add rows to the trace; the oldest go when it is larger than `limit_bytes`."""
        from coprocsim.store import trace  # noqa: PLC0415 - whoever only lists rows does not wait for its packer

        trace.append(self._sql, rows, limit_bytes)

    def trace(self, from_ps: int, to_ps: int) -> "Iterator[TraceRow]":
        """Yield the trace between two instants, both included."""
        from coprocsim.store import trace  # noqa: PLC0415 - as above

        return trace.between(self._sql, from_ps, to_ps)

    def trace_backwards(self, from_ps: int, to_ps: int) -> "Iterator[TraceRow]":
        """Yield the same, the last row first."""
        from coprocsim.store import trace  # noqa: PLC0415 - as above

        return trace.backwards(self._sql, from_ps, to_ps)

    def trace_kept(self) -> "Kept":
        """Return how much of the trace there is, and how much is gone."""
        from coprocsim.store import trace  # noqa: PLC0415 - as above

        return trace.kept(self._sql)

    @property
    def trace_begins_ps(self) -> int:
        """From which instant on the trace is whole: 0 unless it has outgrown its limit."""
        found = self._sql.execute("SELECT number, first_ps FROM trace_chunk ORDER BY number LIMIT 1").fetchone()
        number, first_ps = found or (1, 0)
        return 0 if number == 1 else first_ps

    def clear(self) -> None:
        """End the machine: nothing of it stays, the trace neither."""
        kept = (*(table.name for table in reversed(TABLES.values())), MACHINE.name, HISTORY.name, "trace_chunk")
        for name in kept:
            self._sql.execute(f"DELETE FROM {name}")

    def dump(self) -> str:
        """Return everything in the file as SQL, for comparing two machines."""
        return "\n".join(self._sql.iterdump())

    def copy_to(self, path: Path) -> None:
        """Write a copy of the whole file, as the last command left it, to `path`, which must not be there yet.

        Raises OSError where there is no room for it.
        """
        self._sql.commit()
        try:
            with closing(sqlite3.connect(path)) as copy:
                self._sql.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            raise OSError(error.sqlite_errorcode, str(error)) from error


@contextmanager
def opened(path: Path) -> Iterator[MachineFile]:
    """Open a machine's file to change it, making an empty one if there is none.

    Waits until no other command is changing it. Commits at the end, or leaves all as it was if there is an exception: a
    file that was made for nothing goes again. Raises StateError for one that is damaged, of another version or none of
    ours.
    """
    is_new = not os.path.exists(path)  # which raises nothing
    with _connected(path) as connection:
        made = _identity(path)
        try:
            _log_writes(connection)
            _begin_alone(connection)
            if made is None or made != _identity(path):
                raise StateError(f"`{path}` was removed while this command waited for another one", hint="try again")
            _check_whole(connection, path)
            yield MachineFile(connection, path)
            connection.commit()
        except BaseException:
            connection.rollback()
            if is_new and _is_left_empty(connection, path):
                for each in (_log_of(path), path.with_name(f"{path.name}-shm"), path):
                    each.unlink(missing_ok=True)
            raise


def _identity(path: Path) -> tuple[int, int] | None:
    """Return which file this is, whatever others are called; None if it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _is_left_empty(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether nothing is in the file, and no other command is about to put something there."""
    try:
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("BEGIN IMMEDIATE")
        return not _table_count(connection)
    except sqlite3.OperationalError as error:
        # Where there is no room for a lock, there is none for a machine: only for the page that says what file it is.
        sizes_bytes = [each.stat().st_size for each in (path, _log_of(path)) if each.exists()]
        return not _is_busy(error) and sum(sizes_bytes) <= _PAGE_BYTES


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


@contextmanager
def read(path: Path) -> Iterator[MachineFile]:
    """Open a machine's file to look at it, as the last command left it.

    Raises NoMachine if there is none in it, and StateError as `opened` does.
    """
    require(path)
    with _connected(path, unchanging=_is_unchanging(path)) as connection:
        connection.execute("BEGIN")
        _check_whole(connection, path)
        file = MachineFile(connection, path)
        if not file.is_up:
            raise no_machine()
        yield file


def require(path: Path) -> None:
    """Raise NoMachine if there is no file for a machine to be in."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise no_machine() from None
    except OSError as error:
        why = error.strerror or str(error)
        raise Unusable(f"cannot read the machine's file `{path}`: {why}", because=why) from error


class NoMachine(StateError):  # noqa: N818 - it is an answer, too
    """No machine is up."""


class Unusable(StateError):  # noqa: N818 - it is a file, and the user's
    """A file that holds what no machine's holds, or is of another version.

    `because` says what is wrong with it, for who means no machine's file by it.
    """

    def __init__(self, what: str, *, because: str, why: str | None = None, hint: str | None = None) -> None:
        super().__init__(what, why=why, hint=hint)
        self.because = because


def damaged(path: Path, why: str) -> Unusable:
    """Return the error for a machine's file that holds what no coprocsim has written."""
    hint = "nothing was changed; move the file away to start anew, or put a good copy back"
    return Unusable(f"the machine's file `{path}` is damaged", because=why, why=why, hint=hint)


def no_machine() -> NoMachine:
    """Return the error for a command that needs a machine when there is none."""
    return NoMachine("no machine is up", hint="start one with `coprocsim boot SYSTEM.dtb`")


def _is_unchanging(path: Path) -> bool:
    """Return whether a file can only be looked at and is whole: no lock can be made beside it, and no log is."""
    return not os.access(path.parent, os.W_OK) and not _log_of(path).exists()


@contextmanager
def _connected(path: Path, *, unchanging: bool = False) -> Iterator[sqlite3.Connection]:
    where = f"{path.absolute().as_uri()}?immutable=1" if unchanging else path
    try:
        with closing(sqlite3.connect(where, timeout=_BUSY_S, isolation_level=None, uri=unchanging)) as connection:
            # Before anything is set: nothing must be changed in a file that is not ours.
            _check(connection, path)
            yield connection
    except sqlite3.DatabaseError as error:
        what = f"cannot use the machine's file `{path}`: {error}"
        raise Unusable(what, because=str(error), hint=_cure(error, path)) from error


def _log_writes(connection: sqlite3.Connection) -> None:
    """Let those who only look see the last commit while a long run writes."""
    if not connection.execute("PRAGMA page_count").fetchone()[0]:
        connection.execute("PRAGMA auto_vacuum = FULL")
    connection.execute("PRAGMA journal_mode = WAL")


def _cure(error: sqlite3.DatabaseError, path: Path) -> str:
    code = _code_of(error)
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return f"nothing was changed; `{path.parent}` and what is in it must be yours to write"
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return "nothing was changed; make room on the disk, or see what ails it"
    if code == sqlite3.SQLITE_BUSY:
        return "nothing was changed; another command has it: try again when that is done"
    return "nothing was changed; move the file away to start anew, or put a good copy back"


def _begin_alone(connection: sqlite3.Connection) -> None:
    """Begin a transaction as soon as no other command is changing the machine."""
    connection.execute("PRAGMA busy_timeout = 0")
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            time.sleep(_LOCK_POLL_S)
        else:
            return


def _is_busy(error: sqlite3.Error) -> bool:
    """Return whether another command has what is wanted: the lock, or the log while it mends that."""
    return _code_of(error) == sqlite3.SQLITE_BUSY


def _code_of(error: sqlite3.Error) -> int:
    """Return what kind of error it is; the rest of the code says more than is needed here."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StateError unless the file is empty or one of ours."""
    try:
        if not _table_count(connection):
            return
    except UnicodeDecodeError as error:
        # What SQLite says of a broken schema quotes it.
        raise damaged(path, "its schema is no text") from error
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        what = "is an SQLite file, but not a machine of coprocsim"
        raise Unusable(f"`{path}` {what}", because=f"it {what}", hint="name another --machine")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        what = f"has version {version} of the machine file, this coprocsim reads version {VERSION}"
        raise Unusable(
            f"`{path}` {what}",
            because=f"it {what}",
            hint="use the coprocsim that wrote it, or move the file away and boot anew",
        )


def _table_count(connection: sqlite3.Connection) -> int:
    """Return how many tables there are: none in a file into which no command has put anything yet."""
    count: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    return count


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StateError if a row is about another one that is not there, or the trace is in no chunks.

    The types of all other rows are checked when they are read.
    """
    if not _table_count(connection):
        return
    lost = connection.execute("PRAGMA foreign_key_check").fetchone()
    if lost is not None:
        raise damaged(path, f"a row of `{lost[0]}` is about a `{lost[2]}` that is not there")
    spoilt = connection.execute(_SPOILT_CHUNKS).fetchone()
    if spoilt is not None:
        raise damaged(path, f"what table `trace_chunk` says of chunk {spoilt[0]} cannot be")
