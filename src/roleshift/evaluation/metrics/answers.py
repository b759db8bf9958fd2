"""Right or wrong: exact match, token F1, classification."""

import string
from collections import Counter
from collections.abc import Sequence

from roleshift.evaluation.metrics.item_metric import ItemMetric
from roleshift.evaluation.metrics.tokens import answer_tokens, normalise_answer
from roleshift.files import hash_json

_AROUND_A_LABEL = string.whitespace + string.punctuation + "。，、！？：；“”‘’「」『』《》（）"


class ExactMatch(ItemMetric):
    """1 if the answer equals a reference after SQuAD's normalisation, else 0."""

    description = "Exact match after SQuAD's normalisation"

    def __init__(self, language: str) -> None:
        super().__init__("exact_match", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Match, 1."""
        answer = normalise_answer(output, self.language)
        return [float(any(answer == normalise_answer(ref, self.language) for ref in references)), 1.0]

    def settings(self) -> dict[str, str]:
        """SQuAD's normalisation lower-cases and drops punctuation and articles."""
        return {"norm": "squad", "case": "lower", "refs": "best"}


class TokenF1(ItemMetric):
    """F1 of the answer's tokens as a bag, with the best reference (SQuAD; CJK by character)."""

    description = "Token F1 after SQuAD's normalisation"

    def __init__(self, language: str) -> None:
        super().__init__("token_f1", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """F1, 1."""
        answer = answer_tokens(output, self.language)
        return [max(_bag_f1(answer, answer_tokens(ref, self.language)) for ref in references), 1.0]

    def settings(self) -> dict[str, str]:
        """Words, and single characters where a script has no spaces."""
        return {"norm": "squad", "tok": "words+cjk", "case": "lower", "refs": "best"}


def _bag_f1(answer: list[str], reference: list[str]) -> float:
    if not answer or not reference:
        return float(answer == reference)
    shared = sum((Counter(answer) & Counter(reference)).values())
    return 2 * shared / (len(answer) + len(reference))


def normalise_label(text: str) -> str:
    """A label as it is compared: no marks or spaces around it, single spaces, any case."""
    return " ".join(text.strip(_AROUND_A_LABEL).split()).casefold()


def extract_label(output: str, labels: Sequence[str]) -> int | None:
    """The index of the label that the whole answer is, or None.

    Nothing is searched for inside a longer answer: one that names several labels, or talks about
    one, has not named its label. `label_likelihoods` judges a model free of its verbosity.
    """
    answer = normalise_label(output)
    return next((i for i, label in enumerate(labels) if normalise_label(label) == answer), None)


class Accuracy(ItemMetric):
    """1 if the answer is one of the item's reference labels, else 0."""

    description = "Accuracy; the whole answer must be the label"

    def __init__(self, language: str) -> None:
        super().__init__("accuracy", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Right, 1."""
        return [float(extract_label(output, references) is not None), 1.0]

    def settings(self) -> dict[str, str]:
        """The label's normalisation is in `normalise_label`."""
        return {"norm": "label", "case": "fold", "refs": "any"}


class ClassF1(ItemMetric):
    """Macro or micro F1 over the labels of one task; an item's score is whether it is right."""

    description = "F1 over classes"

    def __init__(self, metric: str, language: str, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        super().__init__(metric, language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """(true positives, answered, in the references) for each label.

        Of several acceptable labels the one that was answered counts, else the first. An answer that is
        no label is a miss of its reference's class and nobody's false alarm.
        """
        counts = [0.0] * (3 * len(self.labels))
        answered = extract_label(output, self.labels)
        accepted = [index for ref in references if (index := extract_label(ref, self.labels)) is not None]
        if answered is not None:
            counts[3 * answered + 1] = 1.0
        if accepted:
            wanted = answered if answered in accepted else accepted[0]
            counts[3 * wanted + 2] = 1.0
            counts[3 * wanted] = float(wanted == answered)
        return counts

    def item_score(self, statistics: Sequence[float]) -> float:
        """1 if the answer is right."""
        return float(sum(statistics[::3]) > 0)

    def settings(self) -> dict[str, str]:
        """The labels are part of the signature: F1 over other classes is another number."""
        return {"norm": "label", "case": "fold", "labels": hash_json(list(self.labels))[:8], "refs": "any"}
