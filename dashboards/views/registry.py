"""The registered versions: gate and promotion, model card, lineage, and every change of the champion."""

import functools
import re
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from components.choices import held
from components.gate import badge, gate_of, rule_name, show_gate
from components.identity import may, person
from components.language import texts
from components.names import kind_name, version_name
from components.run import params_of, shown_run
from components.safe import inert, literal
from components.tables import table
from components.versions import forget_versions, versions_of
from components.views import choose_view, folded
from roleshift.errors import RoleShiftError
from roleshift.feedback.store import stored_events
from roleshift.params import Params
from roleshift.project import Project
from roleshift.registry.card import stored_card
from roleshift.registry.choices import existing_store, history_frame, versions_frame
from roleshift.registry.deciding import judge
from roleshift.registry.gate import Verdict
from roleshift.registry.promotion import Standing, may_promote, promote, rollback, standing
from roleshift.registry.tracking import Tracking, tracking_of
from roleshift.registry.versions import Version, download_manifest, resolve

t = texts("registry")
VIEWS = ("decide", "card", "lineage", "history")


def _resolved(root: str, content_id: str) -> tuple[Tracking, Version]:
    project = Project.discover(Path(root))
    params = params_of(project)
    tracking = existing_store(project, params)
    if tracking is None:
        raise RoleShiftError(f"{project.root}: no tracking store; run `make repro`")
    return tracking, resolve(tracking, params.registry.model_name, content_id)


@st.cache_data(max_entries=32, show_spinner=False)
def manifest_of(root: str, uri: str, content_id: str) -> dict[str, Any]:
    """A version's manifest; content never changes under its id."""
    with tempfile.TemporaryDirectory() as folder:
        return download_manifest(*_resolved(root, content_id), Path(folder))


@st.cache_data(ttl=60, max_entries=32, show_spinner=False)
def card_of(root: str, uri: str, content_id: str) -> str:
    """A version's model card; raises where there is none."""
    return stored_card(*_resolved(root, content_id))


@st.cache_data(ttl=5, max_entries=8, show_spinner=False)
def standing_of(root: str, uri: str, name: str) -> Standing:
    """Where the champion stands; read again every few seconds."""
    project = Project.discover(Path(root))
    return standing(tracking_of(project, params_of(project)), name)


def show_decision(project: Project, version: Version, now: Standing) -> None:
    """What the gate says of the version, and for approvers the form that changes the champion."""
    params = params_of(project)
    verdict = gate_of(str(project.root), project.tracking_uri, version)
    st.subheader(t("gate"))
    st.caption(t("gate_explained"))
    with st.container(key="answer"):
        if verdict is not None:
            st.markdown(badge(verdict.summary, t(f"gate_{verdict.summary}")))
        show_gate(version, verdict)
    st.subheader(t("change"))
    tracking = existing_store(project, params)
    if tracking is not None and may("approver") and may_promote(params.registry.approvers, person()[0]):
        change_champion(project, tracking, params, version, now, verdict)
    else:
        st.info(t("only_approvers"), icon=":material/lock:")


def change_champion(
    project: Project, tracking: Tracking, params: Params, version: Version, now: Standing, verdict: Verdict | None
) -> None:
    """Promote the shown version or roll back, with a reason and a confirmation, from the champion that was shown."""
    seen = st.session_state.get("seen-champion", now.alias)
    st.session_state["seen-champion"] = now.alias
    with st.form("champion", clear_on_submit=True):
        st.markdown(t("no_champion") if now.alias is None else t("champion_is", number=now.alias))
        reason = st.text_input(t("reason"))
        rules = [rule for rule in verdict.rules if rule.state in ("fail", "waived")] if verdict else []
        failed = {rule.name: rule_name(rule) for rule in rules}
        waived = (
            st.multiselect(
                t("waive"),
                list(failed),
                format_func=failed.__getitem__,
                help=t("waive_help"),
                placeholder=texts("shell")("choose"),
            )
            if failed
            else []
        )
        sure = st.checkbox(t("sure"))
        with st.container(horizontal=True):
            promoted = st.form_submit_button(
                t("promote", number=version.number),
                icon=":material/arrow_upward:",
                type="primary",
                disabled=now.alias == version.number,
            )
            back = st.form_submit_button(t("roll_back"), icon=":material/undo:", disabled=not now.earlier)
    if not (promoted or back):
        return
    if not sure or not reason.strip():
        st.error(t("reason_needed"))
        return
    who = person()[0]
    if promoted:
        votes = stored_events(project, "vote")
        verdict = judge(tracking, params, version, votes=votes, waive=waived, reason=reason, who=who)
        gate_of.clear()  # its result is to be seen, also where it refuses
        promote(tracking, version, verdict, expected=seen, who=who, reason=reason)
    else:
        rollback(tracking, version.name, expected=seen, who=who, reason=reason)
    st.session_state["changed"] = t("promoted" if promoted else "rolled_back", who=literal(who))
    standing_of.clear()
    forget_versions()
    st.rerun()


def show_card(project: Project, version: Version) -> None:
    """The model card; no link or tag in it is live, since labels of a user's data may stand in it."""
    try:
        text = card_of(str(project.root), project.tracking_uri, version.content_id)
    except RoleShiftError as error:
        st.info(literal(str(error)), icon=":material/info:")
        return
    st.caption(t("card_explained"))
    st.download_button(t("card_download"), text, f"version-{version.number}.md", "text/markdown",
                       icon=":material/download:", type="tertiary", on_click="ignore")  # fmt: skip
    front, _, body = text.removeprefix("---\n").partition("\n---\n")
    st.markdown(inert(re.sub(r"(?m)^(#+) ", r"##\1 ", body)))
    show_front = functools.partial(st.code, front, language="yaml", wrap_lines=True)
    folded(t("card_facts"), "card-facts", show_front, icon=":material/data_object:")


def show_lineage(version: Version, manifest: dict[str, Any]) -> None:
    """From what the version was made: the main facts, then everything that its manifest says."""
    st.caption(t("lineage_explained"))
    git, base, environment = manifest["git"], manifest["base"], manifest["environment"]
    commit = git.get("commit", "–") + (f" ({t('dirty')})" if git.get("dirty") else "")
    files = manifest["files"]
    facts = {
        "commit": commit,
        "made_by": manifest["user"],
        "base": f"{base.get('origin', base['source'])} ({base['licence']})",
        "lock": manifest["dvc"].get("lock", "–"),
        "python": f"{environment['python']}, {environment['platform']}",
        "evidence_run": version.evidence_run or "–",
        "files": t("files_counted", count=len(files), size=f"{sum(f['bytes'] for f in files.values()) / 1e6:.0f}"),
    }
    table(pl.DataFrame({"fact": [t(f"fact_{name}") for name in facts], "found": [str(v) for v in facts.values()]}),
          "lineage", title=t("view_lineage"))  # fmt: skip
    for part in sorted(manifest):
        if part not in ("environment", "files") and isinstance(manifest[part], dict):
            name = t(f"part_{part}") if t.knows(f"part_{part}") else part
            folded(name, f"part-{part}", functools.partial(st.json, manifest[part]), icon=":material/data_object:")
    listed = pl.DataFrame([{"file": name, **found} for name, found in sorted(files.items())])
    folded(t("files"), "files", lambda: table(listed, "files", title=t("files")))


def show_history(now: Standing) -> None:
    """The audit log."""
    st.caption(t("history_explained"))
    if not now.entries:
        st.info(t("no_history"), icon=":material/history:")
        return
    kinds = {entry.kind: t(f"kind_{entry.kind}") for entry in now.entries}
    results = {result: t(f"gate_{result}") for result in ("pass", "fail", "waived")}
    entries = history_frame(now.entries).with_columns(pl.col("kind").replace(kinds), pl.col("gate").replace(results))
    table(entries.rename({"kind": "change"}), "history", title=t("view_history"))


st.title(t("title"))
project, _ = shown_run()
st.write(t("explained"))
versions = versions_of(project)
if not versions:
    st.info(t("empty", name=literal(params_of(project).registry.model_name)), icon=":material/inventory_2:")
    st.stop()
if "changed" in st.session_state:
    st.success(st.session_state.pop("changed"), icon=":material/check:")
by_number = {version.number: version for version in versions}
asked = st.query_params.get("version", "")
first = int(asked) if asked.isdigit() and int(asked) in by_number else versions[0].number
number = st.selectbox(
    t("version"), list(by_number), format_func=lambda n: version_name(by_number[n]),
    key=held("version", by_number, first),
)  # fmt: skip
if asked != str(number):
    st.query_params["version"] = str(number)
kinds = {version.kind: kind_name(version.kind) for version in versions}
folded(
    t("all_versions", count=len(versions)), "versions",
    lambda: table(versions_frame(versions).with_columns(pl.col("kind").replace(kinds)), "versions", title=t("title")),
)  # fmt: skip
now = standing_of(str(project.root), project.tracking_uri, versions[0].name)
if now.drift is not None:
    st.error(t("drift", alias=now.alias or "–", log=now.audited or "–"), icon=":material/warning:")
view = choose_view(VIEWS, lambda name: t(f"view_{name}"), t("view"))
if view == "decide":
    show_decision(project, by_number[number], now)
elif view == "card":
    show_card(project, by_number[number])
elif view == "lineage":
    content = by_number[number].content_id
    show_lineage(by_number[number], manifest_of(str(project.root), project.tracking_uri, content))
else:
    show_history(now)
