"""What the version means for a job: what is closest to changing, the role's composition, its tasks."""

import math

import altair as alt
import polars as pl
import streamlit as st

from components.impact import analysis_of, choose_role, choose_version, reading_language, setting_of
from components.language import texts
from components.run import shown_run
from components.tables import table
from roleshift.impact.assumptions import CLASSES, Assumptions, parse_assumptions
from roleshift.impact.report import report_html
from roleshift.impact.roles import Analysis
from roleshift.impact.views import (
    SHARES,
    closest_to_flipping,
    composition,
    evidence_table,
    ranked_roles,
    tasks_of_role,
)

t = texts("impact")
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#BBBBBB")


def choose_assumptions(default: Assumptions) -> Assumptions:
    """Sliders for the cost of an error that gets through, per consequence class."""
    changed: dict[str, dict[str, float]] = {}
    with st.expander(t("assumptions")):
        st.caption(t("assumptions_explained", name=default.name, hash=default.hash))
        for name in CLASSES:
            loss = default.costs[name].loss
            least = math.floor(10 * default.costs[name].smallest_loss + 1) / 10  # the next tenth above the bound
            value = st.slider(t(f"loss_{name}"), least, 10 * loss, loss, 0.1, key=f"loss-{name}")
            if value != loss:
                changed[name] = {"L": value}
    if not changed:
        return default
    given = parse_assumptions({"name": "sliders", "costs": changed}, t("assumptions"))
    return given.model_copy(update={"draws": default.draws, "seed": default.seed})


def composition_chart(shares: pl.DataFrame) -> alt.LayerChart:
    """Certified as bars, expected as points with their 90% interval."""
    named = shares.with_columns(name=pl.col("share").replace({share: t(share) for share in SHARES}))
    order = [t(share) for share in SHARES]
    base = alt.Chart(named).encode(
        y=alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=200, labelOverlap=False))
    )
    scale = alt.Scale(domain=[0, 100])
    bars = base.mark_bar(height=20).encode(
        x=alt.X("certified:Q", title=t("axis"), scale=scale),
        color=alt.Color("name:N", scale=alt.Scale(domain=order, range=COLOURS), legend=None),
        tooltip=["name", alt.Tooltip("certified", format=".1f"), alt.Tooltip("expected", format=".1f")],
    )
    rules = base.mark_rule(strokeWidth=2, color="black").encode(x="low:Q", x2="high:Q")
    points = base.mark_point(filled=True, color="black", size=50).encode(x="expected:Q")
    return alt.layer(bars, rules, points).properties(height=220, title=t("composition"))


def show_role(analysis: Analysis, role: str) -> None:
    """One role: composition and tasks."""
    shares = composition(analysis, role)
    st.altair_chart(composition_chart(shares), width="stretch")
    st.caption(t("composition_explained"))
    table(shares.with_columns(pl.col("share").replace({share: t(share) for share in SHARES})), "composition")
    st.subheader(t("tasks"))
    st.caption(t("tasks_explained"))
    table(tasks_of_role(analysis, role, reading_language()), "tasks")


st.title(t("title"))
st.write(t("intro"))
project, folder = shown_run()
setting = setting_of(project)
left, right = st.columns([1, 2])
with left:
    assessed = choose_version(project, folder, t)
with right:
    role = choose_role(setting, t("role"), "role")
given = choose_assumptions(setting.assumptions)
analysis = analysis_of(setting, assessed, given)

st.subheader(t("closest"))
nearest = closest_to_flipping(analysis, reading_language(), role=role)
if nearest.is_empty():
    st.info(t("none_close"))
    nearest = closest_to_flipping(analysis, reading_language())
st.caption(t("closest_explained"))
table(nearest, "closest")

st.subheader(t("this_role"))
show_role(analysis, role)
st.download_button(
    t("report"),
    report_html(analysis, setting, [role], assessed.name, reading_language()),
    f"{role}.html",
    "text/html",
    icon=":material/description:",
)

st.subheader(t("ranking"))
measure = st.selectbox(t("ranked_by"), ["time_freed", *SHARES], format_func=lambda name: t(str(name)), key="measure")
table(ranked_roles(analysis, measure, reading_language()).drop("role_id"), "roles")

st.subheader(t("evidence"))
st.caption(t("evidence_explained", version=assessed.name, name=given.name, hash=given.hash))
table(evidence_table(analysis, reading_language()), "evidence")
