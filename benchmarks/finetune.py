"""Measure training speed against TRL. Run: python benchmarks/finetune.py --steps 8 --rounds 2.

Real (unpadded) tokens per second of RoleShift's training, of TRL's SFTTrainer with its defaults
(padded) and of TRL packed in bf16, on the same examples, each in a process of its own, with the
allocator as shipped and tuned, in alternating rounds. The clock of a shared machine drifts, so a
fixed bf16 matrix product is timed beside each step; the normalised column divides by its speed.
TRL packed and RoleShift train on the same packs from the same start, so that their losses can be
compared step by step. Beside it: what the layers' matrix products alone would allow.

Needs data/examples (dvc repro prepare) and `pip install roleshift[bench]`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from roleshift.training.allocator import MARKER, tuned_environment

WARM_UP_STEPS = 2
PEAK_RATE = 1e-3
SIDES = ("trl-default", "trl-packed", "roleshift")
ALLOCATORS = ("shipped", "tuned")
CALIBRATION_SIZE = 1024


def mean_of(values: Iterable[float]) -> float:
    """The arithmetic mean."""
    listed = list(values)
    return sum(listed) / len(listed)


def encoded_examples() -> tuple[Any, Any, list[Any]]:
    """Params, base folder and the training examples in a fixed random order."""
    import torch

    from roleshift.contracts import EXAMPLES, read_table
    from roleshift.params import load_params
    from roleshift.project import Project
    from roleshift.training.base import base_folder, load_tokenizer
    from roleshift.training.encoding import encode_examples

    project = Project.discover()
    params = load_params(project.root / "params.yaml")
    base = base_folder(project.root / "data/raw" / params.base.source, project.converted)
    frame = read_table(project.root / "data/examples/train.parquet", EXAMPLES)
    encoded = encode_examples(
        frame, params.task_definitions(), load_tokenizer(base), params.train.pack_tokens, "train.parquet"
    ).examples
    order = torch.randperm(len(encoded), generator=torch.Generator().manual_seed(0)).tolist()
    return params, base, [encoded[i] for i in order]


def same_start(model: Any) -> None:
    """Give LoRA the same initial weights on every side, whatever drew from the random state before."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for name, parameter in sorted(model.named_parameters()):
        if "lora_A" in name:
            drawn = (torch.rand(parameter.shape, generator=generator) * 2 - 1) / parameter.shape[1] ** 0.5
            parameter.data.copy_(drawn)


def calibrate() -> float:
    """GFLOP/s of a fixed bf16 matrix product."""
    import torch

    a, b = (torch.ones(CALIBRATION_SIZE, CALIBRATION_SIZE, dtype=torch.bfloat16) for _ in range(2))
    a @ b
    started = time.perf_counter()
    for _ in range(10):
        a @ b
    return 20 * CALIBRATION_SIZE**3 / (time.perf_counter() - started) / 1e9


def run_trl(side: str, steps: int, packs_file: Path) -> list[dict[str, float]]:
    """TRL's SFTTrainer, with its defaults or packed in bf16; the latter writes its packs for the others."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from roleshift.training.base import load_model, load_tokenizer

    params, base, examples = encoded_examples()
    rows = [{"input_ids": [*e.prompt, *e.answer], "labels": [-100] * len(e.prompt) + list(e.answer)} for e in examples]
    index_of = {tuple(row["input_ids"]): i for i, row in enumerate(rows)}
    packed = side == "trl-packed"
    with tempfile.TemporaryDirectory() as folder:
        shared: dict[str, Any] = {
            "output_dir": folder,
            "use_cpu": True,
            "max_steps": steps,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "learning_rate": PEAK_RATE,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0,
            "max_length": params.train.pack_tokens,
            "train_sampling_strategy": "sequential",
        }
        if packed:
            shared |= {"packing": True, "bf16": True, "gradient_checkpointing": False, "per_device_train_batch_size": 1}
        trainer = SFTTrainer(
            model=load_model(base, torch.float32),
            args=SFTConfig(**shared),
            train_dataset=Dataset.from_list(rows),
            processing_class=load_tokenizer(base),
            peft_config=LoraConfig(
                task_type="CAUSAL_LM",
                r=params.train.rank,
                lora_alpha=params.train.alpha,
                lora_dropout=0.0,
                target_modules="all-linear",
            ),
        )
        same_start(trainer.model)
        batch = trainer.args.per_device_train_batch_size
        if packed:
            packs = []
            for row in trainer.train_dataset.select(range(steps)):
                ids, start, pack = row["input_ids"], 0, []
                for length in row["seq_lengths"]:
                    pack.append(index_of[tuple(ids[start : start + length])])
                    start += length
                packs.append(pack)
            packs_file.write_text(json.dumps(packs))
            tokens = [sum(len(examples[i]) for i in pack) for pack in packs]
        else:
            tokens = [sum(len(e) for e in examples[i : i + batch]) for i in range(0, steps * batch, batch)]
        measured: list[dict[str, float]] = []

        class Stopwatch(TrainerCallback):  # type: ignore[misc]
            """Times each step, and the fixed product before it."""

            def on_step_begin(self, *_: Any, **__: Any) -> None:
                """Start the watch."""
                measured.append({"gflops": calibrate(), "tokens": tokens[len(measured)]})
                self.started = time.perf_counter()

            def on_step_end(self, *_: Any, **__: Any) -> None:
                """Stop it."""
                measured[-1]["seconds"] = time.perf_counter() - self.started

        trainer.add_callback(Stopwatch())
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        for entry, loss in zip(measured, losses, strict=True):
            entry["loss"] = loss
    return measured


def run_roleshift(steps: int, packs_file: Path) -> list[dict[str, float]]:
    """RoleShift's trainer on the packs that TRL made."""
    import torch

    from roleshift.training import attention
    from roleshift.training.adapter import load_with_adapter
    from roleshift.training.base import load_tokenizer
    from roleshift.training.compilation import compile_layers
    from roleshift.training.log import NoLog
    from roleshift.training.loop import Plan, Trainer, token_count
    from roleshift.training.paths import PackedPath
    from roleshift.training.processor import available_cores, choose_precision, has_compiler

    params, base, examples = encoded_examples()
    torch.set_num_threads(available_cores())
    train = params.train.model_copy(
        update={"learning_rate": PEAK_RATE, "warmup_share": 0.0, "checkpoint_every_steps": 10**9, "dropout": 0.0}
    )
    model = load_with_adapter(base, train, choose_precision("auto"), 0)
    same_start(model)
    model.get_base_model().set_attn_implementation(attention.NAME)
    packs = [[tuple(pack)] for pack in json.loads(packs_file.read_text())][:steps]
    path = PackedPath(examples, load_tokenizer(base).pad_token_id, train.pack_tokens)
    model.train()
    asked = "on" if has_compiler() else "off"
    compiled = compile_layers(model, asked, 0, 0, lambda: path.loss_sum(model, packs[0][0]))
    if not compiled:
        path = PackedPath(examples, path.pad_id, None)
    measured: list[dict[str, float]] = []

    class Stopwatch(NoLog):
        """Takes the trainer's own figures, and times the fixed product beside each step."""

        def log(self, step: int, values: Any) -> None:
            """One step's figures."""
            tokens = token_count(examples, packs[step - 1])
            seconds = tokens / values["tokens_per_second"]
            measured.append({"gflops": calibrate(), "tokens": tokens, "seconds": seconds, "loss": values["train_loss"]})

    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(packs, frozenset(), ())
        Trainer(
            model, train, plan, train=path, validation=path, log=Stopwatch(), checkpoints=Path(folder), seed=0
        ).run()
    return measured


def layers_limit() -> float:
    """Tokens per second if a step were only the base layers' products: forward, and back to the input."""
    import torch

    from roleshift.training.base import load_model
    from roleshift.training.processor import available_cores

    params, base, _ = encoded_examples()
    torch.set_num_threads(available_cores())
    shapes = [
        tuple(module.weight.shape)
        for layer in load_model(base, torch.bfloat16).model.layers
        for module in layer.modules()
        if isinstance(module, torch.nn.Linear)
    ]
    length = params.train.pack_tokens
    weights = {shape: torch.ones(shape, dtype=torch.bfloat16) for shape in set(shapes)}
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        for out, width in shapes:
            torch.ones(length, width, dtype=torch.bfloat16) @ weights[(out, width)].T
            torch.ones(length, out, dtype=torch.bfloat16) @ weights[(out, width)]
        seconds.append(time.perf_counter() - started)
    return length / min(seconds)


def worker(side: str, steps: int, packs: Path) -> dict[str, Any]:
    """One side in this process."""
    if side == "limit":
        return {"tokens_per_second": layers_limit(), "gflops": max(calibrate() for _ in range(3))}
    measured = run_roleshift(steps, packs) if side == "roleshift" else run_trl(side, steps, packs)
    from roleshift.training.processor import peak_memory_gb

    counted = measured[WARM_UP_STEPS:] or measured[-1:]
    speed = sum(m["tokens"] for m in counted) / sum(m["seconds"] for m in counted)
    gflops = mean_of(m["gflops"] for m in counted)
    return {
        "tokens_per_second": speed,
        "gflops": gflops,
        "normalised": speed / gflops,
        "peak_memory_gb": peak_memory_gb(),
        "losses": [m["loss"] for m in measured],
    }


def start(side: str, allocator: str, steps: int, packs: Path) -> dict[str, Any]:
    """Run one side in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if key != MARKER}
    if allocator == "tuned":
        environment = tuned_environment(environment)
    # -P: this folder's file names must not hide modules that the libraries import.
    command = [sys.executable, "-P", __file__, "--side", side, "--steps", str(steps), "--packs", str(packs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side} ({allocator}): {done.stderr.strip()[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def compare(steps: int, rounds: int) -> None:
    """Run every side in alternating rounds and print the table."""
    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        packs = Path(folder) / "packs.json"
        for turn in range(rounds):
            for allocator in ALLOCATORS:
                for side in ("trl-packed", "roleshift", "trl-default"):
                    asked = min(steps, WARM_UP_STEPS + 2) if side == "trl-default" else steps
                    result = start(side, allocator, asked, packs)
                    results.setdefault((side, allocator), []).append(result)
                    print(
                        f"round {turn + 1}: {side}, allocator {allocator}: {result['tokens_per_second']:.0f} tokens/s",
                        file=sys.stderr,
                    )
        limit = start("limit", "tuned", 0, packs)
    print(f"{'side':<12} {'allocator':<9} {'tokens/s':>8} {'GFLOP/s':>8} {'normalised':>10} {'peak GB':>8}")
    middle: dict[tuple[str, str], float] = {}
    for side in SIDES:
        for allocator in ALLOCATORS:
            runs = results[side, allocator]
            mean = {
                key: mean_of(run[key] for run in runs)
                for key in ("tokens_per_second", "gflops", "normalised", "peak_memory_gb")
            }
            middle[side, allocator] = mean["normalised"]
            print(
                f"{side:<12} {allocator:<9} {mean['tokens_per_second']:>8.0f} {mean['gflops']:>8.0f} "
                f"{mean['normalised']:>10.3f} {mean['peak_memory_gb']:>8.2f}"
            )
    ours = middle["roleshift", "tuned"]  # pipelines/finetune.py tunes the allocator itself
    print(f"\nlayers' products alone: {limit['tokens_per_second']:.0f} tokens/s at {limit['gflops']:.0f} GFLOP/s")
    for side in ("trl-default", "trl-packed"):
        for allocator in ALLOCATORS:
            ratio = ours / middle[side, allocator]
            print(f"roleshift as it ships / {side}, allocator {allocator}: {ratio:.2f} (normalised)")
    left, right = (results[side, "tuned"][0]["losses"] for side in ("roleshift", "trl-packed"))
    print(f"\nloss by step, roleshift:  {' '.join(f'{loss:.4f}' for loss in left)}")
    print(f"loss by step, trl-packed: {' '.join(f'{loss:.4f}' for loss in right)}")
    largest = max(abs(a - b) for a, b in zip(left, right, strict=True))
    print(f"mean {mean_of(left):.4f} and {mean_of(right):.4f}, largest difference {largest:.4f}")


def main() -> None:
    """Parse the command line; `--side` and `--packs` are for the processes started here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--steps", type=int, default=8, help="optimiser steps per side and round, the first 2 uncounted"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", choices=[*SIDES, "limit"], help=argparse.SUPPRESS)
    parser.add_argument("--packs", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(worker(arguments.side, arguments.steps, arguments.packs)))
    else:
        compare(arguments.steps, arguments.rounds)


if __name__ == "__main__":
    main()
