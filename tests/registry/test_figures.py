"""A run shows what a person reads; the thousands of other numbers are in its artifacts."""

from pathlib import Path

from roleshift.files import read_json
from roleshift.registry.figures import figures

REPOSITORY = Path(__file__).parents[2]


def test_the_default_run_shows_some_dozens_of_figures_as_they_stand_in_its_files() -> None:
    run = REPOSITORY / "docs/default-run"
    found = figures(run)
    evaluated = read_json(run / "metrics/evaluate.json")
    assert 50 < len(found) < 150
    for name, part in evaluated["capabilities"].items():
        metric, systems = part["primary_metric"], part["systems"]
        shipped = systems[evaluated["tuned"]["shipped"]]["metrics"][metric]
        assert found[f"{name}/{metric} tuned"] == shipped["value"]
        assert found[f"{name}/{metric} tuned low"] == shipped["low"]
        assert found[f"{name}/{metric} best floor"] == systems[part["best_floor"]]["metrics"][metric]["value"]
        primary = part["differences"]["tuned-base"]["primary"]
        assert found[f"{name}/{metric} tuned - base"] == primary["difference"]
    assert found["training/best_validation_loss"] == read_json(run / "metrics/finetune.json")["best_validation_loss"]
