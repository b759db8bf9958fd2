"""The whole of params.yaml: its sections, and what must hold between them."""

from typing import Self

from pydantic import Field, model_validator

from roleshift.params.data import Corpus, PrepareParams
from roleshift.params.evaluation import EvaluationParams, GenerationParams
from roleshift.params.export import ExportParams, SelectParams
from roleshift.params.impact import ImpactParams
from roleshift.params.registry import GateParams, RegistryParams
from roleshift.params.section import Section
from roleshift.params.serving import ServingParams
from roleshift.params.sources import BaseModelParams, FeedbackSource, Source
from roleshift.params.training import TrainParams
from roleshift.tasks import TaskDefinition, catalogue_tasks


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
        semantic, ship, corrections = self.evaluation.semantic, self.select.ship, self.prepare.corrections
        sources = {"base.source": self.base.source}
        sources |= {f"corpora.{name}.source": corpus.source for name, corpus in self.corpora.items()}
        if semantic is not None:
            sources["evaluation.semantic.source"] = semantic.source
        for key, source in sources.items():
            if source not in self.sources:
                raise ValueError(f"{key}: {source!r} is not in sources ({', '.join(self.sources)})")
        known = {**catalogue_tasks(), **self.tasks}
        for name, corpus in self.corpora.items():
            if corpus.task not in known:
                raise ValueError(f"corpora.{name}.task: {corpus.task!r} is no known task ({', '.join(known)})")
        if corrections is not None and not isinstance(self.sources.get(corrections), FeedbackSource):
            raise ValueError(f"prepare.corrections: {corrections!r} is no source of kind feedback; add one to sources")
        if ship is not None and ship not in self.export.variants:
            raise ValueError(f"select.ship: {ship!r} is not in export.variants ({', '.join(self.export.variants)})")
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
