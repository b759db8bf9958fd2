"""Charts of what a version means for roles: composition, assumed shares, the map of capabilities, hours.

What is told by colour is told again by place, shape or hatching.
"""

import altair as alt
import polars as pl

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#BBBBBB", "#CC79A7")
INK = "#777777"  # readable on light and on dark ground
STROKE = "M-1,1L1,-1"  # one stroke of the hatching
SPACING = 2.5  # per cent between strokes


def heading(text: str) -> alt.Title:
    """A chart's title, small enough for a narrow screen."""
    return alt.Title(text, fontSize=13)


def composition_chart(shares: pl.DataFrame, names: dict[str, str], *, title: str, axis: str) -> alt.LayerChart:
    """Certified as bars, expected as points with their 90% interval; `names` by share, in their order."""
    named = shares.with_columns(name=pl.col("share").replace(names))
    order = list(names.values())
    base = alt.Chart(named).encode(
        y=alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=150, labelOverlap=False))
    )
    bars = base.mark_bar(height=20).encode(
        x=alt.X("certified:Q", title=axis, scale=alt.Scale(domain=[0, 100])),
        color=alt.Color("name:N", scale=alt.Scale(domain=order, range=COLOURS[: len(order)]), legend=None),
        tooltip=["name", alt.Tooltip("certified", format=".1f"), alt.Tooltip("expected", format=".1f")],
    )
    rules = base.mark_rule(strokeWidth=2, color=INK).encode(x="low:Q", x2="high:Q")
    points = base.mark_point(filled=True, color=INK, size=50, opacity=1).encode(x="expected:Q")
    return alt.layer(bars, rules, points).properties(height=220, title=heading(title))


def assumed_chart(shares: pl.DataFrame, names: dict[str, str], *, title: str, axis: str) -> alt.LayerChart:
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
    order = list(names.values())
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=150, labelOverlap=False))
    x = alt.X("value:Q", title=axis, scale=alt.Scale(domain=[0, 100]))
    tooltip = ["name", *(alt.Tooltip(name, format=".1f") for name in ("value", "low", "high"))]
    base = alt.Chart(named).encode(y=y)
    bars = base.mark_bar(height=20, fillOpacity=0, stroke=INK, strokeDash=[4, 3]).encode(x=x, tooltip=tooltip)
    hatching = alt.Chart(strokes).mark_point(shape=STROKE, size=220, color=INK, strokeWidth=1).encode(y=y, x="at:Q")
    rules = base.mark_rule(strokeWidth=2, color=INK).encode(x="low:Q", x2="high:Q")
    return alt.layer(bars, hatching, rules).properties(height=250, title=heading(title))


def demand_chart(cells: pl.DataFrame, names: dict[str, str]) -> alt.LayerChart:
    """Roles by capability: squares where something was measured, crosses where nothing was; larger: more time.

    `names`: title, lower, needed, role, capability.
    """
    size = alt.Size(
        "time_needed:Q",
        title=names["needed"],
        scale=alt.Scale(domain=[0, 100], range=[8, 200]),
        legend=alt.Legend(orient="bottom", values=[25, 100]),
    )
    base = alt.Chart(cells).encode(
        x=alt.X("capability:N", title=None, axis=alt.Axis(orient="top", labelAngle=-90, labelOverlap=False)),
        y=alt.Y("role:N", title=None, axis=alt.Axis(labelLimit=140, labelOverlap=False)),
        size=size,
        tooltip=[
            alt.Tooltip("role", title=names["role"]),
            alt.Tooltip("capability", title=names["capability"]),
            alt.Tooltip("time_needed", title=names["needed"], format=".1f"),
            alt.Tooltip("lower", title=names["lower"], format=".1f"),
        ],
    )
    colour = alt.Color(
        "lower:Q",
        title=names["lower"],
        scale=alt.Scale(scheme="viridis", domain=[0, 100], reverse=True),
        legend=alt.Legend(orient="top", gradientLength=120),
    )
    measured = base.transform_filter("isValid(datum.lower)").mark_square(opacity=1).encode(color=colour)
    absent = base.transform_filter("!isValid(datum.lower)").mark_point(shape="M-1,-1L1,1M-1,1L1,-1", color=INK)
    height = 18 * cells["role"].n_unique() + 120
    return alt.layer(absent, measured).properties(height=height, title=heading(names["title"]))


def ranking_chart(roles: pl.DataFrame, *, title: str, axis: str, names: dict[str, str]) -> alt.LayerChart:
    """Expected share per role as a point with its 90% interval, certified as a tick; in the order of the table."""
    base = alt.Chart(roles).encode(
        y=alt.Y("role:N", sort=roles["role"].to_list(), title=None, axis=alt.Axis(labelLimit=150, labelOverlap=False)),
        tooltip=[
            alt.Tooltip("role", title=names["role"]),
            *(alt.Tooltip(name, title=names[name], format=".1f") for name in ("certified", "expected", "low", "high")),
        ],
    )
    rules = base.mark_rule(strokeWidth=2, color=COLOURS[0]).encode(x=alt.X("low:Q", title=axis), x2="high:Q")
    points = base.mark_point(filled=True, size=45, color=COLOURS[0], opacity=1).encode(x="expected:Q")
    ticks = base.mark_tick(thickness=3, height=14, color=COLOURS[1]).encode(x="certified:Q")
    return alt.layer(rules, ticks, points).properties(height=20 * roles.height + 60, title=heading(title))


def hours_chart(hours: pl.DataFrame, *, title: str, axis: str) -> alt.LayerChart:
    """Hours a year per emerging role, with the figure at the bar's end."""
    order = hours["emerging_role"].to_list()
    base = alt.Chart(hours).encode(
        y=alt.Y("emerging_role:N", sort=order, title=None, axis=alt.Axis(labelLimit=150, labelOverlap=False)),
        x=alt.X("hours:Q", title=axis),
    )
    bars = base.mark_bar(height=16, color=COLOURS[0])
    figures = base.mark_text(align="left", dx=4, color=INK).encode(text=alt.Text("hours:Q", format=",.0f"))
    return alt.layer(bars, figures).properties(height=26 * hours.height + 60, title=heading(title))
