"""A waterfall as SVG text: from the base to the margin, one bar per clinical group, in log-odds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from markupsafe import Markup

MOST = 10
ROW, TOP, BOTTOM = 34, 12, 46
LEFT, RIGHT, WIDTH = 216, 700, 800


@dataclass(frozen=True)
class Bar:
    """One step of the waterfall: what it is, its contribution and where it begins (log-odds)."""

    label: str
    value: float
    begins: float

    @property
    def ends(self) -> float:
        return self.begins + self.value


def bars(base: float, contributions: Sequence[tuple[str, float]], rest: str, most: int = MOST) -> tuple[Bar, ...]:
    """Order contributions by size and lay them end to end from the base.

    Those past ``most`` become one last bar labelled ``rest`` (with their number), so that the bars
    still add up to the margin.
    """
    ranked = sorted(contributions, key=lambda pair: -abs(pair[1]))
    if len(ranked) > most:
        tail = ranked[most - 1 :]
        ranked = [*ranked[: most - 1], (rest.format(n=len(tail)), math.fsum(value for _, value in tail))]
    laid, at = [], base
    for label, value in ranked:
        laid.append(Bar(label, value, at))
        at += value
    return tuple(laid)


def waterfall(base: float, steps: Sequence[Bar], margin: float, words: Mapping[str, str]) -> Markup:
    """Draw the bars.

    Parameters
    ----------
    base, margin
        Where the drawing begins and ends, in calibrated log-odds.
    steps
        From `bars`.
    words
        Texts ``title``, ``description``, ``base``, ``margin``, ``axis``.

    Returns
    -------
    Markup
        One ``<svg>`` element; colours and fonts come from the page's style sheet by class.
    """
    low, high, ticks = _scale([base, margin, *(bar.ends for bar in steps)])

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (RIGHT - LEFT)

    rows = len(steps) + 2
    floor = TOP + rows * ROW
    height = floor + BOTTOM
    out = [
        f'<svg class="waterfall" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="wf-title wf-desc">'
        f'<title id="wf-title">{escape(words["title"])}</title>'
        f'<desc id="wf-desc">{escape(words["description"])}</desc>'
    ]
    for tick in ticks:
        out.append(f'<line class="grid" x1="{x(tick):.1f}" y1="{TOP}" x2="{x(tick):.1f}" y2="{floor}"/>')
        out.append(
            f'<text class="tick" x="{x(tick):.1f}" y="{floor + 18}" text-anchor="middle">{signed(tick, 1)}</text>'
        )
    out.append(f'<line class="axis" x1="{LEFT}" y1="{floor}" x2="{RIGHT}" y2="{floor}"/>')
    axis = escape(words["axis"])
    out.append(f'<text class="tick" x="{(LEFT + RIGHT) / 2}" y="{floor + 38}" text-anchor="middle">{axis}</text>')
    out.append(_post(0, words["base"], base, x(base), "end-base"))
    for number, bar in enumerate(steps, 1):
        out.append(_bar(number, bar, x(bar.begins), x(bar.ends)))
    out.append(_post(rows - 1, words["margin"], margin, x(margin), "end-margin"))
    out.append("</svg>")
    return Markup("".join(out))


def _bar(row: int, bar: Bar, begins: float, ends: float) -> str:
    y = TOP + row * ROW
    left, width = min(begins, ends), max(abs(ends - begins), 1.2)
    kind = "raises" if bar.value > 0 else "lowers" if bar.value < 0 else "level"
    return (
        f'<line class="joint" x1="{begins:.1f}" y1="{y - ROW + 26}" x2="{begins:.1f}" y2="{y + 8}"/>'
        f'<rect class={quoteattr(kind)} x="{left:.1f}" y="{y + 8}" width="{width:.1f}" height="18" rx="2"/>'
        f'{_label(y, bar.label)}<text class="number {kind}" x="{WIDTH - 4}" y="{y + 22}" text-anchor="end">'
        f"{signed(bar.value)}</text>"
    )


def _post(row: int, label: str, value: float, at: float, kind: str) -> str:
    y = TOP + row * ROW
    first = y + 26 if row == 0 else y - ROW + 26
    return (
        f'<line class="joint" x1="{at:.1f}" y1="{first}" x2="{at:.1f}" y2="{y + 17}"/>'
        f'<circle class="{kind}" cx="{at:.1f}" cy="{y + 17}" r="6"/>{_label(y, label, " strong")}'
        f'<text class="number strong" x="{WIDTH - 4}" y="{y + 22}" text-anchor="end">{signed(value)}</text>'
    )


def _label(y: float, label: str, more: str = "") -> str:
    return f'<text class="label{more}" x="{LEFT - 14}" y="{y + 22}" text-anchor="end">{escape(label)}</text>'


def _scale(values: Sequence[float]) -> tuple[float, float, list[float]]:
    low, high = min(values), max(values)
    span = max(high - low, 0.2)
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 6)
    first, last = math.floor(low / step - 0.15), math.ceil(high / step + 0.15)
    return first * step, last * step, [number * step for number in range(first, last + 1)]


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign and a real minus, for reading."""
    text = f"{value:+.{digits}f}"
    return (text.lstrip("+-") if float(text) == 0 else text).replace("-", "\u2212")
