"""Charts as SVG text: they need no script, stand in one file, keep their type size at any width, and print.

Widths are percentages of the chart's own width; values are shares in [0, 1] unless said otherwise.
"""

from collections.abc import Mapping, Sequence
from html import escape

COLOURS = {"automate": "#a8433a", "augment": "#e0b04c", "human": "#417178", "not_assessed": "#d3d3d3"}
INK = {"automate": "#fff", "augment": "#222", "human": "#fff", "not_assessed": "#222"}
DRIVER_COLOURS = {"review": "#417178", "curation": "#7d9f5b", "evaluation": "#e0b04c", "integration": "#8a6b9e"}
LABELLED_FROM = 0.09  # share from which a part has room for its figure
HATCH = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="2" height="6" fill="#fff" fill-opacity=".75"/></pattern></defs>'
)
"""Stands once on a page: what is assumed is drawn through it."""


def _svg(height: int, label: str, body: str, kind: str) -> str:
    return f'<svg role="img" aria-label="{escape(label)}" class="{kind}" width="100%" height="{height}">{body}</svg>'


def _box(x: float, width: float, height: int, fill: str, y: int = 0, title: str = "") -> str:
    inner = f"<title>{escape(title)}</title>" if title else ""
    return f'<rect x="{x:.3%}" y="{y}" width="{max(width, 0):.3%}" height="{height}" fill="{fill}">{inner}</rect>'


def stacked_bar(shares: Mapping[str, float], names: Mapping[str, str], label: str, *, assumed: bool = False) -> str:
    """One bar of the four shares (they add up to 1), each part with its name and value; hatched where assumed."""
    x, parts, told = 0.0, [], []
    for key, colour in COLOURS.items():
        share = max(shares[key], 0.0)
        text = f"{names[key]} {share:.1%}"
        told.append(text)
        parts.append(_box(x, share, 24, colour, title=text))
        if assumed:
            parts.append(_box(x, share, 24, "url(#hatch)", title=text))
        if share >= LABELLED_FROM:
            parts.append(
                f'<text x="{x + share / 2:.3%}" y="16.5" font-size="12" text-anchor="middle" fill="{INK[key]}">'
                f"{share:.0%}</text>"
            )
        x += share
    return _svg(24, f"{label}: {', '.join(told)}", "".join(parts), "bar")


def interval_bar(figures: Mapping[str, float], label: str, colour: str = "#417178") -> str:
    """A share on a scale from 0 to 1: `low` to `high` as a band, `expected` as a line, `certified` as a circle."""
    certified, expected, low, high = (figures[name] for name in ("certified", "expected", "low", "high"))
    told = f"{label}: {expected:.1%} [{low:.1%}, {high:.1%}]"
    marks = "".join(
        f'<line x1="{at:.0%}" x2="{at:.0%}" y1="0" y2="16" stroke="#ccc" stroke-width="1"/>'
        for at in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    least = 0.004  # so that an interval of no width still shows
    return _svg(
        16,
        told,
        f'<rect y="6" width="100%" height="4" fill="#eee"/>{marks}'
        f"{_box(min(low, 1 - least), max(high - low, least), 8, colour, 4, told)}"
        f'<line x1="{expected:.3%}" x2="{expected:.3%}" y1="1" y2="15" stroke="#111" stroke-width="2"/>'
        f'<circle cx="{certified:.3%}" cy="8" r="4" fill="#fff" stroke="#111" stroke-width="1.5"/>',
        "interval",
    )


def rate_bar(lower: float, observed: float, needed: float | None, label: str) -> str:
    """A success rate from its bound (dark) to what was observed (light), with a mark where it would be enough."""
    mark = (
        f'<line x1="{needed:.3%}" x2="{needed:.3%}" y1="0" y2="12" stroke="#111" stroke-width="2"/>'
        if needed is not None
        else ""
    )
    told = f"{label}: {lower:.1%} - {observed:.1%}" + (f", {needed:.1%}" if needed is not None else "")
    return _svg(
        12,
        told,
        f'<rect width="100%" height="12" fill="#eee"/>{_box(0, observed, 12, "#a9c7cb")}'
        f"{_box(0, lower, 12, '#417178')}{mark}",
        "rate",
    )


def hours_bar(parts: Mapping[str, float], names: Mapping[str, str], longest: float, label: str) -> str:
    """Hours a year by driver as one bar; `longest` is the sum that fills the width."""
    x, boxes = 0.0, []
    for key, colour in DRIVER_COLOURS.items():
        share = parts.get(key, 0.0) / longest if longest > 0 else 0.0
        boxes.append(_box(x, share, 16, colour, title=f"{names[key]}: {parts.get(key, 0.0):,.0f}"))
        x += share
    return _svg(16, f"{label}: {sum(parts.values()):,.0f}", "".join(boxes), "hours")


def key(colours: Mapping[str, str], names: Mapping[str, str], keys: Sequence[str] | None = None) -> str:
    """What the colours stand for, as HTML."""
    shown = keys or list(colours)
    return "".join(
        f'<span class="key"><i style="background:{colours[name]}"></i>{escape(names[name])}</span>' for name in shown
    )
