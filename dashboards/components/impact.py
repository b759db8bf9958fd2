"""What the pages about work share: the version that is asked, the assumptions, the analysis."""

from pathlib import Path
from typing import cast

import streamlit as st

from components.choices import held
from components.language import Texts, language, texts
from components.names import system_name, version_name
from components.run import params_of, read_cached
from components.safe import literal
from components.versions import versions_of
from roleshift.impact.assumptions import Assumptions
from roleshift.impact.catalogue import bundled_roles
from roleshift.impact.report import Language
from roleshift.impact.roles import Analysis, analyse, analyse_pair
from roleshift.impact.setting import Setting, open_setting
from roleshift.impact.titles import Titles
from roleshift.impact.versions import Difference, difference
from roleshift.impact.views import closest_role
from roleshift.project import Project
from roleshift.registry.impact_evidence import Assessed, assess, systems_of_run


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


def choose_version(project: Project, t: Texts) -> tuple[str, str]:
    """The page's introduction, and beside it the version that the reader asks about: its number, its name in words.

    The number is "" for the run that is shown.
    """
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    left.write(t("intro"))
    names = {"": t("this_run")} | {str(version.number): version_name(version) for version in versions_of(project)}
    asked = st.query_params.get("version", "")
    key = held("assessed", names, asked if asked in names else "")
    word = right.selectbox(t("version"), list(names), format_func=names.__getitem__, key=key)
    if word != asked:
        st.query_params.from_dict({key: value for key, value in st.query_params.items() if key != "version"})
        if word:
            st.query_params["version"] = word
    return word, names[word]


def assessed_now(project: Project, folder: Path, word: str) -> Assessed:
    """What is measured of a version, or with "" of the run that is shown; read again when that changes."""
    return _assessed(str(project.root), word or None, (folder / "metrics/evaluate.json").stat().st_mtime_ns)


def choose_other(project: Project, folder: Path, t: Texts, first: str) -> tuple[str, Assessed] | None:
    """Another version, or another system of the shown run, to hold the one named `first` against; with its name."""
    summary = read_cached(folder / "metrics/evaluate.json")
    words = {system_name(name, summary): word for name, word in systems_of_run(folder).items()}
    words |= {version_name(version): str(version.number) for version in versions_of(project)}
    names = {"": t("choose")} | {word: name for name, word in words.items() if name != first}
    word = st.selectbox(t("other"), list(names), format_func=names.__getitem__, key=held("other", names, ""))
    return (names[word], assessed_now(project, folder, word)) if word else None


@st.cache_resource(max_entries=8, show_spinner=False)
def _difference(
    _setting: Setting, _first: Assessed, _second: Assessed, _given: Assumptions, key: tuple[str, ...]
) -> Difference:
    one, two, paired = analyse_pair(_setting.work, _first.cells, _second.cells, _given)
    return difference(one, two, paired.pairing)


def difference_of(setting: Setting, first: Assessed, second: Assessed, given: Assumptions) -> Difference:
    """Second minus first on joint draws, under the set without its what-if levels."""
    given = given.measured_only()
    return _difference(setting, first, second, given, (*_evidence(first), *_evidence(second), given.hash))


def _evidence(assessed: Assessed) -> tuple[str, ...]:
    cells = repr([(key, cell.evidence_hash, cell.reviewed) for key, cell in sorted(assessed.cells.items())])
    return (assessed.model_id, assessed.variant, cells)


@st.cache_resource(max_entries=4, show_spinner=False)  # with all of O*NET each holds some 60 MB of draws
def _analysis(_setting: Setting, _assessed: Assessed, _given: Assumptions, key: tuple[str, ...]) -> Analysis:
    return analyse(_setting.work, _assessed.cells, _given)


def analysis_of(setting: Setting, assessed: Assessed, given: Assumptions) -> Analysis:
    """The analysis under an assumption set; computed once for each."""
    return _analysis(setting, assessed, given, (*_evidence(assessed), str(setting.work.roles.height), given.hash))


@st.cache_resource(max_entries=4, show_spinner=False)
def _titles(_setting: Setting, key: str) -> Titles:
    return Titles.of(_setting.work, [*bundled_roles(), *_setting.own], _setting.archive)


def choose_role(setting: Setting, assessed: Assessed, label: str) -> str:
    """A role by a search for any of its names, English or Chinese, misspelt ones too; the link carries the role.

    A reader without a choice sees the one that is closest to a change.
    """
    t = texts("search")
    titles = _titles(setting, str(setting.work.roles["role_id"].to_list()))
    shown = dict(titles.shown)
    if reading_language() == "zh":
        named = setting.work.roles.select("role_id", "title_zh", "title_en").drop_nulls("title_zh")
        shown |= {role_id: f"{chinese}（{english}）" for role_id, chinese, english in named.iter_rows()}
    every = sorted(shown, key=shown.__getitem__)
    left, right = st.columns(2)
    wanted = left.text_input(t("search"), key="role-search", placeholder=t("example")).strip()
    found = titles.found(wanted) if wanted else every
    if not found:
        st.caption(t("nothing", wanted=literal(wanted)))
        found = every
    asked = st.query_params.get("role")
    if asked not in shown:
        asked = closest_role(analysis_of(setting, assessed, setting.assumptions))
    first = asked if asked in found else found[0]
    role = right.selectbox(label, found, format_func=shown.__getitem__, key=held("role", found, first))
    if st.query_params.get("role") != role:
        st.query_params["role"] = role
    return role
