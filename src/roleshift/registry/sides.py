"""What a comparison may name: a version, an alias, a run's folder or an evidence folder."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from roleshift.errors import RoleShiftError
from roleshift.evaluation.comparison import Side, load_evidence
from roleshift.params import Params, load_params
from roleshift.project import Project

if TYPE_CHECKING:
    from roleshift.feedback.review import Reviewed
    from roleshift.registry.tracking import Tracking
    from roleshift.registry.versions import Version
    from roleshift.tasks import TaskDefinition


def side_of(project: Project, params: Params, word: str, downloads: Path) -> Side:
    """The evidence that `word` names: `PATH`, `PATH:VARIANT`, a version's number, alias or id.

    A version's evidence is brought from the tracking store to `downloads`; it is the variant that
    the version serves.
    """
    path, _, variant = word.partition(":")
    if Path(path).exists():
        return load_evidence(Path(path), variant or None)
    if "/" in path:
        raise RoleShiftError(f"{path}: no such folder; name a run's folder, an evidence folder or a version")
    from roleshift.registry.tracking import tracking_of
    from roleshift.registry.versions import resolve

    tracking = tracking_of(project, params)
    return version_side(tracking, resolve(tracking, params.registry.model_name, word), downloads)


def tasks_of(params: Params, words: Iterable[str]) -> "dict[str, TaskDefinition]":
    """The project's tasks, and those of the runs' folders among `words`, which may have their own.

    Raises where two of them score one task by different metrics.
    """
    found, named = params.task_definitions(), dict.fromkeys(params.task_definitions(), "params.yaml")
    for word in words:
        file = Path(word.partition(":")[0]) / "params.yaml"
        if not file.is_file():
            continue
        for name, task in load_params(file).task_definitions().items():
            if name in found and found[name].metric != task.metric:
                raise RoleShiftError(
                    f"tasks.{name}.metric: {found[name].metric} in {named[name]}, {task.metric} in {file}; "
                    "score both by the same one"
                )
            found[name], named[name] = task, str(file)
    return found


def version_side(tracking: "Tracking", version: "Version", downloads: Path) -> Side:
    """The test evidence of a registered version, as the variant that it serves, brought to `downloads`."""
    from roleshift.registry.versions import download_evidence

    evidence = download_evidence(tracking, version, downloads / str(version.number))
    side = load_evidence(evidence / ("baseline" if version.kind == "base" else "candidate"), version.variant)
    return replace(side, name=f"version {version.number} ({version.variant})")


def reviewed_version(
    tracking: "Tracking", version: "Version", tasks: "Mapping[str, TaskDefinition]", downloads: Path
) -> "Reviewed":
    """A registered version's answers to the review split, brought to `downloads`."""
    from roleshift.feedback.acceptance import review_items
    from roleshift.feedback.events import Answered
    from roleshift.feedback.review import Reviewed
    from roleshift.registry.versions import download_evidence

    evidence = download_evidence(tracking, version, downloads / str(version.number))
    folder = evidence / ("baseline" if version.kind == "base" else "candidate")
    answered = Answered(version.number, version.model_id, version.variant, "")
    items, scores = review_items(folder, answered)
    artifact_id = str(items["artifact_id"][0]) if items.height else ""
    return Reviewed.of(replace(answered, artifact_id=artifact_id), items, scores, tasks)
