import polars as pl
import pytest

from roleshift.contracts import EXAMPLES
from roleshift.errors import RoleShiftError
from roleshift.tasks import catalogue_tasks
from roleshift.training.base import load_tokenizer
from roleshift.training.encoding import agreed_tasks, encode_examples

TASKS = {"summarize-papers": catalogue_tasks()["summarize-papers"]}


def table(*rows: dict) -> pl.DataFrame:
    plain = {
        "example_id": "one",
        "task_definition": "summarize-papers",
        "capability": "summarize",
        "language": "en",
        "domain": "scientific-papers",
        "input": "the paper",
        "references": ["first", "second"],
        "group_id": "g",
        "slices": [{"name": "aspect", "value": "outcome"}],
        "source": "test",
        "licence": "MIT",
    }
    return pl.DataFrame([{**plain, **row} for row in rows], schema=EXAMPLES.schema)


def test_prompt_is_the_chat_template_and_the_answer_ends_with_the_stop_token(tiny_llama):
    tokenizer = load_tokenizer(tiny_llama)
    example = encode_examples(table({}), TASKS, tokenizer, 500, "train.parquet").examples[0]
    assert tokenizer.decode(example.prompt) == (
        "<|im_start|>user\nSummarise the outcome of this paper in one sentence.\n\nthe paper<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert tokenizer.decode(example.answer) == "first<|im_end|>"
    assert example.answer[-1] == tokenizer.eos_token_id


def test_without_a_chat_template_the_plain_one_is_used(tiny_gpt2):
    tokenizer = load_tokenizer(tiny_gpt2)
    example = encode_examples(table({}), TASKS, tokenizer, 500, "train.parquet").examples[0]
    assert tokenizer.decode(example.prompt).startswith("user: Summarise the outcome")
    assert tokenizer.decode(example.prompt).endswith("assistant:")
    assert example.answer[-1] == tokenizer.eos_token_id


def test_too_long_examples_are_counted_not_cut(tiny_llama):
    frame = table({}, {"example_id": "two", "input": "long " * 200})
    encoded = encode_examples(frame, TASKS, load_tokenizer(tiny_llama), 200, "train.parquet")
    assert [example.example_id for example in encoded.examples] == ["one"]
    assert encoded.too_long == 1


def test_nothing_to_train_on_names_the_file_and_the_knob(tiny_llama):
    with pytest.raises(
        RoleShiftError, match=r"train\.parquet: no example of at most 10 tokens; raise train\.pack_tokens"
    ):
        encode_examples(table({}), TASKS, load_tokenizer(tiny_llama), 10, "train.parquet")


def test_an_example_without_reference_or_task_is_named(tiny_llama):
    tokenizer = load_tokenizer(tiny_llama)
    with pytest.raises(RoleShiftError, match="example one: no reference"):
        encode_examples(table({"references": []}), TASKS, tokenizer, 500, "train.parquet")
    with pytest.raises(RoleShiftError, match="example one: no task 'other'"):
        encode_examples(table({"task_definition": "other"}), TASKS, tokenizer, 500, "train.parquet")


def test_tasks_that_were_reworded_after_prepare_are_refused():
    wordings = [task.wording() for task in TASKS.values()]
    assert agreed_tasks(TASKS, wordings) == TASKS
    with pytest.raises(RoleShiftError, match="dvc repro prepare"):
        agreed_tasks(TASKS, [{**wordings[0], "instruction": "Summarise."}])
