"""Choices whose labels are words: what was chosen stays when the language, and with it every label, changes.

A browser answers with the label that it shows. After a change of the language no option has that label any more, and
Streamlit would take the first option at the next click; what is chosen is therefore said again in every run. (An option
None cannot be said, hence "" for "all".)
"""

from collections.abc import Collection, Hashable

import streamlit as st


def held(key: str, options: Collection[Hashable], first: Hashable = None) -> str:
    """The key of a choice; it holds what was chosen as long as `options` have it, else `first` (None: nothing)."""
    state = st.session_state
    value = state.get(key, first)
    if value not in options:
        value = first
    if value is None:
        state.pop(key, None)
    else:
        state[key] = value
    return key


def held_all(key: str, options: Collection[Hashable], first: Collection[Hashable] = ()) -> str:
    """The same of a choice of several: what `options` no longer have is dropped."""
    st.session_state[key] = [value for value in st.session_state.get(key, first) if value in options]
    return key
