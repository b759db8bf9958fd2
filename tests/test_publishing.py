"""The committed copy of a run holds no source text, and the README's table stands between its marks."""

from pathlib import Path

import polars as pl
import pytest

from roleshift.contracts import ITEMS
from roleshift.errors import RoleShiftError
from roleshift.publishing import END, START, shares_words, with_results, without_source_texts


def test_eight_words_in_a_row_are_found_and_seven_are_not() -> None:
    text = "one two three four five six seven eight nine"
    assert shares_words("So: one, TWO three four five six seven eight!", text, "en")
    assert not shares_words("one two three four five six seven and eight", text, "en")
    assert shares_words("前面一二三四五六七八", "一二三四五六七八九", "zh")


def test_floors_and_copied_answers_are_left_out() -> None:
    row = dict.fromkeys(ITEMS.schema, "x") | {
        "shots": 0, "slices": [], "prompt_tokens": 1, "output_tokens": 1, "language": "en",
    }  # fmt: skip
    source = "a long sentence of the source that nobody may copy from here"
    rows = [
        row | {"example_id": "1", "variant": "onnx-int8", "output": "its own words"},
        row | {"example_id": "2", "variant": "onnx-int8", "output": f"well, {source}"},
        row | {"example_id": "3", "variant": "floor-copy", "output": "short"},
    ]
    kept = without_source_texts(pl.DataFrame(rows, schema=ITEMS.schema), {"2": [source]})
    assert kept["output"].to_list() == ["its own words", None, None]


def test_the_table_takes_the_place_between_the_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    assert with_results(readme, "| new |") == f"before\n{START}\n| new |\n{END}\nafter\n"
    readme.write_text("no marks")
    with pytest.raises(RoleShiftError, match="must hold the lines"):
        with_results(readme, "x")
