"""The registered versions: their aliases, and the manifest that says what each was made of."""

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from components.language import texts
from components.run import params_of, shown_run
from components.tables import table
from components.versions import versions_of
from roleshift.errors import RoleShiftError
from roleshift.params import load_params
from roleshift.project import Project
from roleshift.registry.choices import existing_store, versions_frame
from roleshift.registry.versions import download_manifest, resolve

t = texts("registry")


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
