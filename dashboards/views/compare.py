"""Two to five systems on the same items: values, differences, noise, training, speed, what changed, the items."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import streamlit as st

from components.charts import Drawing, curve_chart, interval_chart, show_chart, tradeoff_chart
from components.choices import held, held_all
from components.comparing import Comparing, named_versions
from components.language import texts
from components.names import capability_name, metric_name, system_name
from components.numbers import interval, number, size
from components.run import params_of, read_cached, shown_run
from components.safe import literal, model_text
from components.tables import data_behind, table
from components.versions import versions_of
from components.views import choose_view, folded, part
from roleshift.evaluation.markdown_tables import APPROXIMATE
from roleshift.evaluation.several import MOST, Several, best_floors, differences_frame, slices_frame, verdict_counts
from roleshift.evaluation.slices import LENGTHS, MADE_SLICES
from roleshift.registry.system_facts import (
    OUTCOMES,
    candidates_frame,
    changes_frame,
    curve_frame,
    mean_scores,
    robustness_frame,
    tradeoff_frame,
)

t = texts("compare")
MARGIN, MOST_MARGIN = 2.0, 10.0  # points
VIEWS = ("scores", "items", "slices", "noise", "training", "tradeoff", "changed")
VERDICTS = {
    "better": "better",
    "worse": "worse",
    "undecided": "undecided",
    "too few items": "too_few",
    "not worse than the margin": "not_worse",
}
ITEMS_SHOWN = 1000
SIDES = ("all", "better", "worse")


def summary_now() -> Mapping[str, Any]:
    """What the shown run measured; read again when it changes."""
    return read_cached(folder / "metrics/evaluate.json")


def comparing_now() -> Comparing:
    """The shown run's systems and the registered versions, as they are now."""
    return Comparing(project, folder, named_versions(versions_of(project)))


def name_of(system: str) -> str:
    """A system in words, as the shown run knows it."""
    return system_name(system, summary_now())


def draw(drawing: Drawing, frame: pl.DataFrame, *columns: str) -> None:
    """A chart, with what it says as text for who cannot see it."""
    said = "; ".join(
        ", ".join(str(row[name]) for name in columns) + f": {interval(row['value'], row['low'], row['high'])}"
        for row in frame.head(40).to_dicts()
    )
    show_chart(drawing, said)


def choose(comparing: Comparing) -> tuple[str, ...]:
    """The reference and one to four others; the link carries them."""
    offered, state = comparing.offered, st.session_state
    if state.get("reference") not in offered:
        asked = [name for name in st.query_params.get("systems", "").split("|") if name in offered]
        asked = asked if len(set(asked)) > 1 else usual(comparing)
        state["reference"], state["others"] = asked[0], [name for name in asked[1:MOST] if name != asked[0]]
    summary = summary_now()  # asked once: a store has hundreds of versions
    names = {name: system_name(name, summary) for name in offered}
    left, right = st.columns([1, 2])
    first = left.selectbox(
        t("reference"), offered, format_func=names.__getitem__, key=held("reference", offered), help=t("reference_help")
    )
    rest = [name for name in offered if name != first]
    others = right.multiselect(
        t("others"), rest, format_func=names.__getitem__, key=held_all("others", rest),
        max_selections=MOST - 1, placeholder=t("choose_one"),
    )  # fmt: skip
    chosen = (first, *others)
    if st.query_params.get("systems") != "|".join(chosen):
        st.query_params["systems"] = "|".join(chosen)
    return chosen


def usual(comparing: Comparing) -> list[str]:
    """The base, the base with examples, and what ships."""
    base, tuned = summary_now().get("base", {}).get("variant"), summary_now()["tuned"]["shipped"]
    shots = [name for name in comparing.of_run if name.startswith(f"{base}, ")]
    return [name for name in (base, *shots, tuned) if name in comparing.of_run] or comparing.offered[:2]


def slice_words() -> tuple[dict[str, str], dict[str, str]]:
    """The slices that we make and the lengths of inputs in words; the others, and their values, are the data's own."""
    made = {name: t(f"slice_{name.replace(' ', '_')}") for name in MADE_SLICES}
    return made, {name: t(f"length_{name}") for name in LENGTHS}


def slices_said(text: str) -> str:
    """Slices of an item, `name: value` each, as far as they are ours in words."""
    made, lengths = slice_words()
    said = []
    for name, colon, value in (each.partition(": ") for each in text.split(", ")):
        said.append(f"{made.get(name, name)}{colon}{lengths.get(value, value) if name == 'input length' else value}")
    return ", ".join(said)


def named(frame: pl.DataFrame) -> pl.DataFrame:
    """Systems, capabilities, metrics and items' slices in words; a metric whose interval is approximate is marked."""
    words: Mapping[str, Callable[[str], str]] = {
        "system": name_of, "capability": capability_name, "metric": metric_name, "slices": slices_said,
    }  # fmt: skip
    said = frame.with_columns(
        pl.col(column).replace({value: say(value) for value in frame[column].unique().drop_nulls()})
        for column, say in words.items()
        if column in frame.columns
    )
    if "approximate" not in frame.columns:
        return said
    mark = pl.when("approximate").then(pl.lit(APPROXIMATE)).otherwise(pl.lit(""))
    return said.with_columns(metric=pl.col("metric") + mark).drop("approximate")


def margin_asked() -> float:
    """The margin that the link carries, in points."""
    try:
        asked = float(st.query_params.get("margin", MARGIN))
    except ValueError:
        return MARGIN
    return asked if 0 <= asked <= MOST_MARGIN else MARGIN


def margin_now() -> float:
    """What still counts as not worse, in points; its slider stands below the first lines that need it."""
    return float(st.session_state.setdefault("margin", margin_asked()))


def show_scores(several: Several, chosen: tuple[str, ...]) -> None:
    """Values with intervals, and what is better or worse than the reference."""
    confidence = f"{params_of(project).evaluation.confidence:.0%}"
    words = {"capability": t("capability"), "system": t("system")}
    systems = [name_of(name) for name in chosen]
    for system, counts in verdict_counts(differences_frame(several, margin_now() / 100)).items():
        said = [t("counted", count=counts[word], verdict=t(key)) for word, key in VERDICTS.items() if word in counts]
        names = {"system": literal(name_of(system)), "first": literal(systems[0])}
        st.container(key=f"answer-{system}").markdown(t("in_words", **names, verdicts=" · ".join(said)))
    primary = named(several.values.filter("primary"))
    chart = interval_chart(
        primary.rename(words), row=words["capability"], system=words["system"], systems=systems,
        title=t("values_chart", confidence=confidence), axis=t("axis"),
    )  # fmt: skip
    draw(chart, primary, "capability", "system")
    if floors := best_floors(several):
        said = " · ".join(
            f"{capability_name(name)} {number(floor['value'])} ({system_name(floor['name'])})"
            for name, floor in floors.items()
        )
        st.caption(t("floors", found=said))
    folded(t("all_metrics"), "values",
           lambda: table(named(several.values), "values", title=t("all_metrics")))  # fmt: skip
    st.subheader(t("differences", first=literal(systems[0])))
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    approximate = bool(several.values["approximate"].any())
    left.caption(" ".join([t("differences_explained"), *([t("approximate")] if approximate else [])]))
    margin = right.slider(t("margin"), 0.0, MOST_MARGIN, step=0.5, help=t("margin_help"), key="margin")
    if margin != margin_asked():
        st.query_params["margin"] = f"{margin:g}"
    differences = named(differences_frame(several, margin / 100))
    chart = interval_chart(
        differences.rename(words), row=words["capability"], system=words["system"], systems=systems[1:],
        title=t("differences_chart", confidence=confidence), axis=t("difference_axis"), zero=True, skipped=1,
    )  # fmt: skip
    draw(chart, differences, "capability", "system")
    said = {word: t(key) for word, key in VERDICTS.items()}
    table(differences.with_columns(pl.col("verdict").replace(said)), "differences",
          title=t("differences_chart", confidence=confidence))  # fmt: skip


def show_items(comparing: Comparing, chosen: tuple[str, ...]) -> None:
    """Every item behind the figures, the largest difference first; one of them with both answers."""
    st.caption(t("items_explained"))
    columns = st.columns(3)
    other = columns[0].selectbox(
        t("against", first=name_of(chosen[0])), chosen[1:], format_func=name_of,
        key=held("items-other", chosen[1:], chosen[1]),
    )  # fmt: skip
    found = comparing.items(chosen[0], other)
    names = ["", *found["capability"].unique().sort()]
    asked = st.query_params.get("capability", "")
    wanted = columns[1].selectbox(
        t("capability"), names, format_func=lambda name: capability_name(name) if name else t("all"),
        key=held("items-capability", names, asked if asked in names else ""),
    )  # fmt: skip
    if wanted:
        st.query_params["capability"] = wanted
    elif asked:
        del st.query_params["capability"]
    sides = columns[2].selectbox(
        t("which"), SIDES, format_func=lambda name: t(f"which_{name}"), key=held("items-which", SIDES, SIDES[0])
    )
    if wanted:
        found = found.filter(pl.col("capability") == wanted)
    if sides != "all":
        found = found.filter(pl.col("difference") > 0 if sides == "better" else pl.col("difference") < 0)
    if found.is_empty():
        st.info(t("no_items"))
        return
    shown = named(found.head(ITEMS_SHOWN)).rename({"first": "score_first", "other": "score_other"})
    st.caption(t("items_shown", shown=number(shown.height, 0), all=number(found.height, 0)))
    picked = table(shown.drop("output_first", "output_other"), "items", title=t("largest"), pick=True)
    row = found.row(picked, named=True) | {"slices": shown["slices"][picked]}
    st.markdown(t("item", id=row["example_id"][:12], capability=capability_name(row["capability"]),
                  metric=metric_name(row["metric"]), slices=literal(row["slices"] or "–")))  # fmt: skip
    example = comparing.example(row["example_id"])
    model_text(None if example is None else example["input"])
    if example is not None:
        st.markdown(f"**{t('references')}**")
        for reference in example["references"]:
            model_text(reference)
    for column, name, score, output in zip(
        st.columns(2), (chosen[0], other), (row["first"], row["other"]),
        (row["output_first"], row["output_other"]), strict=True,
    ):  # fmt: skip
        with column:
            st.markdown(f"**{literal(name_of(name))}** · {number(score)}")
            model_text(output)


def show_slices(several: Several) -> None:
    """Parts of the items: where a system became worse, then all of them."""
    found = slices_frame(several)
    tested, worse = found.filter(pl.col("low").is_not_null()).height, int(found["regressed"].sum())
    said = t("slices_worse" if worse else "no_slices" if tested else "all_small", count=worse, tested=tested)
    st.container(key="answer-slices").markdown(said)
    st.caption(t("slices_explained"))
    state = pl.when("regressed").then(pl.lit(t("worse"))).when(pl.col("low").is_null()).then(pl.lit(t("too_few")))
    made, lengths = slice_words()
    value = pl.when(pl.col("slice") == "input length").then(pl.col("value").replace(lengths)).otherwise("value")
    shown = found.with_columns(verdict=state.otherwise(pl.lit("–")), value=value).drop("regressed")
    shown = shown.with_columns(pl.col("slice").replace(made))
    table(named(shown).rename({"first": "score_first", "other": "score_other"}), "slices",
          title=t("view_slices"))  # fmt: skip


def show_noise(facts: Sequence[Any]) -> None:
    """What noise in the input costs, by capability and by kind."""
    st.caption(t("noise_explained"))
    found = named(robustness_frame(facts))
    if found.is_empty():
        st.info(t("no_noise"))
        return
    words = {"system": t("system")}
    noises = {name: t(f"noise_{name.replace('-', '_')}") for name in found["noise"].unique().drop_nulls()
              if t.knows(f"noise_{name.replace('-', '_')}")}  # fmt: skip
    for column, by in zip(st.columns(2), ("capability", "noise"), strict=True):
        shown = found.drop_nulls(by).with_columns(pl.col("noise").replace(noises))
        chart = interval_chart(
            shown.rename(words | {by: t(by)}), row=t(by), system=words["system"],
            systems=shown["system"].unique(maintain_order=True).to_list(), title=t(f"noise_by_{by}"),
            axis=t("difference_axis"), zero=True,
        )  # fmt: skip
        with column:
            draw(chart, shown, by, "system")
    data_behind(found.with_columns(pl.col("noise").replace(noises)), "noise", title=t("view_noise"))


def show_training(facts: Sequence[Any]) -> None:
    """Learning curves."""
    found = named(curve_frame(facts))
    if found.is_empty():
        st.info(t("no_curve"))
        return
    st.caption(t("training_explained"))
    splits = {name: t(f"split_{name}") for name in ("train", "validation")}
    words = {"system": t("system"), "step": t("step"), "loss": t("loss"), "split": t("split")}
    shown = found.with_columns(pl.col("split").replace(splits))
    last = shown.group_by("system", "split", maintain_order=True).last()
    said = "; ".join(f"{row['system']}, {row['split']}: {number(row['loss'], 3)}" for row in last.to_dicts())
    show_chart(curve_chart(shown, words, title=t("curve_chart")), said)
    data_behind(shown, "curves", title=t("view_training"))


def show_tradeoff(several: Several, facts: Sequence[Any]) -> None:
    """Quality against speed against size, the Pareto front, and how the shipped variant was chosen."""
    st.caption(t("tradeoff_explained"))
    found = named(tradeoff_frame(facts, mean_scores(several.values)))
    drawn = found.drop_nulls(["quality", "answers_per_second"])
    if not drawn.is_empty():
        words = {"system": t("system"), "quality": t("quality"), "answers_per_second": t("speed"),
                 "megabytes": t("size")}  # fmt: skip
        said = "; ".join(f"{row['system']}: {number(row['quality'])}, {number(row['answers_per_second'], 2)}"
                         for row in drawn.to_dicts())  # fmt: skip
        fronts = {True: t("front_yes"), False: t("front_no")}
        drawn = drawn.with_columns(
            front=pl.Series([fronts.get(value, t("front_unknown")) for value in drawn["pareto"]]),
            label=pl.Series([name if held is None else f"{name}, {size(round(held * 1e6))}"
                             for name, held in drawn.select("system", "megabytes").iter_rows()]),
        )  # fmt: skip
        show_chart(tradeoff_chart(drawn, words, title=t("tradeoff_chart")), said)
    table(found, "tradeoff", title=t("tradeoff_chart"))
    path = folder / "metrics/selection.json"
    selection = read_cached(path) if path.is_file() else {}
    candidates = candidates_frame(selection)
    if not candidates.is_empty():
        st.subheader(t("selection"))
        st.caption(t("selection_explained", shipped=selection["shipped"]))
        said = {word: t(f"outcome_{word.replace(' ', '_')}") for word in OUTCOMES}
        table(candidates.with_columns(pl.col("outcome").replace(said)), "selection", title=t("selection"))


def show_changed(facts: Sequence[Any]) -> None:
    """Params and data that differ."""
    st.caption(t("changed_explained"))
    for what in ("settings", "data"):
        st.subheader(t(f"changed_{what}"))
        found = changes_frame(facts, what)
        known = len(found.columns) - 1
        if known < 2:
            st.info(t("changed_unknown"))
        elif found.is_empty():
            st.success(t(f"same_{what}"), icon=":material/check:")
        else:
            names = {name: name_of(name) for name in found.columns if name != "name"}
            table(found.rename({"name": "setting" if what == "settings" else "file"} | names), f"changed-{what}",
                  title=t(f"changed_{what}"))  # fmt: skip


@part
def show_compared(chosen: tuple[str, ...]) -> None:
    """What the chosen systems are compared in, one view at a time."""
    comparing = comparing_now()
    view = choose_view(VIEWS, lambda name: t(f"view_{name}"), t("view"))
    with st.spinner(t("computing")):
        several = comparing.compared(chosen)
    for name, comparison in several.comparisons.items():
        for kind in comparison["differing"]:
            said = t(f"differing_{kind}", a=literal(name_of(name)), b=literal(name_of(chosen[0])))
            st.caption(f":material/info: {said}")
    if view == "scores":
        show_scores(several, chosen)
    elif view == "items":
        show_items(comparing, chosen)
    elif view == "slices":
        show_slices(several)
    else:
        facts = [comparing.facts(name) for name in chosen]
        if view == "noise":
            show_noise(facts)
        elif view == "training":
            show_training(facts)
        elif view == "tradeoff":
            show_tradeoff(several, facts)
        else:
            show_changed(facts)


st.title(t("title"))
project, folder = shown_run()
st.write(t("explained"))
chosen = choose(comparing_now())
if len(chosen) < 2:
    st.info(t("choose_two"))
    st.stop()
show_compared(chosen)
