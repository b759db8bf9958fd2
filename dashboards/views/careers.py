"""Where a person can move: roles alike, with an error tolerance that suits them."""

import streamlit as st

from components.impact import analysis_of, choose_role, choose_version, reading_language, setting_of
from components.language import texts
from components.run import shown_run
from components.tables import table
from roleshift.impact.moves_page import moves_table
from roleshift.impact.transitions import COMFORTS

t = texts("careers")
st.title(t("title"))
st.write(t("intro"))
project, folder = shown_run()
setting = setting_of(project)
role = choose_role(setting, t("role"), "role")
comfort = st.radio(t("comfort"), COMFORTS, format_func=lambda level: t(f"comfort_{level}"), horizontal=True)
assessed = choose_version(project, folder, t)
analysis = analysis_of(setting, assessed, setting.assumptions)
table(moves_table(setting.landscape(analysis), setting, role, comfort, reading_language()), "moves")
st.caption(t("explained", version=assessed.name))
st.subheader(t("limits"))
st.write(t("limits_text"))
