"""A table with its download; many rows are paged by the server."""

from io import BytesIO

import polars as pl
import streamlit as st

from components.language import catalogue, language, texts
from components.views import folded
from roleshift.exporting import csv_text

HOURS = ("review", "curation", "evaluation", "integration", "hours")
FORMATS = {
    "p_corrected": "%.3f",
    "similarity": "%.2f",
    "answers_per_second": "%.2f",
    "loss": "%.3f",
    "log_likelihood": "%.3f",
    **dict.fromkeys(HOURS, "localized"),  # thousands, with separators
}
"""Of the columns that need other than one decimal."""
PAGED_FROM = 1000
"""Rows from which a table is sent in pages as the reader scrolls."""


def download(frame: pl.DataFrame, name: str, *, parquet: bool = False) -> None:
    """A small menu that saves the table as `name`.csv, and as Parquet with the columns' types; written when asked."""
    t = texts("shell")
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            t("download"), lambda: csv_text(frame), f"{name}.csv", "text/csv",
            key=f"download-{name}", icon=":material/download:", type="tertiary", on_click="ignore",
        )  # fmt: skip
        if parquet:
            st.download_button(
                t("download_parquet"), lambda: parquet_bytes(frame), f"{name}.parquet",
                "application/vnd.apache.parquet", key=f"parquet-{name}", icon=":material/download:", type="tertiary",
                on_click="ignore",
            )  # fmt: skip


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """The table as a Parquet file."""
    held = BytesIO()
    frame.write_parquet(held)
    return held.getvalue()


def table(
    frame: pl.DataFrame, name: str, *, title: str | None = None, parquet: bool = False, pick: bool = False
) -> int:
    """The table over the whole width under translated headings, and its download under the columns' own names.

    A column without any value is left out of the page, not of the download. `title` is read out by screen readers.
    With `pick` the reader can choose a row: its place is returned, at first 0.
    """
    shown = frame.select(
        column for column in frame.columns if frame.height == 0 or frame[column].null_count() < frame.height
    )
    headings = {column: entry[language()] for column, entry in catalogue("columns").items() if column in shown.columns}
    columns = {
        column: st.column_config.NumberColumn(heading, format=FORMATS.get(column, "%.1f"))
        if shown.schema[column].is_float()
        else st.column_config.Column(heading)
        for column, heading in headings.items()
    }
    given = {
        "hide_index": True, "width": "stretch", "column_config": columns, "placeholder": "–",
        "alt": title or texts("shell")("table", name=name),
    }  # fmt: skip
    if pick:
        chosen = st.dataframe(shown, **given, key=f"rows-{name}", on_select="rerun", selection_mode="single-row")
        rows = chosen.selection.rows
        picked = rows[0] if rows and rows[0] < shown.height else 0
    else:
        st.dataframe(shown, **given, lazy=shown.height > PAGED_FROM)
        picked = 0
    download(frame, name, parquet=parquet)
    return picked


def data_behind(frame: pl.DataFrame, name: str, *, title: str | None = None, parquet: bool = False) -> None:
    """The table of a chart's data, folded away below it."""
    folded(texts("shell")("data"), name, lambda: table(frame, name, title=title, parquet=parquet))
