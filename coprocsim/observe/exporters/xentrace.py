"""Xen's own trace format, for `xenalyze --cpu-hz=1G`: a coproc is a pcpu, a vcoproc a vcpu, a time unit 1 ns.

    running   it has the coproc, also while its driver denies
    runnable  it waits, also while its context is loaded
    blocked   it sleeps
    offline   it leaves, is reset, or is not there

xenalyze takes instant 0 for no instant at all: what begins at boot is written 1 ns later, all of it.
So running and runnable add up to what `list vcoprocs` says. Of hardware that shares itself each vcoproc has a pcpu of
its own, since on a pcpu one vcpu runs at a time.
"""

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from coprocsim.errors import CoprocsimError
from coprocsim.units import PS_PER_NS

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.exporters.scene import Scene

RUNNING, RUNNABLE, BLOCKED, OFFLINE = range(4)
IDLE_DOMAIN = 32767
_PCPUS_MAX = 256
_RUN_STATE = 0x00021001 | 1 << 28 | 1 << 31  # one word more, and it has a time
_CPU_CHANGE = 0x0001F003 | 2 << 28
# What is held back before it is written: each pcpu's records of that time become one window.
_HELD_BYTES = 2**20

_RUN_STATES = {"run": RUNNING, "deny": RUNNING, "wait": RUNNABLE, "sleep": BLOCKED}


class _Pcpus:
    """The records of each pcpu, and the windows that they become."""

    def __init__(self, out: BinaryIO, count: int, from_ps: int) -> None:
        self._out = out
        self._later_ns = 0 if from_ps >= PS_PER_NS else 1
        self._held: list[list[bytes]] = [[] for _ in range(count)]
        self._records = 0

    def change(self, at_ps: int, pcpu: int, domain_id: int, number: int, old: int, new: int) -> None:
        """Add that a vcpu goes from one run state to another."""
        event, vcpu = _RUN_STATE | old << 8 | new << 4, domain_id << 16 | number
        self._held[pcpu].append(struct.pack("<IQI", event, at_ps // PS_PER_NS + self._later_ns, vcpu))
        self._records += 1
        if self._records * 16 >= _HELD_BYTES:
            self.flush()

    def idle(self, at_ps: int, pcpu: int, *, runs: bool) -> None:
        """Let a pcpu's idle vcpu run, or give way."""
        self.change(at_ps, pcpu, IDLE_DOMAIN, pcpu, *((RUNNABLE, RUNNING) if runs else (RUNNING, RUNNABLE)))

    def flush(self) -> None:
        """Write a window for each pcpu that has records."""
        for pcpu, records in enumerate(self._held):
            if records:
                data = b"".join(records)
                self._out.write(struct.pack("<III", _CPU_CHANGE, pcpu, len(data)) + data)
                records.clear()
        self._records = 0


def write(out: BinaryIO, scene: "Scene", rows: "Iterable[TraceRow]") -> None:
    """Write the run state changes of every vcoproc."""
    places = _places(scene)
    count = len(scene.coprocs) + len([each for each in scene.players.values() if not scene.coprocs[each.coproc]])
    pcpus = _Pcpus(out, count, scene.from_ps)
    for pcpu in range(count):
        pcpus.idle(scene.from_ps, pcpu, runs=True)
    # xenalyze finds its pcpus by their first windows.
    pcpus.flush()
    states = dict.fromkeys(scene.players, RUNNABLE)

    def enter(at_ps: int, name: str, state: int) -> None:
        old, states[name] = states[name], state
        if state == old:
            return
        player, pcpu = scene.players[name], places[name]
        if state == RUNNING:
            pcpus.idle(at_ps, pcpu, runs=False)
        pcpus.change(at_ps, pcpu, player.domain_id, player.number, old, state)
        if old == RUNNING:
            pcpus.idle(at_ps, pcpu, runs=True)

    # xenalyze counts nothing of a vcpu before it has run: let each do so for no time, and last who has the pcpu.
    begins = {name: _RUN_STATES.get(player.before, OFFLINE) for name, player in scene.players.items()}
    for name, state in sorted(begins.items(), key=lambda each: each[1] == RUNNING):
        enter(scene.from_ps, name, RUNNING)
        enter(scene.from_ps, name, state)
    for row, changes in scene.changes(rows):
        for change in changes:
            # Loading its context is waiting; so is a reset of one that has not entered yet.
            waits = change.vcoproc is not None and states[change.vcoproc] == RUNNABLE
            if change.vcoproc is None or (waits and change.what in {"switch", "reset"}):
                continue
            enter(row[0], change.vcoproc, _RUN_STATES.get(change.what, OFFLINE))
    for name in scene.players:
        enter(scene.to_ps, name, OFFLINE)
    # A pcpu that ended sooner than another would be taken for a new one.
    for pcpu in range(count):
        pcpus.idle(scene.to_ps, pcpu, runs=False)
    pcpus.flush()


def _places(scene: "Scene") -> dict[str, int]:
    """Return each vcoproc's pcpu; CoprocsimError where xenalyze has no number for them."""
    numbers = {coproc: number for number, coproc in enumerate(scene.coprocs)}
    places: dict[str, int] = {}
    own = len(numbers)
    for name, player in scene.players.items():
        if player.domain_id >= IDLE_DOMAIN:
            raise CoprocsimError(f"xentrace has no number for domain {player.domain_id}", hint="use another `--format`")
        if scene.coprocs[player.coproc]:
            places[name] = numbers[player.coproc]
        else:
            places[name], own = own, own + 1
    if own > _PCPUS_MAX:
        what = f"xentrace has {_PCPUS_MAX} pcpus, and here {own} would be needed"
        raise CoprocsimError(what, hint="export one coproc with `--coproc`")
    return places
