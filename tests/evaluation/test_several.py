"""Several systems side by side: each value is that of its own measurement, each difference that of a pair."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from roleshift.errors import RoleShiftError
from roleshift.evaluation.comparison import compare
from roleshift.evaluation.measures import Precision
from roleshift.evaluation.several import compare_several, differences_frame, item_differences, run_sides, verdict_counts
from roleshift.files import read_json
from roleshift.params import load_params

REPOSITORY = Path(__file__).resolve().parent.parent.parent
RUN = REPOSITORY / "docs/default-run"
PRECISION = Precision(200, 0.95, 3)
SHIPPED = read_json(RUN / "metrics/evaluate.json")["tuned"]["shipped"]
CHOSEN = ("torch-bf16", "torch-bf16, 3 shots", SHIPPED, "floor-copy")


def test_values_are_those_of_the_evaluation_and_differences_those_of_each_pair() -> None:
    tasks = load_params(REPOSITORY / "params.yaml").task_definitions()
    sides = run_sides(RUN)
    chosen = {name: sides[name] for name in ("torch-bf16", SHIPPED)}
    several = compare_several(chosen, tasks, PRECISION)
    summary = read_json(RUN / "metrics/evaluate.json")["capabilities"]
    for row in several.values.filter("primary").to_dicts():
        system = {"torch-bf16": "base", SHIPPED: SHIPPED}[row["system"]]
        expected = summary[row["capability"]]["systems"][system]["metrics"][row["metric"]]
        assert row["value"] == pytest.approx(100 * expected["value"], abs=1e-3)
        assert row["items"] == expected["n"]
    pair = compare(
        sides[SHIPPED], sides["torch-bf16"], tasks, margin=0.02, precision=PRECISION, allow=("prompts", "settings")
    )
    for row in differences_frame(several, 0.02).to_dicts():
        entry = pair["capabilities"][row["capability"]]["metrics"][row["metric"]]
        assert (row["value"], row["verdict"]) == (pytest.approx(100 * entry["difference"]), entry["verdict"])
    said = Counter(part["metrics"][part["primary_metric"]]["verdict"] for part in pair["capabilities"].values())
    assert verdict_counts(differences_frame(several, 0.02)) == {SHIPPED: dict(said)}


def test_the_comparison_is_on_the_items_that_all_have() -> None:
    tasks = load_params(REPOSITORY / "params.yaml").task_definitions()
    sides = {name: side for name, side in run_sides(RUN).items() if name in CHOSEN}
    several = compare_several(sides, tasks, PRECISION)
    counts = several.values.filter("primary").group_by("capability").agg(n=pl.col("items").n_unique())
    assert set(counts["n"]) == {1}
    assert set(several.comparisons) == set(sides) - {next(iter(sides))}


def test_one_system_alone_is_refused() -> None:
    sides = run_sides(RUN)
    with pytest.raises(RoleShiftError, match="2 to 5"):
        compare_several({SHIPPED: sides[SHIPPED]}, {}, PRECISION)


def test_the_items_behind_a_difference_average_to_it_where_the_metric_is_a_mean() -> None:
    tasks = load_params(REPOSITORY / "params.yaml").task_definitions()
    sides = run_sides(RUN)
    items = item_differences(sides["torch-bf16"], sides[SHIPPED], tasks)
    assert items["difference"].abs().is_sorted(descending=True)
    several = compare_several({name: sides[name] for name in ("torch-bf16", SHIPPED)}, tasks, PRECISION)
    for row in differences_frame(several, 0.02).to_dicts():
        part = items.filter(pl.col("capability") == row["capability"])
        assert part.height == row["items"]
        if row["metric"] in ("accuracy", "rouge_l"):
            assert part["difference"].mean() == pytest.approx(row["value"], abs=1e-3)
    assert items.filter(pl.col("slices").str.contains(": ")).height
