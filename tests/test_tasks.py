"""Task definitions: what a user may write, and how it is worded for the model."""

import pytest

from roleshift.errors import RoleShiftError
from roleshift.prompts import instruction
from roleshift.tasks import TaskDefinition, parse_tasks

EXTRACT = {
    "capability": "extract", "kind": "extract", "instruction": "Read the invoice.", "domain": "invoices",
    "language": "en", "metric": "entity_f1", "threshold": 1, "threshold_reason": "all or nothing",
}  # fmt: skip


def extract(fields: object) -> TaskDefinition:
    return parse_tasks({"invoice": {**EXTRACT, "fields": fields}}, "params.yaml")["invoice"]


def test_a_list_of_fields_holds_lists_of_texts() -> None:
    task = extract(["persons", "places"])
    assert task.typed_fields == {"persons": "texts", "places": "texts"}
    assert task.wording()["fields"] == ["persons", "places"]
    assert instruction(task, {}).endswith("with the keys: persons, places; each a list of strings.")


def test_typed_fields_are_worded_with_their_types() -> None:
    task = extract({"vendor": "text", "total": "number", "due": "date"})
    assert task.fields == ("vendor", "total", "due")
    assert task.wording()["fields"] == {"vendor": "text", "total": "number", "due": "date"}
    assert instruction(task, {}).endswith("vendor (a string), total (a number), due (a date as YYYY-MM-DD).")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"total": "money"}, r"tasks\.invoice\.field_types\.0: .*'texts', 'text', 'number'"),
        (["a", "a"], "fields repeat"),
        ([], "an extract task needs fields"),
        ("total", r"tasks\.invoice\.fields"),
    ],
)
def test_impossible_fields_are_named(fields: object, message: str) -> None:
    with pytest.raises(RoleShiftError, match=message):
        extract(fields)
