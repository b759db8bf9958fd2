"""The pipeline as a graph with the state of each stage, and the same as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import streamlit as st

from components.background import background, say_waiting, when_ready
from components.language import texts
from components.numbers import lasted
from components.safe import literal
from components.tables import table
from roleshift.errors import RoleShiftError
from roleshift.pipeline_state import StageState, declared_stages, pipeline_state
from roleshift.project import Project

FRESH_SECONDS = 60.0
FILES = ("dvc.yaml", "dvc.lock", "params.yaml")
# Fill, border, style and sign of each state; dark text on these reads in both themes, and no state is colour alone.
LOOKS = {
    "current": ("#D3EDE3", "#00795A", "solid", "✓"),
    "stale": ("#FBE3BD", "#B26B00", "dashed", "!"),
    "running": ("#CBE3F6", "#0B5CAD", "bold", "▶"),
    "absent": ("#E7EAEE", "#6B7682", "dotted", "○"),
    "never run": ("#E7EAEE", "#6B7682", "dotted", "○"),
    "unknown": ("#E7EAEE", "#6B7682", "solid", "?"),
}


def show_pipeline(project: Project, seconds: Mapping[str, float]) -> None:
    """The graph; DVC is asked in the background. `seconds` measured by stage."""
    root = str(project.root)
    changed = tuple(path.stat().st_mtime_ns for name in FILES if (path := project.root / name).is_file())

    def ask() -> list[StageState] | RoleShiftError | None:
        found: list[StageState] | RoleShiftError | None = background().ask(
            ("pipeline", root, changed), lambda: pipeline_state(Path(root)), FRESH_SECONDS
        )
        return found

    def waiting() -> None:
        say_waiting("pipeline", texts("pipeline")("asking"))

    def draw(found: list[StageState] | RoleShiftError) -> None:
        if isinstance(found, RoleShiftError):
            st.warning(literal(str(found)), icon=":material/warning:")
            _show(declared_stages(project.root), seconds)
        else:
            _say(found)
            _show(found, seconds)

    when_ready(ask, waiting, draw)


def _say(stages: Sequence[StageState]) -> None:
    t = texts("pipeline")
    by_state = {state: [stage.name for stage in stages if stage.state == state] for state in LOOKS}
    if by_state["running"]:
        st.markdown(t("now_running", names=", ".join(by_state["running"])))
    if by_state["stale"]:
        st.markdown(t("now_stale", names=", ".join(by_state["stale"])))
    elif by_state["absent"] or by_state["never run"]:
        st.markdown(t("now_absent"))
    elif not by_state["running"]:
        st.markdown(t("all_current"))


def _show(stages: Sequence[StageState], seconds: Mapping[str, float]) -> None:
    t = texts("pipeline")
    states = {state: t(f"state_{state.replace(' ', '_')}") for state in LOOKS}
    left, right = st.columns([2, 3], gap="large") if any(stage.needs for stage in stages) else (None, st.container())
    if left is not None:
        said = "; ".join(f"{stage.name}: {states[stage.state]}" for stage in stages)
        left.graphviz_chart(dot(stages, states, seconds), width="stretch", alt=f"{t('graph')}. {said}")
    rows = pl.DataFrame(
        {
            "stage": [stage.name for stage in stages],
            "does": [t(f"does_{s.name}") if t.knows(f"does_{s.name}") else "" for s in stages],
            "stage_state": [f"{LOOKS[stage.state][3]} {states[stage.state]}" for stage in stages],
            "measured_time": [lasted(seconds.get(stage.name)) for stage in stages],
            "changed": [", ".join(stage.reasons[:3]) or None if stage.state == "stale" else None for stage in stages],
        }
    )
    with right:
        table(rows, "pipeline", title=t("graph"))
        st.caption(t("measured_explained"))


def dot(stages: Sequence[StageState], states: Mapping[str, str], seconds: Mapping[str, float]) -> str:
    """The graph in Graphviz's language, from above to below so that it fits a narrow screen."""
    nodes = []
    for stage in stages:
        fill, border, style, sign = LOOKS[stage.state]
        spent = f" · {lasted(seconds[stage.name])}" if stage.name in seconds else ""
        nodes.append(
            f'"{stage.name}" [label="{stage.name}{spent}\\n{sign} {states[stage.state]}", fillcolor="{fill}", '
            f'color="{border}", style="filled,rounded,{style}"]'
        )
    edges = [f'"{need}" -> "{stage.name}"' for stage in stages for need in stage.needs]
    settings = (
        'bgcolor="transparent"; nodesep=0.25; ranksep=0.28; node [shape=box, fontname="sans-serif", fontsize=11, '
    )
    return (
        f'digraph pipeline {{ {settings}fontcolor="#1B2733", height=0.42, margin="0.16,0.06"]; '
        f'edge [color="#7A8794", arrowsize=0.6]; {"; ".join(nodes + edges)} }}'
    )
