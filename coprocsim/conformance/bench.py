"""A whole machine for a check: one coproc with somebody's part in it, and domains that share it."""

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

from coprocsim.conformance.base import Broken, Trial
from coprocsim.engine import Key, Timeline
from coprocsim.errors import PluginError, did_you_mean
from coprocsim.guests.base import Guest
from coprocsim.hardware import MODELS
from coprocsim.hardware.base import Hardware
from coprocsim.hypervisor import domains, lifecycle, rest
from coprocsim.hypervisor.machine import Hypervisor, Parts, build_coproc
from coprocsim.hypervisor.state import Board, Coproc, Vcoproc
from coprocsim.model import CoprocSpec, Setting, Sharing, TraceRow
from coprocsim.parameters import Scope, Value
from coprocsim.platforms import PLATFORMS
from coprocsim.platforms.base import Platform
from coprocsim.snapshot import CoprocRow, MachineRow, Snapshot
from coprocsim.units import PS_PER_MS, format_duration

SHARING = Sharing(switch_timeout_ps=4 * PS_PER_MS)
_BLANK = MachineRow(1, 0, 0, 1, "conformance", "", b"", 0, True)
_MEMORY_MIB = 64
# A machine on which more happens at one instant does not get past it.
_EVENTS_MAX = 10_000
_ROWS_SHOWN = 12
_CURE = "install its package, or name its module with `--import`"


def model_of(platform: type[Platform]) -> type[Hardware]:
    """Return the model that a platform names: an installed one, or one that is imported."""
    name = platform.hardware
    found = {each.name: each for each in _imported(Hardware) if issubclass(each, Hardware)} | dict(MODELS)
    if name not in found:
        what = f"no hardware model `{name}`, which platform `{platform.name}` drives"
        raise PluginError(what, why=_known(found), hint=_CURE)
    return found[name]


def platform_of(guest: type[Guest]) -> type[Platform]:
    """Return the platform on which a workload is tried: an installed one, or one that is imported."""
    name = guest.example_platform
    found = {each.name: each for each in _imported(Platform) if issubclass(each, Platform)} | dict(PLATFORMS)
    if name not in found:
        what = f"no platform `{name}`, on which workload `{guest.kind}` is to be tried"
        raise PluginError(what, why=_known(found), hint=_CURE)
    return found[name]


def _known(names: Iterable[str]) -> str:
    return did_you_mean("", names, "installed or imported are")


def _imported(base: type[object]) -> list[type[object]]:
    """Return the complete classes that derive from `base`, of all modules that are imported."""
    found: list[type[object]] = []
    known = base.__subclasses__()
    while known:
        part = known.pop()
        known += part.__subclasses__()
        if not inspect.isabstract(part) and hasattr(part, "name"):
            found.append(part)
    return found


def node_of(platform: type[Platform]) -> CoprocSpec:
    """Return the node with which a platform is tried: its hardware's example, with a string that it claims."""
    return replace(model_of(platform).example(), compatible=platform.compatible[:1])


class _Watched(Hypervisor):
    """A hypervisor that notices when time does not go on."""

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self._at_ps, self._events = -1, 0

    def handle(self, key: Key) -> None:
        """Act on an event, which is due now."""
        if self.board.now_ps != self._at_ps:
            self._at_ps, self._events = self.board.now_ps, 0
        self._events += 1
        if self._events > _EVENTS_MAX:
            at = format_duration(self._at_ps)
            raise Broken(f"the machine does not get past {at}: `{' '.join(key)}` is due again and again")
        super().handle(key)


class Bench:
    """A machine with one coproc; what happens on it is a step of the trial."""

    def __init__(self, trial: Trial, parts: Parts, settings: dict[str, Value], sharing: Sharing = SHARING) -> None:
        self.trial, self.parts = trial, parts
        self.board = Board(1, Timeline())
        self.hypervisor = _Watched(self.board)
        self.trace: list[TraceRow] = []
        spec = node_of(parts.platform)
        build_coproc(self.board, spec, parts, settings, sharing).platform.probe(0)
        self._coproc_id = spec.coproc_id

    @property
    def coproc(self) -> Coproc:
        """The coproc; another object after each `cut`."""
        return self.board.coprocs[self._coproc_id]

    def domain(self, name: str, workload: tuple[Setting, ...] = ()) -> Vcoproc:
        """Create a domain with one vcoproc of the coproc."""
        coproc = self.coproc
        values = coproc.scheduler.defaults(Scope.VCOPROC)
        plan = domains.VcoprocPlan(self._coproc_id, coproc.spec.regions, values, workload)
        plans = domains.DomainPlan(name, _MEMORY_MIB, _MEMORY_MIB, 1, (plan,))
        return domains.create(self.board, plans).vcoprocs[0]

    def vcoproc(self, number: int) -> Vcoproc | None:
        """Return the vcoproc of the n-th domain, from 0, unless it is gone or dying."""
        domain = self.board.domains.get(number + 1)
        return None if domain is None or domain.dying else domain.vcoprocs[0]

    def say(self, text: str) -> None:
        """Note a step, with its instant."""
        self.trial.step(f"{format_duration(self.board.now_ps)}: {text}")

    def run(self, time_ps: int) -> None:
        """Let time pass."""
        self.hypervisor.run_until(self.board.now_ps + time_ps)

    def do(self, what: str, vcoproc: Vcoproc) -> None:
        """Do what an administrator, or a platform's effect, may do to a vcoproc at any time."""
        board, domain = self.board, vcoproc.domain
        self.say(f"{what} {vcoproc.who}")
        match what:
            case "wake":
                lifecycle.wake(board, vcoproc)
            case "sleep":
                lifecycle.sleep(board, vcoproc)
            case "yield":
                lifecycle.yield_(board, vcoproc)
            case "destroy":
                domains.destroy(board, domain)
            case "pause" if not domain.paused:
                domains.pause(board, domain)
            case "unpause" if domain.paused:
                domains.unpause(board, domain)
        self.hypervisor.settle()

    def cut(self) -> None:
        """Put the machine to rest as rows, and go on with one that was made from them."""
        self.say("save the machine, and load it")
        self.trace += self.board.trace
        self.board = rest.from_rows(rest.to_rows(self.board, _BLANK), self._parts_of)
        self.hypervisor = _Watched(self.board)

    def _parts_of(self, row: CoprocRow) -> Parts:
        del row
        return self.parts

    def finish(self) -> tuple[list[TraceRow], Snapshot]:
        """Return all that happened, and the machine as it would be stored."""
        self.trace += self.board.trace
        self.board.trace = []
        return self.trace, rest.to_rows(self.board, _BLANK)

    def show(self, rows: Sequence[TraceRow]) -> None:
        """Note the last rows of a trace as steps: what the machine did by itself."""
        self.trial.step("the trace of the machine, as far as that:")
        for at_ps, _, *what in rows[-_ROWS_SHOWN:]:
            self.trial.step(f"    {format_duration(at_ps)} {' '.join(str(each) for each in what)}")

    # ------------------------------------------------------------ what must hold

    def look(self) -> None:
        """Expect that no rule of isolation was found broken."""
        for number, row in enumerate(self.board.trace):
            if row[2] == "finding":
                self.show(self.board.trace[:number])
                more = [str(each) for each in row[3:]]
                raise Broken(f"at {format_duration(row[0])} a rule of isolation is broken: {', '.join(more)}")

    def add_up(self) -> None:
        """Expect that the coproc's time adds up, and that the vcoprocs' parts of it do."""
        coproc = self.coproc
        lifecycle.use(self.board, coproc, coproc.use)
        spent = coproc.counters
        times = (spent.run_ps, spent.switch_ps, spent.idle_ps, spent.failed_ps)
        shown = " + ".join(format_duration(time_ps) for time_ps in times)
        found = f"run + switch + idle + failed is {shown} of {format_duration(self.board.now_ps)}"
        self.trial.expect(sum(times) == self.board.now_ps and min(times) >= 0, found)


def expect_same_run(bench: Bench, uncut: Bench) -> None:
    """Expect that a machine that was saved and loaded has done what one that was not has, and is what that is."""
    (cut_trace, cut_rows), (trace, rows) = bench.finish(), uncut.finish()
    for number, (row, cut_row) in enumerate(zip(trace, cut_trace, strict=False)):
        if row != cut_row:
            bench.show(trace[:number])
        bench.trial.expect(row == cut_row, f"row {number} of the trace is {cut_row}, and without the rest {row}")
    found = f"the trace has {len(cut_trace)} rows, and without the rest {len(trace)}"
    bench.trial.expect(len(trace) == len(cut_trace), found)
    for plugin, cut_plugin in zip(rows.plugins, cut_rows.plugins, strict=True):
        found = f"in the end the {plugin.kind} saves {cut_plugin.state}, and without the rest {plugin.state}"
        bench.trial.expect(plugin == cut_plugin, found)
    for table in fields(rows):
        now, usual = getattr(cut_rows, table.name), getattr(rows, table.name)
        found = f"in the end the {table.name} of the machine are {now}, and without the rest {usual}"
        bench.trial.expect(now == usual, found)
