"""Parts of a page: drawn alone when something in them is chosen, and computed only where somebody looks."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

import streamlit as st

from components.problems import errors_told

P = ParamSpec("P")


def part(draw: Callable[P, None]) -> Callable[P, None]:
    """Of a function that draws a part of a page: a choice within it draws it again and leaves the rest standing.

    The shell's care for errors does not reach a part that is drawn alone; it has its own. Its arguments and what the
    page found around it stay as they were when the whole page was drawn last: what can change meanwhile is asked for
    within the part, and whoever writes asks again who they are.
    """

    @st.fragment
    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> None:
        with errors_told(f"the part {draw.__name__}"):
            draw(*args, **kwargs)

    return drawn


def folded(label: str, name: str, draw: Callable[[], object], *, icon: str = ":material/table_rows:") -> None:
    """A part behind a heading that is computed and sent once a reader opens it; `name` is unique on the page."""
    fold = st.expander(label, icon=icon, key=f"fold-{name}", on_change="rerun")
    if fold.open:
        with fold:
            draw()


def choose_view(names: Sequence[str], name_of: Callable[[str], str], label: str) -> str:
    """The chosen part; the link carries it, but for the first one."""
    state, asked = st.session_state, st.query_params.get("view", names[0])
    if state.get("view") not in names:
        state["view"] = asked if asked in names else names[0]
    view = str(
        st.segmented_control(label, names, format_func=name_of, key="view", required=True, label_visibility="collapsed")
    )
    if asked != view:
        st.query_params["view"] = view
    return view
