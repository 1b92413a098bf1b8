"""What a file or an argument contains is printed so that no terminal obeys it, and so that it fits."""

import json
from pathlib import Path

import pytest

from coprocsim.cli import main
from coprocsim.cli.messages import brief, many, mistake, printable
from coprocsim.cli.tables import broken, left, right, table
from coprocsim.errors import SourceError, Span
from tests.cli import golden


@pytest.fixture
def machine(tmp_path, monkeypatch, capsys):
    """Boot a machine in a folder with the examples."""
    golden.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", "state")
    main(["boot", "dts/system.dtb"])
    capsys.readouterr()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, älter, 機", "plain, älter, 機"),
        ("\x1b[31mred\a", "\\x1b[31mred\\x07"),
        ("two\nlines\r", "two\\nlines\\r"),
        # C1 control, and the override that shows text backwards.
        ("\x9b31m \u202egpj", "\\x9b31m \\u202egpj"),
        # A byte of an argument that is no UTF-8.
        ("\udcff", "\\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text, shown):
    assert printable(text) == shown


def test_what_is_too_long_to_be_read_is_cut_where_it_is_quoted():
    assert brief(f"no domain `{'x' * 5000}`") == f"no domain `{'x' * 60}…`"
    assert brief(f"cannot read `{'d/' * 120}`") == f"cannot read `{'d/' * 120}`"


# 74 letters and digits in 4 columns: 80 with two places between them, 77 with one.
@pytest.mark.parametrize(("more", "width"), [(0, 80), (1, 78), (3, 80), (4, 84)])
def test_a_table_is_narrower_where_it_fits_only_then(more, width, capsys):
    table([*left("Name"), *right("ID"), *left("State"), *right("Run(s)")], [("n" * 50, 7, "s" * (16 + more), "1.234")])
    titles, line = capsys.readouterr().out.splitlines()
    # 50 + 2 ("ID") + 16 + 6 ("Run(s)") are 74.
    assert (len(titles), len(line)) == (width, width)


def test_control_characters_of_a_config_do_not_reach_the_terminal(machine, capsys):
    Path("evil.cfg").write_text('name="evil"\nmemory=32\nkernel="x\\\n"\n'.replace("\\\n", "\a\x1b[2Jy"))
    assert main(["domain", "create", "evil.cfg"]) == 0
    capsys.readouterr()
    main(["domain", "show", "evil"])
    assert "  kernel  x\\x07\\x1b[2Jy\n" in capsys.readouterr().out
    main(["domain", "show", "evil", "--json"])
    assert json.loads(capsys.readouterr().out)["config"] == {"kernel": "x\a\x1b[2Jy"}


@pytest.mark.parametrize(
    "words", [["boot", "\x1b[2J"], ["domain", "show", "\x1b[2J"], ["sched", "set", "gpu0", "\x1b[2J"], ["\x1b[2J"]]
)
def test_control_characters_of_an_argument_do_not_reach_the_terminal(machine, words, capsys):
    assert main(words) in {1, 2}
    said = capsys.readouterr().err
    assert "\\x1b[2J" in said
    assert "\x1b" not in said


def test_carets_stand_below_what_they_are_about_though_it_is_shown_longer(capsys):
    text = "\t\x01key = va\x02lue"
    mistake(SourceError("wrong", Span("odd.config", 1, 9, 6, text)))
    assert capsys.readouterr().err.splitlines()[2:] == ["1 | \t\\x01key = va\\x02lue", "  | \t          ^^^^^^^^^"]


@pytest.mark.parametrize("tree", ["system", "automotive", "virtual-gpu"])
def test_what_is_shown_of_the_examples_fits_the_screen(machine, tree, capsys):
    main(["boot", f"dts/{tree}.dtb", "--force"])
    for config in sorted(Path("domains").glob("*.cfg")):
        main(["domain", "create", str(config)])
    main(["run", "100ms"])
    capsys.readouterr()
    main(["list", "domains", "--json"])
    names = [each["domain"] for each in json.loads(capsys.readouterr().out)["domains"]]
    for words in (["workload", "show"], *(["domain", "show", name] for name in names)):
        assert main(words) == 0
        assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_a_list_is_broken_after_its_commas():
    assert broken("kind=backlog,work=1ms,queue=16", 22) == ["kind=backlog,work=1ms,", "queue=16"]
    assert broken("a" * 30, 20) == ["a" * 30]
    assert broken("", 20) == [""]


def test_lists_of_a_config_are_shown_as_it_has_them(machine, capsys):
    main(["domain", "create", "domains/infotainment.cfg"])
    capsys.readouterr()
    main(["domain", "show", "infotainment"])
    assert '  disk    ["phy:/dev/mmcblk0p7,xvda,w"]\n' in capsys.readouterr().out


def test_one_is_not_many():
    assert (many(1, "switch", "es"), many(2, "switch", "es"), many(0, "job")) == ("1 switch", "2 switches", "0 jobs")
