"""Settings of other schedulers that share coprocessors, turned into the nearest algorithm and parameters here.

Nothing is changed: who imports sees what to type, and what of the original does not carry over.

- `nvidia`: the value of the registry key RmPVMRL (Virtual GPU Software User Guide, "Changing vGPU scheduling policy").
- `xe`: `exec_quantum_ms`, `preempt_timeout_us`, `sched_priority` of Linux (ABI/testing/sysfs-driver-intel-xe-sriov).
- `gim`: `sched_interval` and its neighbours in AMD's gim_config.
- `xl`: what `xl sched-credit` and `xl sched-rtds` print.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from coprocsim.errors import CoprocsimError, did_you_mean
from coprocsim.observe.view import View
from coprocsim.parameters import BadValue, Kind, Parameter, Scope, of_scope
from coprocsim.schedulers import ALGORITHMS
from coprocsim.sharing import SHARING
from coprocsim.units import parse_duration_ps

_HZ_MIN, _HZ_MAX = 63, 960
_MS_TEXT = "{}ms"


@dataclass(frozen=True, slots=True)
class Imported:
    """What to set: the algorithm, its parameters and those of the sharing, those of each domain.

    `lost` says what does not carry over, each a sentence.
    """

    algorithm: str
    settings: dict[str, str] = field(default_factory=dict)
    domains: dict[str, dict[str, str]] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


def load(form: str, text: str) -> Imported:
    """Return what `text` says in one of the FORMATS; CoprocsimError for what it does not say, or makes no sense here.

    A value that is out of the limits here is the nearest one within, and `lost` says so.
    """
    if form not in FORMATS:
        raise CoprocsimError(f"no settings format `{form}`", hint=did_you_mean(form, FORMATS, "there are"))
    return _within_limits(FORMATS[form](text))


def for_coproc(imported: Imported, seen: View, coproc_name: str) -> Imported:
    """Return what of it can be set on a machine: of those with a vcoproc of the coproc; LookupFailed if it is none."""
    coproc = seen.coproc_named(coproc_name)
    sharers = {seen.domains[row.domain_id].name for row in seen.of(coproc.coproc_id, None)}
    missing = tuple(
        f"what `{name}` has: there is no such domain with a vcoproc of `{coproc.coproc_id}`"
        for name in imported.domains
        if name not in sharers
    )
    domains = {name: own for name, own in imported.domains.items() if name in sharers}
    return replace(imported, domains=domains, lost=(*imported.lost, *missing))


def _within_limits(imported: Imported) -> Imported:
    stated = ALGORITHMS[imported.algorithm].parameters
    lost = list(imported.lost)
    settings = _nearest(imported.settings, of_scope(stated, Scope.COPROC) | SHARING, "", lost)
    own = of_scope(stated, Scope.VCOPROC)
    domains = {name: _nearest(each, own, f" of `{name}`", lost) for name, each in imported.domains.items()}
    return Imported(imported.algorithm, settings, domains, tuple(lost))


def _nearest(settings: dict[str, str], known: dict[str, Parameter], whose: str, lost: list[str]) -> dict[str, str]:
    """Return the nearest settings that are taken here, and note what is lost by that."""
    found = {}
    for name, text in settings.items():
        parameter = known[name]
        try:
            parameter.parse(text)
            found[name] = text
        except BadValue as error:
            value = _value(parameter, text)
            if value <= 0:
                raise CoprocsimError(f"what it says{whose} cannot be set here: {error}", hint=error.hint) from error
            found[name] = parameter.show(min(max(value, parameter.minimum), parameter.maximum))
            lost.append(f"`{name}={text}`{whose}: here it is {parameter.limits()}")
    return found


def _value(parameter: Parameter, text: str) -> int:
    """Return a time or a number whether or not it is within the limits; -1 where it is none."""
    try:
        return parse_duration_ps(text, parameter.bare_unit) if parameter.kind is Kind.TIME else int(text)
    except ValueError:
        return -1


def _refuse(text: str, hint: str) -> NoReturn:
    shown = text.strip().splitlines()[0][:60] if text.strip() else ""
    raise CoprocsimError(f"`{shown}` is not what is expected here", hint=hint)


# ---------------------------------------------------------------- NVIDIA


_RMPVMRL = "0x00, 0x01, 0x11, 0x00TT0001, 0x00TT0011, 0x03, 0x13, 0xAAFFF003 or 0xAAFFF013"
_STRICT, _FIXED, _SHARED = 0x02, 0x10, 0x01


def _nvidia(text: str) -> Imported:
    value = re.fullmatch(r"(?:RmPVMRL\s*=\s*)?(0x[0-9a-f]{1,8}|0|[1-9][0-9]{0,9})", text.strip(), re.IGNORECASE)
    number = int(value[1], 0) if value else -1
    if number == 0:
        lost = ("how long a best effort turn is: NVIDIA does not say, here it is `slice`",)
        return Imported("rrobin", lost=lost)
    policy = number & 0xFFF
    if policy not in {_SHARED, _SHARED | _FIXED, _SHARED | _STRICT, _SHARED | _STRICT | _FIXED} or number >= 2**32:
        _refuse(text, f"RmPVMRL is {_RMPVMRL}")
    notes = []
    if policy & _FIXED:
        notes.append("fixed share reserves slots for as many vGPUs as the GPU holds, here for those that exist")
    if policy & _STRICT:
        return _strict(text, number, notes)
    slice_ms = number >> 16
    if slice_ms == 0:
        return Imported("fixed", lost=tuple(notes))
    if not 1 <= slice_ms <= 30 or number & 0xF000:
        _refuse(text, "a time slice TT is 0x01 to 0x1e, 1 to 30 ms")
    hz = round(1000 / slice_ms)
    if hz < _HZ_MIN:
        notes.append(f"slots of {slice_ms} ms, which `fixed` does not have: what a domain leaves idle goes to others")
        return Imported("rrobin", {"slice": _MS_TEXT.format(slice_ms)}, lost=tuple(notes))
    if 1000 % slice_ms or hz > _HZ_MAX:
        hz = min(hz, _HZ_MAX)
        notes.append(f"slots of {slice_ms} ms: they are {1000 / hz:.3f} ms at {hz} Hz")
    return Imported("fixed", {"frequency": str(hz)}, lost=tuple(notes))


def _strict(text: str, number: int, lost: list[str]) -> Imported:
    factor, hz = number >> 24, number >> 12 & 0xFFF
    charged = {"charge": "averaging"}
    if factor or hz:
        if not 1 <= factor <= 60 or not _HZ_MIN <= hz <= _HZ_MAX:
            _refuse(
                text, "an averaging factor AA is 0x01 to 0x3c (1 to 60), a frequency FFF 0x03f to 0x3c0 (63 to 960)"
            )
        charged["charge-factor"] = str(factor)
    else:
        hz = 480
        lost.append("a default frequency that follows the number of vGPUs: 480 Hz up to 8, 960 Hz beyond")
    lost.append("strict round robin keeps a turn for a vGPU without work: here it goes to the next")
    return Imported("rrobin", {"slice": f"{round(10**6 / hz)}us", **charged}, lost=tuple(lost))


# ---------------------------------------------------------------- Xe


_XE = "write `exec_quantum_ms=20 preempt_timeout_us=20000 sched_priority=normal`, or `low`, or `high`"


def _pairs(text: str, known: Mapping[str, str], hint: str) -> dict[str, int | str]:
    """Return `name=value` pairs; `known` says of each name what its value looks like."""
    found: dict[str, int | str] = {}
    for word in re.split(r"[\s,;]+", text.strip()):
        name, equals, value = word.partition("=")
        if not equals or name not in known or not re.fullmatch(known[name], value):
            _refuse(word, hint)
        found[name] = int(value) if value.isdigit() else value
    return found


def _xe(text: str) -> Imported:
    numbers = {"exec_quantum_ms": "[0-9]{1,7}", "preempt_timeout_us": "[0-9]{1,9}", "sched_priority": "low|normal|high"}
    given = _pairs(text, numbers, _XE)
    quantum_ms, priority = int(given.get("exec_quantum_ms", 0)), given.get("sched_priority", "low")
    timeout = {"switch-timeout": f"{given['preempt_timeout_us']}us"} if "preempt_timeout_us" in given else {}
    lost = ["that each VF has a quantum and a timeout of its own: here they are the coproc's"]
    if priority == "high":
        lost.append("`high`: of `priority` here the highest preempts at once, not after the turn that is under way")
        if quantum_ms:
            lost.append(f"the quantum of {quantum_ms} ms: `priority` has none")
        return Imported("priority", timeout, lost=tuple(lost))
    if priority == "normal" and quantum_ms and _HZ_MIN <= round(1000 / quantum_ms) <= _HZ_MAX:
        hz = round(1000 / quantum_ms)
        if 1000 % quantum_ms:
            lost.append(f"slots of {quantum_ms} ms: they are {1000 / hz:.3f} ms at {hz} Hz")
        return Imported("fixed", {"frequency": str(hz), **timeout}, lost=tuple(lost))
    if priority == "normal":
        lost.append("`normal`: what a VF leaves idle goes to others here")
    if not quantum_ms:
        lost.append("a quantum without end: a turn has one here, `slice`")
        return Imported("rrobin", timeout, lost=tuple(lost))
    return Imported("rrobin", {"slice": _MS_TEXT.format(quantum_ms), **timeout}, lost=tuple(lost))


# ---------------------------------------------------------------- GIM


_GIM = "write lines of gim_config, `sched_interval=6`"
_GIM_USED = ("sched_interval", "sched_interval_us", "hang_detect_timeout")
# Why each of the others has no place here.
_GIM_LOST = {
    **dict.fromkeys(("fb_option", "pf_fb", "vf_fb"), "a coproc has no frame buffer here that would be divided"),
    "fb_clear": "a coproc has no frame buffer here that would be cleared",
    "vf_num": "there are as many vcoprocs here as domains that share the coproc",
    "sched_option": "GIM's turns are round robin here, whichever way it chooses them",
    **dict.fromkeys(("max_quanta", "self_switch", "exclusive"), "a turn here has a slice, and no other way to end it"),
}


def _gim(text: str) -> Imported:
    given = _pairs(re.sub(r"#.*", "", text), dict.fromkeys((*_GIM_USED, *_GIM_LOST), "[0-9]{1,9}"), _GIM)
    # There 0 stands for what is not set.
    given = {name: value for name, value in given.items() if value or name not in _GIM_USED}
    settings = {}
    if "sched_interval" in given:
        settings["slice"] = _MS_TEXT.format(given["sched_interval"])
    if "sched_interval_us" in given:
        settings["slice"] = f"{given['sched_interval_us']}us"
    if "hang_detect_timeout" in given:
        settings["switch-timeout"] = _MS_TEXT.format(given["hang_detect_timeout"])
    if not settings:
        raise CoprocsimError("no `sched_interval` is set in it", hint=_GIM)
    lost = tuple(f"`{name}={given[name]}`: {why}" for name, why in _GIM_LOST.items() if name in given)
    return Imported("rrobin", settings, lost=lost)


# ---------------------------------------------------------------- xl


_XL = "give it what `xl sched-credit` or `xl sched-rtds` prints, the line of titles included"


def _xl(text: str) -> Imported:
    titles: list[str] = []
    pools: list[str] = []
    rows: list[dict[str, str]] = []
    for line in filter(str.strip, text.splitlines()):
        words = line.split()
        if words[0] == "Cpupool":
            pools.append(line)
        elif words[:2] == ["Name", "ID"]:
            titles = words
        elif titles and len(words) == len(titles):
            rows.append(dict(zip(titles, words, strict=True)))
        elif titles:
            _refuse(line, f"below the titles a line has {len(titles)} words")
    if not rows:
        _refuse(text, _XL)
    try:
        found = _credit(pools[0] if pools else "", rows) if "Weight" in titles else _rtds(rows)
    except (KeyError, ValueError):
        _refuse(text, _XL)
    others = [f"`{pool.split()[1].rstrip(':')}`: a coproc is shared by the settings of one pool" for pool in pools[1:]]
    return replace(found, lost=(*found.lost, *others))


def _credit(line: str, rows: list[dict[str, str]]) -> Imported:
    pool = dict(re.findall(r"(\w[\w-]*)=(\w+)", line))
    settings = {}
    if "tslice" in pool:
        settings["slice"] = pool["tslice"]
    if "ratelimit" in pool:
        settings["ratelimit"] = pool["ratelimit"]
    lost = tuple(
        f"`{name}={value}`: {'a coproc is one, nothing migrates' if 'migr' in name else 'nothing here is like it'}"
        for name, value in pool.items()
        if name not in {"tslice", "ratelimit", "sched"}
    )
    domains = {}
    for row in rows:
        cap = int(row["Cap"])
        if cap > 100:
            lost += (f"the cap of {row['Name']}, {cap} %: a coproc is one, and 100 % is all of it",)
        domains[row["Name"]] = {"weight": str(int(row["Weight"])), "cap": str(min(cap, 100))}
    return Imported("credit", settings, domains, lost)


def _rtds(rows: list[dict[str, str]]) -> Imported:
    domains: dict[str, dict[str, str]] = {}
    lost: tuple[str, ...] = ()
    for row in rows:
        own = {"period": f"{int(row['Period'])}us", "budget": f"{int(row['Budget'])}us"}
        if "Extratime" in row:
            own["extratime"] = str(int(row["Extratime"] in {"yes", "1"}))
        if row["Name"] in domains and domains[row["Name"]] != own:
            lost += (f"vcpu {row.get('VCPU', '?')} of {row['Name']}: a domain has one vcoproc of a coproc",)
            continue
        domains[row["Name"]] = own
    return Imported("rtds", {}, domains, lost)


FORMATS: dict[str, Callable[[str], Imported]] = {"nvidia": _nvidia, "xe": _xe, "gim": _gim, "xl": _xl}
