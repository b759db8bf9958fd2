"""Wikipedia leads with a short description and a topic, as one JSON object by title."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roleshift.data.preparation.drafts import Draft, Dropped
from roleshift.errors import RoleShiftError
from roleshift.params import Corpus
from roleshift.tasks import TaskDefinition

LEAD_CHARACTERS = 500
"""A lead is cut after its last sentence within so many characters (about 110 tokens): the subject is
named at the start, and a fixed cut keeps the text the same whatever the base model's tokenizer."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
UNCATEGORISED = "Uncategorized"


def read_descriptions(folder: Path, corpus: Corpus, task: TaskDefinition) -> Iterator[Draft | Dropped]:
    """Lead -> short description; its topic, where the source gives one, is a slice."""
    for title, entry, origin in _entries(folder, corpus):
        if not _is_complete(entry, "description"):
            yield Dropped("malformed", origin, str(entry)[:200], "extract or description is no text", malformed=True)
        elif not entry["description"].strip():
            yield Dropped("no_description", origin, entry["extract"])
        else:
            topic = entry.get("topic")
            known = isinstance(topic, str) and topic != UNCATEGORISED
            yield Draft(
                first_sentences(entry["extract"]), (entry["description"],), f"wikipedia:{title}", origin,
                {"topic": topic} if known else {},
            )  # fmt: skip


def read_topics(folder: Path, corpus: Corpus, task: TaskDefinition) -> Iterator[Draft | Dropped]:
    """Lead -> topic; both tasks share a title's group, so a lead never trains one and tests the other."""
    for title, entry, origin in _entries(folder, corpus):
        if not _is_complete(entry, "topic"):
            yield Dropped("malformed", origin, str(entry)[:200], "extract or topic is no text", malformed=True)
        elif entry["topic"] == UNCATEGORISED:
            yield Dropped("uncategorised", origin, entry["extract"])
        else:
            yield Draft(first_sentences(entry["extract"]), (entry["topic"],), f"wikipedia:{title}", origin)


def first_sentences(text: str, limit: int = LEAD_CHARACTERS) -> str:
    """The first sentences that fit `limit` characters; the first one always."""
    sentences = _SENTENCE_END.split(text.strip())
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + 1 + len(sentence) > limit:
            break
        kept += f" {sentence}"
    return kept


def _is_complete(entry: Any, field: str) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in ("extract", field))


def _entries(folder: Path, corpus: Corpus) -> Iterator[tuple[str, Any, str]]:
    files = [folder / corpus.file] if corpus.file else sorted(folder.glob("*.json"))
    if len(files) != 1 or not files[0].is_file():
        raise RoleShiftError(f"{folder}: needs one JSON file of leads; name it as `file` of the corpus")
    try:
        entries = json.loads(files[0].read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RoleShiftError(f"{files[0]}: not valid JSON ({error})") from None
    if not isinstance(entries, dict):
        raise RoleShiftError(f"{files[0]}: must hold an object of leads by title")
    for title in sorted(entries):
        yield title, entries[title], f"{files[0].name}:{title}"
