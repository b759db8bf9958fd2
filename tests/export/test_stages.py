"""The stages export and select on a tiny model, in a project of their own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml

from roleshift.contracts import EXAMPLES, write_table
from roleshift.errors import RoleShiftError
from roleshift.files import read_json, write_json
from roleshift.stage import open_stage
from roleshift.tasks import catalogue_tasks

ROOT = Path(__file__).resolve().parents[2]


def project(folder: Path, base: Path, adapter: Path, validation: pl.DataFrame) -> Path:
    """A folder with what export and select read."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    variants = params["export"]["variants"]
    params["export"]["variants"] = {name: variants[name] for name in ("onnx-fp32", "onnx-int8")}
    params["generation"]["max_new_tokens"] = 4
    params["select"]["margin"] = 0.9
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for name in ("dvc.yaml", "src", "pipelines"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(base, folder / "data/raw" / params["base"]["source"])
    shutil.copytree(adapter, folder / "models/adapter")
    write_json(folder / "data/tasks.json", [task.wording() for task in catalogue_tasks().values()])
    write_table(folder / "data/examples/validation.parquet", validation, EXAMPLES)
    return folder


def run(root: Path, name: str) -> None:
    # The scripts are named after their stages, and `select` is a module of Python's own.
    namespace: dict[str, object] = {"__name__": f"pipelines.{name}"}
    exec(compile((ROOT / f"pipelines/{name}.py").read_text(), f"{name}.py", "exec"), namespace)
    with open_stage(name, root) as stage:
        if stage is not None:
            namespace[name](stage)  # type: ignore[operator]


@pytest.fixture
def default_only(validation: pl.DataFrame) -> pl.DataFrame:
    """Validation examples of the default's tasks alone, five times as many."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    wanted = [corpus["task"] for corpus in params["corpora"].values()]
    few = validation.filter(pl.col("task_definition").is_in(wanted))
    return pl.concat(
        few.with_columns(
            *(pl.col(name) + f"-{copy}" for name in ("example_id", "group_id")), pl.col("input") + f"and {copy}"
        )
        for copy in range(5)
    )


def test_export_and_select_write_their_outputs_and_repeat_them(
    tmp_path: Path, tiny_llama: Path, make_adapter: Callable[[Path], Path], default_only: pl.DataFrame
) -> None:
    root = project(tmp_path / "project", tiny_llama, make_adapter(tiny_llama), default_only)
    run(root, "export")
    assert read_json(root / "metrics/export.json")["supported"]
    run(root, "select")
    selection = read_json(root / "metrics/selection.json")
    assert selection["shipped"] in ("onnx-fp32", "onnx-int8")
    assert [entry["variant"] for entry in selection["candidates"]] == ["onnx-fp32", "onnx-int8"]
    assert all(entry["reason"] for entry in selection["candidates"])
    assert selection["independent_items"] == default_only["group_id"].n_unique()
    table = read_json(root / "metrics/timings/select.json")["variants"]
    assert [row["name"] for row in table] == ["onnx-fp32", "onnx-int8"]
    assert any(row["on_front"] for row in table)
    assert all(len(row["rounds"]) == 3 and row["tokens_per_second"] in row["rounds"] for row in table)
    # A Python process with a tokenizer and a tiny model: above 50 MB, and far below what the tests hold.
    assert all(5e7 < row["peak_memory_bytes"] < 3e9 for row in table)
    shipped = next(entry for entry in selection["candidates"] if entry["variant"] == selection["shipped"])
    assert shipped["batches"] == {"prompts": default_only.height, "differing": []}

    params = yaml.safe_load((root / "params.yaml").read_text())
    params["select"]["ship"] = "onnx-int8"
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    run(root, "select")
    overridden = read_json(root / "metrics/selection.json")
    assert [e.get("likelihood_bound") for e in overridden["candidates"]] == [
        e.get("likelihood_bound") for e in selection["candidates"]
    ]
    assert (overridden["shipped"], overridden["override"]) == ("onnx-int8", "onnx-int8")
    assert [e["quality"] for e in overridden["candidates"]] == [e["quality"] for e in selection["candidates"]]

    weights = root / "models/onnx/onnx-int8/model.onnx.data"
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content[:-1])
    with pytest.raises(RoleShiftError, match=r"model\.onnx\.data"):
        run(root, "select")


def test_architecture_without_onnx_ships_merged_torch(
    tmp_path: Path, tiny_gpt2: Path, make_adapter: Callable[[Path], Path], default_only: pl.DataFrame
) -> None:
    root = project(tmp_path / "project", tiny_gpt2, make_adapter(tiny_gpt2), default_only)
    run(root, "export")
    run(root, "select")
    assert read_json(root / "metrics/export.json")["supported"] is False
    assert read_json(root / "metrics/selection.json")["shipped"] == "torch-merged"


def test_a_margin_that_the_items_at_hand_can_never_certify_is_an_error(
    tmp_path: Path, tiny_llama: Path, make_adapter: Callable[[Path], Path], default_only: pl.DataFrame
) -> None:
    few = default_only.head(12)
    root = project(tmp_path / "project", tiny_llama, make_adapter(tiny_llama), few)
    run(root, "export")
    with pytest.raises(RoleShiftError, match=r"params\.yaml: select\.margin: 0\.9 .* 12 independent"):
        run(root, "select")
    assert not (root / "metrics/selection.json").exists()


def test_a_variant_that_the_base_does_not_allow_is_an_error_before_the_training(
    tmp_path: Path, tiny_gpt2: Path, make_adapter: Callable[[Path], Path], default_only: pl.DataFrame
) -> None:
    root = project(tmp_path / "project", tiny_gpt2, make_adapter(tiny_gpt2), default_only)
    (root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    with pytest.raises(RoleShiftError, match=r"export\.variants\.onnx-int8-rotated: .* not gpt2; remove this variant"):
        run(root, "prepare")
