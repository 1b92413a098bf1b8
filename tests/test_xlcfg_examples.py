"""The guests in `domains/`: they are what a newcomer copies from, so they must be right."""

from pathlib import Path
from textwrap import dedent

import pytest

from coprocsim.devicetree import loads
from coprocsim.guests import guest_of
from coprocsim.guests.base import GuestSite
from coprocsim.model import CoprocSpec
from coprocsim.toolstack.parts import platform_for
from coprocsim.xlcfg import loads as read_config
from coprocsim.xlcfg import read_domain

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "domains").glob("*.cfg"))
ACCEPTED = [path for path in EXAMPLES if path.stem != "refused"]
RAM = range(0x4000_0000, 0x4200_0000)


def shared_by(tree: str) -> dict[str, CoprocSpec]:
    """Return what an example system shares, by each of its names."""
    coprocs = loads((ROOT / "dts" / f"{tree}.dtb").read_bytes()).machine.coprocs
    return {name: each for each in coprocs for name in (each.coproc_id, each.path, *each.aliases)}


def tree_for(path: Path) -> str:
    """Return which example system a guest is made for: it says so itself if that is not the usual one."""
    return "automotive" if "dts/automotive.dtb" in path.read_text(encoding="utf-8") else "system"


def test_there_are_enough_to_learn_from():
    assert len(ACCEPTED) >= 5
    assert len({read_domain(path.read_bytes(), path.name).name for path in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_read_without_a_warning(path):
    assert read_domain(path.read_bytes(), path.name).warnings == ()


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_an_example_names_coprocs_that_are_shared_and_workloads_that_exist(path):
    shared = shared_by(tree_for(path))
    spec = read_domain(path.read_bytes(), path.name)
    assert spec.coprocs
    attached = {shared[each.name].coproc_id for each in spec.coprocs}
    for each in spec.workloads:
        assert shared[each.coproc].coproc_id in attached
        platform = platform_for(shared[each.coproc].compatible)
        assert platform is not None
        assert guest_of(GuestSite(shared[each.coproc], platform.hardware, (RAM,), 0, "example"), each.options)


def test_the_refused_example_names_a_coproc_that_is_not_shared():
    shared = shared_by("system")
    spec = read_domain((ROOT / "domains" / "refused.cfg").read_bytes(), "refused.cfg")
    assert [each.name for each in spec.coprocs if each.name not in shared] == ["gpu1"]


def test_the_syntax_that_the_readme_shows_is_read():
    readme = (ROOT / "domains" / "README.md").read_text(encoding="utf-8")
    shown = readme.split("## The syntax\n\n")[1].split("\n\n")[0]
    assert read_config(dedent(shown + "\n").encode()) == {
        "name": "guest",
        "memory": "0x100",
        "vcpus": "2",
        "coproc": ["gpu0", "xxx0", "xxc0"],
    }
