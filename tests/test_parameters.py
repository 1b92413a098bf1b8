"""The statement of a setting: one check for every mouth, and refusals that say what would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocsim.parameters import BadSetting, BadValue, Kind, Parameter, Scope, named, of_scope

SLICE = Parameter("slice", Kind.TIME, 10**9, "how long a turn is", 10**6, 10**12, bare_unit="us")
WEIGHT = Parameter("weight", Kind.NUMBER, 256, "its share", 1, 65535, scope=Scope.VCOPROC)
CAP = Parameter("cap", Kind.NUMBER, 0, "at most", 0, 100, scope=Scope.VCOPROC, unit="%")
WAKE = Parameter("wake", Kind.CHOICE, "tail", "where", choices=("tail", "head"))
RATE = Parameter("frequency", Kind.NUMBER, 0, "slots a second", 63, 960, unit="Hz", zero="auto")
OPEN = Parameter("budget", Kind.TIME, 5, "no upper limit", 1)


def refusal(parameter: Parameter, text: str) -> tuple[str, str]:
    with pytest.raises(BadValue) as caught:
        parameter.parse(text)
    return str(caught.value), caught.value.hint


@given(st.integers(SLICE.minimum, SLICE.maximum))
def test_a_time_reads_back_as_it_is_shown(value: int):
    assert SLICE.parse(SLICE.show(value)) == value


@given(st.integers(WEIGHT.minimum, WEIGHT.maximum))
def test_a_number_reads_back_as_it_is_shown(value: int):
    assert WEIGHT.parse(WEIGHT.show(value)) == value


def test_a_bare_time_counts_in_the_field_s_own_unit():
    assert SLICE.parse("250") == 250 * 10**6


@pytest.mark.parametrize(
    ("parameter", "text", "what", "hint"),
    [
        (SLICE, "1ns", "`slice` = 1ns is out of range", "`slice` is 1us to 1s"),
        (SLICE, "2s", "`slice` = 2s is out of range", "`slice` is 1us to 1s"),
        (OPEN, "0s", "`budget` = 0s is out of range", "`budget` is at least 1ps"),
        (WEIGHT, "0", "`weight` = 0 is out of range", "`weight` is 1 to 65535"),
        (WEIGHT, "-1", "`weight` = `-1` is not a whole number", "`weight` is 1 to 65535"),
        (CAP, "101", "`cap` = 101 is out of range", "`cap` is 0 to 100 %"),
        (RATE, "62", "`frequency` = 62 is out of range", "`frequency` is auto or 63 to 960 Hz"),
        (RATE, "never", "`frequency` = `never` is not a whole number", "`frequency` is auto or 63 to 960 Hz"),
        (WAKE, "tial", "`wake` cannot be `tial`", "it takes `tail`, `head`; did you mean `tail`?"),
    ],
)
def test_a_refused_value_says_what_would_be_right(parameter: Parameter, text: str, what: str, hint: str):
    assert refusal(parameter, text) == (what, hint)


def test_where_zero_has_a_word_it_is_written_so_and_stands_beside_the_limits():
    assert (RATE.parse("auto"), RATE.show(0)) == (0, "auto")
    assert (RATE.parse("480"), RATE.show(480)) == (480, "480")
    assert RATE.from_tree(bytes(4)) == 0


def test_what_is_no_time_is_refused_with_the_limits():
    what, hint = refusal(SLICE, "soon")
    assert what.startswith("`slice`: `soon` is not a duration: write `10ms`")
    assert hint == "`slice` is 1us to 1s"


@given(
    st.sampled_from([SLICE, WEIGHT, CAP, RATE, WAKE, OPEN]), st.text() | st.from_regex(r"[0-9]+[a-z]*", fullmatch=True)
)
def test_whatever_is_written_is_a_value_within_limits_or_refused(parameter: Parameter, text: str):
    try:
        value = parameter.parse(text)
    except BadValue:
        return
    assert parameter.check(value) == value


@pytest.mark.parametrize("parameter", [SLICE, WEIGHT])
def test_a_number_of_thousands_of_digits_is_refused_like_any_other(parameter: Parameter):
    with pytest.raises(BadValue):
        parameter.parse("9" * 5000)


def test_the_device_tree_counts_times_in_microseconds():
    assert SLICE.property_name() == "slice-us"
    assert SLICE.from_tree((5000).to_bytes(4, "big")) == 5 * 10**9
    assert WEIGHT.property_name() == "weight"
    assert WEIGHT.from_tree((512).to_bytes(4, "big")) == 512
    assert WAKE.from_tree(b"head\0") == "head"


@pytest.mark.parametrize(
    ("parameter", "data", "what"),
    [
        (SLICE, bytes(8), "8 bytes are not one u32 cell"),
        (SLICE, b"", "0 bytes are not one u32 cell"),
        (SLICE, bytes(4), "`slice` = 0s is out of range"),
        (WAKE, b"\xff\0", "`wake` cannot be `ÿ`"),
        (WAKE, b"", "`wake` cannot be ``"),
    ],
)
def test_a_property_is_checked_like_any_other_setting(parameter: Parameter, data: bytes, what: str):
    with pytest.raises(BadValue) as caught:
        parameter.from_tree(data)
    assert str(caught.value) == what


def test_an_unknown_name_is_met_with_the_nearest():
    known = of_scope((SLICE, WEIGHT, CAP), Scope.VCOPROC)
    assert list(known) == ["weight", "cap"]
    assert named("cap", known, "`credit`") is CAP
    with pytest.raises(BadValue) as caught:
        named("weigth", known, "`credit`")
    assert str(caught.value) == "`credit` has no parameter `weigth`"
    assert caught.value.hint == "it has `weight`, `cap`; did you mean `weight`?"


def test_a_refused_setting_knows_which_it_is():
    from coprocsim.model import Setting

    setting = Setting("weight", "many")
    assert BadSetting(setting, "what", "hint").setting is setting
