"""A spreadsheet reads an exported text as text."""

import csv
import io

import polars as pl

from roleshift.exporting import csv_text


def test_no_text_begins_as_a_formula_and_numbers_stay_numbers() -> None:
    hostile = ['=HYPERLINK("http://x")', "+1", "-1+1", "@SUM(A1)", "\t=1", "  =1", "＝1", "\r=1", "plain", None]
    frame = pl.DataFrame({"output": hostile, "score": [-1.5] * len(hostile)})
    rows = list(csv.DictReader(io.StringIO(csv_text(frame), newline="")))
    texts = [row["output"] for row in rows]
    assert texts[-2:] == ["plain", ""]
    assert texts[:-2] == [f"'{text}" for text in hostile[:-2]]
    assert {row["score"] for row in rows} == {"-1.5"}


def test_lists_are_written_as_json() -> None:
    assert "slices" in csv_text(pl.DataFrame({"slices": [["a", "=b"]]}))
