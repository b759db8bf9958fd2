"""The registered versions and runs, read again every few seconds so that a new one appears without a restart."""

from pathlib import Path

import polars as pl
import streamlit as st

from components.run import params_of
from roleshift.project import Project
from roleshift.registry.choices import existing_store, registered_versions
from roleshift.registry.recent import RUNS, recent_runs
from roleshift.registry.versions import Version

SECONDS = 5
"""How old what is shown of the store may be."""


@st.cache_resource(ttl=SECONDS, max_entries=8, show_spinner=False)  # frozen; a copy for each reader would cost more
def _versions(root: str, uri: str) -> tuple[Version, ...]:
    project = Project.discover(Path(root))
    return tuple(registered_versions(project, params_of(project)))


def versions_of(project: Project) -> list[Version]:
    """The complete versions, newest first; none where there is no tracking store."""
    return list(_versions(str(project.root), project.tracking_uri))


@st.cache_data(ttl=SECONDS, max_entries=8, show_spinner=False)
def _recent(root: str, uri: str) -> pl.DataFrame:
    project = Project.discover(Path(root))
    params = params_of(project)
    tracking = existing_store(project, params)
    return pl.DataFrame(schema=RUNS) if tracking is None else recent_runs(tracking, params.registry.model_name)


def recent_of(project: Project) -> pl.DataFrame:
    """The last runs, newest first; none where there is no tracking store."""
    return _recent(str(project.root), project.tracking_uri)


def forget_versions() -> None:
    """Read them again at once: an alias has just moved."""
    _versions.clear()
