"""What the pages about work share: the version that is asked, the assumptions, the analysis."""

from pathlib import Path
from typing import cast

import streamlit as st

from components.language import Texts, language
from components.run import params_of
from components.versions import versions_of
from roleshift.impact.assumptions import Assumptions
from roleshift.impact.catalogue import bundled_roles
from roleshift.impact.report import Language
from roleshift.impact.roles import Analysis, analyse
from roleshift.impact.setting import Setting, open_setting
from roleshift.impact.titles import Titles
from roleshift.project import Project
from roleshift.registry.impact_evidence import Assessed, assess


def reading_language() -> Language:
    """The page's language, as the library names it."""
    return cast(Language, language())


@st.cache_resource(max_entries=4, show_spinner=False)
def _setting(root: str, changed: tuple[int, ...]) -> Setting:
    project = Project.discover(Path(root))
    params = params_of(project)
    return open_setting(params.impact, params.seed, project.source_path)


def setting_of(project: Project) -> Setting:
    """Roles, tasks and assumptions; read again when params.yaml or a file that it names changes."""
    given = params_of(project).impact
    named = [project.source_path(path) for path in (given.assumptions, given.onet, given.wages, given.roles) if path]
    files = [project.root / "params.yaml", *(path for path in named if path.exists())]
    return _setting(str(project.root), tuple(path.stat().st_mtime_ns for path in files))


@st.cache_resource(max_entries=16, ttl=30, show_spinner=False)  # evidence can be attached to a version later
def _assessed(root: str, word: str | None, run_changed: int) -> Assessed:
    project = Project.discover(Path(root))
    return assess(project, params_of(project), word)


def choose_version(project: Project, folder: Path, t: Texts) -> Assessed:
    """The version that the reader asks about: the run that is shown, or a registered version."""
    numbers = [str(version.number) for version in versions_of(project)]
    word = st.selectbox(
        t("version"), [None, *numbers], format_func=lambda number: t("this_run") if number is None else number
    )
    changed = (folder / "metrics/evaluate.json").stat().st_mtime_ns
    return _assessed(str(project.root), word, changed)


@st.cache_resource(max_entries=4, show_spinner=False)  # with all of O*NET each holds some 60 MB of draws
def _analysis(_setting: Setting, _assessed: Assessed, _given: Assumptions, key: tuple[str, ...]) -> Analysis:
    return analyse(_setting.work, _assessed.cells, _given)


def analysis_of(setting: Setting, assessed: Assessed, given: Assumptions) -> Analysis:
    """The analysis under an assumption set; computed once for each."""
    evidence = repr(sorted(assessed.cells.items()))
    roles = str(setting.work.roles.height)
    return _analysis(setting, assessed, given, (assessed.model_id, assessed.variant, evidence, roles, given.hash))


def choose_role(setting: Setting, label: str, key: str) -> str:
    """A role by typing a part of its English or Chinese title; the link carries it."""
    shown = Titles.of(setting.work, [*bundled_roles(), *setting.own], setting.archive).shown
    roles = sorted(shown, key=shown.__getitem__)
    asked = st.query_params.get(key, "")
    if key not in st.session_state:
        st.session_state[key] = asked if asked in shown else roles[0]
    role = st.selectbox(label, roles, format_func=shown.__getitem__, key=key)
    if st.query_params.get(key) != role:
        st.query_params[key] = role
    return role
