"""A table with its download."""

from io import BytesIO

import polars as pl
import streamlit as st

from components.language import catalogue, language, texts
from roleshift.exporting import csv_text

FORMATS = {"p_corrected": "%.3f", "similarity": "%.2f"}
"""Of the columns that need other than one decimal."""


def download(frame: pl.DataFrame, name: str) -> None:
    """A button that saves the table as `name`.csv."""
    label = texts("shell")("download")
    st.download_button(
        label, csv_text(frame), f"{name}.csv", "text/csv", key=f"download-{name}", icon=":material/download:"
    )


def download_parquet(frame: pl.DataFrame, name: str) -> None:
    """A button that saves the table as `name`.parquet, with the columns' types."""
    held = BytesIO()
    frame.write_parquet(held)
    st.download_button(
        texts("shell")("download_parquet"),
        held.getvalue(),
        f"{name}.parquet",
        "application/vnd.apache.parquet",
        key=f"parquet-{name}",
        icon=":material/download:",
    )


def table(frame: pl.DataFrame, name: str, *, parquet: bool = False) -> None:
    """The table over the whole width under translated headings, and its download under the columns' own names."""
    headings = {column: entry[language()] for column, entry in catalogue("columns").items() if column in frame.columns}
    columns = {
        column: st.column_config.NumberColumn(heading, format=FORMATS.get(column, "%.1f"))
        if frame.schema[column].is_float()
        else st.column_config.Column(heading)
        for column, heading in headings.items()
    }
    st.dataframe(frame, hide_index=True, width="stretch", column_config=columns)
    download(frame, name)
    if parquet:
        download_parquet(frame, name)
