"""What the gate says of a version: the result, and each rule with its reason and figure."""

from pathlib import Path

import streamlit as st

from components.cards import small
from components.language import language, texts
from components.names import capability_names
from components.run import params_of
from components.safe import literal
from components.views import folded
from roleshift.project import Project
from roleshift.registry.choices import existing_store
from roleshift.registry.gate import Rule, Verdict, stored_verdict
from roleshift.registry.versions import Version

ORDER = ("fail", "waived", "pass", "not applicable")
BADGES = {
    "fail": ("red", ":material/close:"),
    "waived": ("orange", ":material/front_hand:"),
    "pass": ("green", ":material/check:"),
    "not applicable": ("gray", ":material/remove:"),
}


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def gate_of(root: str, uri: str, version: Version) -> Verdict | None:
    """The gate's stored result for a version; read again every few seconds."""
    project = Project.discover(Path(root))
    tracking = existing_store(project, params_of(project))
    return stored_verdict(tracking, version) if tracking else None


def badge(state: str, text: str) -> str:
    """A state as a coloured badge with a sign and a word."""
    colour, icon = BADGES[state]
    return f":{colour}-badge[{icon} {text}]"


def rule_name(rule: Rule) -> str:
    """A rule in the reader's words."""
    t = texts("gate")
    key = f"rule_{rule.name.replace(' ', '_')}"
    return t(key) if t.knows(key) else literal(rule.name)


def show_gate(version: Version, verdict: Verdict | None) -> None:
    """The rules, those that stop the version first; what does not apply is folded away."""
    t = texts("gate")
    if verdict is None:
        st.info(t("none_yet", number=version.number), icon=":material/rule:")
        return
    st.caption(t("alone") if verdict.against is None else t("against", against=verdict.against))
    rules = sorted(verdict.rules, key=lambda rule: ORDER.index(rule.state))
    for rule in rules:
        if rule.state != "not applicable":
            _show_rule(rule)
    resting = [rule for rule in rules if rule.state == "not applicable"]
    if resting:
        label = f"{t('state_not_applicable')} ({len(resting)})"
        folded(label, "gate-resting", lambda: [_show_rule(rule) for rule in resting], icon=BADGES["not applicable"][1])


def _show_rule(rule: Rule) -> None:
    t = texts("gate")
    why = f"why_{rule.name.replace(' ', '_')}"
    state = badge(rule.state, t(f"state_{rule.state.replace(' ', '_')}"))
    reason = literal(rule.text(language(), capability_names()))
    st.markdown(f"{state} **{rule_name(rule)}**  \n{small(reason)}", help=t(why) if t.knows(why) else None)
