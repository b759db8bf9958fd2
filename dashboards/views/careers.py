"""Where a person can move: roles alike, with an error tolerance that suits them."""

import polars as pl
import streamlit as st

from components.cards import Card, show_cards
from components.charts import interval_chart, show_chart
from components.choices import held
from components.impact import analysis_of, assessed_now, choose_role, choose_version, reading_language, setting_of
from components.language import texts
from components.numbers import interval, number
from components.run import shown_run
from components.safe import literal
from components.tables import data_behind, table
from components.views import part
from roleshift.impact.moves_page import moves_table
from roleshift.impact.roles import Analysis
from roleshift.impact.setting import Setting
from roleshift.impact.transitions import COMFORTS, Comfort, Landscape, moves
from roleshift.impact.views import side_by_side

t = texts("careers")
t_impact = texts("impact")
LEADING = 3  # moves told in words
MEASURES = ("automate", "augment", "human", "not_assessed", "time_freed")


def show_offered(setting: Setting, landscape: Landscape, role: str, comfort: Comfort, version: str) -> None:
    """Where one could move, the best first."""
    st.subheader(t("moves"))
    offered = moves_table(landscape, setting, role, comfort, reading_language())
    cards = []
    for row in offered.head(LEADING).to_dicts():
        said = t("move", similarity=number(row["similarity"], 2), fit=number(row["tolerance_fit"], 0),
                 exposure=number(row["exposure"]), unknown=number(row["not_assessed"], 0))  # fmt: skip
        learn = f"{t('to_learn')}: {literal(row['to_learn'])}" if row["to_learn"] else ""
        cards.append(Card(literal(row["role"]), [said], note=learn))
    show_cards(cards, LEADING)
    table(offered, "moves", title=t("moves"), parquet=True)
    st.caption(t("explained", version=literal(version)))
    st.page_link("views/impact.py", label=t("to_evidence"), icon=":material/list:",
                 query_params={"role": role, "view": "sources"})  # fmt: skip
    if setting.work.roles["mean_wage"].null_count() == setting.work.roles.height:
        st.info(t("no_pay"))
    if setting.archive is None:
        st.info(t("no_education"))


def show_beside(setting: Setting, analysis: Analysis, role: str, others: list[str]) -> None:
    """The job and another one side by side."""
    st.subheader(t("side_by_side"))
    titles = dict(setting.work.roles.select("role_id", f"title_{reading_language()}").iter_rows())
    english = dict(setting.work.roles.select("role_id", "title_en").iter_rows())
    key = held("beside", others, others[0])
    other = st.selectbox(t("other_role"), others, format_func=lambda r: titles[r] or english[r], key=key)
    both = side_by_side(analysis, (role, other), reading_language())
    shown = both.with_columns(pl.col("measure").replace({name: t_impact(name) for name in MEASURES}))
    names = {"measure": t("measure"), "role": t("job")}
    show_chart(
        interval_chart(
            shown.rename(names), row=names["measure"], system=names["role"],
            systems=shown["role"].unique(maintain_order=True).to_list(), title=t("chart"), axis=t("axis"),
        ),
        "; ".join(
            f"{row['role']}, {row['measure']}: {interval(row['value'], row['low'], row['high'])}"
            for row in shown.to_dicts()
        ),
    )  # fmt: skip
    data_behind(shown.rename({"value": "expected"}), "side-by-side", title=t("chart"), parquet=True)


@part
def show_moves(word: str, version: str) -> None:
    """What follows from a job and a stated comfort with error, for a version and its name."""
    setting, assessed = setting_of(project), assessed_now(project, folder, word)
    role = choose_role(setting, assessed, t("role"))
    analysis = analysis_of(setting, assessed, setting.assumptions)
    comfort = st.segmented_control(
        t("comfort"), COMFORTS, format_func=lambda level: t(f"comfort_{level}"), required=True,
        key=held("comfort", COMFORTS, COMFORTS[0]),
    )  # fmt: skip
    landscape = setting.landscape(analysis)
    show_offered(setting, landscape, role, comfort, version)
    show_beside(setting, analysis, role, moves(landscape, role, comfort)["role_id"].to_list())
    st.subheader(t("limits"))
    st.write(t("limits_text"))


st.title(t("title"))
project, folder = shown_run()
show_moves(*choose_version(project, t))
