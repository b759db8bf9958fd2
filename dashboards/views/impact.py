"""What the version means for a job: what is closest to changing, the role's composition, its tasks."""

import polars as pl
import streamlit as st

from components.assumptions import choose_assumptions
from components.impact import (
    analysis_of,
    choose_other,
    choose_role,
    choose_version,
    difference_of,
    reading_language,
    setting_of,
)
from components.impact_charts import assumed_chart, composition_chart, demand_chart, hours_chart, ranking_chart
from components.language import texts
from components.run import shown_run
from components.safe import literal
from components.tables import table
from roleshift.impact.catalogue_views import changes, emerging_hours, shrinking_role, totals_table
from roleshift.impact.report import Words, report_html, source_lines
from roleshift.impact.roles import Analysis
from roleshift.impact.views import (
    SHARES,
    assumed_shares,
    closest_to_flipping,
    composition,
    demand_map,
    evidence_table,
    ranked_roles,
    tasks_of_role,
)

t = texts("impact")
MEASURES = ("time_freed", *SHARES)
NAMES = {name: t(name) for name in MEASURES}
PAIRINGS = ("same evidence", "paired", "partly paired", "unpaired")
MOST = 20  # roles drawn; the table has all


def show_role(analysis: Analysis, role: str) -> None:
    """One role: composition, what is assumed of it, and tasks."""
    language, axis = reading_language(), t("axis")
    shares = composition(analysis, role)
    names = {share: NAMES[share] for share in SHARES}
    st.altair_chart(composition_chart(shares, names, title=t("composition"), axis=axis), width="stretch")
    st.caption(t("composition_explained"))
    table(shares.with_columns(pl.col("share").replace(names)), "composition", parquet=True)
    supposed = assumed_shares(analysis, role)
    if not supposed.is_empty():
        st.warning(t("assumed_explained"), icon=":material/science:")
        st.altair_chart(assumed_chart(supposed, NAMES, title=t("assumed"), axis=axis), width="stretch")
        table(supposed.with_columns(pl.col("share").replace(NAMES)), "assumed")
    st.subheader(t("tasks"))
    st.caption(t("tasks_explained"))
    table(tasks_of_role(analysis, role, language), "tasks", parquet=True)
    st.subheader(t("scenario"))
    found = shrinking_role(analysis, role)
    st.write(t("scenario_text", **{name: f"{round(value, 2) + 0.0:+.2f}" for name, value in found.items()}))
    st.caption(t("scenario_explained", not_assessed=f"{found['not_assessed']:.0f}"))


def show_ranking(analysis: Analysis) -> None:
    """Every role by one measure, with intervals, and the map of roles by capability."""
    language = reading_language()
    measure = st.selectbox(t("ranked_by"), MEASURES, format_func=NAMES.__getitem__, key="measure")
    ranked = ranked_roles(analysis, measure, language)
    names = {name: t(f"{name}_name") for name in ("role", "certified", "expected", "low", "high")}
    title = t("ranking_chart", measure=NAMES[measure], count=min(MOST, ranked.height))
    st.altair_chart(ranking_chart(ranked.head(MOST), title=title, axis=t("axis"), names=names), width="stretch")
    st.caption(t("ranking_explained"))
    table(ranked.drop("role_id"), "roles", parquet=True)
    st.subheader(t("map"))
    st.caption(t("map_explained"))
    cells = demand_map(analysis, language)
    words = {name: t(f"{name}_name") for name in ("lower", "needed", "role", "capability")} | {"title": t("map_chart")}
    with st.expander(t("map_show")):
        st.altair_chart(demand_chart(cells, words), width="stretch")
        table(cells, "map", parquet=True)


def show_catalogue(analysis: Analysis) -> None:
    """Totals over employment, and work that appears."""
    language = reading_language()
    st.subheader(t("totals"))
    weighted = totals_table(analysis)
    if weighted.is_empty():
        st.info(t("no_totals"))
    else:
        st.caption(t("totals_explained"))
        weightings = {"employment": t("employment"), "wage bill": t("wage_bill")}
        shown = weighted.with_columns(pl.col("measure").replace(NAMES), pl.col("weighting").replace(weightings))
        table(shown, "totals", parquet=True)
    st.subheader(t("emerging"))
    appearing = emerging_hours(analysis, language)
    st.caption(t("emerging_explained", unknown=appearing.unknown, roles=appearing.roles))
    sized = appearing.table.drop_nulls("hours")
    st.altair_chart(hours_chart(sized, title=t("emerging_chart"), axis=t("hours")), width="stretch")
    table(appearing.table, "emerging", parquet=True)


st.title(t("title"))
st.write(t("intro"))
project, folder = shown_run()
setting = setting_of(project)
left, right = st.columns([1, 2])
with left:
    assessed = choose_version(project, folder, t)
with right:
    role = choose_role(setting, t("role"), "role")
given = choose_assumptions(project, setting.assumptions, reading_language())
analysis = analysis_of(setting, assessed, given)

st.subheader(t("closest"))
nearest = closest_to_flipping(analysis, reading_language(), role=role)
if nearest.is_empty():
    st.info(t("none_close"))
    nearest = closest_to_flipping(analysis, reading_language())
st.caption(t("closest_explained"))
table(nearest, "closest", parquet=True)

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
show_ranking(analysis)

st.subheader(t("difference"))
other = choose_other(project, folder, t)
if other is None:
    st.caption(t("difference_explained"))
else:
    name, against = other
    found = changes(difference_of(setting, against, assessed, given), setting.work.roles, reading_language())
    st.caption(t("difference_of", first=literal(assessed.name), second=literal(name)))
    if found.tasks.is_empty():
        st.write(t("no_decision_changes"))
    else:
        table(found.tasks, "changed-tasks", parquet=True)
    if found.roles.is_empty():
        st.write(t("no_share_changes"))
    else:
        table(found.roles.with_columns(pl.col("measure").replace(NAMES)), "changed-roles", parquet=True)
    pairings = {kind: t(f"pairing_{kind}") for kind in PAIRINGS}
    table(found.paired.with_columns(pl.col("pairing").replace(pairings)), "pairing")

show_catalogue(analysis)

st.subheader(t("evidence"))
st.caption(t("evidence_explained", version=literal(assessed.name), name=literal(given.name), hash=given.hash))
table(evidence_table(analysis, reading_language()), "evidence", parquet=True)
for line in source_lines(analysis, setting, Words(reading_language())):
    st.caption(literal(line))
