"""The page of `report`: the schedule to zoom into, and below it the figures of `stats` and what the machine is."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from coprocsim.cli.messages import many
from coprocsim.cli.pages import data, page, unbroken
from coprocsim.cli.pages.curves import drawn
from coprocsim.cli.pages.tables import Cell, domain, figures, table, words
from coprocsim.cli.tables import plain
from coprocsim.observe.domains import DomainShown
from coprocsim.observe.report import SPREADS, Report
from coprocsim.observe.stats import CoprocStats, VcoprocStats
from coprocsim.toolstack.catalogue import Schedule
from coprocsim.toolstack.history import Did
from coprocsim.units import show_duration, show_frequency, show_instant

_FINDINGS_MAX = 200
_SCRIPTS = ("units.js", "strips.js", "drawing.js", "detail.js", "hands.js")
_SPREAD_TITLES = ("Latency of a job", "Time of a wait", "Time of a switch to it")
_SECTIONS = ("Schedule", "Shares", "Times", "Denials", "Isolation", "Configuration")
_BUTTONS = (("ArrowLeft", "◀", "earlier"), ("ArrowRight", "▶", "later"), ("-", "-", "zoom out"), ("+", "+", "zoom in"))


def page_of(report: Report, schedules: Sequence[Schedule], history: Sequence[Did]) -> str:
    """Return the page as HTML."""
    title = report.machine.model or "A machine"
    shared = [*_schedule(report), *_shares(report), *_times(report), *_denials(report), *_isolation(report)]
    body = [
        *_head(report, title),
        *(shared if report.lines else ["<p>This machine shares no coproc.</p>"]),
        *_configuration(report, schedules, history),
        data("picture", plain(report.picture)),
    ]
    return page(title, ["report.css"], body, _SCRIPTS if report.lines else ())


def _head(report: Report, title: str) -> Iterator[str]:
    coprocs = "".join(f"{line.coproc}, " for line in report.lines)
    passed = show_duration(report.machine.now_ps)
    yield f"<h1>{escape(title)}</h1>"
    yield f"<p>{escape(coprocs)}{passed} since boot, seed {report.machine.seed}.</p>"
    yield from (f"<p>{escape(line)}</p>" for line in _headlines(report))
    if report.lines:
        yield "<nav>"
        yield from (f'<a href="#{name.lower()}">{name}</a>' for name in _SECTIONS)
        yield "</nav>"


def _headlines(report: Report) -> Iterator[str]:
    """Yield what a reader in a hurry wants to know: which jobs did not end well, and what has failed."""
    for each in report.vcoprocs:
        said = ", ".join(f"{count:,} {how}" for how, count in each.ways_missed().items())
        if said:
            yield f"{each.domain} on {each.coproc}: of {each.released:,} jobs {said}."
    yield from (f"{line.coproc} has failed: {line.failure}." for line in report.lines if line.failure)
    broken = sum(rule.findings for rule in report.verdict.rules)
    if broken:
        yield f"Isolation: {many(broken, 'finding')}."


def _schedule(report: Report) -> Iterator[str]:
    picture = report.picture
    label = "Schedule: a row for each coproc. Arrows move, plus and minus zoom, Home shows all, Enter tells of a slice."
    yield '<h2>Schedule</h2><section id="schedule">'
    yield f'<canvas tabindex="0" role="application" aria-label="{label}" aria-describedby="keys"></canvas>'
    yield '<div class="controls">'
    for key, sign, title in _BUTTONS:
        yield f'<button type="button" data-key="{key}" aria-label="{title}" title="{title}">{sign}</button>'
    yield '<button type="button" data-key="Home">all</button><output></output></div>'
    yield '<div id="detail" role="status" hidden>'
    yield '<button type="button" data-key="Escape" aria-label="close">&times;</button>'
    yield '<dl></dl></div><div id="shown" aria-label="shares of what is shown"></div>'
    yield '<p class="keys" id="keys">Wheel, pinch or <kbd>+</kbd> <kbd>-</kbd> zoom; drag or <kbd>←</kbd> <kbd>→</kbd>'
    yield "move; <kbd>Home</kbd> shows all. Click a slice, or <kbd>Enter</kbd>, for its figures; <kbd>,</kbd>"
    yield "<kbd>.</kbd> go to the next, <kbd>↑</kbd> <kbd>↓</kbd> to another coproc, <kbd>Esc</kbd> closes.</p>"
    yield '<p class="faint">Slices that share a pixel stand on top of each other, each as high as its part of the time.'
    yield 'Below: switches, and in <span class="alarm">red</span> denials, resets, and jobs that were late or lost.</p>'
    yield "<noscript><p>A script draws the picture; all that follows is there without it.</p></noscript></section>"
    span = f"{show_instant(int(picture.from_ps))} s to {show_instant(int(picture.to_ps))} s"
    yield f'<p class="faint">The picture is from {span}. All figures below are since boot.'
    if report.begins_ps > int(picture.from_ps):
        yield f"The trace has outgrown its limit: before {show_instant(report.begins_ps)} s it is gone."
    yield "</p>"


# ---------------------------------------------------------------- figures


def _shares(report: Report) -> Iterator[str]:
    yield '<h2 id="shares">Shares</h2>'
    for coproc in report.coprocs:
        yield from _stack(coproc, [each for each in report.vcoprocs if each.coproc == coproc.coproc])
    of_coprocs = [(each.coproc, words(each.coproc), vars(each)) for each in report.coprocs]
    times = ("run_ps", "switch_ps", "idle_ps", "failed_ps", "elapsed_ps")
    rows = ((coproc, [cell, *figures(times, record)]) for coproc, cell, record in of_coprocs)
    sums = ("Run", "+ switch", "+ idle", "+ failed", "= elapsed")
    yield from table("Where the time of each coproc went", ("Coproc", *sums), rows)
    counts = ("switches", "denials", "resets", "coproc_resets", "spurious_irqs", "findings", "fairness")
    rows = ((coproc, [cell, *figures(counts, record)]) for coproc, cell, record in of_coprocs)
    titles = ("Switches", "Denials", "Resets", "Coproc resets", "Spurious IRQs", "Findings", "Fairness")
    yield from table("What happened on it", ("Coproc", *titles), rows)
    yield from _of_vcoprocs(
        "What each domain had of it, and what of that it still owes for overrunning",
        ("Share", "Run", "Wait", "Switches", "Charged", "Overrun", "Owed"),
        ("share", "run_ps", "wait_ps", "switches", "switch_ps", "overrun_ps", "owed_ps"),
        report.vcoprocs,
    )
    yield from _of_vcoprocs(
        "What came of it",
        (
            "Jobs",
            "Done",
            "Missed",
            "Late",
            "Quit",
            "Dropped",
            "Failed",
            "Overdue",
            "Mean latency",
            "Longest",
            "Traps",
            "IRQs",
            "Faults",
        ),
        (
            *("released", "done", "missed", "late", "abandoned", "dropped", "failed", "overdue"),
            *("latency_ps_mean", "latency_ps_max", "traps", "irqs", "faults"),
        ),
        report.vcoprocs,
    )


def _stack(coproc: CoprocStats, vcoprocs: Iterable[VcoprocStats]) -> Iterator[str]:
    """Yield a bar of what a coproc's time went into; nothing where it shares itself: who works then, nobody knows."""
    mine = list(vcoprocs)
    parts = [(each.domain, each.run_ps, f"domain-{each.domain_id % 10}") for each in mine]
    parts += [("switch", coproc.switch_ps, "switch"), ("failed", coproc.failed_ps, "alarm")]
    if sum(time_ps for _, time_ps, _ in parts) > coproc.elapsed_ps:
        return
    yield f'<h3>{escape(coproc.coproc)}</h3><div class="stack">'
    for name, time_ps, colour in parts:
        share = 100 * time_ps / coproc.elapsed_ps
        style = f"width: {share:.3f}%; background: var(--{colour})"
        yield f'<span style="{style}" title="{escape(name)}: {share:.2f} %"></span>'
    yield "</div>"


def _of_vcoprocs(
    caption: str, titles: Sequence[str], names: Sequence[str], vcoprocs: Iterable[VcoprocStats]
) -> Iterator[str]:
    rows = ((each.vcoproc, [*_who(each), *figures(names, vars(each))]) for each in vcoprocs)
    return table(caption, ("Domain", "Coproc", *titles), rows, words_first=2)


def _who(each: VcoprocStats) -> list[Cell]:
    return [domain(each.domain, each.domain_id), words(each.coproc)]


def _times(report: Report) -> Iterator[str]:
    yield '<h2 id="times">Times</h2>'
    yield '<p class="faint">Curves: what so many percent of the times do not exceed, up to the longest.</p>'
    for line in report.lines:
        mine = [curve for curve in report.curves if curve.coproc == line.coproc]
        if not mine:
            continue
        yield f'<h3>{escape(line.coproc)}</h3><div class="curves">'
        for kind, title in zip(SPREADS, _SPREAD_TITLES, strict=True):
            curves = [curve for curve in mine if curve.kind == kind]
            if curves:
                yield from drawn(title, curves)
        yield "</div>"
    titles = ("Domain", "Coproc", "Counted", "p50", "p95", "p99", "p99.9", "Longest")
    for kind, title in zip(SPREADS, _SPREAD_TITLES, strict=True):
        rows = [(each.vcoproc, [*_who(each), *_spread(kind, each)]) for each in report.vcoprocs]
        yield from table(title, titles, (row for row in rows if len(row[1]) > 2), words_first=2)


def _spread(kind: str, each: VcoprocStats) -> list[Cell]:
    spread = {"latency": each.latency, "wait": each.wait, "entry": each.entry}[kind]
    if spread is None:
        return []
    cells = figures(spread._fields, spread._asdict())
    return [cell._replace(figure=f"{kind}.{cell.figure}") for cell in cells]


def _denials(report: Report) -> Iterator[str]:
    yield '<h2 id="denials">Denials</h2>'
    if not any(each.denials for each in report.coprocs):
        yield "<p>No driver has refused to let go.</p>"
        return
    rows = (
        (
            f"{each.denier} {each.sufferer}",
            [
                words(each.coproc),
                words(each.denier),
                words(each.sufferer),
                *figures(("times", "time_ps"), each._asdict()),
            ],
        )
        for each in report.denials
    )
    yield from table("Who denied, and who waited", ("Coproc", "Denied by", "Waited", "Times", "Time"), rows, 3)
    yield from _of_vcoprocs(
        "Denials: caused, and suffered from others",
        ("Denied", "Time", "Suffered", "Time", "Resets"),
        ("denials", "denied_ps", "suffered", "suffered_ps", "resets"),
        report.vcoprocs,
    )


def _isolation(report: Report) -> Iterator[str]:
    verdict = report.verdict
    yield '<h2 id="isolation">Isolation</h2>'
    broken = sum(rule.findings for rule in verdict.rules)
    yield f'<p class="alarm">{many(broken, "finding")}</p>' if broken else "<p>No rule is broken.</p>"
    rules = (
        (
            rule.rule,
            [words(rule.rule), words(rule.demands), words(rule.checked), *figures(("findings",), rule._asdict())],
        )
        for rule in verdict.rules
    )
    titles = ("Rule", "What it demands", "Checked", "Findings")
    yield from table(f"Of {verdict.rows:,} rows of the trace, over the whole machine", titles, rules, 3)
    findings = verdict.findings[:_FINDINGS_MAX]
    if findings:
        cells = (
            (
                each.rule,
                [
                    words(f"{show_instant(each.at_ps)} s"),
                    *map(words, (each.coproc, each.vcoproc, each.rule, each.what)),
                ],
            )
            for each in findings
        )
        yield from table("", ("At", "Coproc", "Vcoproc", "Rule", "What"), cells, 5)
    if len(verdict.findings) > _FINDINGS_MAX:
        yield f"<p>And {len(verdict.findings) - _FINDINGS_MAX:,} more: <code>coprocsim verify --json</code>.</p>"


# ---------------------------------------------------------------- configuration


def _configuration(report: Report, schedules: Sequence[Schedule], history: Sequence[Did]) -> Iterator[str]:
    machine = report.machine
    yield '<h2 id="configuration">Configuration</h2>'
    checked = "while it runs" if machine.checks else "over the trace only"
    facts = {"Booted from": machine.booted_from, "Seed": str(machine.seed), "Isolation checked": checked}
    yield from _facts(facts)
    for line, schedule in zip(report.lines, schedules, strict=True):
        yield f"<h3>{escape(line.coproc)}</h3>"
        settings = " ".join(f"{each.name}={each.value}" for each in (*schedule.settings, *schedule.sharing))
        of_domains = {
            f"Domain {each.domain}": " ".join(f"{setting.name}={setting.value}" for setting in each.settings)
            for each in schedule.vcoprocs
        }
        what = {"Platform": f"{line.platform}, {show_frequency(line.clock_hz)}, {line.path}"}
        what |= {"Algorithm": line.scheduler, "Parameters": settings, **of_domains, "Failure": line.failure or ""}
        yield from _facts(what)
    for each in report.domains:
        yield f"<h3>{escape(each.domain)} ({each.domain_id})</h3>"
        yield from _facts(_of_domain(each))
    rows = (
        (
            str(did.number),
            [words(f"{show_instant(did.at_ps)} s"), Cell(f"<code>{unbroken(did.command)}</code>"), words(did.outcome)],
        )
        for did in history
    )
    yield from table("The commands that made it", ("At", "Command", "Outcome"), rows, 3)
    if machine.config:
        yield f"<details><summary>Options of the build</summary><pre>{escape(machine.config)}</pre></details>"


def _of_domain(each: DomainShown) -> dict[str, str]:
    memory = f"{each.memory_mib} MiB, {each.vcpus} vcpus, {each.state}"
    loads = {
        f"Workload on {vcoproc.coproc}": ", ".join(f"{name}={value}" for name, value in vcoproc.workload.items())
        for vcoproc in each.vcoprocs
    }
    return {"Memory": memory, **loads, **each.config}


def _facts(facts: dict[str, str]) -> Iterator[str]:
    """Yield names and values; those without a value are left out."""
    yield "<dl>"
    yield from (f"<dt>{escape(name)}</dt><dd>{unbroken(value)}</dd>" for name, value in facts.items() if value)
    yield "</dl>"
