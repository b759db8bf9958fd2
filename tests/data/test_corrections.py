"""Corrections on their way to training: exported, joined, and kept out where they may not go."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from feedback_samples import NEW, store

from roleshift.contracts import EXAMPLES
from roleshift.data.preparation.corrections import read_corrections
from roleshift.data.preparation.preparing import Prepared, prepare_examples
from roleshift.data.sources.fetching import RandomModelWriter, fetch_sources
from roleshift.data.sources.local import CORRECTIONS, DELETED
from roleshift.errors import RoleShiftError
from roleshift.feedback.corrections import export_corrections
from roleshift.feedback.events import About, Texts
from roleshift.feedback.store import FeedbackStore, new_event
from roleshift.params import Params
from roleshift.project import Project

__all__ = ["store"]

TASK = {
    "capability": "answer", "kind": "generate", "instruction": "Answer.", "domain": "shop", "language": "en",
    "metric": "token_f1", "threshold": 0.5, "threshold_reason": "half of the words",
}  # fmt: skip


def text_of(number: int) -> str:
    return f"alpha{number} beta{number} gamma{number} delta{number} what is item number{number}?"


def count_words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


@pytest.fixture
def prepare(tmp_path: Path, make_params: Callable[..., Params]) -> Callable[[], Prepared]:
    """Fetch and prepare a project of 200 questions with its exported corrections."""
    (tmp_path / "mine.jsonl").write_text(
        "".join(json.dumps({"q": text_of(i), "a": f"answer {i}"}) + "\n" for i in range(200))
    )

    def run(corrections: str | None = "people") -> Prepared:
        sources = {
            "mine": {"kind": "file", "path": "mine.jsonl", "licence": "CC0"},
            "people": {"kind": "feedback", "path": "corrections.jsonl", "licence": "CC0"},
            "tiny": {"kind": "random-model"},
        }
        columns = {"input": "q", "references": ["a"]}
        corpora = {"c": {"source": "mine", "adapter": "table", "task": "faq", "columns": columns}}
        params = make_params(
            sources=sources,
            corpora=corpora,
            tasks={"faq": TASK},
            prepare={"corrections": corrections},
            base={"source": "tiny"},
        )
        raw = tmp_path / "raw"
        shutil.rmtree(raw, ignore_errors=True)
        fetch_sources(params, Project(tmp_path, tmp_path), raw, RandomModelWriter(_write_nothing, "none"))
        return prepare_examples(params, raw, count_words)

    return run


def _write_nothing(folder: Path, architecture: str, seed: int) -> None:
    folder.mkdir(parents=True)
    (folder / "model").write_text("nothing")


@pytest.fixture
def correct(store: FeedbackStore, tmp_path: Path) -> Callable[..., None]:
    def add(row: dict[str, object], correction: str, population: str = "review", user: str | None = None) -> None:
        about = About(population, str(row["example_id"]), None, "faq", "answer", "shop")
        store.add(
            new_event(
                "correction",
                about=about,
                answered=NEW,
                outcome="corrected",
                reviewer_id="ann",
                user_id=user,
                texts=Texts(input=str(row["input"]), output="wrong", correction=correction),
                details={"group_id": row["group_id"], "slices": {}, "language": "en", "licence": "CC0"},
            )
        )

    return add


def joined(prepared: Prepared) -> pl.DataFrame:
    return prepared.examples["train"].filter(pl.col("source") == "people")  # type: ignore[index]


def test_a_correction_becomes_a_training_example_and_its_item_leaves_review(
    store: FeedbackStore, tmp_path: Path, prepare: Callable[..., Prepared], correct: Callable[..., None]
) -> None:
    before = prepare(None)
    row = before.examples["review"].row(0, named=True)
    correct(row, "a better answer")
    export_corrections(store, tmp_path / "corrections.jsonl")
    after = prepare()
    assert joined(after).select("input", "references").rows() == [(row["input"], ["a better answer"])]
    assert row["group_id"] not in set(after.examples["review"]["group_id"])
    assert before.examples["test"].equals(after.examples["test"])
    assert after.report["corrections"] == {"joined": 1, "rejected": {}}
    drawn = before.report["capabilities"]["answer"]["train"]["drawn"]
    assert after.report["capabilities"]["answer"]["train"]["drawn"] == drawn
    again = prepare()
    assert {name: frame.rows() for name, frame in again.examples.items()} == {
        name: frame.rows() for name, frame in after.examples.items()
    }


def test_a_correction_of_a_test_item_is_never_exported(
    store: FeedbackStore, tmp_path: Path, prepare: Callable[..., Prepared], correct: Callable[..., None]
) -> None:
    test = prepare(None).examples["test"]
    correct(test.row(0, named=True), "learnt by heart", population="test")
    correct(test.row(1, named=True), "learnt by heart", population="review")  # labelled wrongly
    done = export_corrections(store, tmp_path / "corrections.jsonl", test)
    assert done == {"written": 0, "left_out": {"of a test item": 2}}
    assert (tmp_path / "corrections.jsonl").read_text() == ""


def test_prepare_refuses_a_correction_of_a_test_item_that_comes_all_the_same(
    store: FeedbackStore, tmp_path: Path, prepare: Callable[..., Prepared], correct: Callable[..., None]
) -> None:
    row = prepare(None).examples["test"].row(0, named=True)
    correct(row, "learnt by heart")
    correct(row | {"example_id": "elsewhere", "group_id": "new", "input": row["input"].upper()}, "learnt by heart")
    export_corrections(store, tmp_path / "corrections.jsonl")
    prepared = prepare()
    assert joined(prepared).is_empty()
    assert prepared.report["corrections"]["rejected"] == {"group_in_test": 1, "near_duplicate_of_test": 1}


def test_a_captured_request_that_repeats_a_test_item_never_trains(
    store: FeedbackStore, tmp_path: Path, prepare: Callable[..., Prepared], correct: Callable[..., None]
) -> None:
    examples = prepare(None).examples
    test, validation = (examples[split].row(0, named=True)["input"] for split in ("test", "validation"))  # type: ignore[index]
    asked = {"r1": test, "r2": f"Please: {test}", "r3": validation}
    for request, text in asked.items():
        correct({"example_id": request, "input": text, "group_id": None}, "corrected", population="captured")
    export_corrections(store, tmp_path / "corrections.jsonl", examples["test"])
    prepared = prepare()
    assert joined(prepared)["input"].to_list() == [validation]
    assert validation not in set(prepared.examples["validation"]["input"])
    assert prepared.report["corrections"]["rejected"] == {"group_in_test": 1, "near_duplicate_of_test": 1}


def test_a_text_that_was_deleted_after_the_export_is_dropped(
    store: FeedbackStore, tmp_path: Path, prepare: Callable[..., Prepared], correct: Callable[..., None]
) -> None:
    review = prepare(None).examples["review"]
    correct(review.row(0, named=True), "stays")
    correct(review.row(1, named=True), "goes", user="u1")
    export_corrections(store, tmp_path / "corrections.jsonl")
    assert joined(prepare()).height == 2
    store.forget("u1")
    prepared = prepare()
    assert joined(prepared)["references"].to_list() == [["stays"]]
    assert prepared.report["corrections"] == {"joined": 1, "rejected": {"text_deleted": 1}}
    assert "goes" not in json.dumps(prepared.quarantine)
    done = export_corrections(store, tmp_path / "corrections.jsonl")
    assert done == {"written": 1, "left_out": {"text deleted": 1}}


def test_a_line_that_the_export_did_not_write_is_named(tmp_path: Path, prepare: Callable[..., Prepared]) -> None:
    (tmp_path / "corrections.jsonl").write_text('{"input": "no more"}\n')
    with pytest.raises(RoleShiftError, match=r"corrections\.jsonl:1: not a correction"):
        prepare()


def test_a_missing_export_says_how_to_make_it(prepare: Callable[..., Prepared]) -> None:
    with pytest.raises(RoleShiftError, match="roleshift feedback export"):
        prepare()


def test_the_tables_keep_their_contract(
    store: FeedbackStore, tmp_path: Path, prepare: Callable[..., Prepared], correct: Callable[..., None]
) -> None:
    correct(prepare(None).examples["review"].row(0, named=True), "better")
    export_corrections(store, tmp_path / "corrections.jsonl")
    assert prepare().examples["train"].schema == EXAMPLES.schema


def test_a_correction_without_a_slice_of_its_instruction_is_left_out_and_counted(
    tmp_path: Path, make_params: Callable[..., Params]
) -> None:
    task = TASK | {"instruction": "Answer about {aspect}."}
    params = make_params(
        sources={"mine": {"kind": "file", "path": "mine.jsonl", "licence": "CC0"},
                 "people": {"kind": "feedback", "path": "corrections.jsonl", "licence": "CC0"},
                 "tiny": {"kind": "random-model"}},
        corpora={"c": {"source": "mine", "adapter": "table", "task": "faq",
                       "columns": {"input": "q", "references": ["a"], "slices": {"aspect": "x"}}}},
        tasks={"faq": task}, prepare={"corrections": "people"}, base={"source": "tiny"},
    )  # fmt: skip
    common = {
        "task_definition": "faq",
        "event_id": "e",
        "text_id": "t",
        "input": "what is it?",
        "references": ["this"],
        "time": "1",
    }
    rows = [common | {"slices": {"aspect": "price"}}, common | {"slices": {}, "text_id": "u", "input": "and that?"}]
    (tmp_path / "people").mkdir()
    (tmp_path / f"people/{CORRECTIONS}").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / f"people/{DELETED}").write_text("[]")
    kept, rejected = read_corrections(params, tmp_path)
    assert [row.slices for row in kept] == [{"aspect": "price"}]
    assert [(each.reason, each.detail) for each in rejected] == [
        ("missing_slice", "the instruction of faq needs aspect")
    ]
