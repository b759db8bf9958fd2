"""Comparisons of two versions, and what is refused."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from evaluation_samples import answers, make_examples

from roleshift.contracts import ITEMS, SCORES, write_table
from roleshift.errors import RoleShiftError
from roleshift.evaluation.comparison import Side, compare, load_evidence, render_json, render_markdown, render_table
from roleshift.evaluation.floors import floor_items
from roleshift.evaluation.measures import Precision
from roleshift.evaluation.plan import score_answers
from roleshift.evaluation.statistics import holm
from roleshift.files import write_json
from roleshift.tasks import TaskDefinition

SETTINGS = {"margin": 0.05, "precision": Precision(200, 0.95, 0)}


def side(tasks: dict[str, TaskDefinition], quality: float, count: int = 60, **over: object) -> Side:
    test = make_examples(tasks, count, "test")
    items = answers(test, quality, **over)
    return Side(str(over.get("model_id")), items, score_answers(items, {"none": test}, tasks))


@pytest.fixture(scope="module")
def old(tasks: dict[str, TaskDefinition]) -> Side:
    return side(tasks, 0.8, model_id="old", variant="onnx-int8")


@pytest.fixture(scope="module")
def new(tasks: dict[str, TaskDefinition]) -> Side:
    return side(tasks, 0.3, model_id="new", variant="onnx-int8")


def test_a_worse_version_is_called_worse_and_its_slices_and_items_are_named(
    old: Side, new: Side, tasks: dict[str, TaskDefinition]
) -> None:
    found = compare(new, old, tasks, **SETTINGS)
    part = found["capabilities"]["summarize"]
    assert part["metrics"]["rouge_l"]["verdict"] == "worse"
    assert found["regression"]
    assert {entry["slice"] for entry in part["slices"] if entry["regressed"]} == {"aspect"}
    shown = Counter(row["capability"] for row in found["largest"])
    assert set(shown) == {"classify", "extract", "summarize", "translate"}
    assert max(shown.values()) == 10
    assert abs(found["largest"][0]["difference"]) == 1
    assert (
        compare(old, new, tasks, **SETTINGS)["capabilities"]["summarize"]["metrics"]["rouge_l"]["verdict"] == "better"
    )
    for text in (render_table(found), render_markdown(found), render_json(found)):
        assert "worse" in text
        assert "aspect" in text


def test_a_version_compared_with_itself_is_not_worse(old: Side, tasks: dict[str, TaskDefinition]) -> None:
    found = compare(old, old, tasks, **SETTINGS)
    verdicts = {part["metrics"][part["primary_metric"]]["verdict"] for part in found["capabilities"].values()}
    assert verdicts == {"not worse than the margin"}
    assert found["largest"] == []
    assert not found["regression"]


def test_items_too_few_for_the_margin_certify_nothing_however_equal_they_are(tasks: dict[str, TaskDefinition]) -> None:
    """30 equal pairs still allow one item in 21 to be lost: 1 - 0.05 ** (1 / 30)."""
    few, enough = (side(tasks, 0.8, count, model_id="old", variant="onnx-int8") for count in (58, 59))
    for given, verdict, needed in ((few, "undecided", 59), (enough, "not worse than the margin", None)):
        found = compare(given, given, tasks, **SETTINGS)["capabilities"]["summarize"]["metrics"]["rouge_l"]
        assert (found["verdict"], found["needed_items"], found["detectable"]) == (verdict, needed, None)


def test_the_best_floor_on_the_same_items_stands_beside_the_values(
    tmp_path: Path, old: Side, new: Side, tasks: dict[str, TaskDefinition]
) -> None:
    train, test = make_examples(tasks, 30, "train"), make_examples(tasks, 60, "test")
    floors = floor_items(train, test, tasks, seed=0)
    for part, items in (("candidate", new.items), ("baseline", floors)):
        write_table(tmp_path / f"evidence/{part}/items.parquet", items, ITEMS)
        scores = score_answers(items, {"none": test}, tasks)
        write_table(tmp_path / f"evidence/{part}/scores.parquet", scores, SCORES)
    # The samples' answers carry a plain hash of references; floors that answered others are left out.
    assert (
        compare(load_evidence(tmp_path, "onnx-int8"), old, tasks, **SETTINGS)["capabilities"]["summarize"]["best_floor"]
        is None
    )
    same = floors.with_columns(references_hash=pl.lit("references"))
    write_table(tmp_path / "evidence/baseline/items.parquet", same, ITEMS)
    loaded = load_evidence(tmp_path / "evidence/candidate", "onnx-int8")
    found = compare(loaded, old, tasks, **SETTINGS)
    for name, part in found["capabilities"].items():
        if part["primary_metric"] not in ("rouge_l", "accuracy"):
            continue
        rows = floors.filter(pl.col("capability") == name)
        scores = score_answers(rows, {"none": test}, tasks).filter(pl.col("metric") == part["primary_metric"])
        means = {variant: frame["score"].mean() for (variant,), frame in scores.group_by("variant")}
        assert part["best_floor"]["value"] == pytest.approx(max(means.values()), abs=1e-6)
        assert means[part["best_floor"]["name"]] == max(means.values())
        assert f"({part['best_floor']['name'].removeprefix('floor-')})" in render_table(found)
    assert compare(new, old, tasks, **SETTINGS)["capabilities"]["summarize"]["best_floor"] is None


def test_an_interval_of_macro_f1_with_a_rare_class_is_marked(tasks: dict[str, TaskDefinition]) -> None:
    rare, common = (side(tasks, 0.8, count, model_id="old", variant="onnx-int8") for count in (40, 200))
    for given, marked in ((rare, True), (common, False)):
        found = compare(given, given, tasks, **SETTINGS)
        assert ("approximate" in found["capabilities"]["classify"]["metrics"]["macro_f1"].get("note", "")) == marked
        assert ("≈" in render_table(found)) == ("≈" in render_markdown(found)) == marked


def test_an_undecided_comparison_says_how_many_items_would_tell(tasks: dict[str, TaskDefinition]) -> None:
    one = {"summarize-tests": tasks["summarize-tests"]}
    a, b = (side(one, 0.5, 30, model_id=name, variant="v") for name in ("first", "second"))
    primary = compare(a, b, one, **SETTINGS)["capabilities"]["summarize"]["metrics"]["rouge_l"]
    assert primary["verdict"] == "undecided"
    assert primary["needed_items"] > 30
    few = compare(*(side(one, 0.5, 4, model_id=name, variant="v") for name in "ab"), one, **SETTINGS)
    assert few["capabilities"]["summarize"]["metrics"]["rouge_l"]["verdict"] == "too few items"
    assert "20 items would tell" in render_table(few)


def test_every_metric_is_corrected_within_its_family_and_says_what_it_detects(
    old: Side, new: Side, tasks: dict[str, TaskDefinition]
) -> None:
    parts = compare(new, old, tasks, **SETTINGS)["capabilities"]
    primary = [part["metrics"][part["primary_metric"]] for part in parts.values()]
    assert [entry["p_corrected"] for entry in primary] == pytest.approx(holm([entry["p"] for entry in primary]))
    # rouge_l is the primary metric of summarize and a further one of translate; bleu is a further one of both.
    alone = parts["translate"]["metrics"]["rouge_l"]
    assert alone["p_corrected"] == alone["p"]
    both = [parts[name]["metrics"]["bleu"] for name in ("summarize", "translate")]
    assert [entry["p_corrected"] for entry in both] == pytest.approx(holm([entry["p"] for entry in both]))
    described = parts["summarize"]["metrics"]["length_ratio"]
    assert described["verdict"] in ("higher", "lower", "undecided")
    for entry in primary:
        assert entry["detectable"] == pytest.approx((1.959964 + 0.841621) * entry["deviation"], abs=1e-5)
        # As many items as a difference of the margin needs would detect just that difference.
        assert entry["detectable"] * (entry["groups"] / entry["needed_for_margin"]) ** 0.5 == pytest.approx(
            SETTINGS["margin"], rel=0.01
        )


def test_answers_that_were_cut_or_empty_are_counted_and_marked(old: Side, tasks: dict[str, TaskDefinition]) -> None:
    one = {"summarize-tests": tasks["summarize-tests"]}
    cut = side(one, 0.3, 30, model_id="cut", variant="v", finish_reason="length")
    emptied = replace(cut, items=cut.items.with_columns(model_id=pl.lit("e"), output=pl.lit(" ")))
    emptied = replace(emptied, scores=cut.scores.with_columns(model_id=pl.lit("e")))
    whole = side(one, 0.9, 30, model_id="whole", variant="v")
    assert compare(emptied, whole, one, **SETTINGS)["capabilities"]["summarize"]["answers"] == {
        "a": {"truncated": 30, "empty": 30}, "b": {"truncated": 0, "empty": 0},
    }  # fmt: skip
    text = render_table(compare(cut, whole, one, **SETTINGS))
    assert "summarize: 30 of 30 answers of a were cut at the token limit" in text
    assert "a: x [cut at the token limit]; b: " in text


@pytest.mark.parametrize(("column", "message"), [
    ("references_hash", "different references: 240 of 240"),
    ("prompt_hash", "different prompts.*--allow prompts"),
    ("settings_hash", "different settings.*--allow settings"),
])  # fmt: skip
def test_what_was_not_measured_the_same_way_is_refused(
    column: str, message: str, old: Side, new: Side, tasks: dict[str, TaskDefinition]
) -> None:
    other = replace(new, items=new.items.with_columns(pl.lit("other").alias(column)))
    with pytest.raises(RoleShiftError, match=message):
        compare(other, old, tasks, **SETTINGS)
    if column != "references_hash":
        kind = "prompts" if column == "prompt_hash" else "settings"
        assert compare(other, old, tasks, **SETTINGS, allow=[kind])["differing"] == [kind]


def test_other_signatures_are_refused(old: Side, new: Side, tasks: dict[str, TaskDefinition]) -> None:
    changed = replace(new, scores=new.scores.with_columns(signature=pl.col("signature") + "|other"))
    with pytest.raises(RoleShiftError, match="measured in different ways"):
        compare(changed, old, tasks, **SETTINGS)


def test_other_items_are_refused_unless_the_common_ones_are_asked_for(
    old: Side, new: Side, tasks: dict[str, TaskDefinition]
) -> None:
    gone = old.items["example_id"].to_list()[:2]
    fewer = replace(new, items=new.items.filter(~pl.col("example_id").is_in(gone)))
    with pytest.raises(RoleShiftError, match="--intersect compares the 238 common"):
        compare(fewer, old, tasks, **SETTINGS)
    found = compare(fewer, old, tasks, **SETTINGS, intersect=True)
    assert (found["items"], found["items_only_b"]) == (238, 2)
    nothing = replace(new, items=new.items.clear())
    with pytest.raises(RoleShiftError, match="no item in common"):
        compare(nothing, old, tasks, **SETTINGS, intersect=True)


def test_evidence_is_loaded_by_variant(tmp_path: Path, old: Side, new: Side, tasks: dict[str, TaskDefinition]) -> None:
    other = side(tasks, 0.5, model_id="old", variant="onnx-fp32")
    folder = tmp_path / "evidence/candidate"
    write_table(folder / "items.parquet", pl.concat([old.items, other.items]), ITEMS)
    write_table(folder / "scores.parquet", pl.concat([old.scores, other.scores]), SCORES)
    with pytest.raises(RoleShiftError, match="name one of its variants .onnx-fp32, onnx-int8"):
        load_evidence(tmp_path)
    assert load_evidence(tmp_path, "onnx-fp32").items["variant"].unique().to_list() == ["onnx-fp32"]
    write_json(tmp_path / "metrics/evaluate.json", {"tuned": {"shipped": "onnx-int8"}})
    loaded = load_evidence(tmp_path)
    assert loaded.scores.height == old.scores.height
    base = side(tasks, 0.2, model_id="base", variant="torch-bf16")
    write_table(tmp_path / "evidence/baseline/items.parquet", base.items, ITEMS)
    write_table(tmp_path / "evidence/baseline/scores.parquet", base.scores, SCORES)
    assert load_evidence(tmp_path).items["variant"].unique().to_list() == ["onnx-int8"]
    assert load_evidence(tmp_path, "torch-bf16").items["model_id"].unique().to_list() == ["base"]
    assert compare(new, loaded, tasks, **SETTINGS)["regression"]
