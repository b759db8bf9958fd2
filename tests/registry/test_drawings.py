"""The pictures of a run show the numbers of its plot files."""

import json
from pathlib import Path

import pytest

from roleshift.registry.drawings import draw_plots, pareto_figure, scores_figure

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


VARIANTS = [
    {"name": "onnx-fp32", "quality": 0.31, "tokens_per_second": 900.0, "peak_memory_bytes": 9e8, "bytes": 5.4e8,
     "on_front": False},
    {"name": "onnx-int8", "quality": 0.32, "tokens_per_second": 1200.0, "peak_memory_bytes": 7e8, "bytes": 2.7e8,
     "on_front": True},
]  # fmt: skip


def test_trade_offs_of_the_variants_are_drawn_from_what_select_measured(tmp_path: Path):
    panels = pareto_figure(VARIANTS).axes
    shown = [[(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines] for axes in panels]
    assert shown[0] == [(900, pytest.approx(31)), (1200, pytest.approx(32))]
    assert [x for x, _ in shown[1]] == pytest.approx([0.9, 0.7])
    assert [x for x, _ in shown[2]] == pytest.approx([540, 270])
    labels = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert labels == ["onnx-fp32 (off the front)", "onnx-int8"]
    path = tmp_path / "metrics/timings/select.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"variants": []}))
    assert draw_plots(tmp_path) == {}
    path.write_text(json.dumps({"variants": VARIANTS}))
    assert set(draw_plots(tmp_path)) == {"plots/select/pareto.svg"}
