"""Metrics on the outputs of real models and floors, after `make repro PROFILE=ci`: those of the reference libraries."""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from roleshift.contracts import EXAMPLES, ITEM_KEY, read_table
from roleshift.evaluation.evidence import load_tables
from roleshift.evaluation.metrics.corpus import corpus_score
from roleshift.evaluation.metrics.overlap import ROUGE_TYPES, Rouge
from roleshift.evaluation.metrics.tokens import UnicodeTokenizer

REPOSITORY = Path(__file__).resolve().parents[2]
LANGUAGES = {"en": ("13a", 2), "zh": ("zh", 0)}

pytestmark = pytest.mark.real


def runs() -> list[Path]:
    """The CI run and, where it is there, the default run, which has more outputs."""
    folders = (REPOSITORY / "runs/ci", REPOSITORY)
    return [folder for folder in folders if (folder / "evidence/candidate/items.parquet").is_file()]


@cache
def scored(language: str) -> pl.DataFrame:
    """Every stored answer in a language to a task whose answer is text, with its references and scores."""
    parts = []
    for run in runs():
        evidence = [run / "evidence" / part for part in ("baseline", "candidate")]
        items, scores = load_tables([folder for folder in evidence if (folder / "items.parquet").is_file()])
        examples = [read_table(run / f"data/examples/{split}.parquet", EXAMPLES) for split in ("test", "review")]
        joined = scores.join(items.select(*ITEM_KEY, "language", "output"), on=list(ITEM_KEY))
        references = pl.concat(examples).select("example_id", "references")
        wanted = pl.col("metric").is_in(["bleu", "chrf", *ROUGE_TYPES])
        parts.append(joined.filter(wanted, language=language).join(references, on="example_id"))
    return pl.concat(parts).sort(*ITEM_KEY)


def of(language: str, metric: str) -> tuple[pl.DataFrame, np.ndarray]:
    rows = scored(language).filter(metric=metric)
    return rows, np.array(rows["statistics"].to_list())


def test_there_are_enough_outputs_to_say_something() -> None:
    assert sum(of(language, "bleu")[0].height for language in LANGUAGES) >= 100


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_stored_statistics_give_the_values_of_sacrebleu(metric: str, language: str) -> None:
    rows, statistics = of(language, metric)
    tokenizer, word_order = LANGUAGES[language]
    outputs, references = rows["output"].to_list(), rows["references"].to_list()
    width = max(len(refs) for refs in references)
    streams = [[refs[i] if i < len(refs) else None for refs in references] for i in range(width)]
    if metric == "bleu":
        corpus = sacrebleu.BLEU(tokenize=tokenizer)
        sentence = sacrebleu.BLEU(tokenize=tokenizer, effective_order=True)
    else:
        corpus = sentence = sacrebleu.CHRF(word_order=word_order)
    assert 100 * corpus_score(metric, statistics) == pytest.approx(
        corpus.corpus_score(outputs, streams).score, abs=1e-9
    )
    for score, output, refs in zip(rows["score"], outputs, references, strict=True):
        assert 100 * score == pytest.approx(sentence.sentence_score(output, refs).score, abs=1e-9), (output, refs)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("metric", ROUGE_TYPES)
def test_stored_statistics_and_the_rust_port_give_the_values_of_rouge_score(metric: str, language: str) -> None:
    rows, statistics = of(language, metric)
    kind = ROUGE_TYPES[metric]
    scorer = RougeScorer([kind], tokenizer=None if language == "en" else UnicodeTokenizer())
    pairs = list(zip(rows["output"], rows["references"].to_list(), strict=True))
    expected = [scorer.score_multi(refs, output)[kind].fmeasure for output, refs in pairs]
    assert rows["score"].to_list() == pytest.approx(expected, abs=1e-9)
    assert corpus_score(metric, statistics) == pytest.approx(np.mean(expected), abs=1e-9)
    rust = Rouge(metric, language, "rouge-score-rs")
    assert [rust.statistics(output, refs, "")[0] for output, refs in pairs] == pytest.approx(expected, abs=1e-9)
