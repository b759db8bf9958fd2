"""The registered versions: their aliases, and the manifest that says what each was made of."""

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from components.identity import may, person
from components.language import texts
from components.run import params_of, shown_run
from components.tables import table
from components.versions import versions_of
from roleshift.errors import RoleShiftError
from roleshift.feedback.store import stored_events
from roleshift.params import Params, load_params
from roleshift.project import Project
from roleshift.registry.choices import existing_store, history_frame, rules_frame, versions_frame
from roleshift.registry.gate import Verdict, run_gate, stored_verdict
from roleshift.registry.promotion import Standing, may_promote, promote, rollback, standing
from roleshift.registry.tracking import Tracking, tracking_of
from roleshift.registry.versions import Version, download_manifest, resolve

t = texts("registry")
STATES = ("pass", "fail", "not applicable", "waived")


@st.cache_data(max_entries=32, show_spinner=False)
def manifest_of(root: str, uri: str, content_id: str) -> dict[str, Any]:
    """A version's manifest; content never changes under its id."""
    project = Project.discover(Path(root))
    params = load_params(project.root / "params.yaml")
    tracking = existing_store(project, params)
    if tracking is None:
        raise RoleShiftError(f"{project.root}: no tracking store; run `make repro`")
    with tempfile.TemporaryDirectory() as folder:
        version = resolve(tracking, params.registry.model_name, content_id)
        return download_manifest(tracking, version, Path(folder))


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def judged(root: str, uri: str, version: Version) -> tuple[Standing, Verdict | None]:
    """Where the champion stands, and the gate's stored result for a version; read again every few seconds."""
    project = Project.discover(Path(root))
    tracking = tracking_of(project, params_of(project))
    return standing(tracking, version.name), stored_verdict(tracking, version)


def show_gate_and_champion(project: Project, version: Version) -> None:
    """What the gate says of the version, every change of the champion, and for approvers the buttons to change it."""
    params = params_of(project)
    tracking = existing_store(project, params)
    if tracking is None:
        return
    now, verdict = judged(str(project.root), project.tracking_uri, version)
    if now.drift is not None:
        st.error(t("drift", alias=now.alias or "–", log=now.audited or "–"), icon=":material/warning:")
    st.subheader(t("gate"))
    st.caption(t("gate_explained"))
    if verdict is None:
        st.info(t("no_gate", number=version.number))
    else:
        st.write(t("gate_of", summary=t(f"gate_{verdict.summary}"), against=verdict.against or "–"))
        states = {state: t(f"state_{state.replace(' ', '_')}") for state in STATES}
        rules = {rule.name: t(f"rule_{rule.name.replace(' ', '_')}") for rule in verdict.rules}
        named = rules_frame(verdict).with_columns(pl.col("rule").replace(rules), pl.col("state").replace(states))
        table(named, "gate")
    if may("approver") and may_promote(params.registry.approvers, person()[0]):
        change_champion(project, tracking, params, version, now)
    else:
        st.caption(t("only_approvers"))
    st.subheader(t("history"))
    st.caption(t("history_explained"))
    if now.entries:
        kinds = {entry.kind: t(f"kind_{entry.kind}") for entry in now.entries}
        table(history_frame(now.entries).with_columns(pl.col("kind").replace(kinds)), "history")
    else:
        st.info(t("no_history"))


def change_champion(project: Project, tracking: Tracking, params: Params, version: Version, now: Standing) -> None:
    """Promote the shown version or roll back, with a reason and a confirmation, from the champion that was shown."""
    seen = st.session_state.get("seen-champion", now.alias)
    st.session_state["seen-champion"] = now.alias
    with st.form("champion", clear_on_submit=True):
        st.write(t("champion_is", number=now.alias or "–"))
        reason = st.text_input(t("reason"))
        sure = st.checkbox(t("sure"))
        left, right = st.columns(2)
        promoted = left.form_submit_button(t("promote", number=version.number), icon=":material/arrow_upward:")
        back = right.form_submit_button(t("roll_back"), icon=":material/undo:")
    if not (promoted or back):
        return
    if not sure or not reason.strip():
        st.error(t("reason_needed"))
        return
    who = person()[0]
    if promoted:
        verdict = run_gate(tracking, params, version, votes=stored_events(project, "vote"))
        judged.clear()  # its result is to be seen, also where it refuses
        promote(tracking, version, verdict, expected=seen, who=who, reason=reason)
    else:
        rollback(tracking, version.name, expected=seen, who=who, reason=reason)
    st.cache_data.clear()
    st.rerun()


st.title(t("title"))
project, _ = shown_run()
versions = versions_of(project)
if not versions:
    st.info(t("empty", name=params_of(project).registry.model_name))
    st.stop()
st.caption(t("explained"))
table(versions_frame(versions), "versions")

by_number = {version.number: version for version in versions}
asked = st.query_params.get("version", "")
if "version" not in st.session_state:
    st.session_state["version"] = int(asked) if asked.isdigit() and int(asked) in by_number else versions[0].number
number = st.selectbox(t("version"), list(by_number), key="version")
if st.query_params.get("version") != str(number):
    st.query_params["version"] = str(number)

show_gate_and_champion(project, by_number[number])

st.subheader(t("lineage"))
st.caption(t("lineage_explained"))
manifest = manifest_of(str(project.root), project.tracking_uri, by_number[number].content_id)
for part in sorted(manifest):
    if part in ("environment", "files") or not isinstance(manifest[part], dict):
        continue
    with st.expander(part, expanded=part == "git"):
        st.json(manifest[part])
with st.expander(t("files")):
    files = [{"file": name, **facts} for name, facts in sorted(manifest["files"].items())]
    st.dataframe(pl.DataFrame(files), hide_index=True, width="stretch")
