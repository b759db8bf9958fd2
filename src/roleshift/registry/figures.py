"""What a pipeline run shows in MLflow's pages: some dozens of figures and every setting.

All that was measured, thousands of numbers, lies beside them in the run's JSON artifacts; as metrics
they would hide what a person looks for and make each run seconds slower to write and to read.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from roleshift.files import read_json

DEPTH = 8
LIST_LENGTH = 4
"""Longer lists are series or rows of items; they are in the artifacts."""
NAME_LENGTH = 250
PARAM_LENGTH = 6000
SECONDS = "seconds/"
"""Beginning of the names of the stages' measured seconds."""
TRAINING = ("best_validation_loss", "final_train_loss", "steps", "tokens", "examples", "trainable_parameters")


def figures(root: Path) -> dict[str, float]:
    """The figures of a complete pipeline, by a name that MLflow's pages group at its slash."""
    metrics = root / "metrics"
    named = [*_scores(read_json(metrics / "evaluate.json"))]
    trained = read_json(metrics / "finetune.json")
    named += [(f"training/{name}", trained.get(name)) for name in TRAINING]
    for variant, entry in read_json(metrics / "export.json").get("variants", {}).items():
        named.append((f"export/{variant} bytes", entry.get("bytes")))
        named += [(f"export/{variant} {name}", value) for name, value in (entry.get("parity") or {}).items()]
    for candidate in read_json(metrics / "selection.json").get("candidates", ()):
        named.append((f"selection/{candidate['variant']} quality", candidate.get("quality")))
    for name, entry in read_json(metrics / "impact.json").get("mean_over_roles", {}).items():
        named += [(f"roles/{name} {bound}", value) for bound, value in entry.items()]
    named += [(f"{SECONDS}{stage}", seconds) for stage, seconds in stage_seconds(root).items()]
    timed = metrics / "timings/select.json"
    for variant in read_json(timed).get("variants", ()) if timed.is_file() else ():
        named.append((f"speed/{variant['name']} tokens per second", variant["tokens_per_second"]))
        named.append((f"speed/{variant['name']} speedup", variant.get("speedup")))
    return {mlflow_name(name): float(value) for name, value in named if _finite(value)}


def stage_seconds(folder: Path) -> dict[str, float]:
    """Seconds by stage out of the `metrics/timings/` of the run in `folder`: training, generation, export.

    Every timing of `export` is a duration, of the others those that are called so. What a stage does
    besides (reading, scoring, intervals) is not measured and not in it.
    """
    found: dict[str, float] = {}
    for path in sorted((folder / "metrics/timings").glob("*.json")):
        named = numbers(read_json(path), path.stem)
        spent = [value for name, value in named.items() if path.stem == "export" or name.endswith("seconds")]
        if spent:
            found[path.stem] = sum(spent)
    return found


def _scores(evaluated: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Per capability: each system's score, the tuned one's interval, the paired difference, robustness, leaks."""
    tuned = evaluated.get("tuned", {})
    yield "all/capabilities above every baseline", evaluated.get("beats_all")
    for capability, part in sorted(evaluated.get("capabilities", {}).items()):
        metric = part["primary_metric"]
        names = {
            "tuned": tuned.get("shipped"), "reference": tuned.get("reference"), "base": "base",
            "base with examples": "base-shots", "best floor": part.get("best_floor"),
        }  # fmt: skip
        measured = {name: part["systems"][system] for name, system in names.items() if system in part["systems"]}
        for name, system in measured.items():
            entry = system["metrics"].get(metric, {})
            yield f"{capability}/{metric} {name}", entry.get("value")
            if name == "tuned":
                yield from ((f"{capability}/{metric} tuned {bound}", entry.get(bound)) for bound in ("low", "high"))
                yield f"{capability}/passing share", (system.get("pass_rate") or {}).get("rate")
        difference = part.get("differences", {}).get("tuned-base", {}).get("primary", {})
        for key, name in (("difference", ""), ("low", " low"), ("high", " high")):
            yield f"{capability}/{metric} tuned - base{name}", difference.get(key)
        yield f"{capability}/change under noise", (part.get("robustness") or {}).get("difference")
        leaks = part.get("leaks")
        yield f"{capability}/leaked share", leaks["either"] / part["items"] if leaks else None
        yield f"{capability}/items", part.get("items")


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def numbers(value: Any, prefix: str) -> dict[str, float]:
    """Every finite number below `value` by its path; a list's entries by `id`, `name` or position."""
    return {mlflow_name(path): float(leaf) for path, leaf in _leaves(value, prefix, DEPTH) if _finite(leaf)}


def settings(value: Mapping[str, Any]) -> dict[str, str]:
    """Every setting by its dotted path, as text."""
    return {mlflow_name(path): str(leaf)[:PARAM_LENGTH] for path, leaf in _leaves(value, "", DEPTH) if leaf is not None}


def mlflow_name(path: str) -> str:
    """A path in the characters and the length that MLflow allows."""
    return re.sub(r"[^\w./ :-]", "_", path, flags=re.ASCII)[:NAME_LENGTH]


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        entries = [(str(key), entry) for key, entry in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        named = [entry.get("id", entry.get("name")) if isinstance(entry, Mapping) else None for entry in value]
        if None in named and len(value) > LIST_LENGTH:
            return
        entries = [
            (str(i if name is None else name), entry) for i, (name, entry) in enumerate(zip(named, value, strict=True))
        ]
    else:
        yield path, value
        return
    if depth:
        for key, entry in entries:
            yield from _leaves(entry, f"{path}.{key}" if path else key, depth - 1)
