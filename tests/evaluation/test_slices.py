"""Parts of the items: which there are, and on which of them a version became worse."""

import numpy as np
import polars as pl
import pytest
from evaluation_samples import answers, make_examples
from scipy.stats import norm

from roleshift.contracts import slices_from_map, slices_to_map
from roleshift.evaluation.evidence import Corpus
from roleshift.evaluation.measures import Precision, paired_difference
from roleshift.evaluation.slices import judge_slices, slice_differences, slice_members, with_slices
from roleshift.tasks import TaskDefinition

PRECISION = Precision(500, 0.95, 0)


def test_items_carry_what_their_examples_say(tasks: dict[str, TaskDefinition]) -> None:
    test = make_examples(tasks, 9, "test")
    lengths = {row["example_id"]: i % 9 for i, row in enumerate(test.to_dicts())}
    test = test.with_columns(
        input=pl.Series(["x" * (10 + lengths[example]) for example in test["example_id"]]),
        source=pl.Series([f"source {i % 2}" for i in range(test.height)]),
    )
    items = pl.concat([answers(test, 1.0), answers(test, 1.0, perturbation="typos")])
    found = with_slices(items, [test], tasks)
    assert found.drop("slices").equals(items.drop("slices"))
    for row in found.to_dicts():
        example = test.row(by_predicate=pl.col("example_id") == row["example_id"], named=True)
        slices = slices_to_map(row["slices"])
        assert slices["aspect"] == slices_to_map(example["slices"])["aspect"]
        assert slices["source"] == example["source"]
        assert slices["input length"] == ("short", "medium", "long")[lengths[row["example_id"]] // 3]
        assert slices.get("label") == (example["references"][0] if row["capability"] == "classify" else None)


def test_a_slice_of_the_users_own_stands(tasks: dict[str, TaskDefinition]) -> None:
    own = [slices_from_map({"source": "mine"})] * 3
    test = (
        make_examples(tasks, 3, "test").filter(pl.col("capability") == "summarize").with_columns(slices=pl.Series(own))
    )
    found = with_slices(answers(test, 1.0), [test], tasks)
    assert {slices_to_map(slices)["source"] for slices in found["slices"].to_list()} == {"mine"}


def corpus(ids: list[str], scores: np.ndarray) -> Corpus:
    return Corpus(tuple(ids), tuple(ids), scores, np.stack([scores, np.ones_like(scores)], axis=1), "")


@pytest.fixture
def rows(tasks: dict[str, TaskDefinition]) -> pl.DataFrame:
    """120 items: the first 40 in one slice, 70 in another, 10 in one that is too small."""
    test = make_examples(tasks, 120, "test").filter(pl.col("capability") == "summarize").sort("example_id")
    topics = ["first"] * 40 + ["second"] * 70 + ["small"] * 10
    slices = pl.Series([slices_from_map({"topic": topic}) for topic in topics])
    return answers(test.with_columns(slices=slices), 1.0)


def test_only_what_divides_the_items_is_a_slice(rows: pl.DataFrame) -> None:
    members = slice_members(rows)
    assert {key: len(ids) for key, ids in members.items()} == {
        ("topic", "first"): 40, ("topic", "second"): 70, ("topic", "small"): 10,
    }  # fmt: skip


def test_a_worse_slice_is_found_by_the_corrected_p_and_a_small_one_says_nothing(rows: pl.DataFrame) -> None:
    draw = np.random.default_rng(0)
    before = draw.uniform(0.4, 0.6, 120)
    lost = np.concatenate([np.full(40, 0.1), np.zeros(70), np.full(10, 0.3)])
    after = before - lost + draw.normal(0, 0.05, 120)
    ids = rows["example_id"].to_list()
    one, two = corpus(ids, after), corpus(ids, before)
    found = slice_differences(one, two, rows, "rouge_l", PRECISION)
    judge_slices(found, 0.95)
    first, second, small = found
    entry = paired_difference(one.take(ids[:40]), two.take(ids[:40]), "rouge_l", PRECISION)
    assert first["p"] == pytest.approx(norm.cdf(entry["difference"], scale=entry["deviation"]))
    assert first["p_corrected"] == pytest.approx(2 * first["p"], abs=1e-6)
    assert (first["regressed"], second["regressed"], small["regressed"]) == (True, False, False)
    assert (small["p"], small["p_corrected"], small["low"], small["n"]) == (None, None, None, 10)
    assert first["a"] - first["b"] == pytest.approx(first["difference"], abs=2e-6)


def test_of_many_equal_slices_few_are_called_worse(rows: pl.DataFrame) -> None:
    """Two equal systems, forty slices: without a correction about one of them would lie below by chance."""
    draw, called = np.random.default_rng(1), 0
    ids = [f"e{i}" for i in range(1200)]
    many = pl.concat([rows] * 10).with_columns(
        example_id=pl.Series(ids), group_id=pl.Series(ids),
        slices=pl.Series([slices_from_map({"topic": f"{i % 40}"}) for i in range(1200)]),
    )  # fmt: skip
    for _ in range(20):
        one, two = (corpus(ids, draw.uniform(0, 1, 1200)) for _ in range(2))
        found = slice_differences(one, two, many, "rouge_l", Precision(200, 0.95, 0))
        judge_slices(found, 0.95)
        called += any(entry["regressed"] for entry in found)
    assert called <= 4  # of 20 comparisons at 5%
