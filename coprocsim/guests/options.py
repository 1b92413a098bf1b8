"""The options of `coproc_workload`, read and checked: one statement for the config, `workload set` and the docs."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from coprocsim.errors import did_you_mean
from coprocsim.model import Setting
from coprocsim.parameters import BadSetting, MissingSetting
from coprocsim.randomness import Stream
from coprocsim.units import CYCLES_MAX, PS_PER_S, Work, parse_duration_ps, parse_size_bytes, parse_work, show_size

T = TypeVar("T")

SIGMA_MAX = 10.0
RATE_MIN, RATE_MAX = 1e-6, 1e9
COMMON = ("work", "uncuttable", "deadline", "queue", "on_miss", "reaction", "dma")


@dataclass(frozen=True, slots=True)
class Law:
    """How much work a job is: `fixed` and `exp` (mean), `uniform` (low, high) or `lognormal` (mean, sigma)."""

    kind: str
    mean: Work
    high: Work | None = None
    sigma: float = 0.0

    @property
    def bounded(self) -> bool:
        """Whether there is a largest work."""
        return self.kind in {"fixed", "uniform"}

    def largest_cycles(self, hz: int) -> int:
        """Return the largest work; of the laws that have no largest, the mean."""
        return (self.high or self.mean).in_cycles(hz)

    def least_cycles(self, hz: int) -> int:
        """Return the least work; 0 of the laws that have none."""
        return self.mean.in_cycles(hz) if self.bounded else 0

    def draw_cycles(self, hz: int, stream: Stream) -> int:
        """Return the next job's work, at least one cycle and no more than can be counted."""
        mean = self.mean.in_cycles(hz)
        match self.kind:
            case "exp":
                cycles = round(stream.exponential(mean))
            case "uniform" if self.high is not None:
                cycles = stream.uniform(mean, self.high.in_cycles(hz))
            case "lognormal":
                cycles = round(stream.lognormal(mean, self.sigma))
            case _:
                cycles = mean
        return min(max(1, cycles), CYCLES_MAX)


class Options:
    """The options of one workload by name; reading one checks it, and each reader says what is right."""

    def __init__(self, settings: Sequence[Setting], known: Iterable[str]) -> None:
        """Take `settings`, of which each must be one of `known` and stand there once."""
        known = tuple(known)
        self._settings: dict[str, Setting] = {}
        for setting in settings:
            if setting.name not in known:
                hint = did_you_mean(setting.name, known, "this kind has")
                raise BadSetting(setting, f"a workload of this kind has no option `{setting.name}`", hint)
            if setting.name in self._settings:
                raise BadSetting(setting, f"`{setting.name}` stands here twice", "write it once")
            self._settings[setting.name] = setting

    def duration(self, name: str, default: Work) -> Work:
        """Return a time or an amount of cycles; nothing needs no unit."""
        return self._read(name, lambda text: Work(0) if text.strip() == "0" else parse_work(text), default)

    def positive(self, name: str) -> Work:
        """Return a time or an amount of cycles that must be there and not be zero."""
        setting = self.required(name)
        work = self._read(name, parse_work, Work())
        if work == Work() or work.cycles == 0:
            raise BadSetting(setting, f"`{name}` must not be zero", f"write `{name}=10ms`")
        return work

    def required(self, name: str) -> Setting:
        """Return a setting that must be there."""
        if name not in self._settings:
            kind = self._settings["kind"]
            raise MissingSetting(kind, name, f"a workload of kind `{kind.value}` needs `{name}`", f"add `{name}=…`")
        return self._settings[name]

    def law(self) -> Law:
        """Return the law of `work`."""
        self.required("work")
        return self._read("work", _law, Law("fixed", Work(0)))

    def uncuttable(self) -> Work | None:
        """Return the part of each job that cannot be cut; None is all of it."""
        if "uncuttable" in self._settings and self._settings["uncuttable"].value == "all":
            return None
        return self.duration("uncuttable", Work(0))

    def number(self, name: str, default: int, minimum: int, maximum: int) -> int:
        """Return a whole number within limits."""

        def parse(text: str) -> int:
            if not re.fullmatch("[0-9]{1,20}", text) or not minimum <= int(text) <= maximum:
                raise ValueError(f"`{name}` is a whole number from {minimum} to {maximum}")
            return int(text)

        return self._read(name, parse, default)

    def size_bytes(self, name: str, default: int, maximum: int) -> int:
        """Return a size up to `maximum`."""

        def parse(text: str) -> int:
            size = parse_size_bytes(text)
            if size > maximum:
                raise ValueError(f"`{name}` is at most {show_size(maximum)} here")
            return size

        return self._read(name, parse, default)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of `choices`."""

        def parse(text: str) -> str:
            if text not in choices:
                raise ValueError(did_you_mean(text, choices, f"`{name}` is one of"))
            return text

        return self._read(name, parse, default)

    def interval_ps(self) -> float:
        """Return the mean time between what comes `rate` times per second."""
        self.required("rate")

        def parse(text: str) -> float:
            if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or not RATE_MIN <= float(text) <= RATE_MAX:
                raise ValueError(f"`rate` is how often per second in the mean, {RATE_MIN:f} to {RATE_MAX:.0f}")
            return PS_PER_S / float(text)

        return self._read("rate", parse, 0.0)

    def arrivals(self) -> tuple[tuple[int, Work], ...]:
        """Return the releases of a given trace with their work, in order of time."""
        self.required("at")
        return self._read("at", _arrivals, ())

    def _read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        setting = self._settings.get(name)
        if setting is None:
            return default
        try:
            return parse(setting.value)
        except ValueError as error:
            raise BadSetting(setting, f"`{name}={setting.value[:60]}` makes no sense", str(error)) from error


def _law(text: str) -> Law:
    """Return `4ms`, `exp:MEAN`, `uniform:A-B` or `lognormal:MEAN:SIGMA` as a law."""
    kind, _, rest = text.partition(":")
    if not rest:
        law = Law("fixed", parse_work(text))
    elif kind == "exp":
        law = Law("exp", parse_work(rest))
    elif kind == "uniform" and rest.count("-") == 1:
        low, high = map(parse_work, rest.split("-"))
        if (low.cycles is None) != (high.cycles is None) or (low.cycles or low.time_ps) > (high.cycles or high.time_ps):
            raise ValueError("`uniform:A-B` goes from the smaller to the larger, both times or both cycles")
        law = Law("uniform", low, high)
    elif kind == "lognormal" and re.fullmatch(r"[^:]+:[0-9]+(\.[0-9]+)?", rest):
        mean, _, sigma = rest.partition(":")
        if not float(sigma) <= SIGMA_MAX:
            raise ValueError(f"SIGMA of a lognormal law is at most {SIGMA_MAX}")
        law = Law("lognormal", parse_work(mean), sigma=float(sigma))
    else:
        raise ValueError("write `4ms`, `2400000cycles`, `exp:MEAN`, `uniform:A-B` or `lognormal:MEAN:SIGMA`")
    if law.mean == Work() or law.mean.cycles == 0:
        raise ValueError("a job without work is no job")
    return law


def _arrivals(text: str) -> tuple[tuple[int, Work], ...]:
    """Return `3ms:4ms;13ms:3ms` as pairs of release and work."""
    pairs = [pair.partition(":") for pair in text.strip(";").split(";")]
    arrivals = tuple((parse_duration_ps(at), parse_work(work)) for at, _, work in pairs)
    if any(work == Work() or work.cycles == 0 for _, work in arrivals):
        raise ValueError("a job without work is no job")
    if any(later < earlier for (earlier, _), (later, _) in pairwise(arrivals)):
        raise ValueError("the releases must be in order of time")
    return arrivals


def arrivals_of_file(rows: Iterable[Sequence[str]]) -> str:
    """Return the rows `release,work` of an arrivals file as a value of `at`; ValueError names the row that is wrong."""
    pairs = []
    for number, row in enumerate(rows, start=1):
        if not row or row[0].lstrip().startswith("#"):
            continue
        try:
            release, work = row
            parse_duration_ps(release), parse_work(work)
        except ValueError as error:
            raise ValueError(f"row {number} is `{','.join(row)}`, not `release,work` such as `3ms,4ms`") from error
        pairs.append(f"{release.strip()}:{work.strip()}")
    if not pairs:
        raise ValueError("it has no arrivals: write a row `release,work` for each, such as `3ms,4ms`")
    return ";".join(pairs)
