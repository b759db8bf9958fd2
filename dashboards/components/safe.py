"""Texts that a model wrote or a user uploaded: shown letter by letter, never as Markdown or HTML."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from components.language import texts
from roleshift.errors import RoleShiftError

_LIVE = re.compile(r"(`[^`\n]*`)|[\[\]<$:@]|(?<=www)\.")  # in code spans nothing is live
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-!|~$:&])")


def literal(text: str) -> str:
    """A text for places that read Markdown, so that it stands there as it is."""
    return _MARKUP.sub(r"\\\1", text)


def inert(markdown: str) -> str:
    """A report written by the library, in which texts of users stand: no link, tag, directive or formula is live."""
    return _LIVE.sub(lambda found: found[1] or f"\\{found[0]}", markdown)


def show_problem(said: str) -> None:
    """What the library says is wrong and how to mend it: one line, in English as on the command line."""
    st.error(texts("shell")("problem", said=literal(said)))


@contextmanager
def errors_told(page: str) -> Iterator[None]:
    """What fails within is told in one sentence; a reader never sees a stack trace, the server's log has it."""
    try:
        yield
    except RoleShiftError as error:
        show_problem(str(error))
    except Exception as error:
        logging.getLogger("roleshift.dashboard").exception("%s failed", page)
        st.error(texts("shell")("failed", kind=type(error).__name__))


def model_text(output: str | None) -> None:
    """What a model wrote; where the committed copy leaves it out, how to get it."""
    if output is None:
        st.caption(texts("shell")("text_left_out"))
    else:
        with st.container(border=True):
            st.text(output)
