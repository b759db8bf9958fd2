"""English or Chinese: the choice, remembered in the link and the session, and the pages' texts."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import cast

import streamlit as st
import yaml

LANGUAGES = {"en": "English", "zh": "中文"}
TEXTS = Path(__file__).resolve().parent.parent / "texts"
Texts = Callable[..., str]


@lru_cache
def catalogue(page: str) -> dict[str, dict[str, str]]:
    """`texts/<page>.yaml`: each key's text by language."""
    return cast(dict[str, dict[str, str]], yaml.safe_load((TEXTS / f"{page}.yaml").read_text(encoding="utf-8")))


def language() -> str:
    """The chosen language's code."""
    return str(st.session_state.get("language") or asked_language())


def asked_language() -> str:
    """The language that the link asks for, else English."""
    asked = st.query_params.get("lang", "en")
    return asked if asked in LANGUAGES else "en"


def choose_language() -> None:
    """The switch in the sidebar; the choice stays in the session and the link."""
    if "language" not in st.session_state:
        st.session_state["language"] = asked_language()
    st.sidebar.radio(
        "Language / 语言", list(LANGUAGES), format_func=LANGUAGES.__getitem__, key="language", horizontal=True
    )
    if st.query_params.get("lang", "en") != language():
        st.query_params["lang"] = language()


def texts(page: str) -> Texts:
    """A function from a key (and values for its placeholders) to the page's text in the chosen language."""
    entries, chosen = catalogue(page), language()

    def text(key: str, **values: object) -> str:
        return entries[key][chosen].format(**values)

    return text
