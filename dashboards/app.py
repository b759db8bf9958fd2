"""The review dashboard: the current run, or the committed default run. Run: make dashboard."""

import altair as alt
import polars as pl
import streamlit as st

from roleshift.errors import RoleShiftError
from roleshift.evaluation.overview import OverviewRow, overview
from roleshift.files import read_json
from roleshift.project import Project
from roleshift.publishing import current_run

SYSTEMS = ("base", "base with shots", "best floor", "tuned")
# Okabe and Ito's colours, told apart with every kind of colour vision; shapes say the same again.
COLOURS = ("#999999", "#56B4E9", "#E69F00", "#0072B2")
SHAPES = ("circle", "square", "triangle-up", "diamond")


def figures_frame(rows: list[OverviewRow]) -> pl.DataFrame:
    """One row per capability and system, values times 100."""
    return pl.DataFrame(
        [
            {
                "capability": row.capability,
                "system": name,
                "value": 100 * figure.value,
                "low": None if figure.low is None else 100 * figure.low,
                "high": None if figure.high is None else 100 * figure.high,
            }
            for row in rows
            for name, figure in zip(SYSTEMS, (row.base, row.base_shots, row.floor, row.tuned), strict=True)
            if figure
        ],
        schema={
            "capability": pl.String,
            "system": pl.String,
            "value": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
        },
    )


def chart(frame: pl.DataFrame) -> alt.LayerChart:
    """Values with their intervals by capability."""
    legend = alt.Legend(orient="top", columns=2, title=None)
    base = alt.Chart(frame).encode(
        y=alt.Y("capability:N", title=None, axis=alt.Axis(labelLimit=150)),
        yOffset=alt.YOffset("system:N", sort=SYSTEMS),
        color=alt.Color("system:N", scale=alt.Scale(domain=SYSTEMS, range=COLOURS), sort=SYSTEMS, legend=legend),
        tooltip=["capability", "system", *(alt.Tooltip(name, format=".1f") for name in ("value", "low", "high"))],
    )
    intervals = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title="score, times 100"), x2="high:Q")
    shape = alt.Shape("system:N", scale=alt.Scale(domain=SYSTEMS, range=SHAPES), sort=SYSTEMS, legend=legend)
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x="value:Q", shape=shape)
    height = 80 * frame["capability"].n_unique() + 40
    return alt.layer(intervals, points).properties(height=height, title="Primary score by capability, with intervals")


def page() -> None:
    """The table of one run, with intervals, its chart, and how to get more."""
    st.set_page_config(page_title="RoleShift", layout="wide")
    st.title("RoleShift")
    project = Project.discover()
    folder, committed = current_run(project)
    summary = read_json(folder / "metrics/evaluate.json")
    if committed:
        st.info(
            "This is the committed default run: nothing has been run in this checkout yet. `make repro` runs it here."
        )
    rows = overview(summary)
    confidence = f"{summary['settings']['confidence']:.0%}"
    beaten = ", ".join(summary["beats_all_capabilities"]) or "none"
    st.subheader("Tuned model against the untouched base and trivial answers")
    st.markdown(
        f"Test items, scores times 100, {confidence} intervals in brackets. The tuned model ships as "
        f"`{summary['tuned']['shipped']}`. Above base, base with {summary['settings']['shots']} examples in its "
        f"prompt and every trivial answer, by paired intervals that exclude 0: **{beaten}**."
    )
    table = pl.DataFrame(
        [
            {
                "capability": row.capability,
                "metric": row.metric,
                "items": row.items,
                "base": str(row.base or "–"),
                "base with shots": str(row.base_shots or "–"),
                "best floor": f"{row.floor} ({row.floor_name})" if row.floor else "–",
                "tuned": str(row.tuned),
                "above all three": {True: "yes", False: "no", None: "too few items"}[row.beats_all],
            }
            for row in rows
        ]
    )
    st.dataframe(table, hide_index=True, width="stretch")
    frame = figures_frame(rows)
    st.altair_chart(chart(frame), width="stretch")
    st.download_button("Download the figures (CSV)", frame.write_csv(), "figures.csv", "text/csv")
    st.caption(
        "*Floor*: the best of the answers that need no model: the input's first sentence, a copy of the input, "
        "the most frequent training answer, the majority class, another item's answer."
    )


try:
    page()
except RoleShiftError as error:
    st.error(str(error))
