"""The model card of a version: Hugging Face front matter and Markdown, written from its manifest and evidence."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from roleshift.errors import RoleShiftError
from roleshift.evaluation.markdown import base_markdown, report_markdown
from roleshift.evaluation.markdown_tables import results_markdown
from roleshift.files import read_json
from roleshift.params import Params
from roleshift.registry.figures import stage_seconds
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version, download_manifest

LIMITS = (
    "The evidence covers {domains} and nothing else: used on other texts, these figures say little. Tasks that are not "
    "named above were not assessed, which is not the same as bad. Scores by overlap with references are no judgement "
    "of truth. The intervals are over test items, not over training runs."
)


def card_path(version: Version) -> str:
    """Where the card lies among the artifacts of the version's pipeline run."""
    return f"card/version-{version.number}.md"


def ensure_card(tracking: Tracking, params: Params, version: Version) -> bool:
    """Write a version's card into its pipeline run unless it is there; whether it was written."""
    run = version.evidence_run
    with reporting(tracking.uri):
        if run is None or card_path(version) in {e.path for e in tracking.client.list_artifacts(run, "card")}:
            return False
    with tempfile.TemporaryDirectory() as folder:
        manifest = download_manifest(tracking, version, Path(folder))
        with reporting(tracking.uri):
            tracking.client.download_artifacts(run, "metrics", folder)
        evaluated = read_json(Path(folder) / "metrics/evaluate.json")
        baseline = read_json(Path(folder) / "metrics/baseline.json")
        text = model_card(version, manifest, evaluated, baseline, params, stage_seconds(Path(folder)))
        with reporting(tracking.uri):
            tracking.client.log_text(run, text, card_path(version))
    return True


def stored_card(tracking: Tracking, version: Version) -> str:
    """The card that lies with the version; raises where there is none."""
    with tempfile.TemporaryDirectory() as folder, reporting(tracking.uri):
        run = version.evidence_run
        if run is None or card_path(version) not in {e.path for e in tracking.client.list_artifacts(run, "card")}:
            raise RoleShiftError(f"version {version.number} has no card; run `dvc repro register` where it was made")
        found = tracking.client.download_artifacts(run, card_path(version), folder)
        return Path(found).read_text(encoding="utf-8")


def model_card(
    version: Version, manifest: Mapping[str, Any], evaluated: Mapping[str, Any], baseline: Mapping[str, Any],
    params: Params, seconds: Mapping[str, float],
) -> str:  # fmt: skip
    """The card; every figure in it comes from the run's evaluate.json and baseline.json, or `seconds` by stage.

    What is said by capability is of the version's own model: noise and leaks of the tuned one only.
    """
    base, tasks = manifest["base"], params.task_definitions()
    corpora = {corpus.source: params.sources[corpus.source] for _, corpus in sorted(params.corpora.items())}
    parts = evaluated["capabilities"]
    languages = sorted({language for part in parts.values() for language in part.get("languages", ())})
    front = {
        "license": str(base["licence"]).lower(),
        "base_model": base["origin"],
        "language": languages,
        "pipeline_tag": "text-generation",
        "tags": ["roleshift", version.kind, version.variant, *sorted(parts)],
        "model_name": f"{version.name} version {version.number}",
    }
    intended = [
        f"- **{task.capability}** ({task.id}): {task.domain}, answers in {task.language}. {task.instruction}"
        for task in tasks.values()
    ]
    data = [f"- {name}: {source.licence}" for name, source in corpora.items()]
    spent = [f"- {stage}: {value:.0f} s" for stage, value in seconds.items()]
    base_only = version.kind == "base"
    report = (f"\n{base_markdown(baseline)}" if base_only else report_markdown(evaluated)).partition("\n## ")[2]
    made = "the untouched base model" if version.kind == "base" else f"LoRA fine-tuning, served as {version.variant}"
    sections = [
        f"---\n{yaml.safe_dump(front, allow_unicode=True, sort_keys=False)}---",
        f"# {version.name} version {version.number}",
        f"Made by {made}. Base model: {base['origin']} ({base['licence']}). Model `{version.model_id}`, content "
        f"`{version.content_id}`, commit `{manifest['git'].get('commit', 'unknown')}`.",
        "## Intended use",
        "Short answers of the kinds it was trained and tested on, looked at by a person where an error has a cost:",
        "\n".join(intended),
        "## Data and licences",
        "Training, validation, test and review items are groups that were split apart before any of them was drawn.",
        "\n".join(data),
        "## Evidence",
        results_markdown(evaluated),
        "## Limits",
        LIMITS.format(domains=", ".join(sorted({task.domain for task in tasks.values()}))),
        "## By capability: floors and slices" if base_only else "## By capability: floors, slices, robustness, leaks",
        "### " + report.replace("\n## ", "\n### ") if report else "",
        *(["## Time spent", "\n".join(spent)] if spent else []),
    ]  # fmt: skip
    return "\n\n".join(section for section in sections if section) + "\n"
