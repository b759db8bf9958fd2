"""What a model wrote stays text: never Markdown, never HTML."""

from streamlit.testing.v1 import AppTest

HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) **bold** =1+1"


def script() -> None:
    import streamlit as st

    from components.safe import literal, model_text

    hostile = "<script>alert(1)</script> [x](javascript:alert(1)) **bold** =1+1"
    model_text(hostile)
    model_text(None)
    st.markdown(literal(hostile))


def test_hostile_text_is_shown_as_text_or_with_its_marks_escaped() -> None:
    app = AppTest.from_function(script, default_timeout=300).run()
    assert not app.exception
    assert app.text[0].value == HOSTILE
    assert "make repro" in app.caption[0].value
    shown = app.markdown[0].value
    assert "\\<script\\>" in shown
    assert "\\*\\*bold" in shown
    assert "\\[x\\]" in shown
