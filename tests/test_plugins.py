"""Parts of other packages: found by entry point, held to completeness, refused with all that is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coprocsim.errors import PluginError
from coprocsim.plugins import Registry, author_of, others
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.rrobin import RoundRobin
from tests.packages import COMPLETE, GROUP, Site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    return Site(tmp_path)


def registry() -> Registry[Scheduler]:
    """Return a registry that has not looked yet."""
    return Registry("scheduling algorithm", GROUP, Scheduler, (RoundRobin,), ("name", "summary"))


def refusal() -> tuple[str, str | None, str | None]:
    with pytest.raises(PluginError) as caught:
        list(registry())
    return caught.value.what, caught.value.why, caught.value.hint


def test_a_part_of_another_package_is_there_under_its_own_name(site: Site):
    site.install("acme-one", COMPLETE, "whatever = acme_one:Mine")
    found = registry()
    assert list(found) == ["rrobin", "mine"]
    assert found["mine"].summary == "my own"


def test_an_incomplete_part_is_refused_with_all_that_is_missing(site: Site):
    source = "from coprocsim.schedulers.base import Scheduler\nclass Half(Scheduler):\n    summary = 'half'\n"
    site.install("acme-half", source, "half = acme_half:Half")
    lacks = ("name", "add", "pick", "ran", "ready", "remove", "restore", "save", "sleep", "wake", "yield_")
    assert refusal() == (
        "entry point `half` of `acme-half`: scheduling algorithm `Half` is incomplete",
        "it lacks " + ", ".join(f"`{each}`" for each in lacks),
        "complete it, or uninstall its package",
    )


@pytest.mark.parametrize("value", ["41", "print", "dict"])
def test_what_is_no_part_is_refused(site: Site, value: str):
    module = f"acme-no-{value[:2]}"
    site.install(module, f"thing = {value}\n", f"thing = {module.replace('-', '_')}:thing")
    what, why, _ = refusal()
    assert what == f"entry point `thing` of `{module}` is no scheduling algorithm"
    assert why == "a scheduling algorithm is a class that derives from `Scheduler`"


def test_what_cannot_be_imported_is_refused_with_the_reason_and_the_package(site: Site):
    site.install("acme-gone", "import no_such_module_at_all\n", "gone = acme_gone:Gone")
    assert refusal() == (
        "`acme_gone:Gone` cannot be imported: ModuleNotFoundError: No module named 'no_such_module_at_all'",
        "`acme-gone` says that it adds `gone`",
        "mend it, or uninstall its package",
    )


def test_a_module_without_the_class_is_refused(site: Site):
    site.install("acme-typo", "", "typo = acme_typo:Typo")
    what, *_ = refusal()
    assert what.startswith("`acme_typo:Typo` cannot be imported: AttributeError")


def test_two_packages_with_one_name_are_refused(site: Site):
    site.install("acme-first", COMPLETE, "a = acme_first:Mine")
    site.install("acme-second", COMPLETE, "b = acme_second:Mine")
    assert refusal() == (
        "scheduling algorithm `mine` is there twice",
        "`acme_second:Mine` of `acme-second` has a name that is taken",
        "give it another name, or uninstall one of the two",
    )


def test_our_names_are_taken(site: Site):
    site.install("acme-ours", COMPLETE.replace("mine", "rrobin"), "a = acme_ours:Mine")
    what, why, _ = refusal()
    assert (what, why) == (
        "scheduling algorithm `rrobin` is there twice",
        "`acme_ours:Mine` of `acme-ours` has a name that is taken",
    )


@pytest.mark.parametrize("name", ["My Own", "-x", "", "x" * 33])
def test_a_name_that_cannot_be_typed_is_refused(site: Site, name: str):
    package = f"acme-name-{len(name)}"
    module = package.replace("-", "_")
    site.install(package, COMPLETE.replace("mine", name), f"a = {module}:Mine")
    what, _, hint = refusal()
    assert what == f"entry point `a` of `{package}`: scheduling algorithm `Mine` cannot be named `{name}`"
    assert hint == "lowercase letters, digits, `_` and `-`, 32 at most"


MINIMAL = Path(__file__).parent.parent / "dts/minimal.dtb"


def refused_at_boot(folder: Path, package: str, source: str, point: str, group: str) -> str:
    """Return what `boot` says, with such a package installed, of a machine that does not use it."""
    Site(folder).install(package, source, point, group=group)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    environment["COPROCSIM_STATE_DIR"] = str(folder / "state")
    command = [sys.executable, "-m", "coprocsim", "boot", str(MINIMAL)]
    refused = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert not (folder / "state").exists()
    return refused.stderr


@pytest.mark.parametrize(
    ("kind", "group", "base", "first"),
    [
        ("platform", "platforms", "platforms.base:Platform", "name"),
        ("hardware model", "hardware", "hardware.base:Hardware", "name"),
        ("scheduling algorithm", "schedulers", "schedulers.base:Scheduler", "name"),
        ("workload", "workloads", "guests.base:Guest", "kind"),
    ],
)
def test_an_incomplete_part_of_any_kind_is_refused_at_boot_with_what_is_missing(
    tmp_path: Path, kind: str, group: str, base: str, first: str
):
    module, _, parent = base.partition(":")
    source = f"from coprocsim.{module} import {parent}\nclass Half({parent}):\n    summary = 'half'\n"
    said = refused_at_boot(tmp_path, "acme-half", source, "half = acme_half:Half", f"coprocsim.{group}")
    what, why, hint = said.splitlines()
    assert what == f"error: entry point `half` of `acme-half`: {kind} `Half` is incomplete"
    assert why.startswith(f" why: it lacks `{first}`, ")
    assert why.endswith(("`restore`, `save`, `sleep`, `wake`, `yield_`", "`save`, `unpaused`", "`write`"))
    assert hint == " hint: complete it, or uninstall its package"


def test_a_platform_whose_hardware_is_not_there_is_refused_at_boot(tmp_path: Path):
    source = """
from coprocsim.platforms.generic import GenericPlatform

class Odd(GenericPlatform):
    name = "odd"
    hardware = "oddware"
    compatible = ("acme,odd",)
"""
    said = refused_at_boot(tmp_path, "acme-odd", source, "odd = acme_odd:Odd", "coprocsim.platforms")
    what, why, hint = said.splitlines()
    assert what == "error: the hardware model `oddware` is not installed"
    assert why == " why: platform `odd` drives it"
    assert hint.startswith(" hint: there are `reference`, ")


def test_our_own_are_found_although_another_package_is_broken(site: Site):
    site.install("acme-bad", "raise RuntimeError('bad')\n", "bad = acme_bad:Bad")
    assert registry()["rrobin"] is RoundRobin


def test_the_author_of_a_module_is_the_package_that_brought_its_parts(site: Site):
    site.install("acme-deep", COMPLETE, "a = acme_deep:Mine")
    assert others()["acme_deep"] == "acme-deep"
    assert author_of(["json", "acme_deep.inner", "coprocsim.cli"]) == ("acme_deep.inner", "acme-deep")
    assert author_of(["json", "coprocsim.cli"]) is None
