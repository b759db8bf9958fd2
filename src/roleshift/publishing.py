"""The committed copy of a real default run: `docs/default-run/`, reports, and the README's table.

The copy holds no source texts: the answers of floors are source texts, and so are answers that
share eight words in a row with their input or a reference.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from roleshift.contracts import EXAMPLES, ITEMS, SCORES, read_table, write_table
from roleshift.errors import RoleShiftError
from roleshift.evaluation.markdown import report_markdown
from roleshift.evaluation.markdown_tables import classes_markdown, results_markdown, systems_markdown
from roleshift.evaluation.metrics.tokens import answer_tokens
from roleshift.files import read_json, replacing, write_text
from roleshift.project import Project
from roleshift.runs import LOOKS

SHARED_WORDS = 8
RUN_FOLDER = Path("docs/default-run")
EVIDENCE = ("baseline", "candidate")
METRICS = ("baseline", "finetune", "export", "selection", "evaluate", "impact", "register")
RUN_OUTPUTS = (
    "dvc.lock",
    "data/",
    "docs/",
    "evidence/",
    "impact/",
    "metrics/",
    "models/",
    "plots/",
    "timings/",
    "README.md",
)
START, END = "<!-- results: written by `make publish-run` -->", "<!-- /results -->"


def shares_words(output: str, text: str, language: str) -> bool:
    """Whether two texts share eight words in a row (characters, in unspaced scripts)."""

    def runs(tokens: list[str]) -> set[tuple[str, ...]]:
        return {tuple(tokens[i : i + SHARED_WORDS]) for i in range(len(tokens) - SHARED_WORDS + 1)}

    return not runs(answer_tokens(output, language)).isdisjoint(runs(answer_tokens(text, language)))


def without_source_texts(items: pl.DataFrame, sources: Mapping[str, list[str]]) -> pl.DataFrame:
    """Items whose outputs are left out (null) where they are, or repeat, source texts.

    `sources` maps an example's id to its input and references.
    """

    def kept(item: dict[str, str]) -> str | None:
        if item["variant"].startswith("floor-"):
            return None
        texts = sources.get(item["example_id"], [])
        if any(shares_words(item["output"], text, item["language"]) for text in texts):
            return None
        return item["output"]

    return items.with_columns(output=pl.Series([kept(row) for row in items.to_dicts()], dtype=pl.String))


def source_texts(project: Project) -> dict[str, list[str]]:
    """Input and references of every test and review example by id."""
    frames = [read_table(project.root / f"data/examples/{split}.parquet", EXAMPLES) for split in ("test", "review")]
    return {row["example_id"]: [row["input"], *row["references"]] for frame in frames for row in frame.to_dicts()}


def current_run(project: Project) -> tuple[Path, bool]:
    """The folder whose `metrics/` and `evidence/` a page shows, and whether it is the committed default run."""
    if (project.root / "metrics/evaluate.json").is_file() and (project.root / "evidence/candidate").is_dir():
        return project.root, False
    if (project.root / RUN_FOLDER / "metrics/evaluate.json").is_file():
        return project.root / RUN_FOLDER, True
    raise RoleShiftError(f"{project.root}: no run to show yet; run `make repro`")


def copy_published(project: Project, folder: Path) -> None:
    """Make `folder` what a fresh clone shows: the committed run, without texts, models, cache or tracking store."""
    for name in ("dvc.yaml", "dvc.lock", "params.yaml", LOOKS):  # of .streamlit not the secrets that may lie there
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project.home / name, folder / name)
    shutil.copytree(project.home / RUN_FOLDER, folder / RUN_FOLDER)


def publish_run(project: Project) -> list[Path]:
    """Write the committed copy, the reports and the README's table; returns what was written."""
    if project.is_run:
        raise RoleShiftError("publish-run takes the default run; run it from the main checkout")
    _require_clean_commit(project.root)
    sources = source_texts(project)
    evaluate = read_json(project.root / "metrics/evaluate.json")
    with replacing(project.root / RUN_FOLDER) as folder:
        for part in EVIDENCE:
            evidence = project.root / "evidence" / part
            items = without_source_texts(read_table(evidence / "items.parquet", ITEMS), sources)
            write_table(folder / "evidence" / part / "items.parquet", items, ITEMS)
            write_table(
                folder / "evidence" / part / "scores.parquet", read_table(evidence / "scores.parquet", SCORES), SCORES
            )
        for name in METRICS:
            (folder / "metrics").mkdir(exist_ok=True)
            shutil.copyfile(project.root / f"metrics/{name}.json", folder / f"metrics/{name}.json")
        shutil.copytree(project.root / "metrics/timings", folder / "metrics/timings")
        shutil.copytree(project.root / "plots", folder / "plots")
        shutil.copytree(project.root / "impact", folder / "impact")
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=project.root, capture_output=True, text=True, check=True
        )
        write_text(folder / "COMMIT", commit.stdout)
    write_text(project.root / "docs/evaluation-report.md", report_markdown(evaluate))
    write_text(project.root / "README.md", with_results(project.root / "README.md", results_markdown(evaluate)))
    return [project.root / path for path in (RUN_FOLDER, "docs/evaluation-report.md", "README.md")]


def publish_example(project: Project, name: str) -> Path:
    """Write the results of runs/NAME into the README of the example of that name."""
    evaluate = project.home / "runs" / name / "metrics/evaluate.json"
    readme = project.home / "examples" / name / "README.md"
    if not evaluate.is_file():
        raise RoleShiftError(
            f"{evaluate}: no such run; roleshift run --params examples/{name}/params.yaml --name {name}"
        )
    if not readme.is_file():
        raise RoleShiftError(f"{readme}: no such file; an example has a README")
    summary = read_json(evaluate)
    parts = [results_markdown(summary)]
    for capability, part in summary["capabilities"].items():
        parts.append(f"{capability}, every system on the {part['items']} test items:\n\n{systems_markdown(part)}")
        if part.get("classes"):
            parts.append(f"{capability}, {summary['tuned']['shipped']} by class:\n\n{classes_markdown(part)}")
        if part.get("malformed") is not None:
            parts.append(f"Answers that were not the JSON asked for: {part['malformed']} of {part['items']}.\n")
    write_text(readme, with_results(readme, "\n".join(parts)))
    return readme


def with_results(readme: Path, table: str) -> str:
    """The README's text with the table between its two marks replaced."""
    text = readme.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise RoleShiftError(f"{readme}: must hold the lines {START!r} and {END!r} once each")
    before, rest = text.split(START)
    return f"{before}{START}\n{table.strip()}\n{END}{rest.split(END)[1]}"


def _require_clean_commit(root: Path) -> None:
    status = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=True)
    for line in status.stdout.splitlines():
        path = line[3:].split(" -> ")[-1].strip('"')
        if not path.startswith(RUN_OUTPUTS):
            raise RoleShiftError(f"{path}: uncommitted; a published run names a clean commit, so commit first")
