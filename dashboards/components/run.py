"""The run that a page shows, and the label of the committed one."""

from pathlib import Path
from typing import Any

import streamlit as st

from components.language import texts
from roleshift.files import read_json
from roleshift.params import Params, load_params
from roleshift.project import Project
from roleshift.publishing import current_run


def shown_run() -> tuple[Project, Path]:
    """The project and the folder of its run; labels it where it is the committed default run."""
    project = Project.discover()
    folder, committed = current_run(project)
    if committed:
        t = texts("shell")
        st.markdown(f":blue-badge[:material/inventory_2: {t('committed_badge')}] :small[{t('committed')}]")
    return project, folder


def params_of(project: Project) -> Params:
    """The project's params.yaml; read again when it changes."""
    path = project.root / "params.yaml"
    return _params(str(path), path.stat().st_mtime_ns if path.is_file() else 0)


@st.cache_resource(max_entries=8, show_spinner=False)  # frozen: nobody can alter what others read
def _params(path: str, changed: int) -> Params:
    return load_params(Path(path))


def read_cached(path: Path) -> Any:
    """A JSON file, to look at only: one copy serves every visitor; read again when it changes."""
    return _read(str(path), path.stat().st_mtime_ns if path.is_file() else 0)


@st.cache_resource(max_entries=64, show_spinner=False)  # a name is asked for with every option: no copy for each
def _read(path: str, changed: int) -> Any:
    return read_json(Path(path))
