"""How times are spread, drawn: a curve for each vcoproc, the longest times to the right, both axes in powers of ten."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from coprocsim.observe.report import Curve
from coprocsim.units import show_duration

_WIDTH, _HEIGHT = 340, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 10, 24
_SHARES = ("all", "90 %", "99 %", "99.9 %", "99.99 %")


def drawn(title: str, curves: Sequence[Curve]) -> Iterator[str]:
    """Yield a figure as HTML."""
    times = [max(1, time_ps) for curve in curves for _, time_ps in curve.points]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    high = max(high, low + 1)
    tenths = max(1, math.ceil(max(curve.points[-1][0] for curve in curves)))

    def x(at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / tenths

    def y(time_ps: int) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - math.log10(max(1, time_ps))) / (high - low)

    yield f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
    yield f"<title>{escape(title)}: {escape(', '.join(curve.domain for curve in curves))}</title>"
    for power in range(low, high + 1):
        at = y(10**power)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{show_duration(10**power)}</text>'
    for tenth in range(tenths + 1):
        text, end = ("least", "start") if tenth == 0 else (_SHARES[tenth], "end" if tenth == tenths else "middle")
        yield f'<text x="{x(tenth):.1f}" y="{_HEIGHT - 6}" text-anchor="{end}">{text}</text>'
    for curve in curves:
        points = " ".join(f"{x(at):.1f},{y(time_ps):.1f}" for at, time_ps in curve.points)
        colour = f"color-mix(in srgb, var(--domain-{curve.domain_id % 10}) 85%, var(--ink))"
        yield f'<polyline class="curve" style="stroke: {colour}" points="{points}">'
        yield f"<title>{escape(curve.domain)} ({curve.vcoproc})</title></polyline>"
    yield "</svg></figure>"
