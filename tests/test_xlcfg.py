"""Configs as text: what is accepted, what it means, and what is said of the rest."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocsim.errors import CfgError, Span
from coprocsim.model import CfgValue
from coprocsim.xlcfg import loads
from coprocsim.xlcfg.parse import assignments, final
from coprocsim.xlcfg.source import Source
from coprocsim.xlcfg.values import NotAnInteger, integer, place_of
from tests.xlcfg_corpus import cases, main, ours

OWN = Path(__file__).parent / "data" / "xlcfg" / "own.jsonl"


def refusal(text: str | bytes) -> CfgError:
    with pytest.raises(CfgError) as caught:
        loads(text if isinstance(text, bytes) else text.encode())
    return caught.value


def place(error: CfgError) -> Span:
    assert isinstance(error.place, Span)
    return error.place


# ---------------------------------------------------------------- as Xen's own parser has it


def test_every_known_case_has_xens_verdict_and_values():
    different = [case.name for case in cases(OWN) if ours(case.text) != case.reading]
    assert different == []
    assert len(list(cases(OWN))) == 484


def test_every_value_is_placed_in_the_line_that_xens_parser_names():
    for case in cases(OWN):
        if not case.expected["ok"]:
            continue
        source = Source(case.text, "case")
        lines = {name: line for name, _, line, _ in case.expected["settings"]}
        settings = final(source, assignments(source))
        assert {name: source.line_number(place_of(each.value)[0]) for name, each in settings.items()} == lines, (
            case.name
        )


def test_integers_are_those_that_xens_getter_reads():
    for case in cases(OWN):
        if case.expected["ok"]:
            settings = final(source := Source(case.text, "case"), assignments(source))
            for name, getters in case.expected["getters"].items():
                status, number, _ = getters["long"]
                if not settings[name].added:
                    assert as_integer(case.expected["values"][name]) == (number if status == 0 else None), case.name


def as_integer(value: object) -> int | None:
    try:
        return integer(value) if isinstance(value, str) else None
    except NotAnInteger:
        return None


def test_the_corpus_command_counts_and_names_differences(tmp_path, capsys):
    lines = OWN.read_text(encoding="utf-8").splitlines()[:4]
    wrong = lines[0].replace('"ok": true', '"ok": false')
    (tmp_path / "some.jsonl").write_text("\n".join([*lines, wrong]) + "\n", encoding="utf-8")
    assert main(tmp_path / "some.jsonl") == 1
    printed = capsys.readouterr().out
    assert printed.startswith("edge/empty-file\n")
    assert printed.endswith("4/5 identical\n")


# ---------------------------------------------------------------- values

words = st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), max_size=20)
values = st.recursive(words, lambda inner: st.lists(inner, max_size=4), max_leaves=20)
names = st.from_regex(r"[a-z][._0-9a-z]{0,10}", fullmatch=True)


def written(value: CfgValue, quote: str = '"') -> str:
    if isinstance(value, list):
        return "[" + ",\n".join(written(each, quote) for each in value) + "]"
    return quote + value.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


@given(st.dictionaries(names, values, max_size=5), st.sampled_from("'\""), st.sampled_from(["\n", ";", " # note\n"]))
def test_what_is_written_is_read_again(config, quote, end):
    text = "".join(f"{name} = {written(value, quote)}{end}" for name, value in config.items())
    assert loads(text.encode()) == config


@given(names, words, words)
def test_adding_a_text_appends_it(name, first, second):
    assert loads(f"{name} = {written(first)}\n{name} += {written(second)}".encode()) == {name: first + second}


@given(st.lists(words), st.lists(words))
def test_adding_a_list_extends_it(first, second):
    assert loads(f"a = {written(first)}; a += {written(second)}".encode()) == {"a": first + second}


@given(st.binary(max_size=30).filter(lambda data: not set(data) & set(b'\0\n"\\')))
def test_bytes_that_are_no_utf8_survive_as_surrogates(data):
    value = loads(b'a="' + data + b'"')["a"]
    assert isinstance(value, str)
    assert value.encode("utf-8", "surrogateescape") == data


@given(st.integers(-(2**70), 2**70))
def test_integers_are_those_of_64_bits(number):
    for text in (str(number), f"{'-' * (number < 0)}{abs(number):#x}", f"{'-' * (number < 0)}0{abs(number):o}"):
        assert as_integer(text) == (number if -(2**63) <= number < 2**63 else None)


# ---------------------------------------------------------------- what people get wrong

CURES = [
    # text, what, (line, column, width), hint
    ("a=1\r\nb=2\r\n", "the line ends in CR LF, as on Windows", (1, 4, 1), r"`dos2unix FILE`"),
    ("\ufeffa=1\n", "the file begins with a byte order mark", (1, 1, 1), "save it as UTF-8 without BOM"),
    ("Memory = 1\n", "`Memory` is not a name", (1, 1, 6), "a letter first: write `memory`"),
    ("vCPUs = 1\n", "`vCPUs` is not a name", (1, 1, 5), "write `vcpus`"),
    ("device-tree = 1\n", "`device-tree` is not a name", (1, 1, 11), "write `device_tree`"),
    ("a=1 b=2\n", "a second assignment on one line: `b`", (1, 5, 1), "on a line of its own, or a `;`"),
    ("a=1\n # tail", "a comment without a newline at its end", (2, 2, 6), "end the file with a newline"),
    ('a = "x\nb=1\n', "a string without its closing quote", (1, 5, 2), 'close it with `"`'),
    ("a = \"x'\n", "a string without its closing quote", (1, 5, 3), "the other kind of quote"),
    ('a = "C:\\"\n', "a string without its closing quote", (1, 5, 5), "write `\\\\` for a backslash"),
    ("a = “x”\n", "`“` is no quote here", (1, 5, 1), "the straight ones"),
    ("a =\u00a01\n", "a no-break space, which only looks like a blank", (1, 4, 1), "a plain space"),
    ("a = 'it's'\n", "the string ends before this", (1, 9, 1), "a quote inside a text"),
    ('a = """x"""\n', "the string ends before this", (1, 7, 3), "no triple quotes"),
    ('a = "x" "y"\n', 'expected the end of the line, found `"y"`', (1, 9, 3), "neighbours are not joined"),
    ("a = 1 'é'\n", "expected the end of the line, found `'é'`", (1, 7, 3), "neighbours are not joined"),
    (f"{'x' * 100}\n", f"no `=` behind `{'x' * 80}…`", (1, 1, 100), f"write `{'x' * 80}… = value`"),
    ('a = "x" + "y"\n', "values are not added up here", (1, 9, 1), "`name += value`"),
    ('a = "\\d"\n', "xl does not know the escape `\\d`", (1, 6, 2), "write `\\\\` for a backslash"),
    ('a = "\\0"\n', "`\\0` needs two or three digits behind it", (1, 6, 2), "write `\\\\` for a backslash"),
    ('a = "x\0y"\n', "a byte that is zero, in a string", (1, 7, 1), "not a text file"),
    ("a = 1\\\n", "a line does not go on after `\\`", (1, 6, 1), "may take several lines"),
    ("a = True\n", "`True` is not a value", (1, 5, 4), "write `1`"),
    ("a = off\n", "`off` is not a value", (1, 5, 3), "write `0`"),
    ("kernel = /boot/x\n", "`/boot/x` is not a value", (1, 10, 7), 'put it in quotes: `"/boot/x"`'),
    ("on_crash = preserve\n", "`preserve` is not a value", (1, 12, 8), 'put it in quotes: `"preserve"`'),
    ("memory = 512M\n", "`512M` is not a value", (1, 10, 4), "numbers have no units"),
    ("memory = 2g\n", "`2g` is not a number", (1, 10, 2), "numbers have no units"),
    ("a = 0x1F\n", "`0x1F` is not a value", (1, 5, 4), "lowercase: `0x1f`"),
    ("memory = 1.5\n", "`1.5` is not a value", (1, 10, 3), "numbers are whole, without units (`memory` counts MiB)"),
    ("memory = 1.5GiB\n", "`1.5GiB` is not a value", (1, 10, 6), "only a text goes in quotes"),
    ("cpus = 0-3\n", "`0-3` is not a value", (1, 8, 3), 'put it in quotes: `"0-3"`'),
    ("a = [00:16:3e]\n", "`00:16:3e` is not a value", (1, 6, 8), 'put it in quotes: `"00:16:3e"`'),
    ("memory = 1024*2\n", "`1024*2` is not a value", (1, 10, 6), "write the result"),
    ("a = r'x'\n", "`r` is not a value", (1, 5, 1), "no letters before its quote"),
    ("a = str(1)\n", "`str` is not a value", (1, 5, 3), "nothing is computed here"),
    ("a = (1, 2)\n", "`(` has no meaning here", (1, 5, 1), "square brackets"),
    ("<<<<<<< HEAD\n", "`<` has no meaning here", (1, 1, 1), "a merge"),
    ("name = ${NAME}\n", "`$` has no meaning here", (1, 8, 1), "nothing is put in for variables"),
    ("é = 1\n", "`é` has no meaning outside quotes", (1, 1, 1), "plain ASCII"),
    ("a = 1 \x1b[0m\n", "`␛` has no meaning outside quotes", (1, 7, 1), "plain ASCII"),
    ("a =\n1\n", "no value behind `=`", (1, 3, 1), "on the line of the `=`"),
    ("a == 1\n", "expected a value, found `=`", (1, 4, 1), "write one `=`"),
    ("kernel\n", "no `=` behind `kernel`", (1, 1, 6), "write `kernel = value`"),
    ("import os\n", "no `=` behind `import`", (1, 1, 6), "neither Python nor shell"),
    ("host name = 1\n", "no `=` behind `host`", (1, 1, 4), "write `host_name = value`"),
    ("disk[0] = 1\n", "no `=` behind `disk`", (1, 1, 4), "`disk += [ value ]`"),
    ("[main]\n", "expected a name, found `[`", (1, 1, 1), "there are no sections"),
    ("a = 1]\n", "expected the end of the line, found `]`", (1, 6, 1), "no list is open"),
    ("a = 1, 2\n", "expected the end of the line, found `,`", (1, 6, 1), "several values make a list"),
    ("a = [\n1,\n\nb = 2\n", "this list is never closed", (1, 5, 1), "add `]` before `b` in line 4"),
    ("a = [\n'x',\n\n", "this list is never closed", (1, 5, 1), "behind line 2"),
    ("a = [ 'x'\n'y' ]\n", "no `,` between this element and the next", (1, 9, 1), "commas between them"),
    ("a = [1,,2]\n", "expected an element, found `,`", (1, 8, 1), "one comma"),
    ("a = [foo]\n", "`foo` is not a value", (1, 6, 3), 'put it in quotes: `"foo"`'),
    ("a = ''\na += []\n", "a list cannot be added to a text", (2, 6, 2), 'write `a += "text"`'),
    ("a = []\na += 1\n", "a text cannot be added to a list", (2, 6, 1), '`a += [ "element" ]`'),
]


@pytest.mark.parametrize(("text", "what", "where", "hint"), CURES, ids=lambda part: ascii(part)[:30])
def test_a_mistake_is_named_in_its_place_with_its_cure(text, what, where, hint):
    error = refusal(text)
    at = place(error)
    assert (error.what, (at.line, at.column, at.width)) == (what, where)
    assert error.hint is not None
    assert hint in error.hint


def test_utf16_is_named():
    assert refusal("a=1\n".encode("utf-16")).what == "the file is in UTF-16"


def test_a_place_shows_its_line_without_what_acts_on_a_terminal():
    at = place(refusal("name = 'é\x1b[2J\x07' x\r\n"))
    assert at.text == "name = 'é␛[2J␇' x␍"
    assert at.text[at.column - 1 :][: at.width] == "x"


def refusal_of(data: bytes) -> CfgError | None:
    try:
        loads(data)
    except CfgError as error:
        return error
    return None


@given(st.text(alphabet=" \t\n\r;,[]='\"#\\abAB01-_+.$é“\ufeff\0", max_size=60))
def test_whatever_is_refused_is_refused_with_a_place_in_it_and_a_cure(text):
    error = refusal_of(text.encode())
    if error is not None:
        at = place(error)
        assert len(at.text) == len(text.split("\n")[at.line - 1])
        assert 1 <= at.column <= len(at.text) + 1
        assert 1 <= at.width <= max(1, len(at.text) + 1 - at.column)
        assert error.hint


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    ours(data)


# ---------------------------------------------------------------- sizes


def test_4996_levels_of_lists_are_read():
    value = loads(b"a=" + b"[" * 4996 + b"]" * 4996)["a"]
    depth = 0
    while value:
        assert isinstance(value, list)
        (value,) = value
        depth += 1
    assert depth == 4995


@pytest.mark.parametrize("depth", [4997, 100_000, 5_000_000])
def test_deeper_lists_are_refused(depth):
    error = refusal(b"a=" + b"[" * depth + b"]" * depth)
    assert (error.what, error.hint) == ("lists are nested too deeply", "Xen's own parser follows at most 4,996 levels")


MEBIBYTES = {
    "one string": lambda size: b'a="' + b"x" * size + b'"',
    "escapes": lambda size: b'a="' + b"\\n" * (size // 2) + b'"',
    "an open string": lambda size: b'a="' + b"\\n" * (size // 2),
    "newlines": lambda size: b"\n " * (size // 2),
    "semicolons": lambda size: b"; " * (size // 2),
    "comments": lambda size: b"#x\n" * (size // 3),
    "an open comment": lambda size: b"#" * size,
    "a number": lambda size: b"a=" + b"9" * size,
    "long elements": lambda size: b"a=[" + (b"'" + b"x" * 98 + b"',\n") * (size // 102) + b"]",
    "long additions": lambda size: (b"a+='" + b"x" * 90 + b"'\n") * (size // 96),
    "junk": lambda size: b"$" * size,
}


@pytest.mark.parametrize("kind", MEBIBYTES)
def test_five_mebibytes_are_read_or_refused_at_once(kind):
    text = MEBIBYTES[kind](5 * 2**20)
    began_s = time.process_time()
    ours(text)
    # A monster that gets through takes a processor many minutes.
    assert time.process_time() - began_s < 100


def calls(text: bytes) -> int:
    """Return how many functions are called to read `text`, Python's and C's."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        loads(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("line", [b"a=1\n", b"a+=[1]\n", b"a+='x'\n", b"a=[[1],[2,3]];"])
def test_the_work_grows_with_the_size_and_no_faster(line: bytes):
    calls(line)
    assert calls(line * 4_000) < 4.1 * calls(line * 1_000)


@pytest.mark.slow
def test_five_mebibytes_of_settings_are_read():
    line = b"key%06d = [ 'a value,with=options', \"another\" ]  # and a note\n"
    config = loads(b"".join(line % number for number in range(5 * 2**20 // len(line))))
    assert len(config) == 5 * 2**20 // len(line)
    assert config["key012345"] == ["a value,with=options", "another"]


# ---------------------------------------------------------------- what it costs others


def test_lark_is_imported_only_where_a_config_is_read():
    program = "import sys, coprocsim.xlcfg; print('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
