"""The shown run: the tuned model beside the base and trivial answers."""

from pathlib import Path

import polars as pl
import streamlit as st

from components.charts import interval_chart
from components.language import texts
from components.run import params_of, read_cached, shown_run
from components.safe import literal
from components.tables import download
from components.versions import versions_of
from roleshift.alerts import alerts_of
from roleshift.evaluation.overview import figures_frame, overview
from roleshift.project import Project
from roleshift.registry.choices import existing_store
from roleshift.registry.gate import Verdict, stored_verdict
from roleshift.registry.versions import Version

t = texts("overview")


@st.cache_data(ttl=5, max_entries=8, show_spinner=False)
def gate_of(root: str, uri: str, version: Version) -> Verdict | None:
    """The gate's stored result for a version; read again every few seconds."""
    project = Project.discover(Path(root))
    tracking = existing_store(project, params_of(project))
    return stored_verdict(tracking, version) if tracking else None


st.title(t("title"))
project, folder = shown_run()
for alert in alerts_of(project):
    st.error(t(f"alert_{alert.kind}", text=literal(alert.text)), icon=":material/warning:")
versions = versions_of(project)
if versions:
    st.subheader(t("standing"))
    named = {alias: version for version in versions for alias in version.aliases}
    for column, alias in zip(st.columns(3), ("champion", "challenger", "baseline"), strict=True):
        held = named.get(alias)
        column.metric(t(alias), "–" if held is None else t("version_number", number=held.number))
        column.caption(t("nothing") if held is None else f"{held.kind}, {held.variant}")
    judged = gate_of(str(project.root), project.tracking_uri, named.get("challenger") or versions[0])
    if judged is not None:
        failed = ", ".join(rule.name for rule in judged.rules if rule.state == "fail") or t("none")
        st.caption(t("gate", number=judged.version, summary=t(f"gate_{judged.summary}"), failed=failed))
summary = read_cached(folder / "metrics/evaluate.json")
rows = overview(summary)

st.subheader(t("heading"))
st.markdown(
    t(
        "explained",
        confidence=f"{summary['settings']['confidence']:.0%}",
        shipped=summary["tuned"]["shipped"],
        shots=summary["settings"]["shots"],
        beaten=", ".join(summary["beats_all_capabilities"]) or t("none"),
    )
)
st.dataframe(
    pl.DataFrame(
        [
            {
                t("capability"): row.capability,
                t("metric"): row.metric,
                t("items"): row.items,
                t("base"): str(row.base or "–"),
                t("base_shots"): str(row.base_shots or "–"),
                t("floor"): f"{row.floor} ({row.floor_name})" if row.floor else "–",
                t("tuned"): str(row.tuned),
                t("above"): t({True: "yes", False: "no", None: "too_few"}[row.beats_all]),
            }
            for row in rows
        ]
    ),
    hide_index=True,
    width="stretch",
)
frame = figures_frame(rows)
names = {"base": t("base"), "base_shots": t("base_shots"), "floor": t("floor"), "tuned": t("tuned")}
shown = frame.with_columns(pl.col("system").replace(names)).rename(
    {"capability": t("capability"), "system": t("system")}
)
st.altair_chart(
    interval_chart(
        shown, row=t("capability"), system=t("system"), systems=list(names.values()), title=t("chart"), axis=t("axis")
    ),
    width="stretch",
)
download(frame, "overview")
st.caption(t("floor_explained"))
