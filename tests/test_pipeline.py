"""The whole pipeline under DVC, on a tiny random model and the README's question-answer pairs."""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from roleshift.params import merge_params, read_yaml

REPOSITORY = Path(__file__).resolve().parent.parent
STAGES = ("fetch", "prepare", "baseline", "finetune", "export", "select", "evaluate", "impact", "register")
CSV_ROWS = [
    (f"{colour} {thing} number {i} {verb}", mood)
    for i in range(20)
    for colour, thing, verb, mood in (
        ("red", "kettle", "boils quickly and looks neat", "good"),
        ("blue", "lamp", "flickers whenever it rains", "bad"),
        ("green", "chair", "is soft and stands firmly", "good"),
        ("grey", "radio", "arrived broken in two pieces", "bad"),
    )
]
JSONL_ROWS = [
    (f"On day {i} {person} travelled to {place} by {means}.", {"people": [person], "places": [place]})
    for i in range(25)
    for person, place, means in (("Ada", "Bergen", "train"), ("Bo", "Lisbon", "ferry"), ("Cy", "Turin", "bicycle"))
]
MOODS = {
    "capability": "classify", "kind": "classify", "instruction": "Name the mood.", "labels": ["good", "bad"],
    "domain": "reviews", "language": "en", "metric": "accuracy",
    "threshold": 1.0, "threshold_reason": "A label is right or wrong.",
}  # fmt: skip
JOURNEYS = {
    "capability": "extract", "kind": "extract", "instruction": "Who went where?", "fields": ["people", "places"],
    "domain": "travel", "language": "en", "metric": "entity_f1",
    "threshold": 1.0, "threshold_reason": "Every name, and no other.",
}  # fmt: skip
TINY = {
    "base": {"source": "tiny-random"},
    "sources": {"tiny-random": {"kind": "random-model", "architecture": "llama", "seed": 1}},
    "prepare": {"sizes": {"train": 12, "validation": 4, "test": 6, "review": 4}},
    "train": {"epochs": 2, "pack_tokens": 512, "compile": "off", "checkpoint_every_steps": 1},
    "export": {"parity_tolerance": 0.01},
    "generation": {"max_new_tokens": 8},
    "evaluation": {"shots": 1, "resamples": 200, "robustness_items": 2},
    "impact": {"draws": 200},
}
USERS_TASKS = {
    "corpora": {
        "questions": {
            "source": "questions",
            "adapter": "table",
            "task": "questions",
            "columns": {"input": "question", "references": ["answer"]},
        },
        "moods": {
            "source": "moods",
            "adapter": "table",
            "task": "moods",
            "columns": {"input": "review", "references": ["mood"], "slices": {"colour": "colour"}},
        },
        "journeys": {
            "source": "journeys",
            "adapter": "table",
            "task": "journeys",
            "columns": {"input": "text", "references": ["names"]},
        },
    },
    "tasks": {"moods": MOODS, "journeys": JOURNEYS},
    "sources": {
        "moods": {"kind": "file", "path": "mine/moods.csv", "licence": "CC0-1.0"},
        "journeys": {"kind": "file", "path": "mine/journeys.jsonl", "licence": "CC0-1.0"},
    },
    "prepare": {"near_duplicate_similarity": 0.99},
}


def make_checkout(folder: Path, params: dict[str, object] = TINY) -> Path:
    """The tracked files as a repository of their own, with params for a tiny run laid over the example's."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if name.startswith((".dvc", "pipelines/", "src/", "examples/", "dvc.yaml")) and (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / name)
    write_users_files(folder / "mine")
    example = merge_params(
        read_yaml(REPOSITORY / "params.yaml"), read_yaml(REPOSITORY / "examples/questions/params.yaml")
    )
    (folder / "params.yaml").write_text(yaml.safe_dump(merge_params(example, params)))
    (folder / ".gitignore").write_text(".work/\nmlflow.db*\nmlartifacts/\n__pycache__/\n")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "tiny"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def write_users_files(folder: Path) -> None:
    """A CSV of labelled reviews and a JSONL of sentences with the names in them."""
    folder.mkdir()
    with (folder / "moods.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [("review", "mood", "colour"), *((text, mood, text.split()[0]) for text, mood in CSV_ROWS)]
        )
    lines = [json.dumps({"text": text, "names": names}) for text, names in JSONL_ROWS]
    (folder / "journeys.jsonl").write_text("\n".join(lines) + "\n")


def environment(checkout: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID")}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept | {"PATH": path, "PYTHONPATH": str(checkout / "src"), "PYTHONDONTWRITEBYTECODE": "1"}


def dvc(checkout: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    result = subprocess.run(command, cwd=checkout, env=environment(checkout), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def stages_run(output: str) -> list[str]:
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def versions(checkout: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(checkout / "mlflow.db") as store:
        return store.execute("SELECT name, version FROM model_versions ORDER BY version").fetchall()


def answers(checkout: Path) -> int:
    with sqlite3.connect(checkout / ".work/generations.sqlite") as store:
        return int(store.execute("SELECT count(*) FROM answers").fetchone()[0])


def output_hashes(checkout: Path) -> dict[str, str]:
    """What dvc.lock records of the outputs, without timings, which differ from run to run."""
    lock = yaml.safe_load((checkout / "dvc.lock").read_text())
    outs = [out for stage in lock["stages"].values() for out in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if "timings" not in out["path"]}


def chosen(checkout: Path) -> tuple[str, dict[str, float]]:
    """What ships, and every variant's quality."""
    selection = json.loads((checkout / "metrics/selection.json").read_text())
    return selection["shipped"], {each["variant"]: each.get("quality") for each in selection["candidates"]}


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    checkout = make_checkout(tmp_path_factory.mktemp("a checkout"), merge_params(TINY, USERS_TASKS))
    return checkout, dvc(checkout, "repro")


def test_one_command_runs_every_stage_and_registers_both_models(first_run: tuple[Path, str]) -> None:
    checkout, output = first_run
    assert sorted(stages_run(output)) == sorted(STAGES)
    assert versions(checkout) == [("roleshift-questions", 1), ("roleshift-questions", 2)]
    table = output[output.rindex("capability") :]
    assert "answer" in table
    assert "best floor" in table
    assert "make dashboard" in table


def test_a_users_csv_and_jsonl_are_trained_on_and_measured_without_code(first_run: tuple[Path, str]) -> None:
    checkout, _ = first_run
    found = json.loads((checkout / "metrics/evaluate.json").read_text())["capabilities"]
    assert set(found) == {"answer", "classify", "extract"}
    moods, journeys = found["classify"], found["extract"]
    assert {label: entry["support"] for label, entry in moods["classes"].items()}.keys() == {"good", "bad"}
    assert sum(entry["support"] for entry in moods["classes"].values()) == moods["items"]
    assert set(moods["slices"]["by_name"]) >= {"colour"}
    assert set(journeys["classes"]) == {"people", "places"}
    assert journeys["classes"]["people"]["support"] == journeys["items"]
    assert 0 <= journeys["malformed"] <= journeys["items"]
    assert {"floor-majority", "floor-random-reference"} <= set(moods["systems"])


def test_a_second_run_changes_nothing_and_registers_nothing_twice(first_run: tuple[Path, str]) -> None:
    checkout, _ = first_run
    before = (checkout / "dvc.lock").read_bytes()
    output = dvc(checkout, "repro")
    assert stages_run(output) == ["fetch", "impact", "register"]
    assert (checkout / "dvc.lock").read_bytes() == before
    assert len(versions(checkout)) == 2
    assert "nothing to register" in output


def test_the_shown_commands_of_dvc_work(first_run: tuple[Path, str]) -> None:
    checkout, _ = first_run
    assert "finetune" in dvc(checkout, "dag")
    assert "evaluate.json" in dvc(checkout, "metrics", "show", "metrics/evaluate.json")
    assert "index.html" in dvc(checkout, "plots", "show")
    page = (checkout / "dvc_plots/index.html").read_text()
    assert all(
        title in page
        for title in ("scores with intervals", "differences by item", "learning curve", "variants, quality by speed")
    )


@pytest.mark.slow
def test_a_touched_metric_scores_again_and_neither_generates_nor_trains(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    dvc(checkout, "repro")
    count = answers(checkout)
    with (checkout / "src/roleshift/evaluation/metrics/surface.py").open("a") as stream:
        stream.write("\n# touched\n")
    ran = stages_run(dvc(checkout, "repro"))
    assert set(ran) == {"fetch", "baseline", "select", "evaluate", "impact", "register"}
    assert answers(checkout) == count


@pytest.mark.slow
def test_an_edited_source_file_is_noticed(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    dvc(checkout, "repro", "prepare")
    before = output_hashes(checkout)["data/examples"]
    with (checkout / "examples/questions/questions.jsonl").open("a") as stream:
        stream.write('{"question": "Is an edited file noticed?", "answer": "Yes, the next run reads it."}\n')
    (checkout / "params.yaml").write_text((checkout / "params.yaml").read_text().replace("train: 12", "train: 60"))
    assert "prepare" in stages_run(dvc(checkout, "repro", "prepare"))
    assert output_hashes(checkout)["data/examples"] != before


@pytest.mark.slow
def test_an_experiment_in_a_temporary_copy_registers_and_moves_no_alias(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    dvc(checkout, "repro")
    subprocess.run(["git", "add", "-A"], cwd=checkout, check=True)
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "run"]
    subprocess.run(commit, cwd=checkout, check=True)
    dvc(checkout, "exp", "run", "--temp", "-S", "train.learning_rate=0.002")
    assert [version for _, version in versions(checkout)] == [1, 2, 3]
    with sqlite3.connect(checkout / "mlflow.db") as store:
        aliases = dict(store.execute("SELECT alias, version FROM registered_model_aliases").fetchall())
    assert aliases == {"baseline": 1, "challenger": 2}


@pytest.mark.slow
def test_killed_in_the_middle_of_each_stage_it_completes_with_the_same_outputs(
    first_run: tuple[Path, str], tmp_path: Path
) -> None:
    checkout = make_checkout(tmp_path, merge_params(TINY, USERS_TASKS))
    for stage in STAGES:
        command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
        process = subprocess.Popen(
            command, cwd=checkout, env=environment(checkout), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        lock = checkout / f".work/{stage}.lock"
        deadline = time.monotonic() + 120
        while not lock.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        dvc(checkout, "repro", "--single-item", stage)
    first, again = output_hashes(first_run[0]), output_hashes(checkout)
    speeds = "metrics/selection.json"  # says which variant was measured to be faster, too: noise on so small a model
    assert {path: md5 for path, md5 in again.items() if path != speeds} == {
        path: md5 for path, md5 in first.items() if path != speeds
    }
    assert chosen(checkout) == chosen(first_run[0])
    assert len(versions(checkout)) == 2
