"""The tables, made from the row classes of `snapshot`: a class is a table, a field a column of the same name."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from types import UnionType
from typing import NamedTuple, TypeAlias

from coprocsim import snapshot as rows

VERSION = 6
APPLICATION_ID = 0x636F7072  # "copr": `file` and we know the file by it

Scalar: TypeAlias = "int | str | bytes | bool | None"


class Table(NamedTuple):
    """`rows` is its class, `key` its primary key, `refers` the constraint that ties it to another table."""

    name: str
    rows: type
    key: tuple[str, ...]
    refers: str = ""


_COPROC = "FOREIGN KEY (coproc_id) REFERENCES coproc"
_DOMAIN = "FOREIGN KEY (domain_id) REFERENCES domain"
_VCOPROC = "FOREIGN KEY (domain_id, number) REFERENCES vcoproc"

HISTORY = Table("history", rows.HistoryRow, ("number",))
MACHINE = Table("machine", rows.MachineRow, ("seed",))
# The attribute of `Snapshot` that holds each table's rows, parents before children.
TABLES: dict[str, Table] = {
    "aliases": Table("alias", rows.AliasRow, ("alias",)),
    "coprocs": Table("coproc", rows.CoprocRow, ("coproc_id",)),
    "regions": Table("coproc_region", rows.RegionRow, ("coproc_id", "name"), _COPROC),
    "lines": Table("coproc_line", rows.LineRow, ("coproc_id", "name"), _COPROC),
    "streams": Table("coproc_stream", rows.StreamRow, ("coproc_id", "number"), _COPROC),
    "coproc_settings": Table("coproc_setting", rows.CoprocSettingRow, ("coproc_id", "name"), _COPROC),
    "denials": Table("denial", rows.DenialRow, ("coproc_id", "denier", "sufferer"), _COPROC),
    "faults": Table("fault", rows.FaultRow, ("coproc_id", "number"), _COPROC),
    "domain_settings": Table("domain_setting", rows.DomainSettingRow, ("coproc_id", "domain", "name"), _COPROC),
    "domains": Table("domain", rows.DomainRow, ("domain_id",)),
    "gone": Table("gone_domain", rows.GoneRow, ("domain_id",)),
    "banks": Table("domain_memory", rows.BankRow, ("domain_id", "start"), _DOMAIN),
    "config": Table("domain_config", rows.ConfigRow, ("domain_id", "name"), _DOMAIN),
    "vcoprocs": Table("vcoproc", rows.VcoprocRow, ("domain_id", "number"), f"{_COPROC}, {_DOMAIN}"),
    "windows": Table("vcoproc_window", rows.WindowRow, ("domain_id", "number", "region"), _VCOPROC),
    "vcoproc_settings": Table("vcoproc_setting", rows.VcoprocSettingRow, ("domain_id", "number", "name"), _VCOPROC),
    "workloads": Table("workload", rows.WorkloadRow, ("domain_id", "number", "name"), _VCOPROC),
    "jobs": Table("open_job", rows.JobRow, ("domain_id", "number", "place"), _VCOPROC),
    "histograms": Table("histogram", rows.HistogramRow, ("domain_id", "number", "kind"), _VCOPROC),
    "events": Table("event", rows.EventRow, ("kind", "owner", "tag")),
    "plugins": Table("plugin", rows.PluginRow, ("kind", "owner")),
}

TRACE = """CREATE TABLE trace_chunk (
    number INTEGER PRIMARY KEY, first_ps INTEGER NOT NULL, last_ps INTEGER NOT NULL,
    rows INTEGER NOT NULL, data BLOB NOT NULL
) STRICT"""

_SQL_TYPES = {
    "int": "INTEGER NOT NULL",
    "bool": "INTEGER NOT NULL",
    "str": "TEXT NOT NULL",
    "bytes": "BLOB NOT NULL",
    "int | None": "INTEGER",
    "str | None": "TEXT",
    "int | str": "ANY NOT NULL",
}


def create_statements() -> Iterator[str]:
    """Yield the statements that make an empty file a machine's."""
    for table in (MACHINE, HISTORY, *TABLES.values()):
        columns = [
            f"{name} {_SQL_TYPES[of.__name__ if isinstance(of, type) else str(of)]}" for name, of in columns_of(table)
        ]
        constraints = [f"PRIMARY KEY ({', '.join(table.key)})", *([table.refers] if table.refers else [])]
        yield f"CREATE TABLE {table.name} (\n    " + ",\n    ".join([*columns, *constraints]) + "\n) STRICT"
    yield TRACE
    yield f"PRAGMA application_id = {APPLICATION_ID}"
    yield f"PRAGMA user_version = {VERSION}"


def columns_of(table: Table) -> list[tuple[str, object]]:
    """Return the names and types of a table's columns, in the order of the class's fields."""
    return list(_columns(table.rows))


def _columns(of: type) -> Iterator[tuple[str, object]]:
    for name, nested in of.__annotations__.items():
        if isinstance(nested, type) and is_dataclass(nested):
            yield from _columns(nested)
        else:
            yield name, nested


def values_of(row: object) -> Iterator[Scalar]:
    """Yield a row's values in the order of its columns."""
    for name in type(row).__annotations__:
        value = getattr(row, name)
        if is_dataclass(value):
            yield from values_of(value)
        else:
            yield value


def row_of(of: type, values: Iterator[Scalar]) -> object:
    """Return the row whose columns have these values; ValueError if one has no value of its column's type."""
    return of(*(_field(name, nested, values) for name, nested in of.__annotations__.items()))


def _field(name: str, of: type | UnionType, values: Iterator[Scalar]) -> object:
    if isinstance(of, type) and is_dataclass(of):
        return row_of(of, values)
    value = next(values)
    # SQLite checks types when it writes; what damage has made of a file is another matter.
    if not isinstance(value, int if of is bool else of):
        raise ValueError(f"column `{name}` holds {type(value).__name__}")
    return bool(value) if of is bool else value
