"""What the version means for a job: what is closest to changing, the role's composition, its tasks."""

import polars as pl
import streamlit as st

from components.assumptions import choose_assumptions
from components.cards import Card, show_cards
from components.charts import show_chart
from components.choices import held
from components.impact import (
    analysis_of,
    assessed_now,
    choose_other,
    choose_role,
    choose_version,
    difference_of,
    reading_language,
    setting_of,
)
from components.impact_charts import assumed_chart, composition_chart, demand_chart, hours_chart, ranking_chart
from components.language import texts
from components.names import VERSION
from components.numbers import number, percent
from components.run import read_cached, shown_run
from components.safe import literal
from components.tables import data_behind, table
from components.views import choose_view, folded, part
from roleshift.impact.assumptions import Assumptions
from roleshift.impact.catalogue_views import changes, emerging_hours, shrinking_role, totals_table
from roleshift.impact.report import Words, report_html, source_lines
from roleshift.impact.roles import Analysis
from roleshift.impact.setting import Setting
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
from roleshift.registry.impact_evidence import Assessed

t = texts("impact")
MEASURES = ("time_freed", *SHARES)
NAMES = {name: t(name) for name in MEASURES}
MOST = 20  # roles drawn; the table has all
VIEWS = ("job", "jobs", "other", "totals", "sources")
LEADING = 3  # tasks told in words


def show_closest(analysis: Analysis, role: str) -> None:
    """What would change first, in words; of all jobs where nothing of this one can."""
    language = reading_language()
    nearest = closest_to_flipping(analysis, language, role=role)
    if nearest.is_empty():
        st.info(t("none_close"), icon=":material/info:")
        nearest = closest_to_flipping(analysis, language)
        if nearest.is_empty():
            return
    cards = []
    for row in nearest.head(LEADING).to_dicts():
        lines = [t("flip", decision=row["decision"], flip_to=row["flip_to"], observed=number(row["observed"]),
                   needed=number(row["needed"]))]  # fmt: skip
        if row["missing"] > 0:
            lines.append(t("flip_missing", missing=number(row["missing"])))
        elif row["items_to_certify"] is not None:
            lines.append(t("flip_items", items=number(row["items_to_certify"], 0)))
        why = literal(row["why"]) + (f" · {t('transferred')}" if row["transferred"] else "")
        cards.append(Card(literal(row["task"]), lines, under=literal(row["role"]), note=why))
    show_cards(cards, LEADING)

    def all_of_them() -> None:
        st.caption(t("closest_explained"))
        table(nearest, "closest", title=t("closest"), parquet=True)

    folded(t("closest_all"), "closest", all_of_them)


def say_shares(shares: pl.DataFrame) -> None:
    """A role's certified shares in one sentence."""
    st.markdown(t("in_words", **{row["share"]: percent(row["certified"] / 100) for row in shares.to_dicts()}))


def show_role(analysis: Analysis, role: str, shares: pl.DataFrame) -> None:
    """One role: composition, what is assumed of it, and tasks."""
    language, axis = reading_language(), t("axis")
    names = {share: NAMES[share] for share in SHARES}
    said = "; ".join(f"{names[r['share']]}: {number(r['certified'])}" for r in shares.to_dicts())
    show_chart(composition_chart(shares, names, title=t("composition"), axis=axis), said)
    st.caption(t("composition_explained"))
    shown = shares.with_columns(pl.col("share").replace(names))
    data_behind(shown, "composition", title=t("composition"), parquet=True)
    supposed = assumed_shares(analysis, role)
    if not supposed.is_empty():
        st.warning(t("assumed_explained"), icon=":material/science:")
        said = "; ".join(f"{NAMES[r['share']]}: {number(r['value'])}" for r in supposed.to_dicts())
        chart = assumed_chart(supposed, NAMES, title=t("assumed"), axis=axis)
        show_chart(chart, f"{t('assumed')}: {said}")
        table(supposed.with_columns(pl.col("share").replace(NAMES)), "assumed")
    st.subheader(t("tasks"))
    st.caption(t("tasks_explained"))
    table(tasks_of_role(analysis, role, language), "tasks", parquet=True)
    st.subheader(t("scenario"))
    found = shrinking_role(analysis, role)
    st.write(t("scenario_text", **{name: number(value, 2, signed=True) for name, value in found.items()}))
    st.caption(t("scenario_explained", not_assessed=number(found["not_assessed"], 0)))


def show_ranking(analysis: Analysis) -> None:
    """Every role by one measure, with intervals, and the map of roles by capability."""
    language = reading_language()
    key = held("measure", MEASURES, MEASURES[0])
    measure = st.selectbox(t("ranked_by"), MEASURES, format_func=NAMES.__getitem__, key=key)
    ranked = ranked_roles(analysis, measure, language)
    names = {name: t(f"{name}_name") for name in ("role", "certified", "expected", "low", "high")}
    title = t("ranking_chart", measure=NAMES[measure], count=min(MOST, ranked.height))
    chart = ranking_chart(ranked.head(MOST), title=title, axis=t("axis"), names=names)
    said = "; ".join(f"{row['role']}: {number(row['expected'])}" for row in ranked.head(MOST).to_dicts())
    show_chart(chart, said)
    st.caption(t("ranking_explained"))
    table(ranked.drop("role_id"), "roles", parquet=True)
    st.subheader(t("map"))
    st.caption(t("map_explained"))
    cells = demand_map(analysis, language)
    words = {name: t(f"{name}_name") for name in ("lower", "needed", "role", "capability")} | {"title": t("map_chart")}
    show_chart(demand_chart(cells, words), t("map_alt"))
    table(cells, "map", title=t("map"), parquet=True)


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
    st.caption(t("emerging_explained", unknown=number(appearing.unknown, 0), roles=number(appearing.roles, 0)))
    sized = appearing.table.drop_nulls("hours")
    said = "; ".join(f"{row['emerging_role']}: {number(row['hours'], 0)}" for row in sized.to_dicts())
    chart = hours_chart(sized, title=t("emerging_chart"), axis=t("hours"))
    show_chart(chart, said)
    table(appearing.table, "emerging", parquet=True)


def show_difference(setting: Setting, assessed: Assessed, version: str, given: Assumptions) -> None:
    """What changes against another version or system."""
    other = choose_other(project, folder, t, version)
    if other is None:
        st.caption(t("difference_explained"))
        return
    name, against = other
    found = changes(difference_of(setting, against, assessed, given), setting.work.roles, reading_language())
    st.caption(t("difference_of", first=literal(version), second=literal(name)))
    if found.tasks.is_empty():
        st.write(t("no_decision_changes"))
    else:
        table(found.tasks, "changed-tasks", title=t("difference"), parquet=True)
    if found.roles.is_empty():
        st.write(t("no_share_changes"))
    else:
        shown = found.roles.with_columns(pl.col("measure").replace(NAMES))
        table(shown, "changed-roles", title=t("difference"), parquet=True)
    table(found.paired, "pairing", title=t("difference"))


def show_sources(setting: Setting, analysis: Analysis, word: str, version: str, given: Assumptions) -> None:
    """What was measured, under which assumptions, and where roles and figures come from."""
    said = t("evidence_explained", version=literal(version), name=literal(given.name), hash=given.hash)
    st.caption(said)
    table(evidence_table(analysis, reading_language()), "evidence", title=t("evidence"), parquet=True)
    summary = read_cached(folder / "metrics/evaluate.json")
    system = f"{VERSION}{word}" if word else summary["tuned"]["shipped"]
    st.page_link("views/compare.py", label=t("to_items"), icon=":material/list:",
                 query_params={"systems": f"{summary['base']['variant']}|{system}", "view": "items"})  # fmt: skip
    for line in source_lines(analysis, setting, Words(reading_language())):
        st.caption(literal(line))


@part
def show_work(word: str, version: str) -> None:
    """The job, the assumptions, and what follows from them, for a version and its name."""
    setting, assessed = setting_of(project), assessed_now(project, folder, word)
    role = choose_role(setting, assessed, t("role"))
    given = choose_assumptions(project, setting.assumptions, reading_language())
    analysis = analysis_of(setting, assessed, given)
    view = choose_view(VIEWS, lambda name: t(f"view_{name}"), t("view"))
    if view == "job":
        shares = composition(analysis, role)
        say_shares(shares)
        st.subheader(t("closest"), help=t("means"))
        show_closest(analysis, role)
        st.subheader(t("this_role"))
        show_role(analysis, role, shares)
        st.download_button(
            t("report"), lambda: report_html(analysis, setting, [role], version, reading_language()), f"{role}.html",
            "text/html", icon=":material/description:", on_click="ignore",
        )  # fmt: skip
    elif view == "jobs":
        show_ranking(analysis)
    elif view == "other":
        show_difference(setting, assessed, version, given)
    elif view == "totals":
        show_catalogue(analysis)
    else:
        show_sources(setting, analysis, word, version, given)


st.title(t("title"))
project, folder = shown_run()
show_work(*choose_version(project, t))
