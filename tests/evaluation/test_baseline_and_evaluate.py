"""The stages baseline and evaluate on a tiny model, in a project of their own."""

from pathlib import Path
from shutil import copytree

import polars as pl
import pytest
import yaml
from evaluation_samples import make_examples

from roleshift.contracts import EXAMPLES, ITEMS, SCORES, read_table, write_table
from roleshift.export.building import keep_torch
from roleshift.files import hash_tree, read_json, write_json
from roleshift.generation import torch_backend
from roleshift.params import load_params
from roleshift.stage import open_stage
from roleshift.training.tiny import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]
CORPORA = {
    "papers": {"source": "texts", "adapter": "aclsum", "task": "summarize-papers"},
    "topics": {"source": "texts", "adapter": "wikipedia-topic", "task": "classify-encyclopedia"},
}


def run(root: Path, name: str) -> None:
    # The scripts are named after their stages, and `evaluate` is a package that they use.
    namespace: dict[str, object] = {"__name__": f"pipelines.{name}"}
    exec(compile((ROOT / f"pipelines/{name}.py").read_text(), f"{name}.py", "exec"), namespace)
    with open_stage(name, root) as stage:
        if stage is not None:
            namespace[name](stage)  # type: ignore[operator]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    root = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["sources"]["texts"] = {"kind": "file", "path": "texts", "licence": "none"}
    params["corpora"] = CORPORA
    params["generation"]["max_new_tokens"] = 3
    params["select"]["ship"] = "onnx-fp32"
    params["sources"]["encoder"] = {"kind": "file", "path": "encoder", "licence": "none"}
    params["evaluation"] |= {"shots": 1, "resamples": 100, "robustness_items": 2, "rouge": "rouge-score-rs"}
    params["evaluation"]["semantic"] = {"source": "encoder", "languages": ["en"]}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    for name in ("dvc.yaml", "src", "pipelines"):
        (root / name).symlink_to(ROOT / name)
    tasks = load_params(root / "params.yaml").task_definitions()
    write_json(root / "data/tasks.json", [tasks[name].wording() for name in sorted(tasks)])
    for split, count in (("train", 4), ("validation", 1), ("test", 4), ("review", 2)):
        write_table(root / f"data/examples/{split}.parquet", make_examples(tasks, count, split), EXAMPLES)
    base = root / "data/raw" / params["base"]["source"]
    write_tiny_model(base, "gpt2", 0)
    write_tiny_model(root / "tuned", "gpt2", 1)
    keep_torch(root / "tuned", "torch-merged", "tuned-model", root / "models/onnx/torch-merged")
    write_json(root / "metrics/selection.json", {"shipped": "torch-merged"})
    write_json(root / "data/manifest.json", {})
    copytree(tiny_encoder, root / "data/raw/encoder")
    run(root, "baseline")
    run(root, "evaluate")
    return root


def test_the_stages_write_evidence_and_figures_for_every_system(project: Path) -> None:
    items = read_table(project / "evidence/baseline/items.parquet", ITEMS)
    read_table(project / "evidence/baseline/scores.parquet", SCORES)
    assert items.filter(split="review").height == 4
    assert set(items["shots"].unique()) == {0, 1}
    baseline = read_json(project / "metrics/baseline.json")
    assert baseline["tuned"] is None
    assert "base-likelihood" in baseline["capabilities"]["classify"]["systems"]
    assert baseline["capabilities"]["summarize"]["best_floor"].startswith("floor-")
    summary = read_json(project / "metrics/evaluate.json")
    assert summary["tuned"] == {"model_id": "tuned-model", "shipped": "torch-merged", "reference": "torch-merged"}
    assert "shipped-reference" not in summary["capabilities"]["summarize"]["differences"]
    assert summary["capabilities"]["summarize"]["beats_all"] is None
    assert summary["capabilities"]["summarize"]["robustness"]["n"] == 2
    figures = summary["capabilities"]["summarize"]["systems"]["torch-merged"]["metrics"]
    assert 0 <= figures["semantic"]["value"] <= 1
    assert "semantic" not in summary["capabilities"]["classify"]["signatures"]
    assert "rouge-score-rs:" in summary["capabilities"]["summarize"]["signatures"]["rouge_l"]
    candidate = read_table(project / "evidence/candidate/items.parquet", ITEMS)
    assert set(candidate["perturbation"].unique()) == {"none", "typos", "case"}
    assert read_json(project / "plots/evaluate/scores.json")
    assert read_json(project / "metrics/timings/evaluate.json")["torch-merged"]["items"] == 16


def test_scoring_again_generates_nothing_and_gives_the_same_files(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = ("evidence", "metrics", "plots", "timings")
    before = [hash_tree(project / name) for name in outputs]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(torch_backend.TorchBackend, "__init__", refuse)
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(f"{params}\n")
    for name in ("baseline", "evaluate"):
        for folder in (project / ".work" / name).iterdir():
            (folder / "complete.json").unlink()
        run(project, name)
    assert [hash_tree(project / name) for name in outputs] == before
    assert pl.read_parquet(project / "timings/evaluate.parquet").height == 16
