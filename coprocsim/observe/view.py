"""A machine as it is to be seen: its rows by name, and counters that include the stretch of time under way."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from coprocsim import names
from coprocsim.snapshot import AliasRow, CoprocRow, DomainRow, GoneRow, MachineRow, Snapshot, VcoprocRow
from coprocsim.store import damaged

if TYPE_CHECKING:
    from coprocsim.store import MachineFile

# Those of `VcoprocState`, which takes longer to load than a look at the rows.
_STATES = ("UNKNOWN", "SLEEPING", "WAITING", "RUNNING", "ASKED_TO_SLEEP")
_VCOPROC = re.compile(r"d([0-9]+)v[0-9]+")
_USES = ("run", "switch", "idle", "failed")


class View(NamedTuple):
    """Coprocs by identifier, domains by id, vcoprocs in order of domain and number; `path` is the machine's file.

    `gone` has the names of domains that are gone, by id.
    """

    path: Path
    machine: MachineRow
    coprocs: dict[str, CoprocRow]
    domains: dict[int, DomainRow]
    vcoprocs: list[VcoprocRow]
    aliases: dict[str, str]
    gone: dict[int, str]

    @property
    def now_ps(self) -> int:
        """The present instant."""
        return self.machine.now_ps

    def coproc_named(self, name: str) -> CoprocRow:
        """Return the coproc of that identifier, path or alias; LookupFailed with the nearest."""
        paths = {coproc_id: coproc.path for coproc_id, coproc in self.coprocs.items()}
        return self.coprocs[names.coproc_id(name, paths, self.aliases)]

    def domain_named(self, name: str) -> DomainRow:
        """Return the domain of that id or name; LookupFailed with the nearest."""
        return self.domains[names.domain_id(name, {each.domain_id: each.name for each in self.domains.values()})]

    def domain_id(self, name: str) -> int:
        """Return the id of the domain of that id or name, be it gone, of several the newest; LookupFailed."""
        there = {each.domain_id: each.name for each in self.domains.values()}
        return names.domain_id(name, there | dict(reversed(self.gone.items())))

    def of(self, coproc: str | None, domain: str | None) -> Iterator[VcoprocRow]:
        """Yield the vcoprocs of a coproc and of a domain, where these are given by name."""
        coproc_id = None if coproc is None else self.coproc_named(coproc).coproc_id
        domain_id = None if domain is None else self.domain_named(domain).domain_id
        for vcoproc in self.vcoprocs:
            if coproc_id in {None, vcoproc.coproc_id} and domain_id in {None, vcoproc.domain_id}:
                yield vcoproc

    def called(self, who: str) -> str:
        """Return the name of the domain whose vcoproc `who` is (`d1v0`), there or gone; StateError for another text."""
        named = _VCOPROC.fullmatch(who)
        if named is None:
            raise damaged(self.path, f"`{who}` is said to be a vcoproc")
        return self.name_of(int(named[1]))

    def name_of(self, domain_id: int) -> str:
        """Return the name of a domain that is there or gone; `d3` for an id that no domain has had."""
        domain = self.domains.get(domain_id)
        return self.gone.get(domain_id, f"d{domain_id}") if domain is None else domain.name

    def time_of(self, coproc: CoprocRow) -> dict[str, int]:
        """Return what a coproc's time has gone into until now, in ps: run, switch, idle, failed."""
        counters = coproc.counters
        times = {
            "run": counters.run_ps,
            "switch": counters.switch_ps,
            "idle": counters.idle_ps,
            "failed": counters.failed_ps,
        }
        times[coproc.use] += self.now_ps - coproc.use_since_ps
        return times

    def run_ps(self, vcoproc: VcoprocRow) -> int:
        """Return how long a vcoproc has had its coproc until now."""
        coproc = self.coprocs[vcoproc.coproc_id]
        if coproc.current is None and vcoproc.state == "RUNNING":
            # The hardware shares itself, and its time is not divided among the vcoprocs.
            return vcoproc.counters.run_ps + self.now_ps - vcoproc.state_since_ps
        runs = coproc.use == "run" and coproc.current == who(vcoproc)
        return vcoproc.counters.run_ps + (self.now_ps - coproc.use_since_ps if runs else 0)

    def wait_ps(self, vcoproc: VcoprocRow) -> int:
        """Return how long a vcoproc has been ready without having its coproc until now."""
        waits = vcoproc.state == "WAITING"
        return vcoproc.counters.wait_ps + (self.now_ps - vcoproc.state_since_ps if waits else 0)


def view(file: "MachineFile") -> View:
    """Return the machine in `file`; StateError if that holds what no coprocsim has written."""
    seen = view_of(
        Snapshot(
            file.rows(MachineRow)[0],
            file.rows(AliasRow),
            file.rows(CoprocRow),
            domains=file.rows(DomainRow),
            gone=file.rows(GoneRow),
            vcoprocs=file.rows(VcoprocRow),
        ),
        file.path,
    )
    known = {None, *map(who, seen.vcoprocs)}
    for coproc in seen.coprocs.values():
        if coproc.use not in _USES or coproc.current not in known:
            why = f"`{coproc.coproc_id}` is said to be used for `{coproc.use}`, by `{coproc.current}`"
            raise damaged(file.path, why)
    for vcoproc in seen.vcoprocs:
        if vcoproc.state not in _STATES:
            raise damaged(file.path, f"`{who(vcoproc)}` is said to be `{vcoproc.state}`")
    return seen


def view_of(snapshot: Snapshot, path: Path) -> View:
    """Return the machine of these rows, which are from the file at `path`."""
    return View(
        path,
        snapshot.machine,
        {row.coproc_id: row for row in snapshot.coprocs},
        {row.domain_id: row for row in sorted(snapshot.domains, key=lambda row: row.domain_id)},
        sorted(snapshot.vcoprocs, key=lambda row: (row.domain_id, row.number)),
        {row.alias: row.path for row in snapshot.aliases},
        {row.domain_id: row.name for row in snapshot.gone},
    )


def who(vcoproc: VcoprocRow) -> str:
    """Return a vcoproc's name: `d1v0`."""
    return f"d{vcoproc.domain_id}v{vcoproc.number}"
