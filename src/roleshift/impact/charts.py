"""Charts as SVG text: they need no script and stand in one file."""

from collections.abc import Mapping
from html import escape

COLOURS = {"automate": "#b2493f", "augment": "#d9a441", "human": "#4f7f86", "not_assessed": "#c9c9c9"}
WIDTH, HEIGHT = 640, 22


def stacked_bar(shares: Mapping[str, float], names: Mapping[str, str], label: str) -> str:
    """One bar of the four shares (they add up to 1), each part with its name and value as a tooltip."""
    x, parts = 0.0, []
    for key, colour in COLOURS.items():
        width = max(shares[key], 0.0) * WIDTH
        text = f"{names[key]} {shares[key]:.1%}"
        place = f'x="{x:.2f}" y="0" width="{width:.2f}" height="{HEIGHT}"'
        parts.append(f'<rect {place} fill="{colour}"><title>{escape(text)}</title></rect>')
        if width > 90:
            parts.append(f'<text x="{x + 6:.2f}" y="15" font-size="12" fill="#fff">{escape(text)}</text>')
        x += width
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'preserveAspectRatio="none" class="bar">{"".join(parts)}</svg>'
    )


def rate_bar(lower: float, observed: float, needed: float | None, label: str) -> str:
    """A success rate from its bound (dark) to what was observed (light), with a mark where it would be enough."""
    width = 160
    mark = (
        f'<line x1="{needed * width:.1f}" x2="{needed * width:.1f}" y1="0" y2="12" stroke="#111" stroke-width="2"/>'
        if needed is not None
        else ""
    )
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {width} 12" class="rate">'
        f'<rect width="{width}" height="12" fill="#eee"/>'
        f'<rect width="{observed * width:.1f}" height="12" fill="#a9c7cb"/>'
        f'<rect width="{lower * width:.1f}" height="12" fill="#4f7f86"/>{mark}</svg>'
    )
