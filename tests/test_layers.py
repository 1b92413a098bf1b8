"""The import direction: a room imports only from lower ones, and each external library has one home."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import coprocsim

ROOT = Path(coprocsim.__file__).parent

# From the ground up. A room is a module of the package, or a package in it; inside one layer nobody imports another.
LAYERS = (
    {"units", "errors", "randomness"},
    {"model", "datasheets", "names", "snapshot", "histogram"},
    {"parameters", "plugins"},
    {"sharing"},
    {"engine", "schedulers", "platforms", "hardware", "guests", "devicetree", "xlcfg", "options", "store"},
    {"hypervisor"},
    {"conformance"},
    {"analysis", "observe"},
    {"toolstack"},
    {"cli"},
    {"__main__"},
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

HOMES = {
    "fdt": "devicetree",
    "kconfiglib": "options",
    "lark": "xlcfg",
    "sqlite3": "store",
    "vcd": "observe",
    "perfetto": "observe",
    "click": "cli",
    "rich": "cli",
    "hypothesis": "conformance",
    "hdrh": "histogram",
}


def imported(source: str) -> Iterator[str]:
    """Yield the full names of all that a module imports, wherever in it that stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(sources: Mapping[str, str]) -> list[str]:
    """Return what is wrong with modules, given by their path below the package."""
    found = []
    for path, source in sources.items():
        room = path.partition("/")[0].removesuffix(".py")
        if room == "__init__":
            continue
        if room not in LEVEL:
            found.append(f"{path}: `{room}` has no layer")
            continue
        for name in imported(source):
            top, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if top == "coprocsim" and other in LEVEL and other != room and LEVEL[other] >= LEVEL[room]:
                found.append(f"{path}: `{room}` may not import `{name}`")
            if HOMES.get(top, room) != room:
                found.append(f"{path}: only `{HOMES[top]}` may import `{top}`")
    return found


# What the framework knows of the rooms that hold parts: their interfaces, and where a workload comes from.
INTERFACES = {
    "platforms": {"base"},
    "hardware": {"base"},
    "schedulers": {"base"},
    "guests": {"base", "guest_of"},
}


def concrete(sources: Mapping[str, str]) -> list[str]:
    """Return the imports by which the framework would know a platform, a model, an algorithm or a workload."""
    found = []
    for path, source in sources.items():
        for name in imported(source) if path.startswith("hypervisor/") else ():
            top, room, what = (*name.split("."), "", "")[:3]
            if top == "coprocsim" and what not in INTERFACES.get(room, {what}):
                found.append(f"{path}: `{name}`")
    return found


def all_sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in ROOT.rglob("*.py")}


def test_the_framework_knows_no_platform_no_hardware_no_algorithm_and_no_workload():
    sources = all_sources()
    assert sum(path.startswith("hypervisor/") for path in sources) > 10
    assert concrete(sources) == []


def test_what_the_framework_must_not_know_is_found():
    assert concrete(
        {
            "hypervisor/good.py": "from coprocsim.platforms.base import Left\nfrom coprocsim.guests import guest_of",
            "hypervisor/one.py": "from coprocsim.platforms.gsx import GsxPlatform\nimport coprocsim.hardware.xxc",
            "hypervisor/all.py": "def late():\n    from coprocsim.schedulers import ALGORITHMS",
            "toolstack/parts.py": "from coprocsim.schedulers import ALGORITHMS",
        }
    ) == [
        "hypervisor/one.py: `coprocsim.platforms.gsx.GsxPlatform`",
        "hypervisor/one.py: `coprocsim.hardware.xxc`",
        "hypervisor/all.py: `coprocsim.schedulers.ALGORITHMS`",
    ]


def test_every_room_imports_only_from_lower_ones_and_each_library_has_one_home():
    sources = all_sources()
    assert len(sources) > 50
    assert offences(sources) == []


def test_an_offender_is_found():
    assert offences(
        {
            "schedulers/edf.py": "from coprocsim.hypervisor.state import Board",
            "hardware/gpu.py": "import coprocsim.platforms.base",
            "hypervisor/late.py": "def now():\n    from coprocsim import cli\n    from rich.table import Table",
            "observe/dump.py": "import sqlite3, json\nfrom coprocsim.observe import stats",
            "attic.py": "import json",
            "engine.py": "from coprocsim.units import PS_PER_S",
        }
    ) == [
        "schedulers/edf.py: `schedulers` may not import `coprocsim.hypervisor.state.Board`",
        "hardware/gpu.py: `hardware` may not import `coprocsim.platforms.base`",
        "hypervisor/late.py: `hypervisor` may not import `coprocsim.cli`",
        "hypervisor/late.py: only `cli` may import `rich`",
        "observe/dump.py: only `store` may import `sqlite3`",
        "attic.py: `attic` has no layer",
    ]


def test_no_test_imports_from_another():
    tests = sorted(Path(__file__).parent.rglob("test_*.py"))
    assert len(tests) > 30
    names = [name for path in tests for name in imported(path.read_text("utf-8"))]
    assert [name for name in names if ".test_" in name] == []
