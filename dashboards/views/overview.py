"""Which version is in use, whether the next one is good enough, what it was measured to do, and how it was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from components.alerts import show_alerts
from components.cards import Card, show_cards
from components.charts import interval_chart, show_chart
from components.gate import badge, gate_of, show_gate
from components.language import texts
from components.names import capability_name, kind_name, metric_name
from components.numbers import interval, lasted, when
from components.pipeline import show_pipeline
from components.run import params_of, read_cached, shown_run
from components.safe import literal
from components.tables import table
from components.versions import recent_of, versions_of
from components.views import folded
from roleshift.evaluation.overview import OverviewRow, figures_frame, overview
from roleshift.project import Project
from roleshift.registry.figures import stage_seconds
from roleshift.registry.versions import Version

t = texts("overview")
ALIASES = ("champion", "challenger", "baseline")
SYSTEMS = ("base", "base_shots", "floor", "tuned")


def show_standing(versions: list[Version], folder: Path) -> None:
    """Champion, challenger and baseline; where nothing is registered, what the shown run would register."""
    named = {alias: version for version in versions for alias in version.aliases}
    made = folder / "metrics/register.json"
    of_run = read_cached(made) if not versions and made.is_file() else {}
    cards = []
    for alias in ALIASES:
        held, ids = named.get(alias), of_run.get(alias)
        note = t(f"{alias}_explained")
        if held is not None:
            which, what = t("version_number", number=held.number), f"{kind_name(held.kind)}, {literal(held.variant)}"
            said = f"**{which}** · {what} · {when(held.created)}"
        elif ids:
            said, note = f"`{str(ids['model_id'])[:8]}`", f"{note} {t('registered_elsewhere')}"
        else:
            said = t("no_champion" if alias == "champion" and versions else "nothing")
        cards.append(Card(t(alias), [said], note=note))
    show_cards(cards, len(ALIASES))


def show_next(project: Project, versions: list[Version]) -> None:
    """What the gate says of the challenger, or of the newest version."""
    judged = next((v for v in versions if "challenger" in v.aliases), versions[0])
    verdict = gate_of(str(project.root), project.tracking_uri, judged)
    st.subheader(t("gate", number=judged.number))
    if verdict is not None:
        state = {"pass": "pass", "fail": "fail", "waived": "waived"}[verdict.summary]
        st.markdown(f"{badge(state, t(f'gate_{verdict.summary}'))} {t(f'gate_says_{verdict.summary}')}")
    show_gate(judged, verdict)
    champion = next((v for v in versions if "champion" in v.aliases), None)
    other = champion or next((v for v in versions if "baseline" in v.aliases), None)
    with st.container(horizontal=True):
        if other is not None and other.number != judged.number:
            pair = {"systems": f"version {other.number}|version {judged.number}"}
            st.page_link(
                "views/compare.py",
                label=t("to_compare" if champion else "to_baseline"),
                icon=":material/compare_arrows:",
                query_params=pair,
            )
        st.page_link("views/registry.py", label=t("to_registry"), icon=":material/inventory:",
                     query_params={"version": str(judged.number)})  # fmt: skip


def show_measured(summary: Mapping[str, Any], rows: list[OverviewRow]) -> None:
    """The tuned model beside the base and trivial answers."""
    beaten = [capability_name(name) for name in summary["beats_all_capabilities"]]
    st.subheader(t("heading"))
    st.markdown(
        t("explained", shipped=summary["tuned"]["shipped"], beaten=len(beaten),
          all=len(rows), names=", ".join(beaten) or t("none"))
    )  # fmt: skip
    names = {name: t(name) for name in SYSTEMS}
    words = {"capability": t("capability"), "system": t("system")}
    named = {row.capability: capability_name(row.capability) for row in rows}
    shown = figures_frame(rows).with_columns(pl.col("system").replace(names), pl.col("capability").replace(named))
    confidence = f"{summary['settings']['confidence']:.0%}"
    show_chart(
        interval_chart(
            shown.rename(words), row=words["capability"], system=words["system"], systems=list(names.values()),
            title=t("chart", confidence=confidence), axis=t("axis"),
        ),
        "; ".join(f"{capability_name(row.capability)}: {names['tuned']} {figure(row.tuned)}" for row in rows),
    )  # fmt: skip
    folded(t("figures"), "figures", lambda: show_figures(rows))
    pair = {"systems": f"{summary['base']['variant']}|{summary['tuned']['shipped']}", "view": "items"}
    st.page_link("views/compare.py", label=t("to_items"), icon=":material/list:", query_params=pair)


def show_figures(rows: list[OverviewRow]) -> None:
    """The figures behind the chart."""
    said = {True: t("yes"), False: t("no"), None: t("too_few")}
    table(
        pl.DataFrame(
            [
                {
                    "capability": capability_name(row.capability), "metric": metric_name(row.metric),
                    "items": row.items, **{name: figure(getattr(row, name)) for name in SYSTEMS},
                    "above": said[row.beats_all],
                }
                for row in rows
            ]
        ),
        "overview", title=t("heading"),
    )  # fmt: skip
    st.caption(t("floor_explained"))


def figure(found: Any) -> str:
    """A score times 100 with its interval."""
    if found is None:
        return "–"
    return interval(100 * found.value, *(None if end is None else 100 * end for end in (found.low, found.high)))


def show_runs(project: Project) -> None:
    """The last runs in the tracking store."""
    st.subheader(t("runs"))
    found = recent_of(project)
    if found.is_empty():
        st.caption(t("no_runs"))
        return
    states = {state: t(f"run_{state}") for state in ("running", "finished", "failed", "incomplete")}
    kinds = {kind: t(f"what_{kind}") for kind in ("pipeline", "training", "other")}
    table(
        found.select(
            "run", pl.col("what").replace(kinds),
            started=pl.Series([when(moment) for moment in found["started"]]),
            lasted=pl.Series([lasted(spent) for spent in found["seconds"]]),
            run_state=pl.col("state").replace(states),
            versions="versions", commit="commit",
        ),
        "runs", title=t("runs"),
    )  # fmt: skip
    st.caption(t("runs_explained"))


st.title(t("title"))
project, folder = shown_run()
st.write(t("intro"))
summary = read_cached(folder / "metrics/evaluate.json")
rows = overview(summary)
versions = versions_of(project)
show_alerts(project, params_of(project), versions)
show_standing(versions, folder)
if versions:
    show_next(project, versions)
show_measured(summary, rows)
st.subheader(t("pipeline"))
show_pipeline(project, stage_seconds(folder))
show_runs(project)
