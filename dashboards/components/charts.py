"""Charts with intervals; colours by Okabe and Ito, and shapes that say the same again.

Altair writes and checks a chart's specification once for each kind of it, which takes longer than all else that a page
computes; what changes from click to click is the table beside it. Fields carry their types, since there is no table yet
to infer them from.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import altair as alt
import polars as pl
import streamlit as st

COLOURS = ("#999999", "#56B4E9", "#E69F00", "#0072B2", "#009E73", "#CC79A7")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
LEGEND = alt.Legend(orient="top", columns=1, title=None, labelLimit=280)  # one below the other: 400 pixels hold one
TABLE = alt.NamedData("table")
ZERO = {"zero": pl.DataFrame({"at": [0.0]})}
written_once = lru_cache(maxsize=64)
"""Decorates what writes a specification: it is kept by the arguments, which say all that it depends on."""
Spec = str  # Vega-Lite's JSON
alt.theme.enable("none")  # the looks are Streamlit's


@dataclass(frozen=True)
class Drawing:
    """A Vega-Lite specification, the table that it draws, and further tables by the name it gives them."""

    spec: Spec
    table: pl.DataFrame
    further: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def heading(text: str) -> alt.Title:
    """A chart's title, small enough for a narrow screen."""
    return alt.Title(text, fontSize=13)


def spec_of(chart: alt.Chart | alt.LayerChart) -> Spec:
    """The specification, checked against Vega-Lite's schema."""
    return chart.to_json(indent=None)


def show_chart(drawing: Drawing, said: str) -> None:
    """Draw a chart, with what it says as text for who cannot see it."""
    tables = {TABLE.name: drawing.table, **drawing.further}
    st.vega_lite_chart(spec=json.loads(drawing.spec) | {"datasets": tables}, width="stretch", alt=said)


def interval_chart(
    frame: pl.DataFrame, *, row: str, system: str, systems: Sequence[str], title: str, axis: str, zero: bool = False,
    skipped: int = 0,
) -> Drawing:  # fmt: skip
    """A point and an interval per `row` and `system` (columns of `frame`, beside value, low, high).

    `zero` draws a line at 0, for differences. `skipped` looks are left to systems drawn elsewhere, so that a
    system looks alike in two charts.
    """
    spec = _intervals(row, system, tuple(systems), title, axis, zero, skipped, frame[row].n_unique())
    return Drawing(spec, frame, ZERO if zero else {})


@written_once
def _intervals(
    row: str, system: str, systems: tuple[str, ...], title: str, axis: str, zero: bool, skipped: int, rows: int
) -> Spec:
    colours, shapes = (looks[skipped : skipped + len(systems)] for looks in (COLOURS, SHAPES))
    base = alt.Chart(TABLE).encode(
        y=alt.Y(f"{row}:N", title=None, axis=alt.Axis(labelLimit=160, labelOverlap=False)),
        yOffset=alt.YOffset(f"{system}:N", sort=list(systems)),
        color=alt.Color(f"{system}:N", scale=alt.Scale(domain=systems, range=colours), sort=systems, legend=LEGEND),
        tooltip=[f"{row}:N", f"{system}:N", *(alt.Tooltip(f"{n}:Q", format=".1f") for n in ("value", "low", "high"))],
    )
    intervals = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=axis), x2="high")
    shape = alt.Shape(f"{system}:N", scale=alt.Scale(domain=systems, range=shapes), sort=systems, legend=LEGEND)
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q", shape=shape)
    layers = [intervals, points]
    if zero:
        line = alt.Chart(alt.NamedData("zero")).mark_rule(strokeDash=[4, 3], color="#888888").encode(x="at:Q")
        layers.insert(0, line)
    height = max(20 * len(systems), 30) * rows + 22 * len(systems) + 110  # title, axis and the legend's lines are in it
    return spec_of(alt.layer(*layers).properties(height=height, title=heading(title)))


def curve_chart(frame: pl.DataFrame, names: Mapping[str, str], *, title: str) -> Drawing:
    """Loss by step: a colour per system, a dash per split; `names` of the columns system, split, step, loss."""
    systems, splits = (tuple(frame[name].unique(maintain_order=True)) for name in ("system", "split"))
    return Drawing(_curves(systems, splits, tuple(names[n] for n in ("system", "split", "step", "loss")), title), frame)


@written_once
def _curves(systems: tuple[str, ...], splits: tuple[str, ...], names: tuple[str, ...], title: str) -> Spec:
    system, split, step, loss = names
    colours = COLOURS[1 : len(systems) + 1]
    return spec_of(
        alt.Chart(TABLE)
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X("step:Q", title=step),
            y=alt.Y("loss:Q", title=loss, scale=alt.Scale(zero=False)),
            color=alt.Color("system:N", scale=alt.Scale(domain=systems, range=colours), legend=LEGEND),
            strokeDash=alt.StrokeDash("split:N", scale=alt.Scale(domain=splits, range=[[1, 0], [6, 3]]), legend=LEGEND),
            tooltip=[alt.Tooltip("system:N", title=system), alt.Tooltip("split:N", title=split),
                     alt.Tooltip("step:Q", title=step), alt.Tooltip("loss:Q", title=loss, format=".3f")],
        )
        .properties(height=340, title=heading(title))
    )  # fmt: skip


def tradeoff_chart(frame: pl.DataFrame, names: Mapping[str, str], *, title: str) -> Drawing:
    """Quality by speed; what lies on the Pareto front is joined by a line, and its marks have another shape.

    `frame`: system, quality, answers_per_second, megabytes, pareto, front (in words), label.
    """
    fronts = tuple(frame["front"].unique(maintain_order=True))
    columns = ("system", "quality", "answers_per_second", "megabytes")
    return Drawing(_tradeoff(fronts, tuple(names[name] for name in columns), title), frame)


@written_once
def _tradeoff(fronts: tuple[str, ...], names: tuple[str, ...], title: str) -> Spec:
    system, quality, speed, size = names
    x = alt.X("answers_per_second:Q", title=speed, scale=alt.Scale(zero=True, nice=True, padding=40))
    y = alt.Y("quality:Q", title=quality, scale=alt.Scale(zero=True, nice=True, padding=25))
    base = alt.Chart(TABLE).encode(x=x, y=y)
    joined = base.transform_filter("datum.pareto === true").mark_line(color="#777777", strokeDash=[4, 3])
    measured = {"quality": quality, "answers_per_second": speed, "megabytes": size}
    points = base.mark_point(filled=True, size=140, opacity=1).encode(
        color=alt.Color("front:N", scale=alt.Scale(domain=fronts, range=COLOURS[3 : 3 + len(fronts)]), legend=LEGEND),
        shape=alt.Shape("front:N", scale=alt.Scale(domain=fronts, range=SHAPES[: len(fronts)]), legend=LEGEND),
        tooltip=[alt.Tooltip("system:N", title=system),
                 *(alt.Tooltip(f"{name}:Q", title=said, format=".2f") for name, said in measured.items())],
    )  # fmt: skip
    labels = base.mark_text(dy=-16, color="#777777", limit=260).encode(text="label:N")
    return spec_of(alt.layer(joined, points, labels).properties(height=380, title=heading(title)))
