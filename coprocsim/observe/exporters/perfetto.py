"""Perfetto's protobuf: a track for each coproc, below it one for each vcoproc. Instants are whole nanoseconds."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket, TrackEvent

from coprocsim.observe.exporters.chrome import BLANK, QUIET
from coprocsim.observe.trace import fields
from coprocsim.observe.words import in_words
from coprocsim.units import PS_PER_NS

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.observe.exporters.scene import Scene

_SEQUENCE = 1
_MACHINE = 1
# A trace is its packets one after the other, so that it can be written in pieces.
_PACKETS_AT_ONCE = 1000


class _Stream:
    """Packets on their way to the file."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._trace = Trace()

    def packet(self) -> TracePacket:
        """Return a new packet, to be filled."""
        if len(self._trace.packet) >= _PACKETS_AT_ONCE:
            self.flush()
        packet = self._trace.packet.add()
        packet.trusted_packet_sequence_id = _SEQUENCE
        return packet

    def flush(self) -> None:
        """Write what there is."""
        self._out.write(self._trace.SerializeToString())
        # A cleared one would keep its memory.
        self._trace = Trace()

    def track(self, uuid: int, name: str, parent: int | None = None) -> None:
        """Describe a track, which must be done before it is used."""
        descriptor = self.packet().track_descriptor
        descriptor.uuid, descriptor.name = uuid, name
        if parent is not None:
            descriptor.parent_uuid = parent

    def event(self, at_ps: int, uuid: int, kind: int, name: str | None = None) -> TrackEvent:
        """Add an event of a track."""
        packet = self.packet()
        packet.timestamp = at_ps // PS_PER_NS
        event: TrackEvent = packet.track_event
        event.track_uuid, event.type = uuid, kind
        if name is not None:
            event.name = name
        return event


def write(out: BinaryIO, scene: "Scene", rows: "Iterable[TraceRow]") -> None:
    """Write the tracks, then what happens on them."""
    stream = _Stream(out)
    stream.track(_MACHINE, "machine")
    uuids: dict[tuple[str, str | None], int] = {}
    doing: dict[tuple[str, str | None], str] = {}
    for coproc in scene.coprocs:
        uuids[coproc, None] = _MACHINE + 1 + len(uuids)
        stream.track(uuids[coproc, None], coproc)
    for name, player in scene.players.items():
        uuids[player.coproc, name] = _MACHINE + 1 + len(uuids)
        stream.track(uuids[player.coproc, name], f"{player.domain} {name}", uuids[player.coproc, None])

    def begin(at_ps: int, place: tuple[str, str | None], what: str) -> None:
        if doing.get(place, "idle") not in BLANK:
            stream.event(at_ps, uuids[place], TrackEvent.TYPE_SLICE_END)
        if what not in BLANK:
            stream.event(at_ps, uuids[place], TrackEvent.TYPE_SLICE_BEGIN, what)
        doing[place] = what

    def called(what: str, by: str | None) -> str:
        return scene.players[by].domain if what in {"run", "deny"} and by in scene.players else what

    for coproc in scene.coprocs:
        begin(scene.from_ps, (coproc, None), called(*scene.before(coproc)))
    for name, player in scene.players.items():
        begin(scene.from_ps, (player.coproc, name), player.before)
    for row, changes in scene.changes(rows):
        for change in changes:
            what = change.what if change.vcoproc else called(change.what, change.by)
            begin(row[0], (change.coproc, change.vcoproc), what)
        if row[2] not in QUIET or "failed" in row:
            about = str(row[3]) if len(row) > 3 and row[3] in scene.players else None
            uuid = uuids.get((row[1], about), _MACHINE)
            _annotate(stream.event(row[0], uuid, TrackEvent.TYPE_INSTANT, in_words(row)), row)
    for place in uuids:
        begin(scene.to_ps, place, "idle")
    stream.flush()


def _annotate(event: TrackEvent, row: "TraceRow") -> None:
    event.categories.append(row[2])
    for name, value in fields(row).items():
        annotation = event.debug_annotations.add()
        annotation.name = name
        if isinstance(value, int):
            # An address may have 64 bits.
            annotation.uint_value = value
        else:
            annotation.string_value = value
