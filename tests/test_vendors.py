"""Settings of other schedulers: each format's own examples, what they become here, and what is refused."""

import pytest

from coprocsim.errors import CoprocsimError
from coprocsim.parameters import Scope, of_scope
from coprocsim.schedulers import ALGORITHMS
from coprocsim.sharing import SHARING
from coprocsim.toolstack.vendors import Imported, load
from tests.homes import Home

CREDIT = """Cpupool Pool-0: tslice=30ms ratelimit=1000us migration-delay=0us
Name                                ID Weight  Cap
Domain-0                             0    256    0
cluster                              3    512   50
"""
RTDS = """Cpupool Pool-0: sched=RTDS
Name                                ID VCPU    Period    Budget  Extratime
Domain-0                             0    0     10000      4000        yes
cluster                              3    0     16000      6000         no
cluster                              3    1     16000      2000         no
"""


@pytest.mark.parametrize(
    ("form", "text", "algorithm", "settings"),
    [
        # The examples of the guide: best effort, equal and fixed share by default, 2 ms and 3 ms slices.
        ("nvidia", "0x00", "rrobin", {}),
        ("nvidia", "0x01", "fixed", {}),
        ("nvidia", "0x11", "fixed", {}),
        ("nvidia", "RmPVMRL=0x00020001", "fixed", {"frequency": "500"}),
        ("nvidia", "0x00030011", "fixed", {"frequency": "333"}),
        ("nvidia", "0x00010001", "fixed", {"frequency": "960"}),
        # 30 ms are 33 Hz, less than a slot can have.
        ("nvidia", "0x001e0001", "rrobin", {"slice": "30ms"}),
        # An averaging factor of 60 and 960 Hz, turns of 1.042 ms; the least of both, turns of 15.873 ms.
        ("nvidia", "0x3c3c0003", "rrobin", {"slice": "1042us", "charge": "averaging", "charge-factor": "60"}),
        ("nvidia", "0x0103f013", "rrobin", {"slice": "15873us", "charge": "averaging", "charge-factor": "1"}),
        ("nvidia", "0x03", "rrobin", {"slice": "2083us", "charge": "averaging"}),
        ("xe", "exec_quantum_ms=20 sched_priority=low", "rrobin", {"slice": "20ms"}),
        ("xe", "exec_quantum_ms=10,sched_priority=normal", "fixed", {"frequency": "100"}),
        ("xe", "exec_quantum_ms=20,sched_priority=normal", "rrobin", {"slice": "20ms"}),
        ("xe", "preempt_timeout_us=640000", "rrobin", {"switch-timeout": "640000us"}),
        ("xe", "exec_quantum_ms=0\nsched_priority=high", "priority", {}),
        (
            "gim",
            "fb_option=0\nsched_interval=7\nhang_detect_timeout=100",
            "rrobin",
            {"slice": "7ms", "switch-timeout": "100ms"},
        ),
        ("xl", CREDIT, "credit", {"slice": "30ms", "ratelimit": "1000us"}),
        ("xl", RTDS, "rtds", {}),
    ],
)
def test_a_setting_becomes_the_nearest_that_there_is(form, text, algorithm, settings):
    imported = load(form, text)
    assert (imported.algorithm, imported.settings) == (algorithm, settings)
    check(imported)


def check(imported: Imported) -> None:
    """Assert that `sched set` would take what was imported."""
    scheduler = ALGORITHMS[imported.algorithm]
    own, each = of_scope(scheduler.parameters, Scope.COPROC), of_scope(scheduler.parameters, Scope.VCOPROC)
    for name, value in imported.settings.items():
        (SHARING | own)[name].parse(value)
    for settings in imported.domains.values():
        for name, value in settings.items():
            each[name].parse(value)


def test_xl_gives_each_domain_its_own():
    assert load("xl", CREDIT).domains == {
        "Domain-0": {"weight": "256", "cap": "0"},
        "cluster": {"weight": "512", "cap": "50"},
    }
    rtds = load("xl", RTDS)
    assert rtds.domains == {
        "Domain-0": {"period": "10000us", "budget": "4000us", "extratime": "1"},
        "cluster": {"period": "16000us", "budget": "6000us", "extratime": "0"},
    }
    assert rtds.lost == ("vcpu 1 of cluster: a domain has one vcoproc of a coproc",)


@pytest.mark.parametrize(
    ("form", "text", "lost"),
    [
        ("nvidia", "0x00030001", "slots of 3 ms: they are 3.003 ms at 333 Hz"),
        ("xe", "exec_quantum_ms=20", "that each VF has a quantum and a timeout of its own: here they are the coproc's"),
        (
            "gim",
            "sched_interval=7 self_switch=500",
            "`self_switch=500`: a turn here has a slice, and no other way to end it",
        ),
        ("xl", CREDIT, "`migration-delay=0us`: a coproc is one, nothing migrates"),
    ],
)
def test_what_does_not_carry_over_is_said(form, text, lost):
    assert lost in load(form, text).lost


@pytest.mark.parametrize(
    ("form", "text", "hint"),
    [
        ("nvidia", "0x02", "RmPVMRL is 0x00, 0x01, 0x11, 0x00TT0001, 0x00TT0011, 0x03, 0x13, 0xAAFFF003 or 0xAAFFF013"),
        ("nvidia", "-1", "RmPVMRL is 0x00, 0x01, 0x11, 0x00TT0001, 0x00TT0011, 0x03, 0x13, 0xAAFFF003 or 0xAAFFF013"),
        ("nvidia", "0x001f0001", "a time slice TT is 0x01 to 0x1e, 1 to 30 ms"),
        (
            "nvidia",
            "0x3d3c0003",
            "an averaging factor AA is 0x01 to 0x3c (1 to 60), a frequency FFF 0x03f to 0x3c0 (63 to 960)",
        ),
        (
            "xe",
            "exec_quantum_ms=-1",
            "write `exec_quantum_ms=20 preempt_timeout_us=20000 sched_priority=normal`, or `low`, or `high`",
        ),
        ("gim", "vf_num=2", "write lines of gim_config, `sched_interval=6`"),
        (
            "xl",
            "Domain-0 0 256 0",
            "give it what `xl sched-credit` or `xl sched-rtds` prints, the line of titles included",
        ),
        ("xl", "", "give it what `xl sched-credit` or `xl sched-rtds` prints, the line of titles included"),
        ("gvt", "1", "there are `nvidia`, `xe`, `gim`, `xl`"),
    ],
)
def test_what_is_none_is_refused_with_what_would_be_one(form, text, hint):
    with pytest.raises(CoprocsimError) as refused:
        load(form, text)
    assert refused.value.hint == hint


def credit(weight: str, cap: str) -> str:
    """What `xl sched-credit` prints of one domain with these."""
    return CREDIT.replace("512   50", f"{weight}   {cap}")


@pytest.mark.parametrize(
    ("form", "text", "settings", "lost"),
    [
        # A turn lasts 1000 s at the most, a weight is 65535.
        ("xe", "exec_quantum_ms=9999999", {"slice": "1000s"}, "`slice=9999999ms`: here it is 1us to 1000s"),
        ("gim", "sched_interval=9999999", {"slice": "1000s"}, "`slice=9999999ms`: here it is 1us to 1000s"),
        ("xl", credit("99999", "0"), {"weight": "65535", "cap": "0"}, "of `cluster`: here it is 1 to 65535"),
    ],
)
def test_a_value_beyond_the_limits_is_the_nearest_within(form, text, settings, lost):
    imported = load(form, text)
    check(imported)
    assert settings in (imported.settings, imported.domains.get("cluster"))
    assert lost in imported.lost[-1]


def test_what_is_imported_for_a_coproc_can_be_typed(tmp_path):
    home = Home(tmp_path)
    value = "'" + CREDIT + "'"
    # Without a machine nobody knows what there is.
    assert "-d cluster" in home.quickly(f"import-settings xl {value} --coproc npu")
    home.quickly("boot dts/system.dtb")
    home.quickly("domain create domains/infotainment.cfg")
    assert "sched set COPROC -d cluster" in home.quickly(f"import-settings xl {value}")
    assert "error: no shared coproc `npu`" in home.quickly(f"import-settings xl {value} --coproc npu")
    commands, _, lost = home.quickly(f"import-settings xl {value} --coproc gpu0").partition("does not carry over:\n")
    assert "  what `cluster` has: there is no such domain with a vcoproc of `gpu0`\n" in lost
    assert commands.count("\n") == 2, "the coproc and Domain-0"
    for line in commands.splitlines():
        assert "error" not in home.quickly(line.removeprefix("coprocsim "))


@pytest.mark.parametrize(
    ("form", "text", "what"),
    [
        ("xl", credit("256", "-4"), " of `cluster` cannot be set here: `cap` = `-4` is not a whole number"),
        ("xl", credit("0", "0"), " of `cluster` cannot be set here: `weight` = 0 is out of range"),
        ("xl", CREDIT.replace("512", " -5"), " of `cluster` cannot be set here: `weight` = `-5` is not a whole number"),
        ("xl", CREDIT.replace("30ms", "7h"), " cannot be set here: `slice`"),
    ],
)
def test_what_could_not_be_set_is_not_shown_as_a_command(form, text, what):
    with pytest.raises(CoprocsimError) as caught:
        load(form, text)
    assert str(caught.value).startswith(f"what it says{what}")


def test_a_number_with_a_leading_zero_is_refused():
    with pytest.raises(CoprocsimError, match="`010` is not what is expected here"):
        load("nvidia", "010")


def test_what_gim_leaves_at_0_is_not_set():
    found = load("gim", "vf_num=4\nsched_interval=6\nsched_interval_us=0\nhang_detect_timeout=0")
    assert (found.algorithm, found.settings) == ("rrobin", {"slice": "6ms"})
    with pytest.raises(CoprocsimError, match="no `sched_interval` is set in it"):
        load("gim", "fb_option=0\nsched_interval=0")


def test_xl_s_older_pool_line_is_none_of_its_domains():
    short = "$ xl sched-credit\nCpupool Pool-0: tslice=1ms ratelimit=5000us\nName ID Weight Cap\na 1 256 0\n"
    found = load("xl", f"{short}Cpupool Pool-1: tslice=9ms ratelimit=0us\nName ID Weight Cap\nb 2 512 0\n")
    assert found.settings == {"slice": "1ms", "ratelimit": "5000us"}
    assert list(found.domains) == ["a", "b"]
    assert found.lost == ("`Pool-1`: a coproc is shared by the settings of one pool",)


def test_a_row_of_xl_that_does_not_fit_its_titles_is_refused():
    with pytest.raises(CoprocsimError, match="`in strument 1 256 0` is not what is expected here") as refused:
        load("xl", "Name ID Weight Cap\nin strument 1 256 0\na 2 256 0\n")
    assert refused.value.hint == "below the titles a line has 4 words"
