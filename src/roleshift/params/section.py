"""What the sections of params.yaml share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of params.yaml: frozen, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
