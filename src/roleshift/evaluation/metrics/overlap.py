"""Overlap with references: BLEU and chrF by sacreBLEU, ROUGE by rouge-score."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import sacrebleu

from roleshift.errors import RoleShiftError
from roleshift.evaluation.metrics.item_metric import ItemMetric
from roleshift.evaluation.metrics.options import RougeLibrary
from roleshift.evaluation.metrics.tokens import UNSPACED, bleu_tokenizer, primary_language, rouge_tokenizer

ROUGE_TYPES = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL", "rouge_lsum": "rougeLsum"}


class Bleu(ItemMetric):
    """BLEU (Papineni et al., 2002): exponential smoothing, effective order, closest reference length.

    With the effective order, identical texts score 1 however short they are; where a corpus holds
    any 4-gram at all, its value is sacreBLEU's default.
    """

    description = "BLEU of sacreBLEU, tokenised by language"

    def __init__(self, language: str) -> None:
        self.tokenizer = bleu_tokenizer(language)
        self._scorer = sacrebleu.BLEU(tokenize=self.tokenizer, effective_order=True, force=True)
        super().__init__("bleu", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Hypothesis length, reference length, 4 matches, 4 totals."""
        return _sacrebleu_statistics(self._scorer, output, references)

    def settings(self) -> dict[str, str]:
        """As sacreBLEU's own signature says it."""
        return {
            "sacrebleu": sacrebleu.__version__,
            "tok": self.tokenizer,
            "case": "mixed",
            "smooth": "exp",
            "eff": "yes",
            "refs": "all",
        }


class Chrf(ItemMetric):
    """chrF++ (Popović, 2017); plain chrF where words are not separated by spaces."""

    description = "chrF++ of sacreBLEU"

    def __init__(self, language: str) -> None:
        self.word_order = 0 if primary_language(language) in UNSPACED else 2
        self._scorer = sacrebleu.CHRF(word_order=self.word_order)
        super().__init__("chrf", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """(hypothesis, reference, matches) for 6 character orders and the word orders."""
        return _sacrebleu_statistics(self._scorer, output, references)

    def settings(self) -> dict[str, str]:
        """Orders of character and word n-grams; the best reference counts."""
        return {
            "sacrebleu": sacrebleu.__version__,
            "nc": "6",
            "nw": str(self.word_order),
            "case": "mixed",
            "space": "no",
            "refs": "best",
        }


class Rouge(ItemMetric):
    """ROUGE F1 (Lin, 2004) without stemming; the best reference counts; the corpus value is the mean."""

    description = "ROUGE of rouge-score or its port to Rust, tokenised by language"

    def __init__(self, metric: str, language: str, library: RougeLibrary = "rouge-score") -> None:
        self.tokenizer, _ = rouge_tokenizer(language)
        self.library = library
        _rouge_scorer(self.tokenizer, library)  # a library that is not installed is named before anything is scored
        super().__init__(metric, language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """F1 with the best reference, 1."""
        return [_rouge(self.tokenizer, self.library, output, tuple(references))[self.metric], 1.0]

    def settings(self) -> dict[str, str]:
        """The library; lower case throughout; `unicode` is our tokeniser for languages other than English."""
        return {
            self.library: version(self.library),
            "tok": self.tokenizer,
            "stem": "no",
            "case": "lower",
            "refs": "best",
        }


def _sacrebleu_statistics(
    scorer: sacrebleu.BLEU | sacrebleu.CHRF, output: str, references: Sequence[str]
) -> list[float]:
    # The statistics that sacreBLEU's own significance tests resample; it offers no public name for them.
    (statistics,) = scorer._extract_corpus_statistics([output], [[reference] for reference in references])
    return [float(value) for value in statistics]


@lru_cache(maxsize=4)
def _rouge_scorer(tokenizer: str, library: RougeLibrary) -> Any:
    english = tokenizer == "rouge-score"
    types = list(ROUGE_TYPES.values())
    if library == "rouge-score":
        from rouge_score.rouge_scorer import RougeScorer

        return RougeScorer(types, tokenizer=rouge_tokenizer("en" if english else "und")[1])
    try:
        from rouge_score_rs import RougeScorer as RustScorer
    except ModuleNotFoundError:
        raise RoleShiftError(
            "evaluation.rouge: rouge-score-rs is not installed; pip install 'roleshift[rouge-rs]', or name rouge-score"
        ) from None
    # Its own English tokenizer is the same and runs in Rust.
    return RustScorer(types, tokenizer=None if english else rouge_tokenizer("und")[1])  # type: ignore[no-untyped-call]


@lru_cache(maxsize=4096)
def _rouge(tokenizer: str, library: RougeLibrary, output: str, references: tuple[str, ...]) -> dict[str, float]:
    # One pass for all four types: the four metrics ask for the same pair in a row.
    best = _rouge_scorer(tokenizer, library).score_multi(references, output)
    return {name: float(best[kind].fmeasure) for name, kind in ROUGE_TYPES.items()}
