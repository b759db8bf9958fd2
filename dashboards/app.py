"""The review dashboard. Run: make dashboard."""

from pathlib import Path

import streamlit as st

from components.identity import sign_in
from components.language import choose_language, texts
from components.problems import errors_told

# By what a reader wants to know: a page's file in views/, the key of its name in texts/shell.yaml, and its address.
# (In a folder named pages/ Streamlit would serve a page without this shell to whoever opens its link first.)
SECTIONS = {
    "versions": {"overview": ":material/dashboard:", "compare": ":material/compare_arrows:",
                 "registry": ":material/inventory:"},
    "answers": {"review": ":material/rate_review:", "playground": ":material/forum:"},
    "work": {"impact": ":material/work:", "careers": ":material/route:"},
}  # fmt: skip

LOGO = Path(__file__).parent / "logo.svg"

st.set_page_config(page_title="RoleShift", page_icon=str(LOGO), layout="wide")
st.logo(LOGO, size="large")
choose_language()
t = texts("shell")
chosen = st.navigation(
    {
        t(f"section_{section}"): [
            st.Page(f"views/{name}.py", title=t(name), icon=icon, url_path=name, default=name == "overview")
            for name, icon in pages.items()
        ]
        for section, pages in SECTIONS.items()
    }
)
with errors_told(f"the page {chosen.url_path or 'overview'}"):
    sign_in()
    chosen.run()
