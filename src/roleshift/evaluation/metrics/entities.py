"""Extraction to JSON: F1 over entities, malformed answers counted."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from roleshift.errors import RoleShiftError
from roleshift.evaluation.metrics.item_metric import ItemMetric
from roleshift.files import hash_json

_FENCE = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)


def parse_fields(text: str, fields: Sequence[str]) -> dict[str, Counter[str]] | None:
    """The entities of each field, or None where the text is not such a JSON object.

    The whole answer must be one JSON object (a Markdown fence around it is allowed); each field
    holds a string or a list of strings, a field that is left out holds none; other keys are ignored.
    """
    fenced = _FENCE.match(text.strip())
    try:
        value = json.loads(fenced.group(1) if fenced else text)
    except (json.JSONDecodeError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    found = {}
    for field in fields:
        entries = value.get(field) or []
        entries = [entries] if isinstance(entries, str) else entries
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            return None
        found[field] = Counter(name for entry in entries if (name := _normalise(entry)))
    return found


def _normalise(entity: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", entity).split()).casefold()


class EntityF1(ItemMetric):
    """Micro F1 over (field, entity) pairs; of several references the best for the item counts."""

    description = "Entity F1 of answers in JSON"

    def __init__(self, language: str, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        super().__init__("entity_f1", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Malformed, 1, then (true positives, answered, in the reference) for each field."""
        answered = parse_fields(output, self.fields)
        candidates = [self._counts(answered, self._reference(reference)) for reference in references]
        return max(candidates, key=self.item_score)

    def _reference(self, reference: str) -> dict[str, Counter[str]]:
        parsed = parse_fields(reference, self.fields)
        if parsed is None:
            raise RoleShiftError(
                f"a reference is not a JSON object of lists of strings: {reference[:80]!r}; mend the data"
            )
        return parsed

    def _counts(self, answered: dict[str, Counter[str]] | None, wanted: dict[str, Counter[str]]) -> list[float]:
        counts = [float(answered is None), 1.0]
        for field in self.fields:
            found = answered[field] if answered is not None else Counter()
            counts += [sum((found & wanted[field]).values()), sum(found.values()), sum(wanted[field].values())]
        return [float(count) for count in counts]

    def settings(self) -> dict[str, str]:
        """Entities are compared after NFKC, by any case; the fields are part of the signature."""
        return {"norm": "nfkc", "case": "fold", "fields": hash_json(list(self.fields))[:8], "refs": "best"}
