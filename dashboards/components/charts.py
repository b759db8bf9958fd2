"""Charts with intervals; colours by Okabe and Ito, and shapes that say the same again."""

from collections.abc import Sequence

import altair as alt
import polars as pl
import streamlit as st

COLOURS = ("#999999", "#56B4E9", "#E69F00", "#0072B2", "#009E73", "#CC79A7")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
LEGEND = alt.Legend(orient="top", columns=1, title=None, labelLimit=280)  # one below the other: 400 pixels hold one


def show_chart(chart: alt.Chart | alt.LayerChart, said: str) -> None:
    """Draw a chart, with what it says as text for who cannot see it."""
    st.altair_chart(chart, width="stretch", alt=said)


def interval_chart(
    frame: pl.DataFrame, *, row: str, system: str, systems: Sequence[str], title: str, axis: str, zero: bool = False,
    skipped: int = 0,
) -> alt.LayerChart:  # fmt: skip
    """A point and an interval per `row` and `system` (columns of `frame`, beside value, low, high).

    `zero` draws a line at 0, for differences. `skipped` looks are left to systems drawn elsewhere, so that a
    system looks alike in two charts.
    """
    colours, shapes = (looks[skipped : skipped + len(systems)] for looks in (COLOURS, SHAPES))
    base = alt.Chart(frame).encode(
        y=alt.Y(f"{row}:N", title=None, axis=alt.Axis(labelLimit=160)),
        yOffset=alt.YOffset(f"{system}:N", sort=list(systems)),
        color=alt.Color(f"{system}:N", scale=alt.Scale(domain=systems, range=colours), sort=systems, legend=LEGEND),
        tooltip=[row, system, *(alt.Tooltip(name, format=".1f") for name in ("value", "low", "high"))],
    )
    intervals = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=axis), x2="high:Q")
    shape = alt.Shape(f"{system}:N", scale=alt.Scale(domain=systems, range=shapes), sort=systems, legend=LEGEND)
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q", shape=shape)
    layers = [intervals, points]
    if zero:
        layers.insert(
            0, alt.Chart(pl.DataFrame({"at": [0.0]})).mark_rule(strokeDash=[4, 3], color="#888888").encode(x="at:Q")
        )
    height = max(20 * len(systems), 30) * frame[row].n_unique() + 22 * len(systems) + 80  # the legend's lines are in it
    return alt.layer(*layers).properties(height=height, title=alt.Title(title, fontSize=13))


def curve_chart(frame: pl.DataFrame, names: dict[str, str], *, title: str) -> alt.Chart:
    """Loss by step: a colour per system, a dash per split; `names` of the columns system, split, step, loss."""
    systems = frame["system"].unique(maintain_order=True).to_list()
    splits = frame["split"].unique(maintain_order=True).to_list()
    return (
        alt.Chart(frame)
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X("step:Q", title=names["step"]),
            y=alt.Y("loss:Q", title=names["loss"], scale=alt.Scale(zero=False)),
            color=alt.Color(
                "system:N", scale=alt.Scale(domain=systems, range=COLOURS[1 : len(systems) + 1]), legend=LEGEND
            ),
            strokeDash=alt.StrokeDash("split:N", scale=alt.Scale(domain=splits, range=[[1, 0], [6, 3]]), legend=LEGEND),
            tooltip=[alt.Tooltip(column, title=names[column]) for column in ("system", "split", "step")]
            + [alt.Tooltip("loss", title=names["loss"], format=".3f")],
        )
        .properties(height=340, title=alt.Title(title, fontSize=13))
    )


def tradeoff_chart(frame: pl.DataFrame, names: dict[str, str], *, title: str) -> alt.LayerChart:
    """Quality by speed; what lies on the Pareto front is joined by a line, and its marks have another shape.

    `frame`: system, quality, answers_per_second, megabytes, pareto, front (in words), label.
    """
    fronts = frame["front"].unique(maintain_order=True).to_list()
    x = alt.X(
        "answers_per_second:Q", title=names["answers_per_second"], scale=alt.Scale(zero=True, nice=True, padding=40)
    )
    y = alt.Y("quality:Q", title=names["quality"], scale=alt.Scale(zero=True, nice=True, padding=25))
    base = alt.Chart(frame).encode(x=x, y=y)
    joined = base.transform_filter("datum.pareto === true").mark_line(color="#777777", strokeDash=[4, 3])
    points = base.mark_point(filled=True, size=140, opacity=1).encode(
        color=alt.Color("front:N", scale=alt.Scale(domain=fronts, range=COLOURS[3 : 3 + len(fronts)]), legend=LEGEND),
        shape=alt.Shape("front:N", scale=alt.Scale(domain=fronts, range=SHAPES[: len(fronts)]), legend=LEGEND),
        tooltip=[alt.Tooltip("system", title=names["system"]),
                 *(alt.Tooltip(column, title=names[column], format=".2f")
                   for column in ("quality", "answers_per_second", "megabytes"))],
    )  # fmt: skip
    labels = base.mark_text(dy=-16, color="#777777", limit=260).encode(text="label:N")
    return alt.layer(joined, points, labels).properties(height=380, title=alt.Title(title, fontSize=13))
