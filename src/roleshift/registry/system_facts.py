"""What is known of a measured system besides its items: size, speed, noise, training, settings, data.

A system is a variant of a run (whose folder holds `metrics/` and `plots/`), or a registered version,
whose pipeline run in the tracking store holds the same files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.export.pareto import pareto_front
from roleshift.files import read_json
from roleshift.params import read_yaml
from roleshift.project import Project
from roleshift.registry.figures import settings
from roleshift.registry.manifest import data_hashes
from roleshift.registry.tracking import Tracking, reporting
from roleshift.registry.versions import Version, download_manifest

CURVE = Path("plots/finetune/learning_curve.json")


@dataclass(frozen=True)
class SystemFacts:
    """Facts about one system; what nobody measured or recorded is None or empty.

    `bytes`: of the model's files. `answers_per_second`: over all items it was asked, reading and
    writing. `curve`: rows of the learning curve. `robustness`: by capability, `noise`: by
    perturbation, as in metrics/evaluate.json. `settings`: params by dotted path. `data`: hashes by name.
    """

    name: str
    bytes: int | None = None
    answers_per_second: float | None = None
    curve: tuple[Mapping[str, Any], ...] = ()
    robustness: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    noise: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)


def run_facts(project: Project, folder: Path, system: str) -> SystemFacts:
    """Facts about a system of the run in `folder`, named as `run_sides` names it."""
    variant, _, shots = system.partition(", ")
    timed = f"{variant}-{shots.split()[0]}-shot" if shots else variant
    own = folder == project.root
    return SystemFacts(
        system,
        _exported_bytes(folder, variant),
        _speed(folder / "metrics/timings", timed),
        *_measured(folder, folder / CURVE, variant),
        settings=settings(read_yaml(folder / "params.yaml")) if own else {},
        data=_flat(data_hashes(folder)) if own else {},
    )


def version_facts(tracking: Tracking, version: Version, name: str, downloads: Path) -> SystemFacts:
    """Facts about a registered version; its run's small files are brought to `downloads`."""
    folder = downloads / str(version.number)
    folder.mkdir(parents=True, exist_ok=True)
    manifest, curve = download_manifest(tracking, version, folder), folder / CURVE
    if version.evidence_run is not None:
        with reporting(tracking.uri):
            if tracking.client.list_artifacts(version.evidence_run, "metrics"):
                tracking.client.download_artifacts(version.evidence_run, "metrics", str(folder))
            if tracking.client.list_artifacts(version.evidence_run, CURVE.parent.as_posix()):
                # where it comes to lie differs: a folder of this machine gives the file alone, a server its path
                curve = Path(tracking.client.download_artifacts(version.evidence_run, CURVE.as_posix(), str(folder)))
    base = version.kind == "base"
    model = f"{manifest['model']}/"
    return SystemFacts(
        name,
        sum(int(entry["bytes"]) for path, entry in manifest["files"].items() if path.startswith(model)),
        _speed(folder / "metrics/timings", version.variant),
        *(((), {}, {}) if base else _measured(folder, curve, version.variant)),
        settings=settings(manifest.get("params", {})),
        data=_flat(manifest.get("data", {})),
    )


def _exported_bytes(folder: Path, variant: str) -> int | None:
    path = folder / "metrics/export.json"
    found = read_json(path).get("variants", {}).get(variant, {}) if path.is_file() else {}
    return found.get("bytes")


def _speed(timings: Path, name: str) -> float | None:
    for stage in ("evaluate", "baseline"):
        path = timings / f"{stage}.json"
        entry = read_json(path).get(name) if path.is_file() else None
        if entry and (spent := entry["prompt_seconds"] + entry["decode_seconds"]):
            return float(entry["items"] / spent)
    return None


def _measured(
    folder: Path, curve: Path, variant: str
) -> tuple[tuple[Mapping[str, Any], ...], dict[str, Any], dict[str, Any]]:
    """Learning curve, robustness by capability, noise by kind: of the tuned model, noise of what ships."""
    path = folder / "metrics/evaluate.json"
    evaluated = read_json(path) if path.is_file() else {}
    tuned = evaluated.get("tuned", {})
    if variant not in (tuned.get("shipped"), tuned.get("reference")):
        return (), {}, {}
    rows = tuple(read_json(curve)) if curve.is_file() else ()
    if variant != tuned.get("shipped"):
        return rows, {}, {}
    parts = {name: part["robustness"] for name, part in evaluated["capabilities"].items() if part.get("robustness")}
    return rows, parts, evaluated.get("robustness_by_perturbation", {})


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": str(value)}
    return found


def curve_frame(facts: Sequence[SystemFacts]) -> pl.DataFrame:
    """Learning curves: system, split, step, loss."""
    rows = [
        (each.name, str(row.get("split", "train")), int(row["step"]), float(row["loss"]))
        for each in facts
        for row in each.curve
        if row.get("loss") is not None
    ]
    return pl.DataFrame(rows, schema={"system": pl.String, "split": pl.String, "step": pl.Int64, "loss": pl.Float64},
                        orient="row")  # fmt: skip


def robustness_frame(facts: Sequence[SystemFacts]) -> pl.DataFrame:
    """What noise in the input changes, times 100: system, noise, capability, value, low, high, items.

    `noise` is null in the rows by capability, `capability` in those by kind of noise.
    """
    rows = [
        {"system": each.name, "noise": noise, "capability": capability,
         **{name: None if entry[key] is None else 100 * entry[key]
            for name, key in (("value", "difference"), ("low", "low"), ("high", "high"))},
         "items": entry["n"]}
        for each in facts
        for noise, capability, entry in (
            *((None, name, entry) for name, entry in each.robustness.items()),
            *((name, None, entry) for name, entry in each.noise.items()),
        )
    ]  # fmt: skip
    schema = {"system": pl.String, "noise": pl.String, "capability": pl.String,
              **dict.fromkeys(("value", "low", "high"), pl.Float64), "items": pl.Int64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


OUTCOMES = ("ships", "reference", "may be worse", "differs in batches", "not faster")
"""What became of a variant among which `select` chose; metrics/selection.json has the reason with its figures."""


def mean_scores(values: pl.DataFrame) -> dict[str, float]:
    """Each system's mean over capabilities by their primary metrics; `values` as `Several` has them."""
    means = values.filter("primary").group_by("system").agg(pl.col("value").mean())
    return dict(means.iter_rows())


def candidates_frame(selection: Mapping[str, Any]) -> pl.DataFrame:
    """The variants that `select` chose among (metrics/selection.json): what is known of them first, `outcome` last.

    Scores times 100, sizes in megabytes. `outcome` is one of OUTCOMES.
    """
    candidates = [
        {key: value for key, value in entry.items() if not isinstance(value, dict | list) and key != "reason"}
        | {"outcome": _outcome(entry, selection["shipped"])}
        for entry in selection.get("candidates", [])
    ]
    frame = pl.DataFrame(candidates, infer_schema_length=None)
    if "bytes" in frame.columns:
        frame = frame.with_columns(megabytes=pl.col("bytes") / 1e6).drop("bytes")
    scaled = [name for name in ("quality", "difference", "bound") if name in frame.columns]
    frame = frame.with_columns(pl.col(name) * 100 for name in scaled)
    order = ("variant", "quality", "difference", "bound", "megabytes")
    first = [name for name in order if name in frame.columns]
    last = [name for name in ("outcome",) if name in frame.columns]
    return frame.select(*first, *(name for name in frame.columns if name not in (*first, *last)), *last)


def _outcome(entry: Mapping[str, Any], shipped: str) -> str:
    if entry["variant"] == shipped:
        return "ships"
    if "not_worse" not in entry:  # held against nothing: the reference
        return "reference"
    if not entry["not_worse"]:
        return "may be worse"
    return "differs in batches" if (entry.get("batches") or {}).get("differing") else "not faster"


def tradeoff_frame(facts: Sequence[SystemFacts], quality: Mapping[str, float]) -> pl.DataFrame:
    """Quality, speed and size: system, quality (times 100), answers_per_second, megabytes, pareto.

    `pareto`: no other system is at least as good in every respect and better in one; null where
    something is not known. `quality` gives each system's mean primary score.
    """
    rows = [
        {"system": each.name, "quality": quality.get(each.name), "answers_per_second": each.answers_per_second,
         "megabytes": None if each.bytes is None else each.bytes / 1e6}
        for each in facts
    ]  # fmt: skip
    known: dict[int, tuple[float, ...]] = {}  # by place; of size the smaller is the better
    for place, each in enumerate(facts):
        good = quality.get(each.name)
        if good is not None and each.answers_per_second is not None and each.bytes is not None:
            known[place] = (good, each.answers_per_second, -each.bytes)
    front = dict(zip(known, pareto_front(list(known.values())), strict=True))
    schema = {"system": pl.String, **dict.fromkeys(("quality", "answers_per_second", "megabytes"), pl.Float64),
              "pareto": pl.Boolean}  # fmt: skip
    return pl.DataFrame([row | {"pareto": front.get(place)} for place, row in enumerate(rows)], schema=schema)


def changes_frame(facts: Sequence[SystemFacts], what: str) -> pl.DataFrame:
    """Rows of `settings` or `data` that differ: name, and a column per system; empty where nothing does.

    A system of which nothing is recorded is left out.
    """
    known = [(each.name, getattr(each, what)) for each in facts if getattr(each, what)]
    names = sorted({key for _, values in known for key in values})
    rows = [{"name": key, **{system: values.get(key) for system, values in known}} for key in names]
    changed = [row for row in rows if len({row[system] for system, _ in known}) > 1]
    return pl.DataFrame(changed, schema={"name": pl.String, **{system: pl.String for system, _ in known}})
