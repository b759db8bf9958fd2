"""Charts of what a version means for roles: composition, assumed shares, the map of capabilities, hours.

What is told by colour is told again by place, shape or hatching.
"""

from collections.abc import Mapping

import altair as alt
import polars as pl

from components.charts import TABLE, Drawing, Spec, heading, spec_of, written_once

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#BBBBBB", "#CC79A7")
INK = "#777777"  # readable on light and on dark ground
STROKE = "M-1,1L1,-1"  # one stroke of the hatching
SPACING = 2.5  # per cent between strokes
TENTHS = ".1f"


def rows_axis(field: str, order: tuple[str, ...] | None = None) -> alt.Y:
    """A line per name, in the order given, else by the table's column `place`."""
    axis = alt.Axis(labelLimit=150, labelOverlap=False)
    by_place = alt.EncodingSortField("place", op="min")
    return alt.Y(f"{field}:N", sort=by_place if order is None else list(order), title=None, axis=axis)


def composition_chart(shares: pl.DataFrame, names: Mapping[str, str], *, title: str, axis: str) -> Drawing:
    """Certified as bars, expected as points with their 90% interval; `names` by share, in their order."""
    named = shares.with_columns(name=pl.col("share").replace(names))
    return Drawing(_composition(tuple(names.values()), title, axis), named)


@written_once
def _composition(order: tuple[str, ...], title: str, axis: str) -> Spec:
    base = alt.Chart(TABLE).encode(y=rows_axis("name", order))
    bars = base.mark_bar(height=20).encode(
        x=alt.X("certified:Q", title=axis, scale=alt.Scale(domain=[0, 100])),
        color=alt.Color("name:N", scale=alt.Scale(domain=order, range=COLOURS[: len(order)]), legend=None),
        tooltip=["name:N", alt.Tooltip("certified:Q", format=TENTHS), alt.Tooltip("expected:Q", format=TENTHS)],
    )
    rules = base.mark_rule(strokeWidth=2, color=INK).encode(x="low:Q", x2="high")
    points = base.mark_point(filled=True, color=INK, size=50, opacity=1).encode(x="expected:Q")
    return spec_of(alt.layer(bars, rules, points).properties(height=220, title=heading(title)))


def assumed_chart(shares: pl.DataFrame, names: Mapping[str, str], *, title: str, axis: str) -> Drawing:
    """What is only assumed: bars without a filling, dashed and hatched, with their 90% interval."""
    named = shares.with_columns(name=pl.col("share").replace(names))
    strokes = pl.DataFrame(
        [
            (name, SPACING * (i + 0.5))
            for name, value in named.select("name", "value").iter_rows()
            for i in range(int(value / SPACING))
        ],
        schema={"name": pl.String, "at": pl.Float64},
        orient="row",
    )
    return Drawing(_assumed(tuple(names.values()), title, axis), named, {"strokes": strokes})


@written_once
def _assumed(order: tuple[str, ...], title: str, axis: str) -> Spec:
    y = rows_axis("name", order)
    x = alt.X("value:Q", title=axis, scale=alt.Scale(domain=[0, 100]))
    tooltip = ["name:N", *(alt.Tooltip(f"{name}:Q", format=TENTHS) for name in ("value", "low", "high"))]
    base = alt.Chart(TABLE).encode(y=y)
    bars = base.mark_bar(height=20, fillOpacity=0, stroke=INK, strokeDash=[4, 3]).encode(x=x, tooltip=tooltip)
    strokes = alt.Chart(alt.NamedData("strokes")).mark_point(shape=STROKE, size=220, color=INK, strokeWidth=1)
    rules = base.mark_rule(strokeWidth=2, color=INK).encode(x="low:Q", x2="high")
    return spec_of(alt.layer(bars, strokes.encode(y=y, x="at:Q"), rules).properties(height=250, title=heading(title)))


def demand_chart(cells: pl.DataFrame, names: Mapping[str, str]) -> Drawing:
    """Roles by capability: squares where something was measured, crosses where nothing was; larger: more time.

    `names`: title, lower, needed, role, capability.
    """
    words = tuple(names[name] for name in ("title", "lower", "needed", "role", "capability"))
    return Drawing(_demand(words, cells["role"].n_unique()), cells)


@written_once
def _demand(names: tuple[str, ...], rows: int) -> Spec:
    title, lower, needed, role, capability = names
    size = alt.Size(
        "time_needed:Q",
        title=needed,
        scale=alt.Scale(domain=[0, 100], range=[8, 200]),
        legend=alt.Legend(orient="bottom", values=[25, 100]),
    )
    base = alt.Chart(TABLE).encode(
        x=alt.X("capability:N", title=None, axis=alt.Axis(orient="top", labelAngle=-90, labelOverlap=False)),
        y=alt.Y("role:N", title=None, axis=alt.Axis(labelLimit=140, labelOverlap=False)),
        size=size,
        tooltip=[
            alt.Tooltip("role:N", title=role),
            alt.Tooltip("capability:N", title=capability),
            alt.Tooltip("time_needed:Q", title=needed, format=TENTHS),
            alt.Tooltip("lower:Q", title=lower, format=TENTHS),
        ],
    )
    colour = alt.Color(
        "lower:Q",
        title=lower,
        scale=alt.Scale(scheme="viridis", domain=[0, 100], reverse=True),
        legend=alt.Legend(orient="top", gradientLength=120),
    )
    measured = base.transform_filter("isValid(datum.lower)").mark_square(opacity=1).encode(color=colour)
    absent = base.transform_filter("!isValid(datum.lower)").mark_point(shape="M-1,-1L1,1M-1,1L1,-1", color=INK)
    return spec_of(alt.layer(absent, measured).properties(height=18 * rows + 120, title=heading(title)))


def ranking_chart(roles: pl.DataFrame, *, title: str, axis: str, names: Mapping[str, str]) -> Drawing:
    """Expected share per role as a point with its 90% interval, certified as a tick; in the order of the table."""
    words = tuple(names[name] for name in ("role", "certified", "expected", "low", "high"))
    return Drawing(_ranking(words, title, axis, roles.height), roles.with_row_index("place"))


@written_once
def _ranking(names: tuple[str, ...], title: str, axis: str, rows: int) -> Spec:
    role, *figures = names
    columns = zip(("certified", "expected", "low", "high"), figures, strict=True)
    base = alt.Chart(TABLE).encode(
        y=rows_axis("role"),
        tooltip=[
            alt.Tooltip("role:N", title=role),
            *(alt.Tooltip(f"{column}:Q", title=said, format=TENTHS) for column, said in columns),
        ],
    )
    rules = base.mark_rule(strokeWidth=2, color=COLOURS[0]).encode(x=alt.X("low:Q", title=axis), x2="high")
    points = base.mark_point(filled=True, size=45, color=COLOURS[0], opacity=1).encode(x="expected:Q")
    ticks = base.mark_tick(thickness=3, height=14, color=COLOURS[1]).encode(x="certified:Q")
    return spec_of(alt.layer(rules, ticks, points).properties(height=20 * rows + 60, title=heading(title)))


def hours_chart(hours: pl.DataFrame, *, title: str, axis: str) -> Drawing:
    """Hours a year per emerging role, with the figure at the bar's end."""
    return Drawing(_hours(title, axis, hours.height), hours.with_row_index("place"))


@written_once
def _hours(title: str, axis: str, rows: int) -> Spec:
    base = alt.Chart(TABLE).encode(y=rows_axis("emerging_role"), x=alt.X("hours:Q", title=axis))
    bars = base.mark_bar(height=16, color=COLOURS[0])
    figures = base.mark_text(align="left", dx=4, color=INK).encode(text=alt.Text("hours:Q", format=",.0f"))
    room = {"left": 0, "top": 0, "right": 45, "bottom": 20}  # at the right for the longest bar's figure
    return spec_of(alt.layer(bars, figures).properties(height=26 * rows + 110, title=heading(title), padding=room))
