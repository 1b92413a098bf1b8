"""The guests in `domains/`: they are what a newcomer copies from, so they must be right."""

from pathlib import Path
from textwrap import dedent

import pytest

from coprocsim.devicetree import loads
from coprocsim.guests import guest_of
from coprocsim.guests.base import GuestSite
from coprocsim.model import CoprocSpec
from coprocsim.options.build import Build
from coprocsim.toolstack.parts import platform_for
from coprocsim.xlcfg import loads as read_config
from coprocsim.xlcfg import read_domain

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "domains").glob("*.cfg"))
ACCEPTED = [path for path in EXAMPLES if path.stem != "refused"]
RAM = range(0x4000_0000, 0x4200_0000)


# What is made for another machine than the example system.
MADE_FOR = {"keystore": "automotive", "cockpit-audio": "automotive", "tablet": "virtual-gpu"}


def shared_with(path: Path) -> dict[str, CoprocSpec]:
    """Return what the machine shares that an example is made for, by each of its names."""
    coprocs = loads((ROOT / "dts" / f"{MADE_FOR.get(path.stem, 'system')}.dtb").read_bytes()).machine.coprocs
    return {name: each for each in coprocs for name in (each.coproc_id, each.path, *each.aliases)}


def test_there_are_enough_to_learn_from():
    assert len(ACCEPTED) >= 5
    assert len({read_domain(path.read_bytes(), path.name).name for path in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_read_without_a_warning(path):
    assert read_domain(path.read_bytes(), path.name).warnings == ()


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_an_example_names_coprocs_that_are_shared_and_workloads_that_exist(path):
    shared = shared_with(path)
    spec = read_domain(path.read_bytes(), path.name)
    assert spec.coprocs
    attached = {shared[each.name].coproc_id for each in spec.coprocs}
    for each in spec.workloads:
        assert shared[each.coproc].coproc_id in attached
        platform = platform_for(shared[each.coproc].compatible, Build())
        assert platform is not None
        assert guest_of(GuestSite(shared[each.coproc], platform.hardware, (RAM,), 0, "example"), each.options)


def test_the_refused_example_names_a_coproc_that_is_not_shared():
    path = ROOT / "domains" / "refused.cfg"
    spec = read_domain(path.read_bytes(), path.name)
    assert [each.name for each in spec.coprocs if each.name not in shared_with(path)] == ["gpu1"]


def test_the_syntax_that_the_readme_shows_is_read():
    readme = (ROOT / "domains" / "README.md").read_text(encoding="utf-8")
    shown = readme.split("## The syntax\n\n")[1].split("\n\n")[0]
    assert read_config(dedent(shown + "\n").encode()) == {
        "name": "guest",
        "memory": "0x100",
        "vcpus": "2",
        "coproc": ["gpu0", "xxx0", "xxc0"],
    }
