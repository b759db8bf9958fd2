"""The training loop: a plain one of our own.

Why not the Trainer of transformers or TRL: their packed bf16 training reaches half the speed on a
CPU (benchmarks/finetune.py measures both), since logits, attention and master weights are not
theirs to leave out or replace; and a run that is killed at any moment ends here, bit for bit, with
the weights of one that was not, because everything a step depends on is the plan, which follows
from the seed, and what a checkpoint holds.
"""

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from roleshift.errors import RoleShiftError
from roleshift.params import TrainParams
from roleshift.training.adapter import MasterWeights
from roleshift.training.checkpoints import load_checkpoint, save_checkpoint
from roleshift.training.encoding import EncodedExample, example_ids
from roleshift.training.log import TrainingLog
from roleshift.training.packing import Pack
from roleshift.training.paths import Path as LossPath
from roleshift.training.paths import answer_tokens
from roleshift.training.processor import peak_memory_gb


@dataclass
class Progress:
    """Where a run stands; with weights, optimiser and random state all that a checkpoint holds."""

    step: int = 0
    tokens: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    evaluations_since_best: int = 0
    stopped_early: bool = False
    seconds: float = 0.0
    curve: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """The packs of every step, the steps after which validation is due, and validation's packs."""

    steps: Sequence[Sequence[Pack]]
    evaluate_after: frozenset[int]
    validation: Sequence[Pack]


def evaluation_steps(total: int, per_epoch: int, per_epoch_evaluations: int) -> frozenset[int]:
    """The steps (from 1) after which validation is due: evenly spaced in each epoch, and the last."""
    interval = per_epoch / per_epoch_evaluations
    due = {math.ceil(k * interval) for k in range(1, math.floor(total / interval) + 1)}
    return frozenset(step for step in due if step < total) | {total}


def learning_rate(step: int, total: int, peak: float, warmup_share: float) -> float:
    """Linear warm-up to `peak`, then a cosine to 0; `step` counts from 0."""
    warmup = math.ceil(total * warmup_share)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


class Trainer:
    """One run: a model with an adapter, a plan, and two paths to a loss (training and validation)."""

    def __init__(
        self,
        model: Any,
        params: TrainParams,
        plan: Plan,
        *,
        train: LossPath,
        validation: LossPath,
        log: TrainingLog,
        checkpoints: Path,
        seed: int,
    ) -> None:
        self.model = model
        self.params = params
        self.plan = plan
        self.train = train
        self.validation = validation
        self.log = log
        self.checkpoints = checkpoints
        self.weights = MasterWeights(model)
        self.best = self.weights.state()
        self.optimiser = torch.optim.AdamW(
            self.weights.masters, lr=params.learning_rate, weight_decay=params.weight_decay, fused=True
        )
        self.progress = Progress()
        torch.manual_seed(seed)

    def resume(self) -> bool:
        """Take up the newest readable checkpoint, if there is one."""
        state = load_checkpoint(self.checkpoints)
        if state is None:
            return False
        self.weights.load(state["weights"])
        self.best = state["best"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["random"])
        return True

    def run(self, after_step: Callable[[int], None] | None = None) -> Progress:
        """Train to the end of the plan, or until validation has stopped improving."""
        total = len(self.plan.steps)
        bar = tqdm(total=total, initial=self.progress.step, desc="finetune", unit="step")
        with bar:
            while self.progress.step < total and not self.progress.stopped_early:
                started = time.perf_counter()
                loss, rate, tokens = self._step(self.progress.step)
                seconds = time.perf_counter() - started
                self.progress.step += 1
                self.progress.tokens += tokens
                self.progress.seconds += seconds
                self._record("train", loss, rate)
                figures = {
                    "train_loss": loss,
                    "learning_rate": rate,
                    "tokens_per_second": tokens / seconds,
                    "peak_memory_gb": peak_memory_gb(),
                }
                due = self.progress.step in self.plan.evaluate_after
                if due:
                    figures["validation_loss"] = self._validate(rate)
                bar.set_postfix(loss=f"{loss:.3f}", tokens_per_s=f"{tokens / seconds:.0f}")
                bar.update()
                self.log.log(self.progress.step, figures)
                if due or self.progress.step % self.params.checkpoint_every_steps == 0:
                    self._save()
                if after_step is not None:
                    after_step(self.progress.step)
        return self.progress

    def _step(self, step: int) -> tuple[float, float, int]:
        packs = self.plan.steps[step]
        examples = self.train.examples
        targets = answer_tokens(examples, packs)
        self.model.train()
        total = 0.0
        for pack in packs:
            loss = self.train.loss_sum(self.model, pack)
            loss.backward()  # type: ignore[no-untyped-call]
            self.weights.collect_gradients()
            total += loss.item()
        self.weights.scale_gradients(1 / targets)
        norm = torch.nn.utils.clip_grad_norm_(self.weights.masters, self.params.max_gradient_norm)
        if not math.isfinite(total) or not torch.isfinite(norm):
            what = "loss" if not math.isfinite(total) else "gradient"
            ids = ", ".join(example_ids(examples, packs))
            raise RoleShiftError(
                f"finetune: the {what} is not finite at step {step + 1}, examples {ids}; "
                "lower train.learning_rate, or set train.precision to fp32"
            )
        rate = learning_rate(step, len(self.plan.steps), self.params.learning_rate, self.params.warmup_share)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.weights.write_back()
        return total / targets, rate, token_count(examples, packs)

    def _validate(self, rate: float) -> float:
        loss = validation_loss(self.model, self.validation, self.plan.validation)
        if not math.isfinite(loss):
            raise RoleShiftError(
                f"finetune: the validation loss is not finite after step {self.progress.step}; "
                "lower train.learning_rate"
            )
        self._record("validation", loss, rate)
        if loss < self.progress.best_loss:
            self.progress.best_loss = loss
            self.progress.best_step = self.progress.step
            self.progress.evaluations_since_best = 0
            self.best = self.weights.state()
        else:
            self.progress.evaluations_since_best += 1
            self.progress.stopped_early = (
                self.progress.evaluations_since_best >= self.params.early_stopping_patience
                and self.progress.step < len(self.plan.steps)
            )
        return loss

    def _record(self, split: str, loss: float, rate: float) -> None:
        self.progress.curve.append({"step": self.progress.step, "split": split, "loss": loss, "learning_rate": rate})

    def _save(self) -> None:
        state = {
            "weights": self.weights.state(),
            "best": self.best,
            "optimiser": self.optimiser.state_dict(),
            "progress": vars(self.progress),
            "random": torch.get_rng_state(),
        }
        try:
            save_checkpoint(self.checkpoints, self.progress.step, state)
        except OSError as error:
            warnings.warn(f"{self.checkpoints}: checkpoint not written ({error}); training goes on", stacklevel=2)


def validation_loss(model: Any, path: LossPath, packs: Sequence[Pack]) -> float:
    """The mean loss per answer token, in nats, without dropout.

    Compiled layers run eagerly here: a graph of their own for so few packs would not pay.
    """
    model.eval()
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        total = math.fsum(path.loss_sum(model, pack).item() for pack in packs)
    return total / answer_tokens(path.examples, packs)


def token_count(examples: Sequence[EncodedExample], packs: Sequence[Pack]) -> int:
    """Real tokens, prompts and answers, without padding."""
    return sum(len(examples[index]) for pack in packs for index in pack)
