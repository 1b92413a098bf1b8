"""A row of the trace in words, for a log that a person follows."""

from typing import TYPE_CHECKING

from coprocsim.observe.trace import fields, is_missed
from coprocsim.units import show_duration

if TYPE_CHECKING:
    from coprocsim.model import TraceRow

_STATES = {
    ("UNKNOWN", "SLEEPING"): "is there, without work",
    ("SLEEPING", "WAITING"): "has work and waits",
    ("SLEEPING", "RUNNING"): "has its part of the coproc",
    ("WAITING", "RUNNING"): "runs",
    ("WAITING", "SLEEPING"): "has no more work, sleeps",
    ("RUNNING", "WAITING"): "has left and waits",
    ("RUNNING", "SLEEPING"): "has left and sleeps",
    ("RUNNING", "ASKED_TO_SLEEP"): "has no more work, is to leave",
    ("ASKED_TO_SLEEP", "RUNNING"): "has work again and goes on",
    ("ASKED_TO_SLEEP", "SLEEPING"): "has left and sleeps",
}
_JOB_ENDS = {"done": "done", "abandoned": "given up", "error": "lost with an error"}
_ALARMING = {
    "timeout", "reset", "reset_coproc", "failed", "fault", "job_dropped", "irq_spurious", "abort",
    "iommu_fault", "dma_unprotected", "iommu_stale", "finding",
}  # fmt: skip


def in_words(row: "TraceRow") -> str:
    """Return what a row says of its domain, or of the coproc where it is about none."""
    at = fields(row)
    match row[2]:
        case "state":
            states = str(at["old"]), str(at["new"])
            return "is gone" if states[1] == "UNKNOWN" else _STATES.get(states, f"{states[0]} -> {states[1]}")
        case "switch_from":
            return _switch("leaves", at)
        case "switch_to":
            return _switch("enters", at)
        case "iommu_disable":
            return "its DMA is shut off"
        case "iommu_enable":
            return "its DMA reaches its memory"
        case "idle":
            return "nobody has the coproc"
        case "resume":
            return "goes on after its denial"
        case "timeout":
            return "has denied for too long"
        case "reset":
            return f"is reset: {at['why']}"
        case "reset_coproc":
            return f"the whole coproc is reset: {at['why']}"
        case "failed":
            return f"the coproc is given up: {at['why']}"
        case "fault":
            return f"fault {at['fault']} {'strikes' if at['happens'] == 'strikes' else 'is ' + str(at['happens'])}"
        case "job" | "job_end" | "job_dropped":
            return _job(row, at)
        case "raised":
            return f"the hardware raises line {at['line']}"
        case "irq":
            return f"gets interrupt {at['line']}"
        case "irq_spurious":
            return f"line {at['line']} is raised, and nobody is there"
        case "trap":
            return f"{at['direction']}s {at['size_bytes']} B of range {at['range']} at {at['offset']:#x}: trapped"
        case "abort":
            return f"{at['direction']}s {at['size_bytes']} B at {at['address']:#x}: data abort, {at['why']}"
        case "iommu_fault" | "dma_unprotected" | "iommu_stale":
            return _dma(row[2], at)
        case "finding":
            return f"rule {at['rule']} is broken: {at['why']}"
        case "algorithm":
            return f"is shared by {at['value']} from now on"
        case "setting":
            return f"{at['name']} is {at['value']} from now on"
        case "workload":
            return "has no workload now" if at["value"] == "none" else f"works: {at['value']}"
        case "domain":
            return f"is {at['how']}"
    raise AssertionError(f"a row of no kind: {row[2]}")


def alarming(row: "TraceRow") -> bool:
    """Return whether a row is about something that should not happen in a machine that is well."""
    match row[2:]:
        case ("switch_from", _, "busy", _) | ("switch_from" | "switch_to", _, "failed", _):
            return True
        case ("job_end", *_):
            return is_missed(row)
    return row[2] in _ALARMING


def _switch(does: str, at: dict[str, str | int]) -> str:
    match at["answer"]:
        case "busy":
            return f"{does}: denied, ask again in {_time(at['retry_ps'])}"
        case "failed":
            return f"{does}: failed, {at['why']}"
    return f"{does} in {_time(at['cost_ps'])}"


def _job(row: "TraceRow", at: dict[str, str | int]) -> str:
    release_ps, deadline_ps = int(at["release_ps"]), at.get("deadline_ps")
    if row[2] == "job_dropped":
        return "job dropped: no room for it"
    if row[2] == "job":
        return "job released" if deadline_ps is None else f"job released, due in {_time(int(deadline_ps) - row[0])}"
    latency_ps = int(at["latency_ps"])
    late_ps = 0 if deadline_ps is None else release_ps + latency_ps - int(deadline_ps)
    ends = f"job {_JOB_ENDS[str(at['how'])]} after {_time(latency_ps)}"
    return f"{ends}, {_time(late_ps)} late" if late_ps > 0 else ends


def _dma(what: str, at: dict[str, str | int]) -> str:
    became = {
        "iommu_fault": "outside its memory, contained",
        "dma_unprotected": "outside its memory, and no IOMMU",
        "iommu_stale": f"in the memory of {at.get('of_vcoproc')}, stale",
    }
    return f"DMA {at['direction']}s {at['size_bytes']} B at {at['address']:#x}: {became[what]}"


def _time(time_ps: str | int) -> str:
    return show_duration(int(time_ps))
