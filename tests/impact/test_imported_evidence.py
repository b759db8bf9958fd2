import json
from pathlib import Path

import pytest

from roleshift.errors import RoleShiftError
from roleshift.impact.capability import TASK_DOMAIN, capability_table, measured_cells
from roleshift.impact.imports import import_results, read_import, read_mapping, write_import

MAPPING = """
origin: hosted model X
tasks:
  arc_easy:
    capability: answer
    domain: education
    language: en
    score: acc
    metric: exact_match
    threshold: 1.0
    threshold_reason: right or wrong
    filter: none
  own-items:
    capability: draft
    domain: task:journalist-write
    language: en
    scale: 100
    metric: chrf
    threshold: 0.5
    threshold_reason: below half it is written again
"""


@pytest.fixture
def mapping(tmp_path: Path):
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return read_mapping(tmp_path / "mapping.yaml")


def lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def harness_rows() -> list[dict[str, object]]:
    return [
        {"doc_id": i, "doc_hash": f"h{i}", "acc": float(i < 3), "filter": name, "filtered_resps": [["A"]]}
        for i in range(4)
        for name in ("none", "strict")
    ]


def test_samples_of_the_harness_become_cells_with_their_origin(tmp_path: Path, mapping) -> None:
    path = lines(tmp_path / "samples_arc_easy_2026-01-02T03-04-05.123456.jsonl", harness_rows())
    write_import(tmp_path / "import", *import_results(path, mapping, "x"))
    items, scores, tasks = read_import(tmp_path / "import")
    cells = measured_cells(items, scores, tasks, variant="imported")
    cell = cells["answer", "education"]
    assert (cell.items, cell.passes, cell.grade, "measured" in cell.origins) == (4, 3, "verifiable", False)
    assert capability_table(cells)["origins"].to_list() == [["hosted model X"]]


def test_two_systems_on_one_benchmark_have_the_same_item_ids(tmp_path: Path, mapping) -> None:
    path = lines(tmp_path / "samples_arc_easy_2026-01-02T03-04-05.1.jsonl", harness_rows())
    other = mapping.model_copy(update={"origin": "hosted model Y"})
    first, second = (import_results(path, m, m.origin)[0] for m in (mapping, other))
    assert first["example_id"].to_list() == second["example_id"].to_list()


def test_own_items_for_one_task_take_the_place_of_general_evidence(tmp_path: Path, mapping) -> None:
    rows = [{"task": "own-items", "id": i, "score": 40 + 20 * (i % 2), "group": "d"} for i in range(4)]
    items, scores, tasks = import_results(lines(tmp_path / "own.jsonl", rows), mapping, "x")
    cell = measured_cells(items, scores, tasks, variant="imported")["draft", TASK_DOMAIN + "journalist-write"]
    assert (cell.passes, cell.items, cell.grade) == (2, 4, "overlap")
    assert cell.design_effect > 1  # items of one group say less


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"task": "own-items", "id": 1}], "line 1: the score 'score' is None"),
        ([{"task": "own-items", "id": 1, "score": 120}], r"line 1: the score 'score' is 1.2, not in \[0, 1\]"),
        ([{"task": "own-items", "score": 50}], "line 1: the field 'id' is missing"),
        ([{"task": "other", "id": 1, "score": 5}], "line 1: task 'other' is not in the mapping file"),
        ([{"task": "own-items", "id": 1, "score": 5}] * 2, "line 2: item '1' .* stands in line 1 already"),
        ([], "holds no item"),
    ],
)
def test_a_defect_names_the_line(tmp_path: Path, mapping, rows: list[dict[str, object]], message: str) -> None:
    with pytest.raises(RoleShiftError, match=message):
        import_results(lines(tmp_path / "own.jsonl", rows), mapping, "x")


def test_several_filters_must_be_told_apart(tmp_path: Path, mapping) -> None:
    path = lines(tmp_path / "samples_arc_easy_2026-01-02T03-04-05.1.jsonl", harness_rows())
    entry = mapping.tasks["arc_easy"].model_copy(update={"filter": None})
    with pytest.raises(RoleShiftError, match=r"tasks\.arc_easy\.filter"):
        import_results(path, mapping.model_copy(update={"tasks": {"arc_easy": entry}}), "x")
