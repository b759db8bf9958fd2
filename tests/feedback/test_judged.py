"""Judgements on their way from the store to the impact stage."""

import runpy
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml
from feedback_samples import NEW, review_item
from typer.testing import CliRunner

from roleshift.cli import app
from roleshift.contracts import ITEMS, SCORES, write_table
from roleshift.errors import RoleShiftError
from roleshift.feedback.acceptance import with_acceptance
from roleshift.feedback.events import About
from roleshift.feedback.judged import judged_table, read_judgements, write_judgements
from roleshift.feedback.store import FeedbackStore, new_event
from roleshift.files import read_json, write_json
from roleshift.impact.capability import measured_cells
from roleshift.params import load_params
from roleshift.stage import open_stage

REPOSITORY = Path(__file__).parents[2]


def judge(store: FeedbackStore, about: About, accepted: bool, who: str, drawn_by: str = "random") -> None:
    store.add(
        new_event(
            "judgement",
            about=about,
            answered=NEW,
            outcome="accept" if accepted else "reject",
            reviewer_id=who,
            drawn_by=drawn_by,  # type: ignore[arg-type]
        )
    )


def evidence(folder: Path, count: int) -> None:
    """`count` test and review items of the summaries, with rising scores, as the candidate's evidence."""
    rows = [
        {
            "example_id": f"{'e' if split == 'review' else 't'}{i}", "model_id": NEW.model_id, "variant": NEW.variant,
            "shots": 0, "perturbation": "none", "task_definition": "summarize-papers", "capability": "summarize",
            "language": "en", "domain": "papers", "slices": [], "group_id": f"{split}{i}", "split": split,
            "artifact_id": "a2", "prompt_hash": "p", "settings_hash": "s", "references_hash": "r", "output": "o",
            "prompt_tokens": 1, "output_tokens": 1, "finish_reason": "stop", "origin": "measured",
            "metric": "rouge_l", "score": i / count, "statistics": [], "signature": "sig",
        }
        for split in ("test", "review")
        for i in range(count)
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides={**ITEMS.schema, **SCORES.schema})
    folder.mkdir(parents=True)
    write_table(folder / "items.parquet", frame.select(ITEMS.schema.names()), ITEMS)
    write_table(folder / "scores.parquet", frame.select(SCORES.schema.names()), SCORES)


def test_the_file_holds_the_last_word_of_everybody_and_no_names(store: FeedbackStore, tmp_path: Path) -> None:
    judge(store, review_item(1), False, "ann@example.org")
    judge(store, review_item(1), True, "ann@example.org")
    judge(store, review_item(1), False, "bob")
    write_judgements(tmp_path / "a/judgements.parquet", judged_table(store.events()))
    back = read_judgements(tmp_path / "a/judgements.parquet")
    assert back.select("example_id", "reviewer_id", "accepted").rows() == [("e1", "0001", True), ("e1", "0002", False)]
    assert b"ann" not in (tmp_path / "a/judgements.parquet").read_bytes()
    with pytest.raises(RoleShiftError, match="roleshift feedback judgements"):
        read_judgements(tmp_path / "b.parquet")


def test_file_and_store_give_the_same_estimate(store: FeedbackStore, tmp_path: Path) -> None:
    evidence(tmp_path / "evidence", 60)
    for i in range(40):
        judge(store, review_item(i + 10), i % 4 > 0, f"person {i % 3}")
    judge(store, review_item(5), False, "ann", drawn_by="choice")
    items, scores = (pl.read_parquet(tmp_path / f"evidence/{name}.parquet") for name in ("items", "scores"))
    tasks = load_params(REPOSITORY / "params.yaml").task_definitions()
    cells = measured_cells(items, scores, tasks, variant=NEW.variant)
    events = judged_table(store.events())
    write_judgements(tmp_path / "judgements.parquet", events)
    both = [
        with_acceptance(cells, tmp_path / "evidence", judged, NEW, tasks, resamples=200, seed=1)["summarize", "papers"]
        for judged in (events, read_judgements(tmp_path / "judgements.parquet"))
    ]
    assert [cell.grade for cell in both] == ["reviewed", "reviewed"]
    assert both[0].reviewed is not None and both[1].reviewed is not None
    assert both[0].reviewed.judged == 40
    assert both[0].observed == both[1].observed
    assert (both[0].reviewed.draws == both[1].reviewed.draws).all()


def test_judged_requests_from_use_reach_the_cells_by_store_and_by_file_alike(
    store: FeedbackStore, tmp_path: Path
) -> None:
    evidence(tmp_path / "evidence", 60)
    for i in range(50):
        about = About("captured", None, f"r{i}", "summarize-papers", "summarize", "papers")
        drawn_by = "random" if i < 45 else "choice"  # the last ones somebody sent from the Playground
        store.add(
            new_event(
                "capture", about=about, answered=NEW, outcome="captured", drawn_by=drawn_by,
                user_id=f"user {i % 9}@example.org", details={"mean_logprob": -i / 50},
            )
        )  # fmt: skip
        if i % 5:
            judge(store, about, i % 9 > 2, "ann@example.org")
    judge(store, About("captured", None, "unknown", None, None, None), False, "ann", drawn_by="choice")
    items, scores = (pl.read_parquet(tmp_path / f"evidence/{name}.parquet") for name in ("items", "scores"))
    tasks = load_params(REPOSITORY / "params.yaml").task_definitions()
    cells = measured_cells(items, scores, tasks, variant=NEW.variant)
    write_judgements(tmp_path / "judgements.parquet", judged_table(store.events()))
    written = read_judgements(tmp_path / "judgements.parquet")
    assert b"example.org" not in (tmp_path / "judgements.parquet").read_bytes()
    both = [
        with_acceptance(cells, tmp_path / "evidence", judged, NEW, tasks, resamples=200, seed=1)
        for judged in (judged_table(store.events()), written)
    ]
    measured, used = both[0]["summarize", "papers"], both[0]["summarize", "captured"]
    assert measured == cells["summarize", "papers"]  # use and test items never mix
    chosen = [i for i in range(45) if i % 5]
    assert (used.items, used.passes) == (len(chosen), sum(i % 9 > 2 for i in chosen))
    assert (used.task_definitions, used.origins, used.grade) == (("summarize-papers",), ("captured",), "reviewed")
    assert used.design_effect > 1  # nine callers
    other = both[1]["summarize", "captured"]
    assert other.reviewed is not None
    assert used.reviewed is not None
    assert (other.evidence_hash, other.lower) == (used.evidence_hash, used.lower)
    assert (other.reviewed.draws == used.reviewed.draws).all()


def test_the_stage_takes_judgements_from_the_named_file_and_only_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pipelines", "src"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path / "dvc.yaml")
    settings = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    settings["impact"]["draws"] = 100
    evidence(tmp_path / "evidence/candidate", 40)
    write_json(tmp_path / "metrics/selection.json", {"shipped": NEW.variant})
    monkeypatch.chdir(tmp_path)
    with FeedbackStore(f"sqlite:///{tmp_path}/feedback.db") as store:
        for i in range(40):
            judge(store, review_item(i), i % 8 > 0, "ann")
    impact = runpy.run_path(str(REPOSITORY / "pipelines/impact.py"))["impact"]
    summaries = []
    for judgements in (None, "feedback/judgements.parquet", "feedback/judgements.parquet"):
        settings["impact"]["judgements"] = judgements
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        if judgements is None:
            written = CliRunner().invoke(app, ["feedback", "judgements"])
            assert ": 40 (reviewers: 1)" in " ".join(written.output.split()), written.output
        with open_stage("impact") as stage:
            impact(stage)
        summaries.append(read_json(tmp_path / "metrics/impact.json"))
        if judgements:  # what is said later does not change the outputs
            with FeedbackStore(f"sqlite:///{tmp_path}/feedback.db") as store:
                judge(store, review_item(0), False, "bob")
    before, after, again = summaries
    assert before["capabilities"]["summarize"]["papers"]["grade"] == "overlap"
    assert after["capabilities"]["summarize"]["papers"] | {"lower": 0} == {
        "grade": "reviewed", "items": 40, "judged": 40, "observed": pytest.approx(35 / 40, abs=0.01), "lower": 0,
    }  # fmt: skip
    assert len(after["sources"]["judgements"]["sha256"]) == 64
    assert again == after
    assert pl.read_parquet(tmp_path / "impact/capabilities.parquet")["judged"].to_list() == [40]
