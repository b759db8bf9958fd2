import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from roleshift.data.preparation.adapters import ADAPTERS
from roleshift.data.preparation.docstrings import first_sentence
from roleshift.data.preparation.drafts import Draft, Dropped
from roleshift.data.preparation.encyclopedia import first_sentences
from roleshift.errors import RoleShiftError
from roleshift.params import Columns, Corpus
from roleshift.tasks import TaskDefinition, catalogue_tasks

CLASSIFY = TaskDefinition(
    id="mood", capability="classify", kind="classify", instruction="Name the mood.", labels=("good", "bad"),
    domain="reviews", language="en", metric="accuracy", threshold=1, threshold_reason="right or wrong",
)  # fmt: skip
EXTRACT = TaskDefinition(
    id="people", capability="extract", kind="extract", instruction="Extract.", fields=("person", "place"),
    domain="news", language="en", metric="entity_f1", threshold=1, threshold_reason="right or wrong",
)  # fmt: skip


def read(
    folder: Path,
    adapter: str,
    task: str | TaskDefinition,
    columns: dict[str, Any] | None = None,
    file: str | None = None,
) -> list[Draft | Dropped]:
    definition = catalogue_tasks()[task] if isinstance(task, str) else task
    corpus = Corpus.model_validate(
        {"source": "mine", "adapter": adapter, "task": definition.id, "columns": columns, "file": file}
    )
    return list(ADAPTERS[adapter](folder, corpus, definition))


def drafts(entries: list[Draft | Dropped]) -> list[Draft]:
    return [entry for entry in entries if isinstance(entry, Draft)]


def reasons(entries: list[Draft | Dropped]) -> list[str]:
    return [entry.reason for entry in entries if isinstance(entry, Dropped)]


def test_papers_give_one_row_per_aspect_and_keep_their_splits(tmp_path: Path) -> None:
    summary = {"challenge": "c", "approach": "a", "outcome": "o"}
    for name in ("train", "val", "test"):
        paper = {"id": name, "summary": summary, "sentences": {"abstract": ["One .", "Two ."]}}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(paper) + "\nbroken\n")
    entries = read(tmp_path, "aclsum", "summarize-papers")
    rows = drafts(entries)
    assert len(rows) == 9
    assert rows[0].input == "One . Two ."
    assert [(row.slices["aspect"], row.references) for row in rows[:3]] == [
        ("challenge", ("c",)), ("approach", ("a",)), ("outcome", ("o",)),
    ]  # fmt: skip
    assert {row.group: row.own_split for row in rows} == {
        "aclsum:train": "train", "aclsum:val": "held-out", "aclsum:test": "test",
    }  # fmt: skip
    assert [e.origin for e in entries if isinstance(e, Dropped) and e.malformed] == [
        "train.jsonl:2", "val.jsonl:2", "test.jsonl:2",
    ]  # fmt: skip


def test_leads_serve_both_tasks_under_one_group(tmp_path: Path) -> None:
    leads = {
        "Gin": {"extract": "Gin is a drink. " * 40, "description": "Alcoholic drink", "topic": "Everyday life"},
        "Odd": {"extract": "Odd is odd.", "description": " ", "topic": "Uncategorized"},
        "New": {"extract": "New is not sorted yet.", "description": "Newcomer", "topic": "Uncategorized"},
        "Bad": {"extract": None, "description": "x", "topic": "Arts"},
    }
    (tmp_path / "leads.json").write_text(json.dumps(leads))
    descriptions = read(tmp_path, "wikipedia-headline", "headline-encyclopedia")
    topics = read(tmp_path, "wikipedia-topic", "classify-encyclopedia")
    assert [(row.references, row.slices) for row in drafts(descriptions)] == [
        (("Alcoholic drink",), {"topic": "Everyday life"}),
        (("Newcomer",), {}),
    ]
    assert [row.references for row in drafts(topics)] == [("Everyday life",)]
    assert [row.group for row in drafts(descriptions + topics)] == ["wikipedia:Gin", "wikipedia:New", "wikipedia:Gin"]
    assert reasons(descriptions) == ["malformed", "no_description"]
    assert reasons(topics) == ["malformed", "uncategorised", "uncategorised"]
    assert len(drafts(topics)[0].input) <= 500


def test_a_lead_is_cut_between_sentences() -> None:
    assert first_sentences("It is 3.5 m long. It sank in 1901. Later more.", 40) == "It is 3.5 m long. It sank in 1901."
    assert first_sentences("One very long sentence without an end", 5) == "One very long sentence without an end"


def test_interface_texts_leave_out_what_is_no_plain_sentence(tmp_path: Path) -> None:
    pack: dict[str, Any] = {
        "": {"language": "zh-CN"},
        "Activate Command Palette": ["激活命令面板"],
        "menu\x04Activate command palette": ["激活命令面板"],
        "Rename the %1 file": ["重命名 %1"],
        "Found {count} of them": ["找到 {count}"],
        "{{x}} was not saved": ["{{x}} 未保存"],
        "Open file %s now": ["打开 %s"],
        "Press Ctrl+S to save": ["按 Ctrl+S 保存"],
        "Save &As new file": ["另存为"],
        "Save all": ["全部保存"],
        "Keep this in English": ["Keep this in English"],
        "Close all the tabs": ["", "关闭所有标签页"],
        "Broken entry of text": "not a list",
    }
    (tmp_path / "lab.json").write_text(json.dumps(pack))
    entries = read(tmp_path, "interface-texts", "translate-interface-zh")
    assert [(row.input, row.references) for row in drafts(entries)] == [
        ("Activate Command Palette", ("激活命令面板",)),
        ("Close all the tabs", ("关闭所有标签页",)),
    ]
    assert sorted(reasons(entries)) == sorted(
        ["repeated_text", *["placeholder"] * 4, *["shortcut"] * 2, "under_three_words", "not_translated", "malformed"]
    )


MODULE = '''
class Box:
    """A box."""

    @property
    def size(self):
        """Return the size of the box.

        In metres.
        """

        return self._size  # kept

    def fill(self, more):
        """Fill the box with more things, e.g. balls. And say so."""
        for thing in more:
            self.add(thing)

    def _hidden(self):
        """Return the hidden thing inside."""
        return 1

    def abstract(self):
        """Do what subclasses say."""
        pass

def one(): "Say one on one line."; return 1

async def top(x):
    """Top it."""
    return x

def test_it():
    """Test that it works."""
    assert True
'''


def test_functions_lose_their_docstring_and_nothing_else(tmp_path: Path) -> None:
    modules = [("pkg/box.py", MODULE), ("pkg/tests/test_box.py", MODULE), ("bad.py", "def (")]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps({"path": p, "text": t}) + "\n" for p, t in modules))
    entries = read(tmp_path, "python-docstrings", "document-python")
    by_sentence = {row.references[0]: row for row in drafts(entries)}
    assert set(by_sentence) == {"Return the size of the box.", "Fill the box with more things, e.g. balls."}
    size = by_sentence["Return the size of the box."]
    assert size.input == "@property\ndef size(self):\n    return self._size  # kept"
    assert size.group == by_sentence["Fill the box with more things, e.g. balls."].group == "python:pkg.box.Box"
    assert sorted(reasons(entries)) == sorted(
        [
            "private_one_liner",
            "nothing_but_a_docstring",
            "docstring_shares_a_line",
            "docstring_under_three_words",
            "test",
            "malformed",
        ]
    )


def test_the_first_sentence_ends_at_the_paragraph_at_the_latest() -> None:
    assert first_sentence("Give it\n    back, i.e. return it\n\n    More.") == "Give it back, i.e. return it"


QA = {"input": "question", "references": ["answer"]}


def test_a_table_reads_the_same_from_jsonl_csv_and_parquet(tmp_path: Path) -> None:
    rows = [{"question": "你好，世界（吗）？", "answer": "是"}, {"question": "Which?", "answer": "This, one"}]
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/t.jsonl").write_text("\ufeff" + "".join(json.dumps(row) + "\n\n" for row in rows), encoding="utf-8")
    pl.DataFrame(rows).write_csv(tmp_path / "b/t.csv")
    pl.DataFrame(rows).write_parquet(tmp_path / "c/t.parquet")
    read_rows = [drafts(read(tmp_path / name, "table", "document-python", QA)) for name in ("a", "b", "c")]
    assert [[(row.input, row.references, row.group) for row in rows] for rows in read_rows][1:] == [
        [(row.input, row.references, row.group) for row in read_rows[0]]
    ] * 2
    assert [row.origin for row in read_rows[0]] == ["t.jsonl:1", "t.jsonl:3"]
    assert [row.origin for row in read_rows[1]] == ["t.csv:2", "t.csv:3"]


def test_several_references_come_from_a_list_or_from_several_columns(tmp_path: Path) -> None:
    rows = [{"q": "Why?", "a": ["Because", "So"], "b": "Because"}, {"q": "How?", "a": "Thus", "b": None}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {"input": "q", "references": ["a", "b"]}
    assert [row.references for row in drafts(read(tmp_path, "table", "document-python", columns))] == [
        ("Because", "So"), ("Thus",),
    ]  # fmt: skip


def test_domain_language_group_and_slices_come_from_columns(tmp_path: Path) -> None:
    row = {"q": "Why?", "a": "So", "d": "law", "l": "de", "g": 7, "t": "hard"}
    (tmp_path / "t.jsonl").write_text(json.dumps(row))
    columns = {
        **QA,
        "input": "q",
        "references": ["a"],
        "domain": "d",
        "language": "l",
        "group": "g",
        "slices": {"level": "t"},
    }
    (draft,) = drafts(read(tmp_path, "table", "document-python", columns))
    assert (draft.domain, draft.language, draft.group, draft.slices) == ("law", "de", "7", {"level": "hard"})


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("{broken", "not a JSON object"),
        ('["list"]', "not a JSON object"),
        ('{"answer": "x"}', "no column 'question'"),
        ('{"question": null, "answer": "x"}', "question: NoneType is no text"),
        ('{"question": " ", "answer": "x"}', "question: empty"),
        ('{"question": "q", "answer": []}', "answer: no reference"),
        ('{"question": "q", "answer": {"a": 1}}', "answer: dict is no text"),
    ],
)
def test_a_malformed_row_names_its_line_and_what_is_wrong(tmp_path: Path, line: str, detail: str) -> None:
    (tmp_path / "t.jsonl").write_text('{"question": "q", "answer": "a"}\n' + line + "\n")
    _, row = read(tmp_path, "table", "document-python", QA)
    assert isinstance(row, Dropped)
    assert row.malformed
    assert row.origin == "t.jsonl:2"
    assert detail in row.detail


def test_labels_and_fields_are_checked_against_the_task(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"question": "q", "answer": "good"}\n{"question": "q", "answer": "meh"}\n')
    good, bad = read(tmp_path, "table", CLASSIFY, QA)
    assert isinstance(good, Draft)
    assert isinstance(bad, Dropped)
    assert "'meh' is no label of mood (good, bad)" in bad.detail
    found = {"place": ["Rome"], "person": []}
    rows = [{"question": "q", "answer": found}, {"question": "q", "answer": json.dumps(found)}]
    rows += [{"question": "q", "answer": {"person": []}}, {"question": "q", "answer": {"person": "x", "place": []}}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    entries = read(tmp_path, "table", EXTRACT, QA)
    assert {row.references for row in drafts(entries)} == {('{"person": [], "place": ["Rome"]}',)}
    assert reasons(entries) == ["malformed", "malformed"]


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("total", "12", "a number"),
        ("total", True, "a number"),
        ("paid", 1, "true or false"),
        ("due", "1 March 2024", "a date as YYYY-MM-DD"),
        ("vendor", ["Acme"], "a string"),
    ],
)
def test_typed_fields_of_a_reference_are_checked(tmp_path: Path, field: str, value: object, wanted: str) -> None:
    invoice = TaskDefinition(**{
        **EXTRACT.model_dump(exclude={"field_types"}),
        "fields": {"vendor": "text", "total": "number", "paid": "boolean", "due": "date"},
    })  # fmt: skip
    right = {"vendor": "Acme", "total": 12.5, "paid": None, "due": "2024-03-01"}
    rows = [{"question": "q", "answer": right}, {"question": "q", "answer": {**right, field: value}}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    good, bad = read(tmp_path, "table", invoice, QA)
    assert isinstance(good, Draft)
    assert isinstance(bad, Dropped)
    assert f"answer.{field}: must be {wanted}" in bad.detail


def test_a_missing_column_or_an_unclear_file_stops_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\na,b\n")
    with pytest.raises(RoleShiftError, match="no column 'question'; it has text, label"):
        read(tmp_path, "table", "document-python", QA)
    (tmp_path / "u.csv").write_text("question,answer\na,b\n")
    with pytest.raises(RoleShiftError, match=r"found t\.csv, u\.csv; name one as `file`"):
        read(tmp_path, "table", "document-python", QA)
    assert len(read(tmp_path, "table", "document-python", QA, "u.csv")) == 1


def test_columns_go_with_the_table_adapter_alone() -> None:
    with pytest.raises(ValueError, match="goes with the adapter"):
        Corpus(source="a", adapter="aclsum", task="b", columns=Columns(input="q", references=("a",)))
