"""What goes wrong, told in one sentence: a stack trace belongs in the server's log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from components.language import texts
from components.safe import literal
from roleshift.errors import RoleShiftError


def show_problem(said: str) -> None:
    """What the library says is wrong and how to mend it: one line, in English as on the command line."""
    st.error(texts("shell")("problem", said=literal(said)))


@contextmanager
def errors_told(what: str) -> Iterator[None]:
    """An error within is told; one that is not ours leaves its stack trace in the log, under the name `what`."""
    try:
        yield
    except RoleShiftError as error:
        show_problem(str(error))
    except Exception as error:
        logging.getLogger("roleshift.dashboard").exception("%s failed", what)
        st.error(texts("shell")("failed", kind=type(error).__name__))
