"""Parts of a page of which one is shown at a time, so that nothing is computed that nobody looks at."""

from collections.abc import Callable, Sequence

import streamlit as st


def folded(label: str, name: str, draw: Callable[[], object], *, icon: str = ":material/table_rows:") -> None:
    """A part behind a heading that is computed and sent once a reader opens it; `name` is unique on the page."""
    fold = st.expander(label, icon=icon, key=f"fold-{name}", on_change="rerun")
    if fold.open:
        with fold:
            draw()


def choose_view(names: Sequence[str], name_of: Callable[[str], str], label: str) -> str:
    """The chosen part; the link carries it."""
    state, asked = st.session_state, st.query_params.get("view", "")
    if state.get("view") not in names:
        state["view"] = asked if asked in names else names[0]
    view = str(
        st.segmented_control(label, names, format_func=name_of, key="view", required=True, label_visibility="collapsed")
    )
    if asked != view:
        st.query_params["view"] = view
    return view
