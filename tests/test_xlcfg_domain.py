"""A config as a domain: which keys count, how entries are split, and where each part of them stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocsim.errors import CfgError, Span
from coprocsim.model import DomainSpec
from coprocsim.xlcfg import read_domain
from coprocsim.xlcfg.keys import KNOWN

BASIC = 'name = "guest"\nmemory = 64\n'


def domain(text: str, *extra: str) -> DomainSpec:
    return read_domain((BASIC + text).encode("utf-8", "surrogateescape"), "guest.cfg", extra)


def refusal(text: str, *extra: str) -> CfgError:
    with pytest.raises(CfgError) as caught:
        domain(text, *extra)
    return caught.value


def attempt(text: str, *extra: str) -> DomainSpec | CfgError:
    try:
        return domain(text, *extra)
    except CfgError as error:
        return error


def at(error: CfgError) -> tuple[str, int, str]:
    assert isinstance(error.place, Span)
    return error.place.path, error.place.line, marked(error.place)


def marked(place: object) -> str:
    """What a place's markers stand under."""
    assert isinstance(place, Span)
    return place.text[place.column - 1 :][: place.width]


# ---------------------------------------------------------------- single values


def test_a_domain_is_what_its_config_says():
    spec = domain(
        "uuid = 'C7A5FDB0-cdaf-4455-926a-d65c16db1809'\nmemory = 0x100\nmaxmem = '0400'\nvcpus = 2\n"
        "kernel = '/boot/Image'\ndisk = [ 'phy:/dev/sda,xvda,w' ]\ndevice_tree = '/boot/guest.dtb'\ncpus = '0-1'\n"
    )
    assert (spec.name, spec.memory_mib, spec.maxmem_mib, spec.vcpus) == ("guest", 256, 256, 2)
    assert spec.uuid == "c7a5fdb0-cdaf-4455-926a-d65c16db1809"
    assert spec.device_tree is not None
    assert (spec.device_tree.value, marked(spec.device_tree.place)) == ("/boot/guest.dtb", "'/boot/guest.dtb'")
    assert spec.shown == {
        "kernel": "/boot/Image",
        "disk": ["phy:/dev/sda,xvda,w"],
        "device_tree": "/boot/guest.dtb",
    }
    assert spec.warnings == ()
    assert marked(spec.name_place) == '"guest"'


@pytest.mark.parametrize(
    ("text", "memory_mib", "maxmem_mib"),
    [
        ("memory = 64", 64, 64),
        ("maxmem = 96", 96, 96),
        ("memory = 64; maxmem = 96", 64, 96),
        ("", 32, 32),
    ],
)
def test_memory_and_maxmem_stand_for_each_other(text, memory_mib, maxmem_mib):
    spec = read_domain(f"name = 'g'\n{text}\n".encode(), "g.cfg")
    assert (spec.memory_mib, spec.maxmem_mib) == (memory_mib, maxmem_mib)


def test_a_config_without_memory_is_warned_of():
    assert read_domain(b"name = 'g'\n", "g.cfg").warnings == (
        "g.cfg:1:1: no `memory`: like xl, this gives the domain 32 MiB",
    )


REFUSED = [
    ("name = [ 'a' ]\n", "`name` is one value, not a list", "[ 'a' ]", 'write `name = "text"`'),
    ("name = 'a b'\n", "`a b` cannot be a domain's name", "'a b'", "letters, digits and `_ . + -`"),
    ("name = ''\n", "`` cannot be a domain's name", "''", "letters, digits and `_ . + -`"),
    (f"name = '{'x' * 65}'\n", "a domain's name has at most 64 characters, this one 65", f"'{'x' * 65}'", "shorten it"),
    (
        "uuid = '1'\n",
        "`1` is not a UUID",
        "'1'",
        "write it as `uuidgen` prints it, `c7a5fdb0-cdaf-4455-926a-d65c16db1809`, or leave the key out",
    ),
    (
        "memory = 08\n",
        "`08` is not a number that xl can read",
        "08",
        "`memory` is a whole number of MiB, 1 to 16777216",
    ),
    ("memory = 0\n", "`memory` cannot be 0", "0", "`memory` is a whole number of MiB, 1 to 16777216"),
    ("memory += 1\n", "`+=` does not work with numbers, and `memory` is one", "1", "write `memory = ` and the number"),
    (
        "maxmem = 63\n",
        "`memory` is 64 MiB, more than `maxmem` allows",
        "64",
        "`maxmem` is 63: raise it or leave it out",
    ),
    ("vcpus = '129'\n", "`vcpus` cannot be 129", "'129'", "`vcpus` is a whole number, 1 to 128"),
    ("vcpus = [4]\n", "`vcpus` is one value, not a list", "[4]", "write `vcpus = 1`"),
    ("device_tree = []\n", "`device_tree` is one value, not a list", "[]", 'write `device_tree = "text"`'),
    ("device_tree = 'a\\nb'\n", "a control character in this text", "'a\\nb'", "write `\\\\` for a backslash"),
    ("device_tree = '\udcff'\n", "this text is not in UTF-8", "'�'", "save the file as UTF-8"),
]


@pytest.mark.parametrize(("text", "what", "where", "hint"), REFUSED, ids=[case[1][:30] for case in REFUSED])
def test_a_wrong_value_is_refused_in_its_place(text, what, where, hint):
    error = refusal(text)
    assert (error.what, at(error)[2], error.hint) == (what, where, hint)


def test_a_config_without_a_name_is_refused():
    with pytest.raises(CfgError) as caught:
        read_domain(b"memory = 1\n", "g.cfg")
    assert caught.value.what == "this config has no `name`"
    assert at(caught.value)[:2] == ("g.cfg", 1)


# ---------------------------------------------------------------- coproc and coproc_workload


def test_an_entry_is_a_name_and_options_each_in_its_place():
    (request,) = domain("coproc = [ 'gpu0, weight = 512 ,cap=40' ]\n").coprocs
    assert (request.name, marked(request.place)) == ("gpu0", "gpu0")
    assert [(each.name, each.value, marked(each.place)) for each in request.options] == [
        ("weight", "512", "weight = 512"),
        ("cap", "40", "cap=40"),
    ]


def test_the_options_begin_at_the_first_part_with_an_equals_sign():
    (request,) = domain('coproc = [ "/soc/qcom,gpu@5000000,weight=1" ]\n').coprocs
    assert request.name == marked(request.place) == "/soc/qcom,gpu@5000000"
    assert [(each.name, each.value) for each in request.options] == [("weight", "1")]


def test_places_hold_over_lines_and_behind_escapes():
    spec = domain('coproc = [\n  "gpu0",  # é\n\t"a\\"\\012é\\\\,b=\\0123c" ,\n]\n')
    assert [(each.place.line, each.place.column, marked(each.place)) for each in spec.coprocs] == [
        (4, 4, "gpu0"),
        (5, 3, 'a\\"\\012é\\\\'),
    ]
    (option,) = spec.coprocs[1].options
    assert (spec.coprocs[1].name, option.value, marked(option.place)) == ('a"é\\', "c", "b=\\0123c")


def test_a_workload_is_split_at_its_commas_only():
    (request,) = domain('coproc_workload = [ "gpu0,kind=trace,at=3ms:4ms;13ms:3ms" ]\n').workloads
    assert request.coproc == "gpu0"
    assert [(each.name, each.value, marked(each.place)) for each in request.options] == [
        ("kind", "trace", "kind=trace"),
        ("at", "3ms:4ms;13ms:3ms", "at=3ms:4ms;13ms:3ms"),
    ]


@pytest.mark.parametrize("key", ["coproc", "coproc_workload"])
@pytest.mark.parametrize(
    ("value", "what", "where", "hint"),
    [
        (
            '"gpu0"',
            "`{}` is a list, and this is a single value, which xl ignores",
            '"gpu0"',
            'brackets: `{} = [ "gpu0" ]`',
        ),
        ('[ ["gpu0"] ]', "a list inside of `{}`, where xl stops reading", '["gpu0"]', "side by side, in one list"),
        ('[ "" ]', "this entry of `{}` names no coproc", '""', "its identifier, path or alias"),
        ('[ " , " ]', "this entry of `{}` names no coproc", '" , "', "its identifier, path or alias"),
        ('[ "a=1" ]', "this entry of `{}` names no coproc", '"a=1"', "its identifier, path or alias"),
        ('[ "gpu0," ]', "nothing stands on one side of a comma", '"', "leave the comma out"),
        ('[ "gpu0,,a=1" ]', "nothing stands on one side of a comma", ",", "leave the comma out"),
        ('[ "gpu0,a=1,b" ]', "`b` is not an option with a value", "b", "`name=value`"),
        ('[ "gpu0,a= " ]', "`a=` is not an option with a value", "a=", "`name=value`"),
        ('[ "gpu0,=1" ]', "`=1` is not an option with a value", "=1", "`name=value`"),
        ('[ "gpu0,a=1,a=2" ]', "`a` is given twice", "a=2", "keep one"),
        ('[ "gpu0", "gpu0,a=1" ]', "`gpu0` is named twice in `{}`", "gpu0", "in line 3, column"),
        ('[ "gpu\\0- 1" ]', "`\\0` needs two or three digits behind it", "\\0", "for a backslash"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused_in_its_place(key, value, what, where, hint):
    error = refusal(f"{key} = {value}\n")
    assert (error.what, at(error)[2]) == (what.format(key), where)
    assert error.hint is not None
    assert hint.format(key) in error.hint


@given(st.lists(st.text(" ,=ab\\\"'é", max_size=12), max_size=4), st.sampled_from(["coproc", "coproc_workload"]))
def test_any_list_of_texts_is_split_or_refused_and_every_place_shows_its_part(texts, key):
    written = ", ".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    spec = attempt(f"{key} = [ {written} ]\n")
    if isinstance(spec, CfgError):
        assert (at(spec)[1], bool(spec.hint)) == (3, True)
        return
    assert len(spec.coprocs) + len(spec.workloads) == len(texts)
    for each in spec.workloads or spec.coprocs:
        for option in each.options:
            name, _, value = marked(option.place).replace('\\"', '"').replace("\\\\", "\\").partition("=")
            assert (name.strip(), value.strip()) == (option.name, option.value)


# ---------------------------------------------------------------- iomem, irqs and other keys


def test_ranges_of_pages_are_read_as_bytes_and_interrupts_as_decimal():
    spec = domain('iomem = [ "0xfd010,1@0xfd000", " fe,0x2" ]\nirqs = [ 151, "010" ]\n')
    assert [each for each, _ in spec.iomem] == [range(0xFD010000, 0xFD011000), range(0xFE000, 0x100000)]
    assert [number for number, _ in spec.irqs] == [151, 10]
    assert [marked(place) for _, place in (*spec.iomem, *spec.irqs)] == [
        '"0xfd010,1@0xfd000"',
        '" fe,0x2"',
        "151",
        '"010"',
    ]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("irqs = 151", "guest.cfg:3:8: xl ignores `irqs`, which is a list: put it in `[ ]`"),
        ("irqs = [ 0x97 ]", "guest.cfg:3:10: xl refuses this: an interrupt is a decimal number, like `151`"),
        (
            "iomem = [ 'fd010' ]",
            "guest.cfg:3:11: xl refuses this: a range is `start,count` or `start,count@gfn`, hexadecimal pages",
        ),
        (
            "iomem = [ 'fffffffffffff,2' ]",
            "guest.cfg:3:11: xl refuses this: a range is `start,count` or `start,count@gfn`, hexadecimal pages",
        ),
        ("disk = [ 'a', ['b'] ]", "guest.cfg:3:15: xl stops reading `disk` at this list inside of it"),
        ("coprocs = [ 'gpu0' ]", "guest.cfg:3:1: xl does not know `coprocs` and ignores it; did you mean `coproc`?"),
        ("qqqqq = 1", "guest.cfg:3:1: xl does not know `qqqqq` and ignores it"),
    ],
)
def test_what_xl_would_pass_over_is_warned_of(text, warning):
    assert domain(text + "\n").warnings == (warning,)


def test_known_keys_need_no_warning():
    keys = KNOWN - {"name", "uuid", "memory", "maxmem", "vcpus", "coproc", "coproc_workload", "iomem", "irqs"}
    assert domain("".join(f"{key} = 'x'\n" for key in sorted(keys))).warnings == ()


def test_a_config_that_is_none_does_not_take_forever():
    many = domain("".join(f"memory{number} = 1\n" for number in range(5000)))
    assert len(many.warnings) == 5000


# ---------------------------------------------------------------- the command line


def test_the_command_line_has_the_last_word():
    spec = domain("vcpus = 1", "vcpus=4", 'coproc=["gpu0"]')
    assert (spec.vcpus, [each.name for each in spec.coprocs]) == (4, ["gpu0"])
    assert (spec.coprocs[0].place.path, spec.coprocs[0].place.line) == ("<command line>", 2)


def test_a_mistake_on_the_command_line_is_placed_there():
    error = refusal("", "memory=128", "on_crash=preserve")
    assert at(error) == ("<command line>", 2, "preserve")
    assert error.what == "`preserve` is not a value"


def test_a_list_that_the_file_leaves_open_is_placed_in_the_file():
    error = refusal("coproc = [ 'gpu0'\n", "vcpus=1")
    assert at(error) == ("guest.cfg", 3, "[")
    assert error.hint == "add `]` before `vcpus` on the command line"


def test_a_comment_at_the_end_of_a_file_is_ended_by_the_command_line():
    assert domain("# no newline", "vcpus=2").vcpus == 2


@given(st.text(max_size=80), st.lists(st.text(max_size=10), max_size=2))
def test_any_text_is_a_domain_or_refused(text, extra):
    error = attempt(text, *extra)
    if isinstance(error, CfgError):
        assert isinstance(error.place, Span)
        assert error.hint
