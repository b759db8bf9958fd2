"""The shown run: the tuned model beside the base and trivial answers."""

import polars as pl
import streamlit as st

from components.charts import interval_chart
from components.language import texts
from components.run import read_cached, shown_run
from components.tables import download
from roleshift.evaluation.overview import figures_frame, overview

t = texts("overview")
st.title(t("title"))
project, folder = shown_run()
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
