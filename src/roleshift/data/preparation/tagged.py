"""Segmented text with part-of-speech tags (`word/tag`): sentences and the names in them."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from roleshift.data.preparation.drafts import Draft, Dropped
from roleshift.data.preparation.lines import read_lines
from roleshift.errors import RoleShiftError
from roleshift.params import Corpus
from roleshift.tasks import TaskDefinition

Word = tuple[str, str]
"""A word and its tag."""
_TOKEN = re.compile(r"^(?P<word>.+)/(?P<tag>[A-Za-z]+)$")
_ENDINGS = ("。", "！", "？", "；")


def read_tagged_sentences(folder: Path, corpus: Corpus, task: TaskDefinition) -> Iterator[Draft | Dropped]:
    """Sentence -> JSON object of the names in it, one list per field of the task, in order, each once.

    `tags` maps each field to its tag. Family and given name under a tag of `joined_tags` are one
    name. A line is a group; sentences without any name are left out and counted.
    """
    if set(corpus.tags) != set(task.fields):
        raise RoleShiftError(
            f"corpora.tags: must name the fields of {task.id} ({', '.join(task.fields) or 'it has none'})"
        )
    if corpus.file is None:
        raise RoleShiftError("corpora: the adapter `tagged-text` needs `file`")
    for number, line in enumerate(read_lines(folder / corpus.file), 1):
        origin = f"{Path(corpus.file).name}:{number}"
        words = [_TOKEN.match(token) for token in line.split()]
        if not all(words):
            bad = next(token for token, match in zip(line.split(), words, strict=True) if match is None)
            yield Dropped("malformed", origin, line[:200], f"{bad[:40]!r} is not word/tag", malformed=True)
            continue
        for index, sentence in enumerate(_sentences([(match["word"], match["tag"]) for match in words if match]), 1):
            yield _draft(sentence, corpus, task, f"{origin}.{index}", f"{corpus.source}:{number}")


def _sentences(words: Sequence[Word]) -> Iterator[list[Word]]:
    sentence: list[Word] = []
    for word in words:
        sentence.append(word)
        if word[0] in _ENDINGS:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _draft(sentence: list[Word], corpus: Corpus, task: TaskDefinition, origin: str, group: str) -> Draft | Dropped:
    text = "".join(word for word, _ in sentence)
    joined = join_names(sentence, corpus.joined_tags)
    names = {
        field: list(dict.fromkeys(word for word, tag in joined if tag == corpus.tags[field])) for field in task.fields
    }
    if not any(names.values()):
        return Dropped("no_name", origin, text)
    return Draft(text, (json.dumps(names, ensure_ascii=False),), group, origin)


def join_names(words: Sequence[Word], tags: Sequence[str]) -> list[Word]:
    """Words with family and given name joined.

    Two adjacent words of such a tag are one name. In a longer run, which lists several people, a
    word of one character is a family name and takes the next word with it.
    """
    joined: list[Word] = []
    start = 0
    while start < len(words):
        tag, end = words[start][1], start + 1
        while tag in tags and end < len(words) and words[end][1] == tag:
            end += 1
        run = [name for name, _ in words[start:end]]
        joined += [(name, tag) for name in (["".join(run)] if len(run) == 2 else _pairs(run))]
        start = end
    return joined


def _pairs(run: list[str]) -> Iterator[str]:
    names = iter(run)
    for name in names:
        yield name + next(names, "") if len(name) == 1 and len(run) > 1 else name
