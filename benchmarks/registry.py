"""The registry at 500 versions with 60 metrics each, in a warm process, beside loops over MLflow's own client.

Ours: listing the versions, the audited history of the champion, the comparison of two versions by their
stored evidence, logging a version's metrics, and what registering adds to copying its artifacts, on a
database that exists. The other side: what people write with the plain client, one call per version and one
per metric; of history and of a comparison by item MLflow has none. The evidence is that of the committed
default run; the model files are random bytes of the real ones' size.

Run: python -P benchmarks/registry.py [VERSIONS]
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, func, select, text

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
SIZES = {"adapter": 19_600_000, "base": 93_000_000}
"""Bytes of the default run's adapter and base model; of the shipped variant its metrics say them."""


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
    """A line with the times of both sides and their ratio by processor time, which other work changes less."""
    line = f"{task:9} {ours[0]:8.3f} s, processor {ours[1]:7.3f} s"
    if theirs is not None:
        line += f"   {other} {theirs[0]:.3f} s, processor {theirs[1]:.3f} s, ratio {theirs[1] / ours[1]:.2f}"
    print(line, flush=True)


TABLES = ("runs", "tags", "metrics", "latest_metrics", "model_versions", "model_version_tags")
"""Where a version and its run stand in MLflow's database."""


def add_by_client(tracking: Tracking, number: int) -> None:
    """Register a version as `register` does, without artifacts: a run, its metrics in one batch, the version."""
    client, name = tracking.client, f"{number:015}"
    run = client.create_run(tracking.experiment_id, run_name=f"pipeline {name}").info
    client.log_batch(run.run_id, metrics=[Metric(f"m{i}", i / number, run.start_time, 0) for i in range(METRICS)])
    tags = {CONTENT: f"c{name}", MODEL: f"m{name}", KIND: "tuned", VARIANT: "onnx-int8", STATE: "complete",
            EVIDENCE: run.run_id}  # fmt: skip
    client.create_model_version(NAME, f"file:///nowhere/{name}", run_id=run.run_id, tags=tags)


def fill(tracking: Tracking, versions: int) -> None:
    """`versions` versions, each champion once: the first and the last by the client, all between by SQL.

    The client needs a tenth of a second or more for each. The rows between are the first version's with its
    number, its run's id and its metrics' values exchanged; they must be the last one's in the same way.
    """
    tracking.client.create_registered_model(NAME)
    engine = create_engine(tracking.uri)
    tables = MetaData()
    tables.reflect(engine)
    empty = count_rows(engine, tables)
    add_by_client(tracking, 1)
    with engine.begin() as connection:
        first = version_rows(connection, tables, 1)
        for name in TABLES:
            rows = [renumbered(row, first, number) for number in range(2, versions) for row in first[name]]
            connection.execute(tables.tables[name].insert(), rows)
    add_by_client(tracking, versions)
    with engine.begin() as connection:
        last = version_rows(connection, tables, versions)
    same = {name: [renumbered(row, last, 1, first["runs"][0]["run_uuid"]) for row in last[name]] for name in TABLES}
    if timeless(same) != timeless(first):
        sys.exit("the rows that were written by SQL are not those that MLflow's client writes")
    grown = {name: count - empty[name] for name, count in count_rows(engine, tables).items() if count > empty[name]}
    if grown != {name: versions * len(first[name]) for name in TABLES}:
        sys.exit(f"MLflow's client writes to other tables than {', '.join(TABLES)}: {grown}")
    log_champions(tracking, engine, versions)
    engine.dispose()
    tracking.client.set_registered_model_alias(NAME, "champion", str(versions))


def version_rows(connection: Connection, tables: MetaData, number: int) -> dict[str, list[dict[str, Any]]]:
    """What stands in the database of a version and its run, by table."""
    query = tables.tables["model_versions"].select().where(text("version = :number"))
    run_id = connection.execute(query, {"number": number}).mappings().one()["run_id"]
    found = {}
    for name in TABLES:
        table = tables.tables[name]
        one = table.c.run_uuid == run_id if "run_uuid" in table.c else table.c.version == number
        rows = connection.execute(table.select().where(one).order_by(*table.primary_key)).mappings()
        found[name] = [dict(row) for row in rows]
    return found


def renumbered(
    row: dict[str, Any], of: dict[str, list[dict[str, Any]]], number: int, run_id: str | None = None
) -> dict[str, Any]:
    """A row of one version as another's."""
    old, old_id = of["model_versions"][0]["version"], of["runs"][0]["run_uuid"]
    names = {f"{old:015}": f"{number:015}", old_id: run_id or f"{number:032x}"}

    def changed(key: str, value: Any) -> Any:
        if key == "version":
            return number
        if key == "value" and isinstance(value, float):
            return value * old / number
        if isinstance(value, str):
            for name, other in names.items():
                value = value.replace(name, other)
        return value

    return {key: changed(key, value) for key, value in row.items()}


def timeless(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Rows without their times, values to ten digits."""
    return {
        table: [
            {key: round(value, 10) if isinstance(value, float) else value
             for key, value in row.items() if "time" not in key} for row in rows
        ]
        for table, rows in found.items()
    }  # fmt: skip


def count_rows(engine: Engine, tables: MetaData) -> dict[str, int]:
    """Rows of every table."""
    with engine.begin() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in tables.tables.items()
        }


def log_champions(tracking: Tracking, engine: Engine, versions: int) -> None:
    """A chain of audit entries, each version champion after the one before, as `AuditLog.append` signs them."""
    log = AuditLog(tracking.uri, NAME)
    entries = [log.append("promote", who="ann", after=[], version_to=1)]
    for number in range(2, versions + 1):
        last = entries[-1]
        unsigned = replace(last, sequence=number, version_from=number - 1, version_to=number, previous=last.hash)
        entries.append(replace(unsigned, hash=unsigned.computed_hash()))
    table = Table("roleshift_audit", MetaData(), autoload_with=engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [asdict(entry) for entry in entries[1:]])


def list_by_loop(client: MlflowClient) -> list[tuple[object, ...]]:
    """Number, tags and aliases of each version: a search leaves the aliases out, so one call per version."""
    found = []
    for version in client.search_model_versions(f"name = '{NAME}'", max_results=1000):
        whole = client.get_model_version(NAME, version.version)
        found.append((whole.version, whole.tags, whole.aliases))
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
    weights = read_json(root / "metrics/export.json")["variants"][shipped]["bytes"]
    source = load_params(REPOSITORY / "params.yaml").base.source
    for path, size in (
        (f"models/onnx/{shipped}/model.onnx", weights),
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
    if versions < 3:
        sys.exit("VERSIONS must be 3 or more: the first and the last are made by the client")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tracking = open_tracking(f"sqlite:///{folder}/mlflow.db", folder, NAME)
        filled = once(lambda: fill(tracking, versions))
        print(
            f"{versions} versions with {METRICS} metrics each, made in {filled[0]:.1f} s; median of {REPEATS} after one"
        )
        looped = once(lambda: list_by_loop(tracking.client))
        report("list", often(lambda: list_versions(tracking, NAME)), "loop over the client", looped)
        report("history", often(lambda: standing(tracking, NAME)))
        report("metrics", often(lambda: log_in_batch(tracking)), "one by one", often(lambda: log_by_loop(tracking)))
        root = project(folder / "project")
        copied = once(lambda: copy_models(root, folder / "copy"))
        registered = once(lambda: register_models(tracking, root))
        report("register", registered, "copying its artifacts", copied)
        beyond = registered[0] - copied[0], registered[1] - copied[1]
        print(f"registering beyond copying: {beyond[0]:.2f} s, processor {beyond[1]:.2f} s", flush=True)
        params = load_params(root / "params.yaml")
        report("compare", often(lambda: compare_versions(tracking, params)))


if __name__ == "__main__":
    main()
