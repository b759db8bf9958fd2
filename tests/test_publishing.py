"""The committed copy of a run holds no source text, and the README's table stands between its marks."""

import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from roleshift.contracts import EXAMPLES, ITEMS, SCORES, write_table
from roleshift.errors import RoleShiftError
from roleshift.project import Project
from roleshift.publishing import END, START, publish_run, shares_words, with_results, without_source_texts

REPOSITORY = Path(__file__).parents[1]


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


def test_the_committed_copy_holds_the_tables_of_job_role_impact(tmp_path: Path) -> None:
    for name in ("params.yaml", "dvc.yaml", "README.md"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for name in ("metrics", "plots"):
        shutil.copytree(REPOSITORY / "docs/default-run" / name, tmp_path / name)
    for part, contract in (("items", ITEMS), ("scores", SCORES)):
        for folder in ("baseline", "candidate"):
            (tmp_path / "evidence" / folder).mkdir(parents=True, exist_ok=True)
            write_table(tmp_path / f"evidence/{folder}/{part}.parquet", pl.DataFrame(schema=contract.schema), contract)
    (tmp_path / "data/examples").mkdir(parents=True)
    for split in ("test", "review"):
        table = pl.DataFrame(schema=EXAMPLES.schema)
        write_table(tmp_path / f"data/examples/{split}.parquet", table, EXAMPLES)
    (tmp_path / "impact").mkdir()
    pl.DataFrame({"role_id": ["journalist"]}).write_parquet(tmp_path / "impact/roles.parquet")
    (tmp_path / "docs").mkdir()
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    publish_run(Project.discover(tmp_path))
    copied = pl.read_parquet(tmp_path / "docs/default-run/impact/roles.parquet")
    assert copied["role_id"].to_list() == ["journalist"]
