"""The options of a build: what there is, what a `.config` makes of it, and what is absent when one is off."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coprocsim.errors import OptionError, SourceError, Span
from coprocsim.model import Charge, Payer, Sharing
from coprocsim.options.build import Build, algorithm_symbol, platform_symbol, sharing_symbol
from coprocsim.options.dotconfig import Assignment, parse
from coprocsim.options.kconfig import KCONFIG, Options
from coprocsim.parameters import Kind
from coprocsim.platforms import PLATFORMS
from coprocsim.schedulers import ALGORITHMS, DEFAULT_ALGORITHM
from coprocsim.sharing import SHARING
from coprocsim.snapshot import MachineRow
from coprocsim.store import read
from coprocsim.toolstack import config
from coprocsim.toolstack.session import session
from coprocsim.units import PS_PER_US
from tests.devicetree_blobs import blob, gpu, machine
from tests.homes import PROJECT, Home

EVERYTHING = Build(Options().text())
"""What a `.config` without a line in it says."""


def shown(text: str) -> dict[str, str | None]:
    """Return the values that a file's text leads to."""
    options = Options()
    options.take(parse(text.encode(), "a.config"))
    return {option.name: option.value for option in options.shown()}


def warned(text: str) -> list[str]:
    return Options().take(parse(text.encode(), "a.config"))


def refused(text: str) -> OptionError:
    with pytest.raises(OptionError) as caught:
        Options().take(parse(text.encode(), "a.config"))
    return caught.value


# ---------------------------------------------------------------- one statement, said twice


def test_every_part_of_ours_has_its_option_and_every_option_its_part():
    symbols = {option.name for option in Options().shown()}
    parts = {algorithm_symbol(name) for name in ALGORITHMS if ALGORITHMS.is_ours(name)}
    parts |= {platform_symbol(name) for name in PLATFORMS if PLATFORMS.is_ours(name)}
    named = {name for name in symbols if name.startswith(("COPROC_SCHED_", "COPROC_PLAT_"))}
    assert named - {"COPROC_SCHED_DEFAULT"} == parts


def test_every_part_of_ours_is_built_in_by_default():
    assert all(EVERYTHING.has(algorithm_symbol(name)) for name in ALGORITHMS if ALGORITHMS.is_ours(name))
    assert all(EVERYTHING.has(platform_symbol(name)) for name in PLATFORMS if PLATFORMS.is_ours(name))


def test_the_defaults_are_those_of_a_machine_without_a_config():
    nothing = Build()
    assert EVERYTHING.sharing == nothing.sharing == Sharing()
    assert EVERYTHING.checks is nothing.checks is True
    assert EVERYTHING.trace_limit_bytes == nothing.trace_limit_bytes == 256 * 2**20
    assert EVERYTHING.default_algorithm == DEFAULT_ALGORITHM


def test_the_limits_of_sharing_are_those_of_its_statement():
    options = {option.name: option for option in Options().shown()}
    for parameter in SHARING.values():
        symbol = sharing_symbol(parameter)
        if parameter.kind is Kind.CHOICE:
            values = {name.removeprefix(f"{symbol}_").lower() for name in options if name.startswith(f"{symbol}_")}
            assert values - {"factor"} == set(parameter.choices)
        else:
            unit = PS_PER_US if parameter.kind is Kind.TIME else 1
            assert options[symbol].limits == f"{parameter.minimum // unit} to {parameter.maximum // unit}"


def test_every_option_has_a_line_that_fits_and_a_help():
    for option in Options().shown():
        assert option.help.endswith(".")
        assert len(option.summary) <= 27
        # Name, value, whether it is the default, and what it says, in 80 columns.
        assert len(option.name) <= 33


# ---------------------------------------------------------------- reading


def test_a_file_says_what_its_lines_say_whoever_ended_them():
    text = "# a comment\n\nCONFIG_COPROC_RETRY_FLOOR_US=25\n# CONFIG_COPROC_PLAT_GENERIC is not set\n"
    text += 'CONFIG_COPROC_SCHED_DEFAULT="rrobin"\nCONFIG_COPROC_CHARGE_DEBT=y\n'
    for written in (text, text.replace("\n", "\r\n"), "\ufeff" + text, text.rstrip()):
        found = shown(written)
        assert found["COPROC_RETRY_FLOOR_US"] == "25"
        assert found["COPROC_PLAT_GENERIC"] == "n"
        assert found["COPROC_SCHED_DEFAULT"] == "rrobin"
        assert (found["COPROC_CHARGE_DEBT"], found["COPROC_CHARGE_AVERAGING"]) == ("y", "n")
        assert warned(written) == []


def test_a_whole_config_is_read_without_a_doubt():
    options = Options()
    options.change([Assignment("COPROC_CHARGE_NONE", "y"), Assignment("COPROC_SCHED_RROBIN", "n")])
    text = options.text()
    assert "# CONFIG_COPROC_CHARGE_AVERAGING is not set\n" in text
    assert warned(text) == []
    assert shown(text) == {option.name: option.value for option in options.shown()} | {
        "COPROC_SCHED_RROBIN": "n",
        "COPROC_SCHED_DEFAULT": "fixed",  # the next one that is built in
        "COPROC_CHARGE_NONE": "y",
        "COPROC_CHARGE_AVERAGING": "n",
    }


@pytest.mark.parametrize(
    ("text", "what", "column", "width", "hint"),
    [
        ("HAS_COPROC=y", "neither an option nor a comment", 1, 12, "write `CONFIG_NAME=value`"),
        (" CONFIG_HAS_COPROC=y", "neither an option nor a comment", 1, 20, "write `CONFIG_NAME=value`"),
        ("CONFIG_HAS_COPROC = y", "neither an option nor a comment", 1, 21, "write `CONFIG_NAME=value`"),
        ("CONFIG_HAS_COPROC=m", "`HAS_COPROC` cannot be `m`", 1, 17, "it is y or n"),
        ("CONFIG_HAS_COPROC=", "`HAS_COPROC` cannot be ``", 1, 17, "it is y or n"),
        ("CONFIG_COPROC_CHARGE_FACTOR=0", "`COPROC_CHARGE_FACTOR` cannot be `0`", 1, 27, "it is 1 to 60"),
        ("CONFIG_COPROC_CHARGE_FACTOR=61", "`COPROC_CHARGE_FACTOR` cannot be `61`", 1, 27, "it is 1 to 60"),
        ("CONFIG_COPROC_CHARGE_FACTOR=1_0", "`COPROC_CHARGE_FACTOR` cannot be `1_0`", 1, 27, "it is 1 to 60"),
        ('CONFIG_COPROC_CHARGE_FACTOR="3"', '`COPROC_CHARGE_FACTOR` cannot be `"3"`', 1, 27, "it is 1 to 60"),
        ('CONFIG_COPROC_SCHED_DEFAULT="A b"', '`COPROC_SCHED_DEFAULT` cannot be `"A b"`', 1, 27, "a name of lowercase"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(text, what, column, width, hint):
    error = refused(f"# first\n{text}\nCONFIG_HAS_COPROC=y\n")
    assert error.what == what
    assert error.place == Span("a.config", 2, column, width, text)
    assert error.hint is not None
    assert hint in error.hint


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"CONFIG_HAS_COPROC=y\n\x7fELF\x02", "line 2 holds the byte 0x7f, which is no text"),
        (b"\n\nCONFIG_X=\xff", "line 3 holds the byte 0xff, which is no text"),
        (b"\0" * 10, "line 1 holds the byte 0x00, which is no text"),
        (b"# \x1b[2J", "line 1 holds the byte 0x1b, which is no text"),
    ],
)
def test_a_file_that_is_no_text_is_refused_and_not_shown(data, why):
    with pytest.raises(OptionError) as caught:
        parse(data, "a.config")
    assert (caught.value.what, caught.value.why, caught.value.path) == ("not a `.config`", why, "a.config")


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (
            "CONFIG_COPROC_PLAT_GENERIK=y",
            ["a.config:1: no option `COPROC_PLAT_GENERIK`, it is ignored; did you mean `COPROC_PLAT_GENERIC`?"],
        ),
        ("CONFIG_ARM_64=y\nCONFIG_ACPI=y", ["a.config:1: no option `ARM_64`, `ACPI`: ignored"]),
        (
            "CONFIG_A=1\nCONFIG_B=1\nCONFIG_C=1\n# CONFIG_D is not set\nCONFIG_E=1",
            ["a.config:1: no option `A`, `B`, `C` and 2 more: ignored"],
        ),
        (
            "CONFIG_COPROC_CHARGE_FACTOR=2\nCONFIG_COPROC_CHARGE_FACTOR=3",
            ["a.config:1: `COPROC_CHARGE_FACTOR` is said again later, as `3`"],
        ),
        (
            "# CONFIG_HAS_COPROC is not set\nCONFIG_COPROC_PLAT_GENERIC=y\nCONFIG_COPROC_CHARGE_DEBT=y\n"
            "# CONFIG_COPROC_SCHED_RROBIN is not set",
            [
                "a.config:2: `COPROC_PLAT_GENERIC=y` has no effect: it depends on `HAS_COPROC`, which is off, "
                "nor have 1 more"
            ],
        ),
        (
            "CONFIG_COPROC_CHARGE_DEBT=y\nCONFIG_COPROC_CHARGE_NONE=y",
            [
                "a.config:1: `COPROC_CHARGE_DEBT=y` has no effect: `COPROC_CHARGE_NONE` is set, too, "
                "and only one of them can be"
            ],
        ),
    ],
)
def test_what_has_no_effect_is_warned_of(text, warnings):
    assert warned(text) == warnings


def test_of_an_option_said_twice_the_last_holds():
    assert shown("CONFIG_COPROC_CHARGE_FACTOR=2\nCONFIG_COPROC_CHARGE_FACTOR=3")["COPROC_CHARGE_FACTOR"] == "3"


# ---------------------------------------------------------------- what a machine keeps


def test_a_build_reads_what_the_options_have_written():
    options = Options()
    options.change(
        [
            Assignment("COPROC_SWITCH_TIMEOUT_US", "0"),
            Assignment("COPROC_RETRY_FLOOR_US", "7"),
            Assignment("COPROC_CHARGE_DEBT", "y"),
            Assignment("COPROC_CHARGE_FACTOR", "60"),
            Assignment("COPROC_SWITCH_COST_PAYER_LEAVING", "y"),
            Assignment("COPROC_ISOLATION_CHECKS", "n"),
            Assignment("COPROC_TRACE_LIMIT_MIB", "1"),
            Assignment("COPROC_PLAT_GENERIC", "n"),
        ]
    )
    built = Build(options.text())
    assert built.sharing == Sharing(0, 7_000_000, Charge.DEBT, 60, Payer.LEAVING)
    assert (built.checks, built.trace_limit_bytes, built.default_algorithm) == (False, 2**20, "rrobin")
    assert (built.has("COPROC_PLAT_GENERIC"), built.has("COPROC_PLAT_REFERENCE")) == (False, True)


def test_without_the_framework_nothing_of_it_is_there():
    options = Options()
    options.change([Assignment("HAS_COPROC", "n")])
    built = Build(options.text())
    assert not any(built.has(name) for name in ("HAS_COPROC", "COPROC_SCHED_RROBIN", "COPROC_PLAT_GENERIC"))
    assert built.sharing == Sharing()
    assert built.default_algorithm is None


# ---------------------------------------------------------------- writing


def test_only_what_differs_from_the_defaults_is_written_and_a_default_goes_on_following(tmp_path):
    path = tmp_path / ".config"
    config.change(str(path), {"COPROC_SCHED_RROBIN": "n", "COPROC_CHARGE_FACTOR": "034"})
    assert path.read_text().splitlines()[1:] == [
        "# CONFIG_COPROC_SCHED_RROBIN is not set",
        "CONFIG_COPROC_CHARGE_FACTOR=34",
    ]
    assert config.build_of_file(str(path))[0].default_algorithm == "fixed"  # the next one that is built in
    config.change(str(path), {"COPROC_SCHED_RROBIN": "y"})
    assert path.read_text().splitlines()[1:] == ["CONFIG_COPROC_CHARGE_FACTOR=34"]
    assert config.build_of_file(str(path))[0].default_algorithm == "rrobin"


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path):
    target, link = tmp_path / "real", tmp_path / "link"
    target.write_text("CONFIG_COPROC_CHARGE_FACTOR=2\n")
    target.chmod(0o600)
    link.symlink_to(target)
    config.change(str(link), {"COPROC_CHARGE_DEBT": "y"})
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.read_text().splitlines()[1:] == ["CONFIG_COPROC_CHARGE_DEBT=y", "CONFIG_COPROC_CHARGE_FACTOR=2"]
    assert sorted(tmp_path.iterdir()) == [link, target]


@pytest.mark.parametrize(
    ("before", "values"),
    [
        ("CONFIG_HAS_COPROC=y\n", {"HAS_COPROC": "maybe"}),
        ("CONFIG_HAS_COPROC=y\n", {"COPROC_CHARGE_DEBT": "y", "NO_SUCH": "y"}),
        ("CONFIG_HAS_COPROC=y\n", {"HAS_COPROC": "n", "COPROC_PLAT_GENERIC": "y"}),
        ('CONFIG_COPROC_SCHED_DEFAULT="rrobin"\n', {"COPROC_SCHED_RROBIN": "n"}),
        ("HAS_COPROC=y\n", {"HAS_COPROC": "y"}),
        ("\0", {"HAS_COPROC": "y"}),
    ],
)
def test_what_is_refused_leaves_the_file_as_it_was(tmp_path, before, values):
    path = tmp_path / ".config"
    path.write_text(before)
    with pytest.raises(OptionError):
        config.change(str(path), values)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", ["/proc/no-such-thing", "/no-such-folder/.config", "/dev/null", "."])
def test_what_cannot_be_written_is_an_error(path):
    with pytest.raises(OptionError, match=r"cannot write|is not a file"):
        config.change(path, {"HAS_COPROC": "n"})


def test_the_environment_of_other_kconfigs_changes_nothing(home):
    others = {"CONFIG_": "BR2_", "srctree": "/no-such", "KCONFIG_CONFIG_HEADER": "other", "KCONFIG_CONFIG": "other"}
    status, _, err = home.run("config", "set", "COPROC_CHARGE_FACTOR=2", environment=others)
    assert (status, err) == (0, "")
    assert (home.folder / ".config").read_text().splitlines()[1:] == ["CONFIG_COPROC_CHARGE_FACTOR=2"]


# ---------------------------------------------------------------- what a machine is booted with


def tree(home: Home, **shared: object) -> str:
    """Write a tree that shares a device of the generic platform; return its name."""
    said = {name.replace("_", "-"): value for name, value in shared.items()}
    (home.folder / "own.dtb").write_bytes(blob(machine(gpu(compatible="coprocsim,generic"), said)))
    return "own.dtb"


def row(home: Home) -> MachineRow:
    with read(home.file) as file:
        return file.rows(MachineRow)[0]


def test_the_defaults_of_sharing_hold_where_the_tree_says_nothing(home):
    home.quickly("config set COPROC_CHARGE_DEBT=y COPROC_RETRY_FLOOR_US=20 COPROC_SWITCH_COST_PAYER_LEAVING=y")
    home.quickly(f"boot {tree(home, coproc_charge='none', coproc_charge_factor=5)} --config .config")
    with session(home.file) as loaded:
        assert loaded.board.coprocs["gpu0"].sharing == Sharing(
            retry_floor_ps=20_000_000, charge=Charge.NONE, charge_factor=5, payer=Payer.LEAVING
        )


def test_without_the_checks_a_machine_does_not_check(home):
    home.quickly("config set COPROC_ISOLATION_CHECKS=n COPROC_TRACE_LIMIT_MIB=2")
    home.quickly("boot dts/minimal.dtb --config .config")
    with session(home.file) as loaded:
        assert loaded.board.checks is False
    assert row(home).trace_limit_bytes == 2 * 2**20
    home.quickly("boot dts/minimal.dtb --config .config --force --trace-limit 3MiB")
    assert row(home).trace_limit_bytes == 3 * 2**20
    home.quickly("boot dts/minimal.dtb --force")
    assert (row(home).checks, row(home).config, row(home).trace_limit_bytes) == (True, "", 256 * 2**20)


def test_a_machine_keeps_its_options_whatever_becomes_of_the_file(home):
    home.quickly("config set COPROC_PLAT_GENERIC=n")
    home.quickly("boot dts/minimal.dtb --config .config")
    (home.folder / ".config").unlink()
    home.quickly("run 1ms")
    document = json.loads(home.quickly("config show --json"))
    assert document["source"] == "machine"
    assert [each["option"] for each in document["options"] if not each["is_default"]] == ["COPROC_PLAT_GENERIC"]
    assert "this machine is built without `CONFIG_COPROC_PLAT_GENERIC`" in home.quickly("list platforms")


def test_a_tree_that_shares_nothing_needs_no_framework(home):
    home.quickly("config set HAS_COPROC=n")
    nothing = machine(gpu())
    del nothing["chosen"]
    (home.folder / "nothing.dtb").write_bytes(blob(nothing))
    assert "[exit" not in home.quickly("boot nothing.dtb --config .config")
    assert "built without `CONFIG_COPROC_SCHED_RROBIN`" in home.quickly("list schedulers")


def test_a_platform_that_is_off_does_not_drive_what_another_one_claims(home):
    home.quickly("config set COPROC_PLAT_REFERENCE=n")
    own = gpu(compatible=["vendor_xxx,coproc_xxx", "coprocsim,generic"])
    (home.folder / "both.dtb").write_bytes(blob(machine(own)))
    assert "gpu0    reference" in home.quickly("boot both.dtb")
    assert "gpu0    generic" in home.quickly("boot both.dtb --config .config --force")


LOTTERY = """
from coprocsim.schedulers.rrobin import RoundRobin


class Lottery(RoundRobin):
    name = "lottery"
"""


def test_parts_of_other_packages_are_always_there_and_may_be_the_default(home):
    (home.folder / "lottery.py").write_text(LOTTERY)
    (home.folder / "lottery-1.dist-info").mkdir()
    (home.folder / "lottery-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: lottery\nVersion: 1\n")
    points = "[coprocsim.schedulers]\nlottery = lottery:Lottery\n"
    (home.folder / "lottery-1.dist-info/entry_points.txt").write_text(points)
    home.environment["PYTHONPATH"] = os.pathsep.join([str(PROJECT), str(home.folder)])
    for arguments in (
        ("config", "set", "COPROC_SCHED_RROBIN=n", "COPROC_SCHED_DEFAULT=lottery"),
        ("boot", tree(home), "--config", ".config"),
    ):
        status, out, err = home.run(*arguments)
        assert status == 0, err
    assert "gpu0    generic   lottery" in out
    names = [line.partition(" ")[0] for line in home.run("list", "schedulers")[1].splitlines()]
    assert "lottery" in names
    assert "rrobin" not in names
    status, _, err = home.run("sched", "set", "gpu0", "--algorithm", "rrobin")
    assert (status, err) == (
        1,
        "error: the scheduling algorithm `rrobin` is not built in\n"
        " hint: `CONFIG_COPROC_SCHED_RROBIN=y` in the file of `boot --config` builds it in\n",
    )
    # Looking works when the package is gone.
    home.environment["PYTHONPATH"] = str(PROJECT)
    assert "COPROC_SCHED_DEFAULT               lottery  no " in home.run("config", "show")[1]


def test_a_default_algorithm_that_is_not_there_is_refused_where_it_is_named(tmp_path):
    path = tmp_path / "a.config"
    path.write_text('CONFIG_COPROC_SCHED_DEFAULT="rrobin"\n# CONFIG_COPROC_SCHED_RROBIN is not set\n')
    with pytest.raises(SourceError) as caught:
        config.build_of_file(str(path))
    assert caught.value.what == "the scheduling algorithm `rrobin` is not built in"
    assert isinstance(caught.value.place, Span)
    assert (caught.value.place.line, caught.value.place.width) == (1, 27)


def test_the_kconfig_is_one_for_others_that_read_such_files():
    """Whoever has menuconfig may use it: kconfiglib itself has no complaint about the file."""
    program = "import sys, kconfiglib; k = kconfiglib.Kconfig(sys.argv[1], warn_to_stderr=False); print(k.warnings)"
    environment = {**os.environ, "KCONFIG_STRICT": "y"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(KCONFIG)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_file_with_options_of_others_is_not_written_over(tmp_path: Path):
    """A `.config` of Xen may be booted with; to set an option in it would lose all that is not ours."""
    path = tmp_path / "xen.config"
    before = "# my Xen\nCONFIG_X86=y\nCONFIG_NR_CPUS=64\n"
    path.write_text(before)
    with pytest.raises(OptionError, match="`X86` is no option of coprocsim, and would be lost") as caught:
        config.change(str(path), {"COPROC_RETRY_FLOOR_US": "20"})
    assert isinstance(caught.value.place, Span)
    assert caught.value.place.line == 2
    assert path.read_text() == before
