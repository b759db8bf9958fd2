"""A table with its download."""

import polars as pl
import streamlit as st

from components.language import texts
from roleshift.exporting import csv_text


def download(frame: pl.DataFrame, name: str) -> None:
    """A button that saves the table as `name`.csv."""
    label = texts("shell")("download")
    st.download_button(
        label, csv_text(frame), f"{name}.csv", "text/csv", key=f"download-{name}", icon=":material/download:"
    )


def table(frame: pl.DataFrame, name: str) -> None:
    """The table over the whole width, and its download."""
    st.dataframe(frame, hide_index=True, width="stretch")
    download(frame, name)
