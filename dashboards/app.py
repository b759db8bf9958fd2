"""The review dashboard. Run: make dashboard."""

import logging

import streamlit as st

from components.identity import sign_in
from components.language import choose_language, texts
from components.safe import literal
from roleshift.errors import RoleShiftError

# A page's file in pages/, the key of its name in texts/shell.yaml, and its address.
PAGES = {
    "overview": ":material/dashboard:",
    "compare": ":material/compare_arrows:",
}

st.set_page_config(page_title="RoleShift", layout="wide")
choose_language()
t = texts("shell")
chosen = st.navigation(
    [
        st.Page(f"pages/{name}.py", title=t(name), icon=icon, url_path=name, default=name == "overview")
        for name, icon in PAGES.items()
    ]
)
sign_in()
try:
    chosen.run()
except RoleShiftError as error:
    st.error(literal(str(error)))
except Exception as error:
    logging.getLogger("roleshift.dashboard").exception("the page %s failed", chosen.url_path or "overview")
    st.error(t("failed", kind=type(error).__name__))
