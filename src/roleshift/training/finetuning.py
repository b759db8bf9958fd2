"""Fine-tune a base model on encoded examples: everything from the choice of path to the summary."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from roleshift.errors import RoleShiftError
from roleshift.files import hash_tree
from roleshift.params import TrainParams
from roleshift.training import attention
from roleshift.training.adapter import load_with_adapter, save_adapter
from roleshift.training.compilation import compile_layers
from roleshift.training.encoding import EncodedExamples, count_tokens
from roleshift.training.log import NoLog, TrainingLog
from roleshift.training.loop import Plan, Trainer, evaluation_steps, token_count
from roleshift.training.packing import best_fit, plan_steps
from roleshift.training.paths import PackedPath, PlainPath, path_for
from roleshift.training.processor import available_cores, choose_precision, peak_memory_gb

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """What a finished run hands on; `timings` alone may differ between two runs of the same inputs."""

    summary: dict[str, Any]
    curve: list[dict[str, Any]]
    timings: dict[str, float]


def sequence_limit(config: Any, pack_tokens: int) -> int:
    """Tokens of the longest example: what fits a pack and the model's positions, where it has a limit."""
    # A configuration without the field has positions without an end (ALiBi, state spaces).
    return min(pack_tokens, getattr(config, "max_position_embeddings", pack_tokens))


def finetune(
    *,
    base: Path,
    base_id: str,
    train: EncodedExamples,
    validation: EncodedExamples,
    pad_id: int,
    params: TrainParams,
    seed: int,
    work: Path,
    adapter: Path,
    log: TrainingLog | None = None,
) -> Training:
    """Train, going on from a checkpoint below `work`, and write the best adapter to `adapter`.

    `base` is a transformers folder, `base_id` its content hash. The same arguments on the same
    machine give the same adapter, byte for byte, killed in between or not.
    """
    log = log or NoLog()
    torch.set_num_threads(available_cores())
    precision = choose_precision(params.precision)
    model = load_with_adapter(base, params, precision, seed)
    path_name = path_for(model.config, params.pack_tokens)
    steps, per_epoch = plan_steps(
        [len(example) for example in train.examples],
        capacity=params.pack_tokens,
        packs_per_step=params.packs_per_step,
        epochs=params.epochs,
        max_steps=params.max_steps,
        seed=seed,
    )
    lengths = [len(example) for example in validation.examples]
    plan = Plan(
        steps,
        evaluation_steps(len(steps), per_epoch, params.evaluations_per_epoch),
        best_fit(lengths, range(len(lengths)), params.pack_tokens),
    )
    total_tokens = sum(token_count(train.examples, packs) for packs in steps)
    compiled = False
    paths: tuple[PackedPath, PackedPath] | tuple[PlainPath, PlainPath]
    if path_name == "packed":
        model.get_base_model().set_attn_implementation(attention.NAME)
        fixed = PackedPath(train.examples, pad_id, params.pack_tokens)
        model.train()
        compiled = compile_layers(
            model,
            params.compile,
            sum(p.numel() for p in model.parameters()),
            total_tokens,
            lambda: fixed.loss_sum(model, steps[0][0]),
        )
        free = PackedPath(train.examples, pad_id, None)
        paths = (fixed if compiled else free, PackedPath(validation.examples, pad_id, None))
    else:
        if params.compile == "on":
            raise RoleShiftError(
                f"train.compile: {model.config.model_type} trains on the plain path, which is not compiled; "
                "set it to auto or off"
            )
        paths = (PlainPath(train.examples, pad_id), PlainPath(validation.examples, pad_id))
    trainer = Trainer(
        model, params, plan, train=paths[0], validation=paths[1], log=log, checkpoints=work / "checkpoints", seed=seed
    )
    described: dict[str, str | int | float | bool] = {
        "base_id": base_id,
        "architecture": model.config.model_type,
        "path": path_name,
        "precision": precision,
        "compiled": compiled,
        "examples": len(train.examples),
        "examples_too_long": train.too_long,
        "validation_examples": len(validation.examples),
        "tokens_per_epoch": count_tokens(train.examples),
        "planned_steps": len(steps),
        "trainable_parameters": trainer.weights.count,
        "seed": seed,
    }
    log.start({**described, **{name: str(value) for name, value in params.model_dump(mode="json").items()}})
    if trainer.resume():
        logger.warning("finetune: goes on after step %d of %d", trainer.progress.step, len(steps))
    status = "KILLED"
    try:
        progress = trainer.run()
        status = "FINISHED"
    except RoleShiftError:
        status = "FAILED"
        raise
    finally:
        log.finish(status)
    save_adapter(model, trainer.weights.names, trainer.best, base_id, adapter)
    losses = [point["loss"] for point in progress.curve if point["split"] == "train"]
    summary = {
        **described,
        "adapter_id": hash_tree(adapter)[:16],
        "steps": progress.step,
        "tokens": progress.tokens,
        "best_step": progress.best_step,
        "best_validation_loss": progress.best_loss,
        "final_train_loss": losses[-1],
        "stopped_early": progress.stopped_early,
    }
    timings = {
        "seconds": progress.seconds,
        "tokens_per_second": progress.tokens / progress.seconds,
        "peak_memory_gb": peak_memory_gb(),
    }
    return Training(summary, progress.curve, timings)
