"""Measure generation: every exported variant beside torch and llama.cpp. Run: python -P benchmarks/inference.py.

The workload is the validation examples of all capabilities, end to end, greedy, as `select` and
`evaluate` generate. The sides take turns, each in a process of its own, `--rounds` times, since the
clock of a shared machine drifts; ratios are medians over rounds. Beside the speed stands the
quality of the very answers that were timed: the mean over capabilities of each task's own metric.

- torch-fp32, torch-bf16: transformers' `generate`, batches of prompts of similar length.
- torch-bf16-loop: a loop of our own in torch with the tricks of the engine: a task's common prefix
  computed once, logits only where they are needed, finished rows taken out of the batch.
- onnx-*: every variant in models/onnx, as the product runs it.
- llama.cpp: the same weights as Q8_0, one prompt after the other, through llama-cpp-python.

Needs a project in which `export` has run, and for llama.cpp `pip install llama-cpp-python`, which
compiles it for some minutes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.contracts import EXAMPLES, read_table
from roleshift.evaluation import score_items
from roleshift.export.calibration import calibration_of
from roleshift.export.candidates import primary_scores
from roleshift.export.memory import resident_peak
from roleshift.export.merging import merge_adapter
from roleshift.export.non_inferiority import mean_by_capability, mean_over_capabilities
from roleshift.export.parity import parity_examples
from roleshift.export.selection import variant_folders
from roleshift.files import list_files, read_json, write_json
from roleshift.generation import Answer, GenerationConfig, open_backend
from roleshift.generation.answers import AnswerStore
from roleshift.generation.asking import ask
from roleshift.params import Params, load_params
from roleshift.project import Project
from roleshift.training.base import base_folder, load_tokenizer

# Behind everything else, so that this folder's statistics.py does not stand for Python's own.
sys.path.append(str(Path(__file__).resolve().parent))

from inference_sides.llama import LlamaSide, write_gguf
from inference_sides.torch_sides import TorchLoop, TorchSide

TORCH = {"torch-fp32": "float32", "torch-bf16": "bfloat16", "torch-bf16-loop": "bfloat16"}
LLAMA = "llama.cpp-q8_0"
DECODED = 33
"""Tokens of an answer from which decoding is timed; the first one is the prompt's."""
TIMED = 8
"""Prompts on which prefill and decoding are timed."""


def open_side(name: str, project: Project, params: Params, merged: Path, batch_size: int) -> Any:
    """A side by its name, loaded."""
    if name in TORCH:
        if name != "torch-bf16-loop":
            return TorchSide(merged, TORCH[name], batch_size)
        validation = read_table(project.root / "data/examples/validation.parquet", EXAMPLES)
        prefixes = calibration_of(validation, params.task_definitions(), load_tokenizer(merged), 2048).prefixes
        return TorchLoop(merged, TORCH[name], batch_size, prefixes)
    if name == LLAMA:
        return LlamaSide(merged / f"{LLAMA}.gguf", merged)
    return open_backend(project.root / "models/onnx" / name, threads=params.generation.threads, batch_size=batch_size)


def measure(name: str, split: str, per_capability: int, merged: Path, batches: Sequence[int]) -> dict[str, Any]:
    """One side in this process: load, first token, prefill, decode, the workload and its quality."""
    project = Project.discover()
    params = load_params(project.root / "params.yaml")
    tasks = params.task_definitions()
    examples = parity_examples(read_table(project.root / f"data/examples/{split}.parquet", EXAMPLES), per_capability)
    timed = parity_examples(examples, 2).sort("example_id").head(TIMED)
    references = dict(zip(examples["example_id"].to_list(), examples["references"].to_list(), strict=True))
    inputs = dict(zip(examples["example_id"].to_list(), examples["input"].to_list(), strict=True))
    found: dict[str, Any] = {}
    for batch_size in batches:
        started = time.perf_counter()
        side = open_side(name, project, params, merged, batch_size)
        found.setdefault("load", time.perf_counter() - started)
        kept: list[Answer] = []

        def answered(frame: pl.DataFrame, limit: int, side: Any = side, kept: list[Answer] = kept) -> tuple[Any, float]:
            """Items and the seconds of generating them; nothing is taken from a store."""
            kept.clear()
            with tempfile.TemporaryDirectory() as folder, AnswerStore(Path(folder) / "answers.sqlite") as store:
                held = Held(side, kept)
                items, _ = ask(
                    frame, tasks, split=split, variant=name, model_id="0" * 16, artifact_id=side.artifact_id,
                    open_backend=lambda: held, config=GenerationConfig(limit, seed=params.seed), store=store,
                    tokenizer_folder=merged,
                )  # fmt: skip
                return items, held.seconds

        answered(timed.head(1), 2)  # warm
        if "first token" not in found:
            middle = timed.sort(pl.col("input").str.len_chars()).slice(timed.height // 2, 1)
            found["first token"] = min(answered(middle, 1)[1] for _ in range(3))
        _, prefill = answered(timed, 1)
        prompt_tokens = sum(a.prompt_tokens for a in kept)
        _, both = answered(timed, DECODED)
        decoded = sum(a.output_tokens for a in kept) - len(kept)
        found[f"prefill {batch_size}"] = prompt_tokens / prefill
        found[f"decode {batch_size}"] = decoded / max(both - prefill, 1e-9)
        items, seconds = answered(examples, params.generation.max_new_tokens)
        scores = primary_scores(score_items(items, references, inputs, tasks), items, tasks)
        found[f"workload {batch_size}"] = seconds
        found[f"quality {batch_size}"] = mean_over_capabilities(scores, "score")
        found[f"by capability {batch_size}"] = mean_by_capability(scores, "score")
        found[f"outputs {batch_size}"] = dict(
            zip(items["example_id"].to_list(), items["output"].to_list(), strict=True)
        )
        side.close()
    found["peak memory"] = resident_peak() / 1e9
    return found


class Held:
    """A side that stays open from one question to the next, and how long it generated."""

    def __init__(self, side: Any, kept: list[Answer]) -> None:
        self.artifact_id, self._side, self._kept, self.seconds = side.artifact_id, side, kept, 0.0

    def generate(self, requests: Any, config: GenerationConfig, on_answer: Any) -> list[Answer]:
        """Time it."""
        started = time.perf_counter()
        answers: list[Answer] = self._side.generate(requests, config, on_answer)
        self.seconds += time.perf_counter() - started
        self._kept.extend(answers)
        return answers

    def close(self) -> None:
        """Nothing: others ask it too."""


def start(name: str, arguments: argparse.Namespace, merged: Path) -> dict[str, Any]:
    """Run one side in a process of its own."""
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        # -P: this folder's file names must not hide modules that the libraries import.
        command = [sys.executable, "-P", __file__, "--side", name, "--split", arguments.split, "--items",
                   str(arguments.items), "--batches", *map(str, arguments.batches), "--merged", str(merged),
                   "--result", result.name]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr.strip()[-2000:]}")
        found: dict[str, Any] = read_json(Path(result.name))
        return found


def compare(arguments: argparse.Namespace) -> None:
    """Run every side in alternating rounds and print the tables."""
    project = Project.discover()
    params = load_params(project.root / "params.yaml")
    raw = project.root / "data/raw" / params.base.source
    variants = list(variant_folders(project.root / "models/onnx"))
    selection = project.root / "metrics/selection.json"
    shipped = arguments.shipped or (read_json(selection)["shipped"] if selection.is_file() else variants[-1])
    with tempfile.TemporaryDirectory(prefix="roleshift-inference-") as temporary:
        merged = Path(temporary) / "merged"
        merge_adapter(base_folder(raw, project.converted), project.root / "models/adapter", merged)
        sides = [*TORCH, *variants]
        base = next(iter(sorted(raw.glob("*.gguf"))), None)
        if find_spec("llama_cpp") is None:
            print("llama.cpp: left out, llama-cpp-python is not installed")
        elif base is None:
            print("llama.cpp: left out, the base model is not a GGUF file")
        else:
            write_gguf(base, merged, merged / f"{LLAMA}.gguf")
            sides.append(LLAMA)
        sides = [side for side in sides if not arguments.sides or side in arguments.sides]
        sizes = {side: side_bytes(side, project, merged) for side in sides}
        results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        for turn in range(arguments.rounds):
            for side in sides:
                results[side].append(start(side, arguments, merged))
                seconds = results[side][-1][f"workload {arguments.batches[-1]}"]
                print(f"round {turn + 1}: {side}: {seconds:.1f} s", file=sys.stderr, flush=True)
    report(results, sizes, shipped, arguments)


def side_bytes(side: str, project: Project, merged: Path) -> int:
    """What a side loads, in bytes; torch in bf16 holds half of the float32 file."""
    if side == LLAMA:
        return (merged / f"{LLAMA}.gguf").stat().st_size
    if side in TORCH:
        size = (merged / "model.safetensors").stat().st_size
        return size if TORCH[side] == "float32" else size // 2
    return sum(path.stat().st_size for path in list_files(project.root / "models/onnx" / side))


def report(
    results: dict[str, list[dict[str, Any]]], sizes: dict[str, int], shipped: str, arguments: argparse.Namespace
) -> None:
    """Print the tables; with --out also write them as JSON."""
    batches = arguments.batches
    middle = {
        side: {
            key: statistics.median(run[key] for run in runs) for key in runs[0] if not isinstance(runs[0][key], dict)
        }
        for side, runs in results.items()
    }
    print(f"\n{'side':<20} {'MB':>5} {'load s':>7} {'peak GB':>8} {'first token ms':>15}")
    for side, values in middle.items():
        print(
            f"{side:<20} {sizes[side] / 1e6:>5.0f} {values['load']:>7.1f} {values['peak memory']:>8.2f} "
            f"{1000 * values['first token']:>15.0f}"
        )
    for batch in batches:
        first = next(iter(middle))
        columns = f"{'prefill/s':>9} {'decode/s':>9} {'workload s':>11} {'quality':>8} {'as ' + first:>14}"
        print(f"\nbatch {batch:<14} {columns}")
        for side, values in middle.items():
            outputs, expected = results[side][0][f"outputs {batch}"], results[first][0][f"outputs {batch}"]
            same = sum(outputs[key] == expected[key] for key in outputs) / len(outputs)
            print(
                f"{side:<20} {values[f'prefill {batch}']:>9.0f} {values[f'decode {batch}']:>9.0f} "
                f"{values[f'workload {batch}']:>11.1f} {100 * values[f'quality {batch}']:>8.2f} {same:>14.0%}"
            )
    print(f"\n{shipped} beside each (median of the rounds' ratios; above 1: {shipped} is faster)")
    for other, runs in results.items():
        if other == shipped or shipped not in results:
            continue
        parts = []
        for batch in batches:
            pairs = list(zip(results[shipped], runs, strict=True))
            time_ratio = statistics.median(b[f"workload {batch}"] / a[f"workload {batch}"] for a, b in pairs)
            decode_ratio = statistics.median(a[f"decode {batch}"] / b[f"decode {batch}"] for a, b in pairs)
            parts.append(f"batch {batch}: workload {time_ratio:.2f}, decode {decode_ratio:.2f}")
        print(f"  {other:<20} {'; '.join(parts)}")
    for side, runs in results.items():
        outputs = [runs[0][f"outputs {batch}"] for batch in batches]
        same = sum(all(o[key] == outputs[0][key] for o in outputs) for key in outputs[0]) / len(outputs[0])
        print(f"{side}: {same:.0%} of the answers are the same at batch {' and '.join(map(str, batches))}")
    if arguments.out:
        write_json(arguments.out, {"results": results, "bytes": sizes, "shipped": shipped})


def main() -> None:
    """Parse the command line; `--side`, `--merged` and `--result` are for the processes started here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--items", type=int, default=20, help="examples per capability")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="prompts decoded together")
    parser.add_argument("--split", choices=["validation", "test"], default="validation", help="test: only to report")
    parser.add_argument("--sides", nargs="+", help="only these")
    parser.add_argument("--shipped", help="the variant that ratios are of; by default what select chose")
    parser.add_argument("--out", type=Path, help="write every figure as JSON")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--merged", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        found = measure(arguments.side, arguments.split, arguments.items, arguments.merged, arguments.batches)
        arguments.result.write_text(json.dumps(found))
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
