"""A part of a page that is drawn alone has the shell's care for errors."""

import pytest
from streamlit.testing.v1 import AppTest


def failing_part() -> None:
    import streamlit as st

    from components.views import part
    from roleshift.errors import RoleShiftError

    @part
    def asked(kind: str) -> None:
        if kind == "stopped":
            st.stop()
        raise RoleShiftError("params.yaml: `x` is missing; add it") if kind == "ours" else ZeroDivisionError("secret")

    asked(st.query_params["kind"])
    st.write("the rest of the page")


@pytest.mark.parametrize(("kind", "said"), [("ours", "add it"), ("other", "ZeroDivisionError")])
def test_an_error_within_a_part_is_told_in_one_sentence_and_the_rest_of_the_page_stands(kind: str, said: str) -> None:
    app = AppTest.from_function(failing_part)
    app.query_params["kind"] = kind
    app.run()
    assert not app.exception
    assert said in app.error[0].value
    assert "secret" not in app.error[0].value
    assert app.markdown[-1].value == "the rest of the page"


def test_a_stop_within_a_part_is_no_error() -> None:
    app = AppTest.from_function(failing_part)
    app.query_params["kind"] = "stopped"
    app.run()
    assert not app.exception
    assert not app.error
