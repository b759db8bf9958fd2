"""The pipeline's plots as pictures, for MLflow's pages; drawn from the same files as `dvc plots`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from roleshift.files import read_json

Rows = Sequence[Mapping[str, Any]]
MARKERS = "osD^vP*X"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Okabe and Ito's palette, which people with a colour vision deficiency can tell apart; each has a marker too."""


def draw_plots(root: Path) -> dict[str, Figure]:
    """A figure for each plot file that is there, by its artifact path."""
    drawn = {}
    for name, draw in (
        ("plots/evaluate/scores.json", scores_figure),
        ("plots/evaluate/differences.json", differences_figure),
        ("plots/finetune/learning_curve.json", learning_curve_figure),
    ):
        if (root / name).is_file():
            drawn[str(Path(name).with_suffix(".svg"))] = draw(read_json(root / name))
    measured = root / "metrics/timings/select.json"
    variants = read_json(measured).get("variants") if measured.is_file() else None
    if variants:
        drawn["plots/select/pareto.svg"] = pareto_figure(variants)
    return drawn


def scores_figure(rows: Rows) -> Figure:
    """Each capability's primary score per system, with its interval."""
    capabilities = list(dict.fromkeys(f"{row['capability']} ({row['metric']})" for row in rows))
    systems = list(dict.fromkeys(row["system"] for row in rows))
    figure = Figure(figsize=(8, 1.2 + 0.9 * len(capabilities)), layout="constrained")
    axes = figure.subplots()
    for index, system in enumerate(systems):
        mine = [row for row in rows if row["system"] == system]
        offset = (index - len(systems) / 2) / (len(systems) + 2)
        axes.errorbar(
            [100 * row["value"] for row in mine],
            [capabilities.index(f"{row['capability']} ({row['metric']})") + offset for row in mine],
            xerr=[
                [100 * (row["value"] - _bound(row, "low")) for row in mine],
                [100 * (_bound(row, "high") - row["value"]) for row in mine],
            ],
            fmt=MARKERS[index % len(MARKERS)], color=COLOURS[index % len(COLOURS)], linestyle="none",
            capsize=2, label=system,
        )  # fmt: skip
    axes.set_yticks(range(len(capabilities)), capabilities)
    axes.invert_yaxis()
    _label(axes, "Scores with intervals", "score times 100", "capability (metric)")
    axes.legend(fontsize="small")
    return figure


def differences_figure(rows: Rows) -> Figure:
    """How the items' differences, tuned minus base, are distributed in each capability."""
    capabilities = list(dict.fromkeys(row["capability"] for row in rows))
    figure = Figure(figsize=(8, 1 + 1.5 * len(capabilities)), layout="constrained")
    axes = figure.subplots(len(capabilities), 1, sharex=True, squeeze=False)[:, 0]
    for one, capability in zip(axes, capabilities, strict=True):
        mine = [row for row in rows if row["capability"] == capability]
        one.bar(
            [100 * row["from"] for row in mine],
            [row["items"] for row in mine],
            width=[100 * (row["to"] - row["from"]) for row in mine],
            align="edge", color=COLOURS[0], edgecolor="white",
        )  # fmt: skip
        one.axvline(0, color="black", linewidth=0.8)
        _label(one, capability, "", "items")
    axes[-1].set_xlabel("score of the tuned model minus score of the base, times 100")
    return figure


def learning_curve_figure(rows: Rows) -> Figure:
    """Loss by optimiser step, on the training and the validation split."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for index, split in enumerate(dict.fromkeys(row["split"] for row in rows)):
        mine = [row for row in rows if row["split"] == split and row.get("loss") is not None]
        axes.plot(
            [row["step"] for row in mine], [row["loss"] for row in mine],
            marker=MARKERS[index], markersize=3, color=COLOURS[index], label=split,
        )  # fmt: skip
    _label(axes, "Learning curve", "optimiser step", "loss, nats per token")
    axes.legend()
    return figure


def pareto_figure(rows: Rows) -> Figure:
    """Each variant's quality against its speed, memory and size; filled where nothing beats it in all four."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (name, unit, label) in zip(
        panels,
        (
            ("tokens_per_second", 1.0, "tokens per second"),
            ("peak_memory_bytes", 1e9, "peak memory, GB"),
            ("bytes", 1e6, "size, MB"),
        ),
        strict=True,
    ):
        for index, row in enumerate(rows):
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(
                [row[name] / unit], [100 * row["quality"]], marker=MARKERS[index % len(MARKERS)], color=colour,
                markerfacecolor=colour if row["on_front"] else "white", markersize=9, linestyle="none",
                label=f"{row['name']}{'' if row['on_front'] else ' (off the front)'}",
            )  # fmt: skip
        _label(axes, "", label, "")
        axes.set_xlim(left=0, right=1.15 * max(row[name] for row in rows) / unit)
    panels[0].set_ylabel("mean score over capabilities, times 100")
    panels[0].legend(fontsize="small", loc="best")
    figure.suptitle("Variants on validation items", fontsize="medium")
    return figure


def _bound(row: Mapping[str, Any], name: str) -> float:
    """A bound of the interval; the value itself where the items were too few for one."""
    return float(row["value"] if row[name] is None else row[name])


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize="medium")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
