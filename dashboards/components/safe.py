"""Texts that a model wrote or a user uploaded: shown letter by letter, never as Markdown or HTML."""

import re

import streamlit as st

from components.language import texts

_LIVE = re.compile(r"(`[^`\n]*`)|[\[\]<$:@]|(?<=www)\.")  # in code spans nothing is live
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-!|~$:&])")


def literal(text: str) -> str:
    """A text for places that read Markdown, so that it stands there as it is."""
    return _MARKUP.sub(r"\\\1", text)


def inert(markdown: str) -> str:
    """A report written by the library, in which texts of users stand: no link, tag, directive or formula is live."""
    return _LIVE.sub(lambda found: found[1] or f"\\{found[0]}", markdown)


def model_text(output: str | None) -> None:
    """What a model wrote; where the committed copy leaves it out, how to get it."""
    if output is None:
        st.caption(texts("shell")("text_left_out"))
    else:
        with st.container(border=True):
            st.text(output)
