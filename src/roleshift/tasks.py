"""Task definitions: what a model is trained and tested on, as data."""

from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from roleshift.errors import RoleShiftError

Capability = Literal[
    "summarize", "headline", "translate", "classify", "extract", "answer", "draft",
    "dialogue", "document_code", "write_code", "calculate", "image", "speech",
]  # fmt: skip
FieldType = Literal["texts", "text", "number", "boolean", "date"]
FIELD_TYPES: dict[FieldType, str] = {
    "texts": "a list of strings",
    "text": "a string",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date as YYYY-MM-DD",
}
"""What a field of an extract task holds, in the words of prompts and errors."""
Metric = Literal["rouge_1", "rouge_2", "rouge_l", "bleu", "chrf", "exact_match", "token_f1", "accuracy", "entity_f1"]


class TaskDefinition(BaseModel):
    """One task. `instruction` may name slices in braces, such as `{aspect}`.

    In YAML `fields` is a list of names, each a list of texts, or a mapping of names to their types.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    capability: Capability
    kind: Literal["generate", "classify", "extract"]
    instruction: str = Field(min_length=1)
    labels: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    field_types: tuple[FieldType, ...] = ()
    domain: str = Field(min_length=1)
    language: str = Field(min_length=2, description="of the answer, BCP 47: en, zh")
    metric: Metric
    threshold: float = Field(ge=0, le=1, description="an item passes from this score on")
    threshold_reason: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _fields_have_types(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        fields = raw.get("fields", ())
        if isinstance(fields, dict):
            return {**raw, "fields": tuple(fields), "field_types": tuple(fields.values())}
        return {**raw, "field_types": ("texts",) * len(fields) if isinstance(fields, list | tuple) else ()}

    @model_validator(mode="after")
    def _kind_has_its_fields(self) -> Self:
        if self.kind == "classify" and len(self.labels) < 2:
            raise ValueError("a classify task needs at least two labels")
        if self.kind != "classify" and self.labels:
            raise ValueError("only a classify task has labels")
        if self.kind == "extract" and not self.fields:
            raise ValueError("an extract task needs fields")
        if self.kind != "extract" and self.fields:
            raise ValueError("only an extract task has fields")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        if len(set(self.fields)) != len(self.fields):
            raise ValueError("fields repeat")
        return self

    @property
    def slice_names(self) -> tuple[str, ...]:
        """The slices that the instruction names, in its order."""
        return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(self.instruction) if name))

    @property
    def typed_fields(self) -> dict[str, FieldType]:
        """The type of each field."""
        return dict(zip(self.fields, self.field_types, strict=True))

    def wording(self) -> dict[str, Any]:
        """What training and generation need of the task; a new threshold changes none of it."""
        plain = set(self.field_types) <= {"texts"}
        left_out = {"metric", "threshold", "threshold_reason", "field_types"}
        dumped = self.model_dump(mode="json", exclude=left_out)
        return dumped if plain else {**dumped, "fields": self.typed_fields}


@cache
def catalogue_tasks() -> dict[str, TaskDefinition]:
    """The bundled tasks by id."""
    text = files("roleshift.catalog").joinpath("tasks.yaml").read_text(encoding="utf-8")
    return parse_tasks(yaml.safe_load(text), "catalog/tasks.yaml")


def parse_tasks(raw: dict[str, Any], where: str) -> dict[str, TaskDefinition]:
    """Task definitions from a mapping id -> fields; an error names file, task and field."""
    tasks = {}
    for task_id, fields in raw.items():
        try:
            tasks[task_id] = TaskDefinition(id=task_id, **(fields or {}))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "task"
            raise RoleShiftError(f"{where}: tasks.{task_id}.{key}: {first['msg']}") from None
    return tasks
