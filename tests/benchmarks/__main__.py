"""Measure speed beside something that everybody knows, and print a table of ratios: `make bench`.

Every pair is measured in turn, several times, in this one run; the best time of each side counts. The machine may be
noisy: the ratio is what means something, the absolute figures only say of which size they are.
"""

import compileall
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from coprocsim.schedulers import ALGORITHMS
from tests.benchmarks.machines import crowded_machine, jobs_machine, switching_machine
from tests.benchmarks.recording import append_rate, run

ROOT = Path(__file__).resolve().parents[2]
SIMSO = ROOT / ".venv" / "simso"
ROUNDS = 5

Measure = Callable[[], float]
"""Runs once; returns a rate (1/s) or a time (s)."""


def best_rates(ours: Measure, theirs: Measure) -> tuple[float, float]:
    """Return the best rate of each side."""
    pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
    return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)


def best_times(ours: Measure, theirs: Measure) -> tuple[float, float]:
    """Return the best time of each side."""
    pairs = [(ours(), theirs()) for _ in range(4 * ROUNDS)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def simpy_timeouts_per_s() -> float:
    """Return how many timeouts per second SimPy 4 passes through."""
    import simpy

    def process(environment: simpy.Environment, count: int):
        for _ in range(count):
            yield environment.timeout(1)

    count = 300_000
    environment = simpy.Environment()
    environment.process(process(environment, count))
    began = time.perf_counter()
    environment.run()
    return count / (time.perf_counter() - began)


def simso_jobs_per_s() -> float:
    """Return how many jobs per second SimSo simulates of three tasks of period 1 ms and 0.3 ms of work."""
    ran = subprocess.run(
        [SIMSO / "bin" / "python", ROOT / "tests" / "benchmarks" / "simso_tasks.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ran.stdout)


def command_s(*arguments: str | Path) -> Measure:
    """Return a measure of how long a command takes."""

    def run() -> float:
        began = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - began

    return run


def commands() -> list[tuple[str, str, float, float]]:
    """Return rows for the commands beside the imports that they cannot do without."""
    # As pip leaves an installed package: compiled.
    compileall.compile_dir(ROOT / "coprocsim", quiet=1)
    python = Path(sys.executable)
    coprocsim = python.parent / "coprocsim"
    rows = []
    with tempfile.TemporaryDirectory() as state:
        base: list[str | Path] = ["env", f"COPROCSIM_STATE_DIR={state}", coprocsim]
        boot = command_s(*base, "boot", "--force", ROOT / "dts" / "system.dtb")
        boot()
        create = command_s(*base, "domain", "create", "--dry-run", ROOT / "domains" / "infotainment.cfg")
        look = command_s(*base, "list", "vcoprocs")
        for name, ours, imports in (
            ("`list vcoprocs`", look, "click, rich.table, sqlite3"),
            ("`boot`", boot, "click, rich.table, sqlite3, msgspec, fdt"),
            ("`domain create`", create, "click, rich.table, sqlite3, msgspec, lark"),
        ):
            our_s, their_s = best_times(ours, command_s(python, "-c", f"import {imports}"))
            rows.append((name, f"`import {imports}`", our_s, their_s))
    return rows


def crowds() -> Iterator[tuple[str, str, Measure, Measure]]:
    """Yield a row for each algorithm: how fast it is among many vcoprocs beside among a few."""
    for name, algorithm in ALGORITHMS.items():
        if algorithm.vcoprocs_max is None:
            many, few = (partial(crowded_machine, algorithm, vcoprocs) for vcoprocs in (400, 8))
            yield f"jobs shared by `{name}` among 400 vcoprocs", "the same among 8", many, few


def recording() -> tuple[str, str]:
    """Return a row for a run that is recorded beside the same unrecorded, and what a row of the trace costs."""
    pairs = [(run(recorded=True), run(recorded=False)) for _ in range(ROUNDS)]
    ours, theirs = (min(pair[side].elapsed_s for pair in pairs) for side in (0, 1))
    rows, size_bytes = pairs[0][0].rows, pairs[0][0].size_bytes
    written, read = (max(rates) for rates in zip(*(append_rate() for _ in range(ROUNDS)), strict=True))
    line = (
        f"| jobs, recorded in the file | the same, unrecorded | {ours:.2f} s | {theirs:.2f} s | {ours / theirs:.2f} |"
    )
    return line, (
        f"{rows:,} rows of {size_bytes / rows:.1f} bytes, recording took {100 * (1 - theirs / ours):.0f} % of the run; "
        f"into the file {written:,.0f} rows/s, out of it {read:,.0f} rows/s"
    )


def main() -> None:
    """Measure all, print the table."""
    print("| ours | beside | ours | theirs | ratio |\n|---|---|---:|---:|---:|")
    rates: list[tuple[str, str, Measure, Measure]] = [
        (
            "context switches, isolation checked",
            "the same unchecked",
            lambda: switching_machine(checks=True),
            switching_machine,
        ),
        ("jobs, isolation checked", "the same unchecked", lambda: jobs_machine(checks=True), jobs_machine),
        ("context switches", "SimPy 4 timeouts", switching_machine, simpy_timeouts_per_s),
        (
            "jobs, each of them with its registers, interrupt and switch",
            "SimSo 0.8.5 jobs",
            jobs_machine,
            simso_jobs_per_s,
        ),
        *crowds(),
    ]
    for name, beside, ours, theirs in rates:
        our_rate, their_rate = best_rates(ours, theirs)
        print(f"| {name} | {beside} | {our_rate:,.0f}/s | {their_rate:,.0f}/s | {our_rate / their_rate:.2f} |")
    line, said = recording()
    print(line)
    for name, beside, our_s, their_s in commands():
        print(f"| {name} | {beside} | {our_s * 1e3:.0f} ms | {their_s * 1e3:.0f} ms | {our_s / their_s:.2f} |")
    print(f"\n{said}")


if __name__ == "__main__":
    main()
