"""Corpora in plain text: labelled lines and tagged sentences."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from roleshift.data.preparation.adapters import ADAPTERS
from roleshift.data.preparation.drafts import Draft, Dropped
from roleshift.errors import RoleShiftError
from roleshift.params import Corpus
from roleshift.tasks import TaskDefinition

MOOD = TaskDefinition(
    id="mood", capability="classify", kind="classify", instruction="Name the mood.", labels=("正面", "负面"),
    domain="reviews", language="zh", metric="accuracy", threshold=1, threshold_reason="right or wrong",
)  # fmt: skip
NAMES = TaskDefinition(
    id="names", capability="extract", kind="extract", instruction="Extract.", fields=("persons", "places"),
    domain="news", language="zh", metric="entity_f1", threshold=1, threshold_reason="right or wrong",
)  # fmt: skip


def lines_corpus(**labels: str) -> Corpus:
    return Corpus(
        source="mine", adapter="labelled-lines", task="mood", labels={f"{k}.txt": v for k, v in labels.items()}
    )


TAGGED = Corpus(
    source="mine", adapter="tagged-text", task="names", file="news.txt",
    tags={"persons": "nr", "places": "ns"}, joined_tags=("nr",),
)  # fmt: skip


def test_a_line_has_the_label_of_its_file_and_a_text_under_two_labels_none(tmp_path: Path) -> None:
    (tmp_path / "pos.txt").write_text("很好\n还可以\n\n", encoding="utf-8")
    (tmp_path / "neg.txt").write_text("很差\n还可以\n", encoding="utf-8")
    entries = list(ADAPTERS["labelled-lines"](tmp_path, lines_corpus(pos="正面", neg="负面"), MOOD))
    assert [(d.input, d.references, d.origin) for d in entries if isinstance(d, Draft)] == [
        ("很好", ("正面",), "pos.txt:1"),
        ("很差", ("负面",), "neg.txt:1"),
    ]
    assert [(d.reason, d.origin) for d in entries if isinstance(d, Dropped)] == [
        ("several_labels", "pos.txt:2"),
        ("several_labels", "neg.txt:2"),
    ]


def test_labelled_lines_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(RoleShiftError, match=r"labels\.pos\.txt: '好' is no label of mood \(正面, 负面\)"):
        list(ADAPTERS["labelled-lines"](tmp_path, lines_corpus(pos="好"), MOOD))
    with pytest.raises(RoleShiftError, match=r"pos\.txt: no such file in the source"):
        list(ADAPTERS["labelled-lines"](tmp_path, lines_corpus(pos="正面"), MOOD))
    (tmp_path / "pos.txt").write_bytes("一\n二\n".encode() + b"\xff\xfe")
    with pytest.raises(RoleShiftError, match=r"pos\.txt:3: not UTF-8"):
        list(ADAPTERS["labelled-lines"](tmp_path, lines_corpus(pos="正面"), MOOD))


def test_a_tagged_sentence_gives_its_names_once_each_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "news.txt").write_text(
        "江/nr  泽民/nr  在/p  北京/ns  会见/v  克林顿/nr  。/w  他/r  说/v  。/w  "
        "李/nr  鹏/nr  朱/nr  镕基/nr  抵/v  北京/ns\n"
        "北京/ns  broken\n",
        encoding="utf-8",
    )
    entries = list(ADAPTERS["tagged-text"](tmp_path, TAGGED, NAMES))
    found = [(d.input, json.loads(d.references[0]), d.group) for d in entries if isinstance(d, Draft)]
    assert found == [
        ("江泽民在北京会见克林顿。", {"persons": ["江泽民", "克林顿"], "places": ["北京"]}, "mine:1"),
        ("李鹏朱镕基抵北京", {"persons": ["李鹏", "朱镕基"], "places": ["北京"]}, "mine:1"),
    ]
    dropped = [(d.reason, d.origin, d.malformed) for d in entries if isinstance(d, Dropped)]
    assert dropped == [("no_name", "news.txt:1.2", False), ("malformed", "news.txt:2", True)]


def test_tags_must_name_the_fields_of_the_task(tmp_path: Path) -> None:
    wrong = TAGGED.model_copy(update={"tags": {"persons": "nr"}})
    with pytest.raises(RoleShiftError, match=r"corpora\.tags: must name the fields of names \(persons, places\)"):
        list(ADAPTERS["tagged-text"](tmp_path, wrong, NAMES))


@pytest.mark.parametrize("key", ["labels", "tags"])
def test_keys_of_one_adapter_are_refused_by_another(key: str) -> None:
    with pytest.raises(ValidationError, match=f"`{key}` goes with the adapter"):
        Corpus.model_validate(
            {
                "source": "mine",
                "adapter": "table",
                "task": "mood",
                "columns": {"input": "a", "references": ["b"]},
                key: {"a": "b"},
            }
        )
