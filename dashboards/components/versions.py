"""The registered versions, read again every few seconds so that a new one appears without a restart."""

from pathlib import Path

import streamlit as st

from roleshift.params import load_params
from roleshift.project import Project
from roleshift.registry.choices import registered_versions
from roleshift.registry.versions import Version


@st.cache_data(ttl=5, show_spinner=False)
def _versions(root: str, uri: str) -> list[Version]:
    project = Project.discover(Path(root))
    return registered_versions(project, load_params(project.root / "params.yaml"))


def versions_of(project: Project) -> list[Version]:
    """The complete versions, newest first; none where there is no tracking store."""
    return _versions(str(project.root), project.tracking_uri)
