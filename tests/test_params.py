"""params.yaml: what is wrong is named with its key, its value and what is allowed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from roleshift.errors import RoleShiftError
from roleshift.params import load_params, merge_params, parse_params, read_yaml

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def raw() -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "params.yaml").read_text())


def test_every_profile_is_valid_over_the_default(raw: dict[str, Any]) -> None:
    for profile in sorted((REPOSITORY / "profiles").glob("*.yaml")) + sorted(
        (REPOSITORY / "examples").glob("*/params.yaml")
    ):
        params = parse_params(merge_params(raw, read_yaml(profile)), str(profile))
        assert params.task_definitions()


def test_the_default_names_five_tasks_of_five_capabilities() -> None:
    tasks = load_params(REPOSITORY / "params.yaml").task_definitions().values()
    assert {task.capability for task in tasks} == {"summarize", "headline", "classify", "translate", "document_code"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("train", "learnig_rate"), 1, "train.learnig_rate: unknown key"),
        (("train", "learning_rate"), -1, r"train.learning_rate: .*greater than 0 \(found -1\)"),
        (("train", "epochs"), "two", r"train.epochs: .*integer.*'two'"),
        (("base", "source"), "gone", "base.source: 'gone' is not in sources"),
        (("select", "ship"), "onnx-int2", "select.ship: 'onnx-int2' is not in export.variants"),
        (("prepare", "shares", "train"), 0.9, "prepare.shares: the shares add up to"),
        (("corpora", "papers", "task"), "none", "corpora.papers.task: 'none' is no known task"),
        (("sources", "aclsum", "sha256"), "abc", "sources.aclsum.pypi.sha256"),
        (("tasks",), {"mine": {"capability": "juggle"}}, "tasks.mine.capability"),
        (("export", "variants", "onnx-fp32", "precision"), "int8", "export: variants must hold onnx-fp32"),
    ],
)
def test_a_defect_is_named(raw: dict[str, Any], path: tuple[str, ...], value: object, message: str) -> None:
    node = raw
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    with pytest.raises(RoleShiftError, match=message) as caught:
        parse_params(raw, "params.yaml")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("a: [")
    with pytest.raises(RoleShiftError, match=r"p\.yaml: not valid YAML"):
        load_params(tmp_path / "p.yaml")


def test_corpora_are_replaced_as_a_whole_and_the_rest_key_by_key(raw: dict[str, Any]) -> None:
    corpora = {"mine": {"source": "mine", "adapter": "table", "task": "headline-encyclopedia", "columns": {}}}
    merged = merge_params(raw, {"train": {"rank": 4}, "corpora": corpora})
    assert list(merged["corpora"]) == ["mine"]
    assert merged["train"]["rank"] == 4
    assert merged["train"]["alpha"] == raw["train"]["alpha"]


def test_null_removes_a_variant_and_sets_a_value(raw: dict[str, Any]) -> None:
    over = {"export": {"variants": {"onnx-int8-rotated": None}}, "select": {"ship": None}, "train": {"max_steps": None}}
    params = parse_params(merge_params(raw, over), "mine.yaml")
    assert list(params.export.variants) == ["onnx-fp32", "onnx-int8"]
    assert params.train.max_steps is None
    assert "onnx-int8-rotated" in raw["export"]["variants"]
    with pytest.raises(RoleShiftError, match=r"mine\.yaml: export: Field required"):
        parse_params(merge_params(raw, {"export": None}), "mine.yaml")


def test_words_that_an_experiment_writes_without_quotes_stay_words(tmp_path: Path) -> None:
    text = (REPOSITORY / "params.yaml").read_text().replace("compile: auto", "compile: off")
    (tmp_path / "p.yaml").write_text(text)
    assert load_params(tmp_path / "p.yaml").train.compile == "off"
