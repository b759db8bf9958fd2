"""How answers look apart from being right: length, diversity, repetition, copying."""

from collections.abc import Sequence

from roleshift.evaluation.metrics.item_metric import ItemMetric
from roleshift.evaluation.metrics.tokens import UnicodeTokenizer, ngrams

COPY_ORDER = 4
"""Tokens in a row that count as repeated or copied."""

_tokens = UnicodeTokenizer().tokenize


class LengthRatio(ItemMetric):
    """Tokens of the answers over tokens of the references (the closest in length)."""

    description = "Length of the answers over that of the references"

    def __init__(self, language: str) -> None:
        super().__init__("length_ratio", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Tokens of the answer, tokens of the reference."""
        length = len(_tokens(output))
        return [float(length), float(min((len(_tokens(r)) for r in references), key=lambda n: (abs(n - length), n)))]

    def item_score(self, statistics: Sequence[float]) -> float:
        """The shorter length over the longer: 1 where they are equal. The corpus value is the plain ratio."""
        longer = max(statistics)
        return min(statistics) / longer if longer else 1.0

    def settings(self) -> dict[str, str]:
        """Tokens of `UnicodeTokenizer` in every language."""
        return {"tok": "unicode", "case": "lower", "refs": "closest"}


class Distinct(ItemMetric):
    """Different n-grams within an answer over its n-grams (Li et al., 2016, per answer)."""

    description = "Distinct n-grams"

    def __init__(self, order: int, language: str) -> None:
        self.order = order
        super().__init__(f"distinct_{order}", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Different n-grams, n-grams."""
        found = ngrams(output, self.order)
        return [float(len(set(found))), float(len(found))]

    def settings(self) -> dict[str, str]:
        """Needs no reference."""
        return {"tok": "unicode", "case": "lower", "refs": "none"}


class Repetition(ItemMetric):
    """Share of an answer's 4-grams that stood in it before."""

    description = "Repeated 4-grams"

    def __init__(self, language: str) -> None:
        super().__init__("repetition", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Repeated 4-grams, 4-grams."""
        found = ngrams(output, COPY_ORDER)
        return [float(len(found) - len(set(found))), float(len(found))]

    def settings(self) -> dict[str, str]:
        """Needs no reference."""
        return {"tok": "unicode", "case": "lower", "order": str(COPY_ORDER), "refs": "none"}


class CopiedNgrams(ItemMetric):
    """Share of an answer's 4-grams that stand in its input."""

    needs_input = True
    description = "4-grams copied from the input"

    def __init__(self, language: str) -> None:
        super().__init__("copied_ngrams", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Copied 4-grams, 4-grams."""
        there = set(ngrams(text, COPY_ORDER))
        found = ngrams(output, COPY_ORDER)
        return [float(sum(gram in there for gram in found)), float(len(found))]

    def settings(self) -> dict[str, str]:
        """Needs no reference."""
        return {"tok": "unicode", "case": "lower", "order": str(COPY_ORDER), "refs": "none"}
