"""The pictures of a run show the numbers of its plot files."""

import json
from pathlib import Path

import pytest

from roleshift.registry.drawings import draw_plots, scores_figure

SCORES = [
    {"capability": "classify", "metric": "accuracy", "system": "base", "value": 0.2, "low": 0.1, "high": 0.35},
    {"capability": "classify", "metric": "accuracy", "system": "tuned", "value": 0.6, "low": None, "high": None},
]
DIFFERENCES = [
    {"capability": "classify", "from": -0.1, "to": 0.0, "items": 1},
    {"capability": "classify", "from": 0.0, "to": 0.1, "items": 4},
]
CURVE = [
    {"split": "train", "step": 1, "loss": 3.0},
    {"split": "train", "step": 2, "loss": 2.5},
    {"split": "validation", "step": 2, "loss": 2.75},
]


def test_points_and_intervals_are_those_of_the_file():
    axes = scores_figure(SCORES).axes[0]
    base, tuned = axes.containers
    assert base.lines[0].get_xdata().tolist() == pytest.approx([20])
    (span,) = base.lines[2][0].get_segments()
    assert span[:, 0].tolist() == pytest.approx([10, 35])
    (empty,) = tuned.lines[2][0].get_segments()
    assert empty[0, 0] == empty[1, 0] == pytest.approx(60)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["base", "tuned"]


def test_every_plot_file_that_is_there_is_drawn(tmp_path: Path):
    assert draw_plots(tmp_path) == {}
    for name, rows in (
        ("evaluate/scores", SCORES),
        ("evaluate/differences", DIFFERENCES),
        ("finetune/learning_curve", CURVE),
    ):
        path = tmp_path / f"plots/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows))
    drawn = draw_plots(tmp_path)
    assert set(drawn) == {
        "plots/evaluate/scores.svg", "plots/evaluate/differences.svg", "plots/finetune/learning_curve.svg",
    }  # fmt: skip
    bars = drawn["plots/evaluate/differences.svg"].axes[0].patches
    assert [bar.get_height() for bar in bars] == [1, 4]
    lines = drawn["plots/finetune/learning_curve.svg"].axes[0].lines
    assert [line.get_ydata().tolist() for line in lines] == [[3.0, 2.5], [2.75]]
    picture = tmp_path / "curve.svg"
    drawn["plots/finetune/learning_curve.svg"].savefig(picture)
    assert "<svg" in picture.read_text()
