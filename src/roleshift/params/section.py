"""What the sections of params.yaml, and of the other files that people edit, share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of params.yaml: frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def problem_of(error: ValidationError, place: str = "") -> str:
    """The first problem as `place.key: what is wrong`; an unknown key first, since a misspelt one is missing too."""
    errors = error.errors()
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    key = ".".join([*([place] if place else []), *(str(part) for part in first["loc"] if part != "[key]")])
    message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
