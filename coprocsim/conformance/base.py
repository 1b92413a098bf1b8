"""What a check is and how it is run: Hypothesis looks for a scenario that a part does not pass, and makes it short."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from traceback import walk_tb
from types import FunctionType, TracebackType
from typing import Generic, TypeVar, cast

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import Flaky, Unsatisfiable, UnsatisfiedAssumption
from hypothesis.strategies import SearchStrategy

from coprocsim.errors import PluginError

T = TypeVar("T")
S = TypeVar("S")

_TRIES_MAX = 1_000
_ROOMS = ("coprocsim.platforms.", "coprocsim.hardware.", "coprocsim.schedulers.", "coprocsim.guests.")


class Broken(Exception):  # noqa: N818 - says what is so, not what went wrong with the check
    """The part does not keep what the check is about; the message says what it does instead."""


class Trial:
    """One scenario as it is played: what was done to the part so far, in words."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        """Note what is done to the part, or what it answers."""
        self.steps.append(text)

    def expect(self, holds: bool, found: str) -> None:
        """Raise Broken if what is to hold does not; `found` says what is so instead."""
        if not holds:
            raise Broken(found)


@dataclass(frozen=True, slots=True)
class Failure:
    """A scenario that a part did not pass: what was `found`, the steps that led there, and where its code raised."""

    found: str
    steps: tuple[str, ...]
    raised_at: str | None = None


def nothing_left_out(part: type[object]) -> str | None:
    """Return why a check does not apply to `part`: there is no reason."""
    del part
    return None


@dataclass(frozen=True, slots=True)
class Check(Generic[T]):
    """A rule for parts of one kind: `name` in a few words, `expects` in a sentence or two.

    `left_out` says why the check does not apply to a part, or None; `run` plays so many scenarios with it, and makes
    one that fails as short as can be if that is wanted.
    """

    name: str
    expects: str
    left_out: Callable[[type[T]], str | None]
    run: Callable[[type[T], int, bool], Failure | None]


def once(
    play: Callable[[type[T], Trial], None], left_out: Callable[[type[T]], str | None] = nothing_left_out
) -> Check[T]:
    """Return the check that is called and explained as `play` is, and needs no scenarios."""

    def run(part: type[T], count: int, shorten: bool) -> Failure | None:
        del count, shorten
        trial = Trial()
        return _judged(lambda: play(part, trial), lambda: trial)

    return Check(*_words(play), left_out, run)


def over(
    scenarios: SearchStrategy[S],
    play: Callable[[type[T], Trial, S], None],
    *,
    times: int = 1,
    left_out: Callable[[type[T]], str | None] = nothing_left_out,
) -> Check[T]:
    """Return the check that is called and explained as `play` is; it plays `times` as many scenarios as others."""

    def run(part: type[T], count: int, shorten: bool) -> Failure | None:
        played: list[tuple[S, Trial]] = []

        def one(scenario: S) -> None:
            trial = Trial()
            played[:] = [(scenario, trial)]
            play(part, trial, scenario)

        how = settings(
            derandomize=True,
            database=None,
            deadline=None,
            max_examples=count * times,
            phases=(Phase.generate, Phase.shrink) if shorten else (Phase.generate,),
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        failure = _judged(how(given(scenarios)(one)), lambda: played[0][1] if played else Trial())
        return _shortened(one, played, failure) if failure is not None and shorten and played else failure

    return Check(*_words(play), left_out, run)


CUTS = st.integers(0, 63)
"""When a run is put to rest, in 64ths of what happens in it."""


def cut_before(cut: int, count: int) -> int:
    """Return before which of `count` things a run is put to rest; `count` is after all of them."""
    return cut * (count + 1) // 64


def several(each: SearchStrategy[S], most: int) -> SearchStrategy[list[S]]:
    """Return lists, short and long ones: left to itself, Hypothesis hardly makes any with more than ten."""
    return st.lists(each, max_size=most) | st.lists(each, min_size=most // 3, max_size=most)


def _shortened(one: Callable[[S], None], played: list[tuple[S, Trial]], failure: Failure) -> Failure:
    """Leave out of the scenario that was played last, one by one, what it fails without."""
    scenario, tries = played[0][0], 0
    found = True
    while found:
        found = False
        for shorter in _shorter(scenario):
            tries += 1
            again = _judged(partial(one, shorter), lambda: played[0][1])
            if again is not None:
                scenario, failure, found = shorter, again, True
                break
            if tries >= _TRIES_MAX:
                return failure
    return failure


def _shorter(scenario: S) -> Iterator[S]:
    """Yield scenarios with one element less in one of their lists."""
    if isinstance(scenario, list):
        yield from (cast("S", scenario[:n] + scenario[n + 1 :]) for n in range(len(scenario)))
    elif isinstance(scenario, tuple):
        make = getattr(type(scenario), "_make", tuple)
        for number, part in enumerate(scenario):
            if isinstance(part, list):
                for shorter in _shorter(part):
                    yield cast("S", make((*scenario[:number], shorter, *scenario[number + 1 :])))


@contextmanager
def no_notes() -> Iterator[None]:
    """Let Hypothesis leave no folder behind."""
    with TemporaryDirectory() as folder:
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)


def _words(play: object) -> tuple[str, str]:
    """Return a check's name and what it expects: its function's name and docstring, each on one line."""
    assert isinstance(play, FunctionType)
    return play.__name__.replace("_", " "), " ".join((inspect.getdoc(play) or "").split())


def _judged(play: Callable[[], None], last: Callable[[], Trial]) -> Failure | None:
    """Return what went wrong; `last` tells which trial was played last, which is the shortest one that fails."""
    try:
        play()
    except Broken as broken:
        return Failure(str(broken), tuple(last().steps))
    except UnsatisfiedAssumption:
        return None
    except Flaky:
        found = "the same calls go wrong at one time and not at another: it depends on more than it is told"
        return Failure(found, tuple(last().steps))
    except Unsatisfiable:
        return Failure("no scenario comes as far as this check needs", tuple(last().steps))
    except PluginError:
        # Another part is missing without which nothing can be said about this one.
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever somebody's code raises is what this is about
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return Failure(f"it raises {said}", tuple(last().steps), _place(error.__traceback__))
    return None


def _place(traceback: TracebackType | None) -> str | None:
    """Return the module and line that raised: the innermost of another package, else of our parts, else of all."""
    frames = [(str(frame.f_globals.get("__name__")), line) for frame, line in walk_tb(traceback)]
    for is_of_parts in (_is_of_another_package, _is_one_of_our_parts):
        for module, line in reversed(frames):
            if is_of_parts(module):
                return f"{module}, line {line}"
    return f"{frames[-1][0]}, line {frames[-1][1]}, with what the part answers or states" if frames else None


def _is_of_another_package(module: str) -> bool:
    package = module.partition(".")[0]
    return package not in {"coprocsim", *sys.stdlib_module_names} and not package.startswith("hypothesis")


def _is_one_of_our_parts(module: str) -> bool:
    return module.startswith(_ROOMS)
