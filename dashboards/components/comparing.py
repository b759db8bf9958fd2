"""The chosen systems of a comparison: who is offered, the comparison itself, and the facts about each."""

from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from components.names import VERSION
from components.run import params_of
from roleshift.contracts import EXAMPLES, read_table
from roleshift.errors import RoleShiftError
from roleshift.evaluation.comparison import Side
from roleshift.evaluation.measures import Precision
from roleshift.evaluation.several import Several, compare_several, item_differences, run_sides
from roleshift.project import Project
from roleshift.registry.choices import existing_store
from roleshift.registry.sides import version_side
from roleshift.registry.system_facts import SystemFacts, run_facts, version_facts
from roleshift.registry.tracking import Tracking
from roleshift.registry.versions import Version, resolve

# Evidence is read by nobody else than these functions, so that one copy serves every visitor.


@st.cache_resource(max_entries=4, show_spinner=False)
def sides_of_run(folder: str, changed: int) -> dict[str, Side]:
    """The run's systems; read again when its evidence changes."""
    return run_sides(Path(folder))


@st.cache_resource(max_entries=16, show_spinner=False)
def _side_of_version(root: str, uri: str, content_id: str) -> Side:
    """A version's evidence; content never changes under its id."""
    project = Project.discover(Path(root))
    tracking, version = _version(project, content_id)
    return version_side(tracking, version, project.work / "versions")


def _version(project: Project, content_id: str) -> tuple[Tracking, Version]:
    params = params_of(project)
    tracking = existing_store(project, params)
    if tracking is None:
        raise RoleShiftError(f"{project.root}: no tracking store; run `make repro`")
    return tracking, resolve(tracking, params.registry.model_name, content_id)


class Comparing:
    """A comparison of named systems; `contents` maps the names of versions to their content ids."""

    def __init__(self, project: Project, folder: Path, contents: dict[str, str]) -> None:
        self.project, self.folder, self.contents = project, folder, contents
        self.changed = (folder / "metrics/evaluate.json").stat().st_mtime_ns
        self.of_run = sides_of_run(str(folder), self.changed)

    @property
    def offered(self) -> list[str]:
        """The run's systems, then the versions, newest first."""
        return [*self.of_run, *self.contents]

    def _key(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.contents.get(name, f"{self.folder} {self.changed}") for name in names)

    def side(self, name: str) -> Side:
        """The evidence of a system."""
        if name not in self.contents:
            return self.of_run[name]
        return _side_of_version(str(self.project.root), self.project.tracking_uri, self.contents[name])

    def compared(self, names: tuple[str, ...]) -> Several:
        """Values of all, differences of the others from the first."""
        params = params_of(self.project)
        return _compared(
            self, names, (*self._key(names), params.model_dump_json(include={"tasks", "evaluation", "seed"}))
        )

    def items(self, first: str, other: str) -> pl.DataFrame:
        """The items that both answered, the largest difference first."""
        return _items(self, first, other, self._key((first, other)))

    def example(self, example_id: str) -> dict[str, Any] | None:
        """The test example of an item: its input and references; None where this copy has no such text."""
        path = self.folder / "data/examples/test.parquet"
        if not path.is_file():
            return None
        return _test_examples(str(path), path.stat().st_mtime_ns).get(example_id)

    def facts(self, name: str) -> SystemFacts:
        """Size, speed, noise, training, settings and data of a system."""
        return _facts(self, name, self._key((name,)))


@st.cache_resource(max_entries=2, show_spinner=False)
def _test_examples(path: str, changed: int) -> dict[str, dict[str, Any]]:
    found = read_table(Path(path), EXAMPLES).select("example_id", "input", "references")
    return {row["example_id"]: row for row in found.to_dicts()}


@st.cache_resource(max_entries=16, show_spinner=False)
def _compared(_comparing: Comparing, names: tuple[str, ...], key: tuple[str, ...]) -> Several:
    params = params_of(_comparing.project)
    precision = Precision(params.evaluation.resamples, params.evaluation.confidence, params.seed)
    return compare_several({name: _comparing.side(name) for name in names}, params.task_definitions(), precision)


@st.cache_resource(max_entries=16, show_spinner=False)
def _items(_comparing: Comparing, first: str, other: str, key: tuple[str, ...]) -> pl.DataFrame:
    tasks = params_of(_comparing.project).task_definitions()
    return item_differences(_comparing.side(first), _comparing.side(other), tasks)


@st.cache_resource(max_entries=32, show_spinner=False)
def _facts(_comparing: Comparing, name: str, key: tuple[str, ...]) -> SystemFacts:
    project = _comparing.project
    if name not in _comparing.contents:
        return run_facts(project, _comparing.folder, name)
    tracking, version = _version(project, _comparing.contents[name])
    return version_facts(tracking, version, name, project.work / "versions")


def named_versions(versions: list[Version]) -> dict[str, str]:
    """The content ids of versions by the name they have in a comparison."""
    return {f"{VERSION}{version.number}": version.content_id for version in versions}
