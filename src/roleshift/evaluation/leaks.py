"""Test items that training data gives away: runs of eight tokens that stand in both."""

import polars as pl

from roleshift.evaluation.metrics.tokens import ngrams

LEAK_ORDER = 8


def leaked_items(train: pl.DataFrame, test: pl.DataFrame) -> dict[str, set[str]]:
    """Ids of the test examples whose input or reference shares an 8-gram with training data.

    Both frames are contracts.EXAMPLES. Returns the ids under "input" and "reference": where the
    text shared stands in the test example. Tokens are lower-cased words, single characters in
    scripts without spaces; all texts of all training examples count.
    """
    seen = {gram for texts in _texts(train) for text in texts for gram in ngrams(text, LEAK_ORDER)}
    leaked: dict[str, set[str]] = {"input": set(), "reference": set()}
    for example, (text, *references) in zip(test["example_id"].to_list(), _texts(test), strict=True):
        if not seen.isdisjoint(ngrams(text, LEAK_ORDER)):
            leaked["input"].add(example)
        if any(not seen.isdisjoint(ngrams(reference, LEAK_ORDER)) for reference in references):
            leaked["reference"].add(example)
    return leaked


def _texts(examples: pl.DataFrame) -> list[list[str]]:
    return [[row["input"], *row["references"]] for row in examples.iter_rows(named=True)]
