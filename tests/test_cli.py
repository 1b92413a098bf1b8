"""The command line as a program: processes, signals, terminals, files that are not ours."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from coprocsim.cli import main
from coprocsim.cli.root import COMMANDS, root
from tests.homes import PROJECT

README = (PROJECT / "coprocsim/cli/README.md").read_text()


_RULES = ("lark", "fdt", "kconfiglib", "rich", "platformdirs")
_MACHINERY = (
    "engine",
    "hypervisor",
    "schedulers",
    "platforms",
    "hardware",
    "guests",
    "xlcfg",
    "devicetree",
    "toolstack",
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "vcoprocs"],
        ["list", "vcoprocs", "--json"],
        ["stats"],
        ["stats", "--since", "1ms"],
        ["timeline"],
        ["timeline", "--by", "vcoproc"],
        ["trace"],
        ["trace", "show"],
        ["trace", "export", "rows.csv"],
        ["workload", "show"],
        ["domain", "show", "polite"],
    ],
    ids=" ".join,
)
def test_looking_loads_no_parser_no_engine_and_no_plugin(looked_at, arguments):
    program = "import sys; from coprocsim.cli import main; assert main(sys.argv[1:]) == 0; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=looked_at.folder,
        env=looked_at.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    forbidden = {*_RULES, *(f"coprocsim.{name}" for name in _MACHINERY)}
    assert not loaded & forbidden
    if arguments == ["list", "vcoprocs"]:
        assert not loaded & {"msgspec", "json", "difflib", "hdrh", "coprocsim.model", "coprocsim.store.trace"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "1ms"],
        ["sched", "set", "xxx0", "--algorithm", "rrobin"],
        ["list", "schedulers"],
        ["boot", "dts/minimal.dtb", "--force"],
    ],
    ids=" ".join,
)
def test_only_who_reads_a_config_of_options_loads_kconfiglib(home, arguments):
    home.quickly("config set COPROC_PLAT_GENERIC=n")
    home.quickly("boot dts/minimal.dtb --config .config")
    program = "import sys; from coprocsim.cli import main; assert main(sys.argv[1:]) == 0; print(*sys.modules)"
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=home.folder, env=home.environment, capture_output=True, text=True, check=True)
    assert "kconfiglib" not in done.stdout.splitlines()[-1].split()


def test_looking_works_when_a_plugin_is_gone(home):
    home.busy()
    with sqlite3.connect(home.file) as connection:
        connection.execute("UPDATE coproc SET algorithm = 'gone', platform = 'lost'")
    connection.close()
    for line in ("list", "stats", "domain show polite", "workload show", "sched xxx0"):
        assert "[exit" not in home.quickly(line), line
    output = home.quickly("run 1ms")
    assert output.startswith("error: the platform `lost` is not installed\n")
    assert output.endswith("[exit 1]\n")


# ---------------------------------------------------------------- help, usage, bugs


def commands() -> Iterator[list[str]]:
    """Yield every command, as words."""
    context = click.Context(root)
    for name in COMMANDS:
        yield [name]
        found = root.get_command(context, name)
        if isinstance(found, click.Group):
            yield from ([name, each] for each in found.commands)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example(home, words):
    for option in ("--help", "-h"):
        output = home.quickly(" ".join([*words, option]))
        assert output.startswith(f"Usage: coprocsim {' '.join(words)}")
        assert "coprocsim" in output.partition("  Example")[2]
        assert "[exit" not in output


def test_the_command_itself_has_help_that_names_every_command(home):
    output = home.quickly("--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", output, re.MULTILINE)
    assert home.quickly("--version").startswith("coprocsim ")


def test_sched_shows_a_coproc_or_sets_one(looked_at):
    assert looked_at.quickly("sched xxx0 --json") == looked_at.quickly("sched --json xxx0")
    assert "Usage: coprocsim sched [OPTIONS] COPROC\n" in looked_at.quickly("sched xxx0 --help")
    assert "no shared coproc `sett`" in looked_at.quickly("sched sett")
    assert "[exit 2]" in looked_at.quickly("sched")
    assert "[exit 2]" in looked_at.quickly("sched set xxx0")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bot dts/minimal.dtb", "No such command"),
        ("boot", "Missing argument"),
        ("boot dts/minimal.dtb --platform xxx0", "`xxx0` is not `ID=NAME`"),
        ("boot dts/minimal.dtb --trace-limit huge", "`huge` is not a size: write `256MiB`"),
        ("boot dts/minimal.dtb --seed -1", "-1"),
        ("run", "say how long: `run 10ms`"),
        ("run 10ms --until idle --cycles 5 --coproc xxx0", "say how long"),
        ("run 10ms --cycles 5 --coproc xxx0", "say how long"),
        ("run --cycles 5", "`--cycles` and `--coproc` belong together"),
        ("run ten", "Invalid value for `DURATION`: `ten` is not a duration: write `10ms`"),
        ("list machine", "machines"),
        ("list platforms --coproc xxx0", "`list platforms` is not about a machine"),
        ("sched set xxx0 slice", "`slice` is not `key=value`"),
        ("config set", "Missing argument"),
        ("config set HAS_COPROC", "`HAS_COPROC` is not `NAME=VALUE`"),
        ("config set CONFIG_HAS_COPROC=y HAS_COPROC=n", "`HAS_COPROC` is given twice"),
        ("sched set xxx0 slice=1ms slice=2ms", "`slice` is given twice"),
        ("workload set polite xxx0 kind", "`kind` is not `key=value`"),
        ("mmio read polite nowhere", "Invalid value for `ADDRESS`: `nowhere` is not a number"),
        ("mmio read polite 0x10000000000000000", "does not fit in 64 bits"),
        ("mmio write polite 0x0 0x100 --size 1", "0x100 does not fit in 1 byte"),
        ("timeline --from soon", "Invalid value for `--from`: `soon` is not a duration"),
        ("trace --json show", "`--json` stands behind `show`"),
        ("history --json export kept", "`--json` stands behind `export`"),
        ("trace export - --format csv --json", "to stdout goes the trace itself"),
        ("compare --algorithm fair --for 1ms --page -", "to stdout goes the table; name a file"),
        ("--machine a/b list", "`a/b` cannot be a machine's name"),
        ("--machine '' list", "`` cannot be a machine's name"),
        ("--machine .. list", "`..` cannot be a machine's name"),
    ],
)
def test_a_wrong_use_says_what_would_be_right(home, line, said):
    output = home.quickly(line)
    assert said in output
    assert output.endswith("[exit 2]\n")


def test_a_bug_of_ours_says_how_to_report_it(home, monkeypatch, capsys):
    home.quickly("boot dts/minimal.dtb")
    monkeypatch.setenv("COPROCSIM_STATE_DIR", str(home.file.parent))
    monkeypatch.setattr("coprocsim.observe.view.view", lambda file: 1 // 0)
    assert main(["list"]) == 70
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("Traceback")
    assert "ZeroDivisionError" in seen.err
    assert "error: this is a bug of coprocsim; the machine is as it was before this command\n hint: report" in seen.err


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "list schedulers",
        "list machines",
        "list platforms",
        "stats",
        "stats --since 1ms",
        "timeline",
        "timeline --by vcoproc",
        "sched xxx0",
        "analyse",
        "config show",
        "workload show",
        "domain show polite",
        "mmio read polite 0x0",
        "step",
        "run 1ms",
        "compare --algorithm edf --for 100ms",
        "boot dts/minimal.dtb --force",
        "domain create polite.cfg",
        "check dts/system.dtb",
    ],
)
def test_every_key_of_every_document_is_in_the_readme(home, line):
    home.busy()
    home.quickly("run 5ms")
    if line.startswith("domain create"):
        home.quickly("domain destroy frames")
        home.quickly("run 20ms")
        line += " 'name=\"again\"'"
    output = home.quickly(f"{line} --json").split("\nwarning: ")[0]
    document = json.loads(output)
    free = {"workload", "options", "config"}  # what a user has named
    for key in keys(document, free):
        assert f"`{key}`" in README, key


def keys(document: object, free: set[str]) -> Iterator[str]:
    """Yield the keys of a document and of all that is in it."""
    if isinstance(document, list):
        for each in document:
            yield from keys(each, free)
    elif isinstance(document, dict):
        for key, value in document.items():
            yield key
            if key not in free:
                yield from keys(value, free)


def test_figures_of_time_are_integers(looked_at):
    for line in ("list --json", "stats --json", "timeline --json"):
        for key, value in pairs(json.loads(looked_at.quickly(line))):
            if re.search(r"_ps(_mean|_max)?$", key):
                assert value is None or isinstance(value, int), key


def pairs(document: object) -> Iterator[tuple[str, object]]:
    """Yield all keys with what is not made of others."""
    if isinstance(document, list):
        for each in document:
            yield from pairs(each)
    elif isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, dict | list):
                yield from pairs(value)
            else:
                yield key, value


# ---------------------------------------------------------------- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_be_taught_to_complete(home, shell):
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    status, out, _ = home.run("completion", shell)
    assert status == 0
    assert f"_COPROCSIM_COMPLETE={shell}_complete" in out


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("coprocsim st", {"stats", "step"}),
        ("coprocsim sched x", {"xxx0"}),
        ("coprocsim domain pause ", {"Domain-0", "polite", "frames", "denying"}),
        ("coprocsim list vcoprocs --domain po", {"polite"}),
        ("coprocsim list do", {"domains"}),
        ("coprocsim --machine other sched x", set()),
    ],
)
def test_commands_coprocs_and_domains_are_completed(looked_at, words, offered):
    environment = {"_COPROCSIM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    status, out, err = looked_at.run(environment=environment)
    assert (status, err) == (0, "")
    found = {line.partition(",")[2] for line in out.splitlines() if line}
    assert found == offered


def test_a_number_of_thousands_of_digits_is_a_usage_error(home):
    home.quickly("boot dts/minimal.dtb")
    status, out, err = home.run("mmio", "read", "0", "9" * 5000)
    assert (status, out) == (2, "")
    assert "does not fit in 64 bits" in err
    assert home.run("domain", "show", "9" * 5000)[0] == 1
