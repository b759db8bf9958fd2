"""Extraction to JSON: F1 over entities, malformed answers counted."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from roleshift.errors import RoleShiftError
from roleshift.evaluation.metrics.item_metric import ItemMetric
from roleshift.files import hash_json
from roleshift.tasks import FieldType

WRONG_TYPE = "\x00"
_FENCE = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)


def parse_fields(text: str, fields: Mapping[str, FieldType]) -> dict[str, Counter[str]] | None:
    """What each field holds, or None where the text is not such a JSON object.

    The whole answer must be one JSON object (a Markdown fence around it is allowed). A field of type
    `texts` holds a string or a list of strings, any other a single value; one that is left out or null
    holds nothing, other keys are ignored. A value that is not of its field's type is a wrong one.
    """
    fenced = _FENCE.match(text.strip())
    try:
        value = json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):  # ValueError also for a number of thousands of digits
        return None
    if not isinstance(value, dict):
        return None
    found = {}
    for field, kind in fields.items():
        entries = value.get(field)
        if kind == "texts":
            entries = [entries] if isinstance(entries, str) else entries or []
            if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
                return None
        elif isinstance(entries, list | dict):
            return None
        else:
            entries = [] if entries is None else [entries]
        found[field] = Counter(form for entry in entries if (form := comparable(entry, kind)))
    return found


def comparable(value: str | float, kind: FieldType) -> str:
    """A value in the form in which equal values are equal; WRONG_TYPE before one that is not of the type.

    Texts after NFKC, by any case; numbers by their value, in a string too; dates by ISO 8601.
    """
    if kind in ("texts", "text") and isinstance(value, str):
        return " ".join(unicodedata.normalize("NFKC", value).split()).casefold()
    if kind == "boolean" and isinstance(value, bool):
        return str(value)
    if kind == "number" and not isinstance(value, bool):
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return str(number.normalize() + 0)
    if kind == "date" and isinstance(value, str):
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            pass
    return f"{WRONG_TYPE}{value}"


class EntityF1(ItemMetric):
    """Micro F1 over (field, entity) pairs; of several references the best for the item counts."""

    description = "Entity F1 of answers in JSON"

    def __init__(self, language: str, fields: Mapping[str, FieldType]) -> None:
        self.fields = dict(fields)
        super().__init__("entity_f1", language)

    def statistics(self, output: str, references: Sequence[str], text: str) -> list[float]:
        """Malformed, 1, then (true positives, answered, in the reference) for each field."""
        answered = parse_fields(output, self.fields)
        candidates = [self._counts(answered, self._reference(reference)) for reference in references]
        return max(candidates, key=self.item_score)

    def _reference(self, reference: str) -> dict[str, Counter[str]]:
        parsed = parse_fields(reference, self.fields)
        if parsed is None or any(form.startswith(WRONG_TYPE) for forms in parsed.values() for form in forms):
            wanted = ", ".join(f"{name} ({kind})" for name, kind in self.fields.items())
            raise RoleShiftError(
                f"a reference is not a JSON object of the fields {wanted}: {reference[:80]!r}; mend the data"
            )
        return parsed

    def _counts(self, answered: dict[str, Counter[str]] | None, wanted: dict[str, Counter[str]]) -> list[float]:
        counts = [float(answered is None), 1.0]
        for field in self.fields:
            found = answered[field] if answered is not None else Counter()
            counts += [sum((found & wanted[field]).values()), sum(found.values()), sum(wanted[field].values())]
        return [float(count) for count in counts]

    def settings(self) -> dict[str, str]:
        """Texts are compared after NFKC, by any case; the fields and their types are part of the signature."""
        plain = set(self.fields.values()) == {"texts"}
        fields = hash_json(list(self.fields) if plain else self.fields)[:8]
        return {"norm": "nfkc", "case": "fold", "fields": fields, "refs": "best"}
