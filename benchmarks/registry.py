"""The registry at 500 versions with 60 metrics each, in a warm process, beside loops over MLflow's own client.

Ours: listing the versions, the audited history of the champion, the comparison of two versions by their
stored evidence, logging a version's metrics, and what registering adds to copying its artifacts, on a
database that exists. The other side: what people write with the plain client, one call per version and one
per metric. The evidence is that of the committed default run; the model files are random bytes of the real
ones' size.

Run: python -P benchmarks/registry.py [VERSIONS]
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from mlflow import MlflowClient
from mlflow.entities import Metric

from roleshift.evaluation.comparison import compare
from roleshift.evaluation.measures import Precision
from roleshift.files import read_json
from roleshift.params import Params, load_params
from roleshift.registry.audit import AuditLog
from roleshift.registry.manifest import read_made
from roleshift.registry.promotion import standing
from roleshift.registry.registering import register
from roleshift.registry.sides import version_side
from roleshift.registry.tracking import Tracking, open_tracking
from roleshift.registry.versions import CONTENT, EVIDENCE, KIND, MODEL, STATE, VARIANT, list_versions, resolve

REPOSITORY = Path(__file__).resolve().parent.parent
RUN = REPOSITORY / "docs/default-run"
NAME = "roleshift"
METRICS = 60
REPEATS = 5
SIZES = {"onnx": 270_463_373, "adapter": 19_600_000, "base": 93_000_000}
"""Bytes of the default run's shipped variant, adapter and base model."""


Times = tuple[float, float]
"""Wall-clock and processor seconds; on a busy machine the second is what an idle one would take."""


def once(action: Callable[[], object]) -> Times:
    """Times of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - processor


def often(action: Callable[[], object], repeats: int = REPEATS) -> Times:
    """Median times of `repeats` calls, after one that warms up."""
    action()
    taken = [once(action) for _ in range(repeats)]
    return median(wall for wall, _ in taken), median(processor for _, processor in taken)


def report(task: str, ours: Times, other: str = "", theirs: Times | None = None) -> None:
    """A line with the times of both sides and their ratio by processor time."""
    line = f"{task:9} {ours[0]:8.3f} s, processor {ours[1]:7.3f} s"
    if theirs is not None:
        line += f"   {other} {theirs[0]:.3f} s, processor {theirs[1]:.3f} s, ratio {theirs[1] / ours[1]:.2f}"
    print(line, flush=True)


def fill(tracking: Tracking, versions: int) -> None:
    """Register versions as `register` does, without artifacts, each with a run and its metrics in one batch."""
    client = tracking.client
    client.create_registered_model(NAME)
    log = AuditLog(tracking.uri, NAME)
    entries = log.entries()
    for number in range(1, versions + 1):
        run = client.create_run(tracking.experiment_id).info
        client.log_batch(run.run_id, metrics=[Metric(f"m{i}", i / number, run.start_time, 0) for i in range(METRICS)])
        tags = {CONTENT: f"c{number:015}", MODEL: f"m{number:015}", KIND: "tuned", VARIANT: "onnx-int8",
                STATE: "complete", EVIDENCE: run.run_id}  # fmt: skip
        client.create_model_version(NAME, f"file:///nowhere/{number}", run_id=run.run_id, tags=tags)
        entries.append(log.append("promote", who="ann", after=entries, version_from=number - 1, version_to=number))
    client.set_registered_model_alias(NAME, "champion", str(versions))


def list_by_loop(client: MlflowClient) -> list[tuple[object, ...]]:
    """Number, tags, aliases and metrics of each version by one call per version and one per run."""
    found = []
    for version in client.search_model_versions(f"name = '{NAME}'", max_results=1000):
        whole = client.get_model_version(NAME, version.version)
        found.append((whole.version, whole.tags, whole.aliases, client.get_run(whole.run_id).data.metrics))
    return found


def log_by_loop(tracking: Tracking) -> None:
    """One call per metric."""
    run = tracking.client.create_run(tracking.experiment_id).info.run_id
    for i in range(METRICS):
        tracking.client.log_metric(run, f"m{i}", i)


def log_in_batch(tracking: Tracking) -> None:
    """One call for all."""
    run = tracking.client.create_run(tracking.experiment_id).info
    tracking.client.log_batch(run.run_id, metrics=[Metric(f"m{i}", i, run.start_time, 0) for i in range(METRICS)])


def project(root: Path) -> Path:
    """A complete pipeline's outputs: the default run's, with model files of random bytes."""
    shutil.copytree(RUN, root)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, root / name)
    for name in ("pipelines", "src"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shipped = read_json(root / "metrics/selection.json")["shipped"]
    source = load_params(REPOSITORY / "params.yaml").base.source
    for path, size in (
        (f"models/onnx/{shipped}/model.onnx", SIZES["onnx"]),
        ("models/adapter/adapter_model.safetensors", SIZES["adapter"]),
        (f"data/raw/{source}/model.gguf", SIZES["base"]),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(os.urandom(size))
    for name in ("manifest", "report", "tasks"):
        if not (root / f"data/{name}.json").exists():
            shutil.copy(REPOSITORY / f"data/{name}.json", root / f"data/{name}.json")
    return root


def copy_models(root: Path, target: Path) -> None:
    """What any registry must do at least."""
    for folder in ("models", "data/raw"):
        shutil.copytree(root / folder, target / folder)


def register_models(tracking: Tracking, root: Path) -> None:
    """What the register stage does."""
    made = read_made(root, load_params(root / "params.yaml").base.source)
    register(tracking, root, NAME, made, experiment=None, move_aliases=True)


def compare_versions(tracking: Tracking, params: Params) -> None:
    """What `roleshift compare challenger baseline` does."""
    precision = Precision(params.evaluation.resamples, params.evaluation.confidence, params.seed)
    with tempfile.TemporaryDirectory() as downloads:
        words = ("challenger", "baseline")
        sides = [version_side(tracking, resolve(tracking, NAME, word), Path(downloads)) for word in words]
    compare(sides[0], sides[1], params.task_definitions(), margin=0.05, precision=precision)


def main() -> None:
    """Print a line per task."""
    versions = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tracking = open_tracking(f"sqlite:///{folder}/mlflow.db", folder, NAME)
        fill(tracking, versions)
        print(f"{versions} versions with {METRICS} metrics each; median of {REPEATS} after one")
        looped = often(lambda: list_by_loop(tracking.client), 1)
        report("list", often(lambda: list_versions(tracking, NAME)), "loop over the client", looped)
        report("history", often(lambda: standing(tracking, NAME)))
        report("metrics", often(lambda: log_in_batch(tracking)), "one by one", often(lambda: log_by_loop(tracking)))
        root = project(folder / "project")
        copied = once(lambda: copy_models(root, folder / "copy"))
        report("register", once(lambda: register_models(tracking, root)), "copying its artifacts", copied)
        params = load_params(root / "params.yaml")
        report("compare", often(lambda: compare_versions(tracking, params)))


if __name__ == "__main__":
    main()
