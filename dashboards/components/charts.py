"""Charts with intervals; colours by Okabe and Ito, and shapes that say the same again."""

from collections.abc import Sequence

import altair as alt
import polars as pl

COLOURS = ("#999999", "#56B4E9", "#E69F00", "#0072B2", "#009E73", "#CC79A7")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def interval_chart(
    frame: pl.DataFrame, *, row: str, system: str, systems: Sequence[str], title: str, axis: str, zero: bool = False
) -> alt.LayerChart:
    """A point and an interval per `row` and `system` (columns of `frame`, beside value, low, high).

    `zero` draws a line at 0, for differences.
    """
    colours, shapes = COLOURS[: len(systems)], SHAPES[: len(systems)]
    legend = alt.Legend(orient="top", columns=1 if len(systems) > 4 else 2, title=None, labelLimit=280)
    base = alt.Chart(frame).encode(
        y=alt.Y(f"{row}:N", title=None, axis=alt.Axis(labelLimit=160)),
        yOffset=alt.YOffset(f"{system}:N", sort=list(systems)),
        color=alt.Color(f"{system}:N", scale=alt.Scale(domain=systems, range=colours), sort=systems, legend=legend),
        tooltip=[row, system, *(alt.Tooltip(name, format=".1f") for name in ("value", "low", "high"))],
    )
    intervals = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=axis), x2="high:Q")
    shape = alt.Shape(f"{system}:N", scale=alt.Scale(domain=systems, range=shapes), sort=systems, legend=legend)
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q", shape=shape)
    layers = [intervals, points]
    if zero:
        layers.insert(
            0, alt.Chart(pl.DataFrame({"at": [0.0]})).mark_rule(strokeDash=[4, 3], color="#888888").encode(x="at:Q")
        )
    height = max(20 * len(systems), 30) * frame[row].n_unique() + 60
    return alt.layer(*layers).properties(height=height, title=alt.Title(title, fontSize=13))
