"""What a model wrote stays text: never Markdown, never HTML."""

from streamlit.testing.v1 import AppTest

CARD = """## Data

- **names**: see www.evil.example, https://evil.example, [click][a], ![i](x) <b>, $x$, :red[now], a@evil.example
- `models:/name@champion`, 41.0 [36.0, 46.0]

[a]: https://evil.example
"""
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


def test_nothing_in_a_report_is_live_but_its_own_structure() -> None:
    def card(text: str) -> None:
        import streamlit as st

        from components.safe import inert

        st.markdown(inert(text))

    shown = AppTest.from_function(card, args=(CARD,), default_timeout=300).run().markdown[0].value
    plain = shown.replace("`models:/name@champion`", "")
    for live in ("[", "]", "<", "$", ":", "@"):
        assert plain.count(live) == plain.count("\\" + live), live
    assert "www.evil" not in shown
    assert "`models:/name@champion`" in shown
    assert shown.startswith("## Data\n\n- **names**")
