"""Two to five systems on the same items: values, differences, slices, and the items behind them."""

from pathlib import Path

import polars as pl
import streamlit as st

from components.charts import interval_chart
from components.language import texts
from components.run import params_of, shown_run
from components.safe import literal, model_text
from components.tables import table
from components.versions import versions_of
from roleshift.evaluation.comparison import Side
from roleshift.evaluation.measures import Precision
from roleshift.evaluation.several import (
    FEWEST,
    MOST,
    Several,
    compare_several,
    differences_frame,
    regressed_frame,
    run_sides,
)
from roleshift.params import load_params
from roleshift.project import Project
from roleshift.registry.sides import side_of

t = texts("compare")
MARGIN = 2.0


@st.cache_data(max_entries=8, show_spinner=False)
def sides_of_run(folder: str, changed: int) -> dict[str, Side]:
    """The run's systems; read again when its evidence changes."""
    return run_sides(Path(folder))


@st.cache_data(max_entries=32, show_spinner=False)
def compared(root: str, folder: str, changed: int, chosen: tuple[str, ...], margin: float) -> Several:
    """The comparison of the chosen systems; a version's evidence is brought from the store."""
    project = Project.discover(Path(root))
    params = load_params(project.root / "params.yaml")
    of_run = sides_of_run(folder, changed)
    downloads = project.work / "versions"
    sides = {
        name: of_run[name] if name in of_run else side_of(project, params, name.removeprefix("version "), downloads)
        for name in chosen
    }
    precision = Precision(params.evaluation.resamples, params.evaluation.confidence, params.seed)
    return compare_several(sides, params.task_definitions(), margin=margin, precision=precision)


st.title(t("title"))
st.caption(t("explained"))
project, folder = shown_run()
changed = (folder / "metrics/evaluate.json").stat().st_mtime_ns
of_run = sides_of_run(str(folder), changed)
offered = [*of_run, *(f"version {version.number}" for version in versions_of(project))]
measured = [name for name in offered if not name.startswith("floor-")]

if "compared" not in st.session_state:
    asked = [name for name in st.query_params.get("systems", "").split("|") if name in offered]
    st.session_state["compared"] = (asked if len(asked) >= FEWEST else [*reversed(measured)])[:MOST]
chosen = st.multiselect(t("systems"), offered, max_selections=MOST, key="compared", help=t("systems_help"))
margin = st.slider(t("margin"), 0.0, 10.0, MARGIN, 0.5, help=t("margin_help")) / 100
if len(chosen) < FEWEST:
    st.info(t("choose_two"))
    st.stop()
if st.query_params.get("systems") != "|".join(chosen):
    st.query_params["systems"] = "|".join(chosen)
with st.spinner(t("computing")):
    several = compared(str(project.root), str(folder), changed, tuple(chosen), margin)
confidence = f"{params_of(project).evaluation.confidence:.0%}"
for name, comparison in several.comparisons.items():
    for kind in comparison["differing"]:
        st.caption(t(f"differing_{kind}", a=literal(name), b=literal(chosen[0])))

st.subheader(t("values"))
capabilities = several.values["capability"].unique().sort().to_list()
primary = several.values.filter("primary")
names = {"capability": t("capability"), "system": t("system"), "metric": t("metric"), "items": t("items")}
st.altair_chart(
    interval_chart(
        primary.rename(names),
        row=names["capability"],
        system=names["system"],
        systems=chosen,
        title=t("values_chart", confidence=confidence),
        axis=t("axis"),
    ),
    width="stretch",
)
with st.expander(t("all_metrics")):
    table(several.values, "values")

st.subheader(t("differences", first=literal(chosen[0])))
st.caption(t("differences_explained", first=literal(chosen[0])))
differences = differences_frame(several)
st.altair_chart(
    interval_chart(
        differences.rename(names),
        row=names["capability"],
        system=names["system"],
        systems=chosen[1:],
        title=t("differences_chart", confidence=confidence),
        axis=t("difference_axis"),
        zero=True,
    ),
    width="stretch",
)
VERDICTS = {
    "better": "better",
    "worse": "worse",
    "undecided": "undecided",
    "too few items": "too_few",
    "not worse than the margin": "not_worse",
}
table(
    differences.with_columns(pl.col("verdict").replace({word: t(key) for word, key in VERDICTS.items()})), "differences"
)

st.subheader(t("slices"))
regressed = regressed_frame(several)
if regressed.is_empty():
    st.write(t("no_slices"))
else:
    table(regressed, "slices")

st.subheader(t("largest"))
system = st.selectbox(t("against", first=chosen[0]), chosen[1:])
wanted = st.selectbox(t("capability"), [t("all"), *capabilities])
rows = [row for row in several.comparisons[system]["largest"] if wanted in (t("all"), row["capability"])]
if not rows:
    st.write(t("no_items"))
for row in rows:
    heading = f"{row['capability']} · {row['example_id'][:12]} · {100 * row['a']:.1f} / {100 * row['b']:.1f}"
    with st.expander(heading):
        left, right = st.columns(2)
        for column, name, output in ((left, system, row["output_a"]), (right, chosen[0], row["output_b"])):
            with column:
                st.caption(literal(name))
                model_text(output)
