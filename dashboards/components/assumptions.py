"""The assumption set in force: a saved one, sliders over it, what-if levels, and saving it under a name."""

import math
from functools import partial

import streamlit as st
import yaml

from components.choices import held, held_all
from components.identity import may
from components.language import texts
from components.names import capability_names
from components.problems import show_problem
from components.safe import literal
from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import CLASSES, Assumptions, parse_assumptions
from roleshift.impact.report import Language
from roleshift.impact.sets import read_set, save_set, saved_sets
from roleshift.impact.tolerance import COST_SYMBOLS
from roleshift.project import Project

ELASTICITIES = {"demand": 3.0, "cost_share": 1.0, "pass_through": 1.0}  # with the sliders' ends
TOUCHED, OPENED_CLASS = "assumptions-opened", "class-opened"
ENDS = {"e_h": 0.5, "c_ai": 1.0, "c_rev": 1.0, "d": 1.0, "c_redo": 3.0}  # of the sliders; L goes to ten times its value


def choose_assumptions(project: Project, default: Assumptions, language: Language) -> Assumptions:
    """The set that the sliders show; a set that breaks a rule is told and the chosen one stays in force."""
    t = texts("assumptions")
    fold = st.expander(t("title"), icon=":material/tune:", key="fold-assumptions", on_change="rerun")
    if not (fold.open or st.session_state.get(TOUCHED)):
        return default
    st.session_state[TOUCHED] = True  # from now on its sliders are kept while it is closed
    with fold:
        st.caption(t("explained"))
        sets = ("", *saved_sets(project.root))
        name = st.selectbox(t("set"), sets, format_func=lambda n: n or default.name, key=held("set", sets, ""))
        base = default
        if name:
            base = read_set(project.root, name).model_copy(update={"draws": default.draws, "seed": default.seed})
        values = base.model_dump(mode="json", by_alias=True)
        values["costs"] |= _costs(base)
        values["elasticities"] = _elasticities(base, language)
        st.markdown(f"**{t('what_if')}**")
        st.caption(t("what_if_explained"))
        values["what_if"] = _what_if(base)
        try:
            given = parse_assumptions(values, t("title"))
        except RoleShiftError as error:
            show_problem(str(error))
            given = base
        if given.hash != base.hash:
            given = given.model_copy(update={"name": t("changed", name=base.name)})
        st.caption(t("in_force", name=literal(given.name), hash=given.hash))
        _save(project, given)
    return given


def _costs(base: Assumptions) -> dict[str, dict[str, float]]:
    """The sliders of the class of consequence that is looked at; those of the others keep what they were set to."""
    t, state = texts("assumptions"), st.session_state
    found: dict[str, dict[str, float]] = {}
    prefix = base.hash
    labels = {name: t(name) for name in CLASSES}
    tabs = st.tabs(
        list(labels.values()), key=f"classes-{t.language}", on_change="rerun",
        default=labels[state.get(OPENED_CLASS, CLASSES[0])],
    )  # fmt: skip
    for consequence, tab in zip(CLASSES, tabs, strict=True):
        costs = base.costs[consequence].model_dump(by_alias=True)
        least = math.floor(10 * base.costs[consequence].smallest_loss + 1) / 10  # the next tenth above the bound
        found[consequence] = {}
        for place, symbol in enumerate(COST_SYMBOLS):
            low = {"L": least, "c_redo": 1.0}.get(symbol, 0.0)
            high = max(ENDS.get(symbol, 10 * costs["L"]), costs[symbol])
            key = f"{prefix}-{consequence}-{place}"
            value = state.get(key, float(costs[symbol]))
            if tab.open:
                state[OPENED_CLASS] = consequence
                value = tab.slider(t(symbol), float(low), float(high), value, key=key)
            else:
                state[key] = value  # Streamlit forgets what is not drawn and not set
            found[consequence][symbol] = value
    return found


def _elasticities(base: Assumptions, language: Language) -> dict[str, dict[str, object]]:
    t = texts("assumptions")
    st.markdown(f"**{t('scenario')}**")
    found = {}
    for name, end in ELASTICITIES.items():
        entry = getattr(base.elasticities, name)
        key = f"{base.hash}-{name}"
        reason = entry.reason.get(language) or entry.reason["en"]
        value = st.slider(t(name), 0.0, max(end, entry.value), float(entry.value), key=key, help=literal(reason))
        found[name] = {"value": value, "unit": entry.unit, "reason": entry.reason}
    return found


def _what_if(base: Assumptions) -> dict[str, float]:
    t = texts("assumptions")
    names = capability_names()
    supposed = {str(key): value for key, value in base.what_if.items()}
    chosen = st.multiselect(
        t("capabilities"), list(names), format_func=names.__getitem__,
        key=held_all(f"{base.hash}-what", names, supposed), placeholder=texts("shell")("choose"),
    )  # fmt: skip
    return {
        name: st.slider(
            t("level", capability=names[name]), 0.0, 1.0, supposed.get(name, 0.8), key=f"{base.hash}-{name}"
        )
        for name in chosen
    }


def _save(project: Project, given: Assumptions) -> None:
    t = texts("assumptions")
    name = st.text_input(t("name"), key="set-name", placeholder=t("name_example"), disabled=not may("reviewer"))
    if st.button(t("save"), disabled=not may("reviewer"), icon=":material/save:"):
        try:
            path = save_set(project.root, name.strip(), given)
            st.success(t("saved", path=literal(path.relative_to(project.root).as_posix())))
        except RoleShiftError as error:
            show_problem(str(error))
    st.download_button(t("download"), partial(_written, given), "assumptions.yaml", "text/yaml",
                       icon=":material/download:", on_click="ignore")  # fmt: skip


def _written(given: Assumptions) -> str:
    return yaml.safe_dump(given.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True)
