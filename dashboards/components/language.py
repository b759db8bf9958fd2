"""English or Chinese: the choice, remembered in the link, the session and a cookie, and the pages' texts."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import streamlit as st
import yaml

LANGUAGES = {"en": "English", "zh": "中文"}
COOKIE = "roleshift-language"
REMEMBER = "<script>document.cookie = '{cookie}={code}; path=/; max-age=31536000; SameSite=Lax'</script>"
"""Streamlit reads cookies and writes none. The code is one of ours, never a visitor's text."""
TEXTS = Path(__file__).resolve().parent.parent / "texts"


@lru_cache
def catalogue(page: str) -> dict[str, dict[str, str]]:
    """`texts/<page>.yaml`: each key's text by language."""
    return cast(dict[str, dict[str, str]], yaml.safe_load((TEXTS / f"{page}.yaml").read_text(encoding="utf-8")))


def language() -> str:
    """The chosen language's code."""
    return str(st.session_state.get("language") or asked_language())


def asked_language() -> str:
    """The language of the link, else what was chosen here before, else the browser's, else English."""
    asked = (st.query_params.get("lang"), st.context.cookies.get(COOKIE), str(st.context.locale or "")[:2])
    return next((code for code in asked if code in LANGUAGES), "en")


def choose_language() -> None:
    """The switch in the sidebar; the choice stays in the session, the link and the browser."""
    if st.session_state.get("language") not in LANGUAGES:
        st.session_state["language"] = asked_language()
    st.sidebar.segmented_control(
        "Language / 语言", list(LANGUAGES), format_func=LANGUAGES.__getitem__, key="language", required=True,
        on_change=lambda: st.session_state.update({"language-chosen": True}),
    )  # fmt: skip
    if "language-chosen" in st.session_state:
        st.sidebar.html(REMEMBER.format(cookie=COOKIE, code=language()), unsafe_allow_javascript=True)
    if st.query_params.get("lang") != language():
        st.query_params["lang"] = language()


@dataclass(frozen=True)
class Texts:
    """A page's texts in one language: called with a key and values for its placeholders."""

    entries: dict[str, dict[str, str]]
    language: str

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key."""
        return self.entries[key][self.language].format(**values)

    def knows(self, key: str) -> bool:
        """Whether there is a text for this key: of an open set, such as metrics, some may have none."""
        return key in self.entries


def texts(page: str) -> Texts:
    """A page's texts in the chosen language."""
    return Texts(catalogue(page), language())
