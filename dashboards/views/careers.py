"""Where a person can move: roles alike, with an error tolerance that suits them."""

import polars as pl
import streamlit as st

from components.charts import interval_chart
from components.impact import analysis_of, choose_role, choose_version, reading_language, setting_of
from components.language import texts
from components.run import shown_run
from components.tables import table
from roleshift.impact.moves_page import moves_table
from roleshift.impact.transitions import COMFORTS, moves
from roleshift.impact.views import side_by_side

t = texts("careers")
t_impact = texts("impact")
MEASURES = ("automate", "augment", "human", "not_assessed", "time_freed")

st.title(t("title"))
st.write(t("intro"))
project, folder = shown_run()
setting = setting_of(project)
role = choose_role(setting, t("role"), "role")
comfort = st.radio(t("comfort"), COMFORTS, format_func=lambda level: t(f"comfort_{level}"), horizontal=True)
assessed = choose_version(project, folder, t)
analysis = analysis_of(setting, assessed, setting.assumptions)
landscape = setting.landscape(analysis)

st.subheader(t("moves"))
table(moves_table(landscape, setting, role, comfort, reading_language()), "moves", parquet=True)
st.caption(t("explained", version=assessed.name))
if setting.work.roles["mean_wage"].null_count() == setting.work.roles.height:
    st.info(t("no_pay"))
if setting.archive is None:
    st.info(t("no_education"))

st.subheader(t("side_by_side"))
found = moves(landscape, role, comfort)
titles = dict(setting.work.roles.select("role_id", f"title_{reading_language()}").iter_rows())
english = dict(setting.work.roles.select("role_id", "title_en").iter_rows())
other = st.selectbox(
    t("other_role"), found["role_id"].to_list(), format_func=lambda r: titles[r] or english[r], key="beside"
)
both = side_by_side(analysis, (role, other), reading_language())
shown = both.with_columns(pl.col("measure").replace({name: t_impact(name) for name in MEASURES}))
names = {"measure": t("measure"), "role": t("job")}
st.altair_chart(
    interval_chart(
        shown.rename(names),
        row=names["measure"],
        system=names["role"],
        systems=shown["role"].unique(maintain_order=True).to_list(),
        title=t("chart"),
        axis=t("axis"),
    ),
    width="stretch",
)
table(shown.rename({"value": "expected"}), "side-by-side", parquet=True)

st.subheader(t("limits"))
st.write(t("limits_text"))
