"""Texts, tasks and frames that the tests of the evaluation share."""

import json
import random

import polars as pl

from roleshift.contracts import EXAMPLES, ITEMS
from roleshift.tasks import TaskDefinition

_TEXT = (
    "the model reads a paper and writes one sentence about its results which are better than before , "
    "however ( in 12 % of cases ) people don't agree . A well-known author's data-set shows it: why?"
)
ENGLISH = _TEXT.split()
CHINESE = "模型读论文写一句话结果比以前好但是人们不同意，这个作者的数据说明了问题。文件编辑器打开关闭 GPU 3.5 设置"


def random_pairs(language: str, count: int, seed: int) -> list[tuple[str, list[str], str]]:
    """(output, references, input): answers that share a varying part with their references."""
    draw = random.Random(seed)
    pool = list(CHINESE) if language == "zh" else ENGLISH
    glue = "" if language == "zh" else " "
    pairs = []
    for _ in range(count):
        words = draw.choices(pool, k=draw.randint(1, 30))
        kept = [word if draw.random() < 0.7 else draw.choice(pool) for word in words]
        output = glue.join(kept[: draw.randint(0, len(kept))])
        references = [glue.join(words)]
        if draw.random() < 0.3:
            references.append(glue.join(draw.choices(pool, k=draw.randint(1, 20))))
        pairs.append((output, references, glue.join(draw.choices(pool, k=40))))
    return pairs


def make_task(task_id: str, capability: str, **over: object) -> TaskDefinition:
    fields: dict[str, object] = {
        "kind": "generate", "instruction": "Do it.", "domain": "tests", "language": "en", "metric": "rouge_l",
        "threshold": 0.4, "threshold_reason": "for the tests",
    }  # fmt: skip
    return TaskDefinition(id=task_id, capability=capability, **{**fields, **over})


def make_items(rows: list[dict[str, object]]) -> pl.DataFrame:
    """An ITEMS frame; what a row leaves out gets a plain value."""
    plain: dict[str, object] = {
        "model_id": "base", "variant": "torch-fp32", "shots": 0, "perturbation": "none",
        "task_definition": "summarize-tests", "capability": "summarize", "language": "en", "domain": "tests",
        "slices": [], "split": "test", "artifact_id": "artifact", "prompt_hash": "prompt", "settings_hash": "settings",
        "references_hash": "references", "output": "", "prompt_tokens": 10, "output_tokens": 5,
        "finish_reason": "stop", "origin": "measured",
    }  # fmt: skip
    filled = [{**plain, "group_id": row["example_id"], **row} for row in rows]
    return pl.DataFrame(filled, schema=ITEMS.schema)


WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "ru", "te") for b in ("n", "sa", "to", "v", "x", "be")]


def make_examples(tasks: dict[str, TaskDefinition], count: int, split: str) -> pl.DataFrame:
    rows = []
    for task in tasks.values():
        for i in range(count):
            draw = random.Random(f"{task.id}{split}{i}")
            words = draw.choices(WORDS, k=24)
            reference = " ".join(words[8:14])
            if task.kind == "classify":
                reference = draw.choice(task.labels)
            if task.kind == "extract":
                reference = json.dumps({"persons": words[:1], "places": []})
            rows.append({
                "example_id": f"{task.id}-{split}-{i:03}", "task_definition": task.id, "capability": task.capability,
                "language": task.language, "domain": task.domain, "input": " ".join(words) + ".",
                "references": [reference], "group_id": f"{task.id}-{split}-{i:03}",
                "slices": [{"name": "aspect", "value": "ab"[i % 2]}], "source": "tests", "licence": "none",
            })  # fmt: skip
    return pl.DataFrame(rows, schema=EXAMPLES.schema)


def answers(examples: pl.DataFrame, quality: float, **over: object) -> pl.DataFrame:
    """Answers that equal the reference with probability `quality`."""
    rows = []
    for row in examples.to_dicts():
        right = random.Random(f"{row['example_id']}{over}").random() < quality
        copied = ("example_id", "task_definition", "capability", "language", "domain", "slices", "group_id")
        rows.append({**{name: row[name] for name in copied}, "output": row["references"][0] if right else "x", **over})
    return make_items(rows)
