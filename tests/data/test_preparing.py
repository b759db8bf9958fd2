import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from roleshift.contracts import EXAMPLES, check
from roleshift.data.preparation.cleaning import clean_text
from roleshift.data.preparation.drafts import Draft
from roleshift.data.preparation.duplicates import NearDuplicateIndex, jaccard, shingles
from roleshift.data.preparation.preparing import Prepared, prepare_examples
from roleshift.data.preparation.rows import clean_draft
from roleshift.data.preparation.splitting import membership
from roleshift.errors import RoleShiftError
from roleshift.params import Params, SplitShares
from roleshift.tasks import TaskDefinition

SPLITS = ("train", "validation", "test", "review")
SHARES = SplitShares(train=0.7, validation=0.08, test=0.14, review=0.08)
ANSWER_TASK = {
    "capability": "answer", "kind": "generate", "instruction": "Answer.", "domain": "shop", "language": "en",
    "metric": "token_f1", "threshold": 0.5, "threshold_reason": "half of the words",
}  # fmt: skip
WORDS = [f"{first}{last}" for first in "abcd" for last in ("mber", "irch", "edar", "elta")]


def count_words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def question(number: int) -> dict[str, Any]:
    """Texts that share no 3-gram with another number's."""
    a, b = divmod(number, len(WORDS))
    return {"q": f"{WORDS[a % 16]}{number} {WORDS[b]}{number} what is item number{number}?", "a": f"answer {number}"}


@pytest.fixture
def prepare(tmp_path: Path, make_params: Callable[..., Params]) -> Callable[..., Prepared]:
    def run(*tables: list[dict[str, Any]], group: str | None = None, seed: int = 17, **prepare: Any) -> Prepared:
        sources, corpora = {}, {}
        for i, rows in enumerate(tables):
            (tmp_path / f"s{i}").mkdir(exist_ok=True)
            (tmp_path / f"s{i}/t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            sources[f"s{i}"] = {"kind": "file", "path": "t.jsonl", "licence": "CC0"}
            columns = {"input": "q", "references": ["a"], "group": group}
            corpora[f"c{i}"] = {"source": f"s{i}", "adapter": "table", "task": "faq", "columns": columns}
        params = make_params(sources=sources, corpora=corpora, tasks={"faq": ANSWER_TASK}, prepare=prepare, seed=seed)
        return prepare_examples(params, tmp_path, count_words)

    return run


def ids(prepared: Prepared, split: str) -> set[str]:
    return set(prepared.examples[split]["example_id"])  # type: ignore[index]


def quarantined(prepared: Prepared) -> list[str]:
    return [row["reason"] for row in prepared.quarantine]


def test_a_small_table_of_ones_own_fills_every_split(prepare: Callable[..., Prepared]) -> None:
    prepared = prepare([question(i) for i in range(60)])
    assert sum(len(ids(prepared, split)) for split in SPLITS) == 60
    for frame in prepared.examples.values():
        check(frame, EXAMPLES, "examples")
    report = prepared.report["capabilities"]["answer"]
    assert report["train"]["short_by"] == 180 - report["train"]["drawn"] > 0
    assert prepared.report["corpora"]["c0"]["rows_read"] == 60


def test_adding_rows_moves_no_old_one_and_test_stays_test(prepare: Callable[..., Prepared]) -> None:
    sizes = {"train": 5000, "validation": 5000, "test": 5000, "review": 5000}
    before = prepare([question(i) for i in range(200)], sizes=sizes)
    after = prepare(
        [question(i) for i in range(400, 200, -1)] + [question(i) for i in range(200)], sizes=sizes, seed=99
    )
    for split in SPLITS:
        assert ids(before, split) <= ids(after, split)


def test_a_slice_is_part_of_an_id_where_the_instruction_names_it() -> None:
    def made(instruction: str, slices: dict[str, str]) -> str:
        task = TaskDefinition(id="faq", **ANSWER_TASK | {"instruction": instruction})
        draft = Draft("A question?", ("An answer.",), "group", "file:1", slices)
        return clean_draft("corpus", "source", draft, task=task, licence="CC0").example_id

    plain = made("Answer.", {})
    assert made("Answer.", {"topic": "tea"}) == plain  # it only describes the item
    assert len({plain, made("Answer on {topic}.", {"topic": "tea"}), made("Answer on {topic}.", {"topic": "gin"})}) == 3


def test_a_larger_test_share_only_adds_to_test() -> None:
    groups = [f"g{i}" for i in range(5000)]
    more = SplitShares(train=0.5, validation=0.1, test=0.3, review=0.1)
    test = {group for group in groups if membership(group, SHARES) == "test"}
    assert test < {group for group in groups if membership(group, more) == "test"}
    assert abs(len(test) / 5000 - 0.14) < 0.02


def test_the_seed_draws_other_training_rows_and_the_same_held_out_ones(prepare: Callable[..., Prepared]) -> None:
    rows = [question(i) for i in range(400)]
    sizes = {"train": 50, "validation": 5, "test": 20, "review": 5}
    one, again, other = (prepare(rows, sizes=sizes, seed=seed) for seed in (1, 1, 2))
    for split in SPLITS:
        assert one.examples[split].equals(again.examples[split])  # type: ignore[index]
        assert len(ids(one, split)) == sizes[split]
        assert (ids(one, split) == ids(other, split)) == (split != "train")


def test_held_out_splits_hold_one_item_per_group_and_no_group_is_split(prepare: Callable[..., Prepared]) -> None:
    prepared = prepare([{**question(i), "g": f"doc{i // 5}"} for i in range(500)], group="g")
    seen: dict[str, str] = {}
    for split in SPLITS:
        groups = prepared.examples[split]["group_id"].to_list()  # type: ignore[index]
        if split != "train":
            assert len(groups) == len(set(groups))
        for group in groups:
            assert seen.setdefault(group, split) == split


def test_corpora_of_one_capability_share_evenly_and_fill_up_for_each_other(prepare: Callable[..., Prepared]) -> None:
    sizes = {"train": 40, "validation": 2, "test": 10, "review": 2}
    even = prepare([question(i) for i in range(300)], [question(i) for i in range(300, 600)], sizes=sizes)
    assert [even.report["corpora"][c]["drawn"]["test"] for c in ("c0", "c1")] == [5, 5]
    uneven = prepare([question(i) for i in range(300)], [question(300), question(301)], sizes=sizes)
    assert uneven.report["capabilities"]["answer"]["train"]["drawn"] == 40


def test_near_duplicates_never_stand_in_two_splits(prepare: Callable[..., Prepared]) -> None:
    long = " ".join(f"word{i}" for i in range(40))
    rows = [{"q": f"{long} variant{i}", "a": "x"} for i in range(60)] + [question(i) for i in range(200)]
    prepared = prepare(rows, sizes={"train": 500, "validation": 100, "test": 100, "review": 100})
    holding = [s for s in SPLITS if any("variant" in text for text in prepared.examples[s]["input"])]  # type: ignore[index]
    assert holding == ["test"]
    reasons = quarantined(prepared)
    assert reasons.count("near_duplicate_of_test") + reasons.count("near_duplicate_within_test") == 59
    assert all(row["detail"].startswith("of c0 t.jsonl:") for row in prepared.quarantine)


def test_a_training_row_that_conflicts_with_a_later_test_row_goes_to_quarantine(
    prepare: Callable[..., Prepared],
) -> None:
    long = " ".join(f"word{i}" for i in range(40))
    texts = [f"{long} variant{i}" for i in range(100)]
    group = {text: f"v{i}" for i, text in enumerate(texts)}
    training = next(t for t in texts if membership(group[t], SHARES) == "train")
    testing = next(t for t in texts if membership(group[t], SHARES) == "test")
    rows = [{**question(i), "g": f"q{i}"} for i in range(200)]
    old = {"q": training, "a": "x", "g": group[training]}
    new = {"q": testing, "a": "x", "g": group[testing]}
    sizes = {"train": 500, "validation": 100, "test": 100, "review": 100}
    before = prepare([*rows, old], group="g", sizes=sizes)
    after = prepare([*rows, old, new], group="g", sizes=sizes)
    assert training in before.examples["train"]["input"].to_list()
    assert training not in after.examples["train"]["input"].to_list()
    assert testing in after.examples["test"]["input"].to_list()
    assert [row["text"] for row in after.quarantine] == [training]


def test_exact_duplicates_go_whatever_their_spacing_and_the_test_row_stays(prepare: Callable[..., Prepared]) -> None:
    first = question(1)
    twice = [first, {**first, "q": f"  {first['q'].replace(' ', '   ')}\u200b"}, {**first, "a": "other"}]
    prepared = prepare([*twice, *(question(i) for i in range(2, 100))])
    assert sorted(quarantined(prepared)) == ["exact_duplicate", "repeated_input"]
    assert [row["detail"] for row in prepared.quarantine] == ["of c0 t.jsonl:1"] * 2


def test_lengths_are_limited_and_every_dropped_row_is_counted(prepare: Callable[..., Prepared]) -> None:
    bad = [
        {"q": "short", "a": "x"},
        {"q": "long " * 30, "a": "x"},
        {"q": "a question to answer", "a": "long " * 30},
        {"q": "a question with two", "a": ["long " * 30, "fits"]},
        {"q": "a question of control", "a": "\u200b\x07"},
    ]
    prepared = prepare([*bad, *(question(i) for i in range(100))], max_input_tokens=20, max_reference_tokens=10)
    counts = prepared.report["corpora"]["c0"]
    assert counts["rejected"] == {
        "empty_reference": 1, "input_too_long": 1, "input_too_short": 1, "reference_too_long": 1,
    }  # fmt: skip
    assert counts["rows_read"] == 105 == 4 + sum(counts["drawn"].values()) + counts["not_drawn"]
    assert {row["origin"] for row in prepared.quarantine} == {"t.jsonl:1", "t.jsonl:2", "t.jsonl:3", "t.jsonl:5"}
    everything = pl.concat(list(prepared.examples.values()))
    assert everything.filter(pl.col("input") == "a question with two")["references"].to_list() == [["fits"]]


def test_too_many_malformed_rows_stop_with_file_and_line(prepare: Callable[..., Prepared]) -> None:
    rows = [question(i) for i in range(98)]
    few = prepare([*rows, {"q": "no answer here"}], max_malformed_share=0.02)
    assert quarantined(few) == ["malformed"]
    with pytest.raises(RoleShiftError, match=r"s0/t\.jsonl:99: malformed row \(no column 'a'\); 2 of 100 rows are"):
        prepare([*rows, {"q": "no answer here"}, {"q": "nor here"}], max_malformed_share=0.01)


def test_a_split_that_stays_empty_is_an_error_with_a_remedy(prepare: Callable[..., Prepared]) -> None:
    with pytest.raises(RoleShiftError, match=r"answer: no example for the split '\w+'; of 1 usable groups"):
        prepare([{**question(i), "g": "one"} for i in range(50)], group="g")
    none = {"train": 10, "validation": 2, "test": 2, "review": 0}
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2, "review": 0.0}
    assert len(prepare([question(i) for i in range(50)], sizes=none, shares=shares).examples["review"]) == 0


def test_a_sources_own_splits_hold(tmp_path: Path, make_params: Callable[..., Params]) -> None:
    (tmp_path / "acl").mkdir()
    number = 0
    for name, papers in (("train", 30), ("val", 10), ("test", 12)):
        lines = []
        for i in range(papers):
            number += 1
            abstract = [question(number)["q"], question(number)["a"]]
            summary = {aspect: f"{aspect} of {number}" for aspect in ("challenge", "approach", "outcome")}
            lines.append(json.dumps({"id": f"{name}{i}", "summary": summary, "sentences": {"abstract": abstract}}))
        (tmp_path / f"acl/{name}.jsonl").write_text("\n".join(lines))
    params = make_params(
        sources={"acl": {"kind": "file", "path": "acl", "licence": "MIT"}},
        corpora={"papers": {"source": "acl", "adapter": "aclsum", "task": "summarize-papers"}},
        prepare={"sizes": {"train": 60, "validation": 4, "test": 10, "review": 6}},
    )
    prepared = prepare_examples(params, tmp_path, count_words)
    assert {split: len(frame) for split, frame in prepared.examples.items()} == {
        "train": 60, "validation": 4, "test": 10, "review": 6,
    }  # fmt: skip
    for split, prefix in (("train", "train"), ("validation", "val"), ("review", "val"), ("test", "test")):
        groups = prepared.examples[split]["group_id"]  # type: ignore[index]
        assert groups.str.starts_with(f"aclsum:{prefix}").all()


def test_the_index_finds_what_exact_comparison_finds() -> None:
    texts = []
    for base in range(40):
        words = [f"w{base}x{i}" for i in range(30)]
        for edits in range(5):
            texts.append(" ".join([f"new{edits}y{i}" for i in range(edits)] + words[edits:]))
    index = NearDuplicateIndex(0.8)
    for i, text in enumerate(texts):
        exact = [str(j) for j in range(i) if jaccard(shingles(texts[j]), shingles(text)) >= 0.8]
        assert index.find(text) == exact
        index.add(str(i), text)


def test_chinese_near_duplicates_are_found_by_characters() -> None:
    index = NearDuplicateIndex(0.8)
    index.add("a", "您确定要退出笔记本吗？所有未保存的更改都会丢失，并且无法恢复。")
    assert index.find("您确定要退出笔记本吗? 所有未保存的更改都会丢失, 并且无法恢复!") == ["a"]
    assert index.find("打开文件浏览器，然后选择要上传到服务器的文件夹。") == []


def test_cleaning_keeps_chinese_punctuation_and_the_layout_of_code() -> None:
    assert clean_text("cafe\u0301\u00a0\u2028au\r\n\r\n\r\n\r\nlait \x00\u202e\ufeff") == "café au\n\nlait"
    assert clean_text("你好，世界（1）：“好”！\u3000再见。") == "你好，世界（1）：“好”！ 再见。"
    assert clean_text("def f():  \n\tif x:\n\t    a  = 1\x07\n", is_code=True) == "def f():\n\tif x:\n\t    a  = 1"
    assert clean_text("می\u200cخواهم 👩\u200d💻") == "می\u200cخواهم 👩\u200d💻"
