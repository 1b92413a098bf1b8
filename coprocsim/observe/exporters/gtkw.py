"""What GTKWave shows of a waveform when it is opened: who has each coproc, then what each of its vcoprocs does."""

import math
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from vcd.gtkw import GTKWColor, GTKWSave

from coprocsim.observe.exporters.text import Text
from coprocsim.observe.exporters.vcd import EVENTS, WIRES, plain, scope_of

if TYPE_CHECKING:
    from coprocsim.observe.exporters.scene import Scene

# All of the time is to have so many pixels, as its window has for waves when it opens; it zooms in frames of so many.
_WIDTH = 500
_FRAME = 200
_COLOURS = {"run": GTKWColor.green, "wait": GTKWColor.yellow, "deny": GTKWColor.red}


def write(out: BinaryIO, scene: "Scene", waveform: str) -> None:
    """Write a save file for the VCD of `scene` at `waveform`."""
    save = GTKWSave(cast("IO[str]", Text(out)))
    save.dumpfile(waveform)
    save.timestart(scene.from_ps)
    # A zoom of -n is 2 ** n ps a frame.
    save.zoom_markers(-math.log2(max((scene.to_ps - scene.from_ps) * _FRAME / _WIDTH, 1)))
    for coproc in scene.coprocs:
        with save.group(coproc):
            save.trace(f"{coproc}.has", alias=f"{coproc} has", datafmt="ascii")
            for name, player in scene.players.items():
                if player.coproc != coproc:
                    continue
                scope, domain = ".".join(scope_of(name, player)), plain(player.domain)
                save.trace(f"{scope}.does", alias=f"{domain} does", datafmt="ascii")
                for wire in WIRES:
                    save.trace(f"{scope}.{wire}", alias=f"{domain} {wire}", color=_COLOURS[wire])
                for event in EVENTS:
                    save.trace(f"{scope}.{event}", alias=f"{domain} {event}")
