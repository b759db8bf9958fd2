"""Tables are checked on every read and write, and a defect names file, column and row."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from roleshift.contracts import EXAMPLES, SCORES, TIMINGS, read_table, slices_from_map, slices_to_map, write_table
from roleshift.errors import RoleShiftError
from roleshift.files import sha256_file


def examples() -> pl.DataFrame:
    row = dict.fromkeys(EXAMPLES.schema, "x") | {
        "capability": "answer",
        "references": ["r"],
        "slices": slices_from_map({"b": "2", "a": "1"}),
    }
    return pl.DataFrame([row, row | {"example_id": "a"}], schema=EXAMPLES.schema)


def test_a_table_comes_back_as_it_was_ordered_by_key(tmp_path: Path) -> None:
    write_table(tmp_path / "e.parquet", examples(), EXAMPLES)
    again = read_table(tmp_path / "e.parquet", EXAMPLES)
    assert again["example_id"].to_list() == ["a", "x"]
    assert slices_to_map(again["slices"][0].to_list()) == {"a": "1", "b": "2"}


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    write_table(tmp_path / "1.parquet", examples(), EXAMPLES)
    write_table(tmp_path / "2.parquet", examples().reverse(), EXAMPLES)
    assert sha256_file(tmp_path / "1.parquet") == sha256_file(tmp_path / "2.parquet")


def test_defects_name_column_and_row(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    with pytest.raises(RoleShiftError, match="lacks the column 'input'"):
        write_table(path, examples().drop("input"), EXAMPLES)
    with pytest.raises(RoleShiftError, match="row 1: 'input' is missing"):
        write_table(path, examples().with_columns(input=pl.Series(["a", None])), EXAMPLES)
    with pytest.raises(RoleShiftError, match="row 0: the key .* stands twice"):
        write_table(path, examples().with_columns(example_id=pl.lit("a")), EXAMPLES)
    with pytest.raises(RoleShiftError, match="row 0: 'prompt_seconds' is nan"):
        row = {"example_id": "a", "model_id": "m", "variant": "v", "shots": 0, "perturbation": "none"}
        bad = row | {"prompt_seconds": float("nan"), "decode_seconds": 0.0, "batch_size": 1}
        write_table(path, pl.DataFrame([bad], schema=TIMINGS.schema), TIMINGS)
    with pytest.raises(RoleShiftError, match="row 1: unknown capability 'sumarize'; known are summarize, headline"):
        write_table(path, examples().with_columns(capability=pl.Series(["answer", "sumarize"])), EXAMPLES)
    score = {"example_id": "a", "model_id": "m", "variant": "v", "shots": 0, "perturbation": "none", "metric": "bleu",
             "score": 0.5, "statistics": [1.0], "signature": "s"}  # fmt: skip
    for bad in ([1.0, float("nan")], [float("inf")], [None]):
        rows = [score, score | {"metric": "chrf", "statistics": bad}]
        with pytest.raises(RoleShiftError, match="row 1: 'statistics' holds a value that is no finite number"):
            write_table(path, pl.DataFrame(rows, schema=SCORES.schema), SCORES)
    assert not list(tmp_path.iterdir())


def test_a_file_with_other_columns_is_a_one_line_error(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    write_table(path, examples(), EXAMPLES)
    table = pq.read_table(path)
    at = table.schema.get_field_index("references")
    for changed, said in (
        (table.drop_columns(["input"]), "lacks the column 'input'"),
        (table.set_column(at, "references", pa.array([1, 2])), "its columns are not those of examples"),
        (table.set_column(at, "references", pa.array([None, ["r"]])), "'references' is missing"),
    ):
        pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
        with pytest.raises(RoleShiftError, match=said) as caught:
            read_table(path, EXAMPLES)
        assert str(caught.value).startswith(str(path))
        assert len(str(caught.value).splitlines()) == 1


def test_a_truncated_file_is_a_one_line_error(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    write_table(path, examples(), EXAMPLES)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RoleShiftError, match="not a readable Parquet file"):
        read_table(path, EXAMPLES)


def test_another_schema_version_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    write_table(path, examples(), EXAMPLES)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"contract": b"examples", b"version": b"0"}), path)
    with pytest.raises(RoleShiftError, match="holds examples version 0.*run its stage again"):
        read_table(path, EXAMPLES)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(RoleShiftError, match="an unnamed table"):
        read_table(path, EXAMPLES)
