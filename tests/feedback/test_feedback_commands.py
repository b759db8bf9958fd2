"""The commands of docs/serving.md in a project: what was said, its export, deletion, drift."""

import json
import shutil
from pathlib import Path

import pytest
from evaluation_samples import make_examples
from feedback_samples import NEW
from typer.testing import CliRunner

from roleshift.cli import app
from roleshift.contracts import EXAMPLES, write_table
from roleshift.feedback.events import About, Texts
from roleshift.feedback.store import FeedbackStore, new_event
from roleshift.params import load_params
from roleshift.project import Project

REPOSITORY = Path(__file__).parents[2]
TASK = "headline-encyclopedia"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Sixty captured requests of ann's, of which bob corrected two."""
    monkeypatch.delenv("ROLESHIFT_FEEDBACK_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    task = load_params(tmp_path / "params.yaml").task_definitions()[TASK]
    tables = {split: make_examples({TASK: task}, 60, split) for split in ("train", "test", "use")}
    for split in ("train", "test"):
        write_table(tmp_path / f"data/examples/{split}.parquet", tables[split], EXAMPLES)
    project = Project(tmp_path, tmp_path)
    with FeedbackStore.of(project) as store:
        for i, text in enumerate(tables["use"]["input"]):
            about = About("captured", None, f"r{i}", TASK, task.capability, task.domain)
            details: dict[str, object] = {"output_tokens": 4, "finish_reason": "stop", "language": "en", "slices": {}}
            store.add(
                new_event("capture", about=about, answered=NEW, outcome="captured", drawn_by="random", user_id="ann",
                          texts=Texts(text, "an answer"), details=details)
            )  # fmt: skip
            if i < 2:
                corrected = Texts(text, "an answer", f"better {i}")
                store.add(
                    new_event("judgement", about=about, answered=NEW, outcome="reject", drawn_by="random",
                              reviewer_id="bob", user_id="ann"),
                    new_event("correction", about=about, answered=NEW, outcome="corrected", drawn_by="random",
                              reviewer_id="bob", user_id="ann", texts=corrected, details=details),
                )  # fmt: skip
    return project


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_status_counts_and_gives_the_acceptance_in_use(project: Project) -> None:
    said = run("feedback", "status")
    assert "60  capture: captured (captured, drawn by random)" in said
    assert "accepted in use, version 2, headline: 0% [0%, 84%] of 2 random items" in said  # 1 - 0.025 ** (1 / 2)
    found = json.loads(run("feedback", "status", "--json"))
    assert found["acceptance_in_use"][0]["items"] == 2
    assert found["deleted_texts"] == 0


def test_export_forget_and_export_again(project: Project) -> None:
    assert "2 corrections written" in run("feedback", "export")
    rows = [json.loads(line) for line in (project.home / "feedback/corrections.jsonl").read_text().splitlines()]
    assert sorted(row["references"][0] for row in rows) == ["better 0", "better 1"]
    assert "62 texts of ann deleted" in run("feedback", "forget", "ann")
    said = run("feedback", "export")
    assert "0 corrections written" in said
    assert "2 left out: text deleted" in said


def test_texts_expire(project: Project) -> None:
    assert "0 texts deleted" in run("feedback", "expire", "1")
    assert "62 texts deleted" in run("feedback", "expire", "0")


def test_drift_looks_once_at_what_came_and_says_what_waits(project: Project) -> None:
    found = json.loads(run("drift", "--json"))
    assert (found["look"], found["alert"]) == (1, None)
    assert {signal["name"] for signal in found["signals"]} == {"length", "script", "unknown words", "unseen 3-grams"}
    assert "nothing to test yet" in run("drift")
