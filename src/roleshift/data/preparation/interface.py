"""Gettext language packs in JSON: interface texts and their published translation."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from roleshift.data.preparation.drafts import Draft, Dropped
from roleshift.errors import RoleShiftError
from roleshift.params import Corpus
from roleshift.tasks import TaskDefinition

MIN_WORDS = 3
_PLACEHOLDER = re.compile(r"%[\d.]*[a-zA-Z]\b|%\d|%\(|\{[^}]*\}|<[^>]+>|\$\{?\w")
_SHORTCUT = re.compile(
    r"\b(?:Ctrl|Cmd|Alt|Shift|Accel|Command|Control)\s*[+-]\s*\S|[⌘⌥⇧⌃]|(?<!\w)[&_](?=[A-Za-z])|(?<=[a-z])&(?=[a-z])"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
_CONTEXT = "\x04"


def read_interface_texts(folder: Path, corpus: Corpus, task: TaskDefinition) -> Iterator[Draft | Dropped]:
    """English text -> translation, from every `*.json` of the source; each English text counts once.

    Left out: texts with placeholders or keyboard shortcuts, under three words, or not translated.
    """
    files = [folder / corpus.file] if corpus.file else sorted(folder.glob("*.json"))
    if not files:
        raise RoleShiftError(f"{folder}: no *.json; a gettext language pack in JSON is needed")
    seen: set[str] = set()
    for file in files:
        try:
            entries = json.loads(file.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError, FileNotFoundError) as error:
            raise RoleShiftError(f"{file}: not a readable JSON file ({error})") from None
        if not isinstance(entries, dict):
            raise RoleShiftError(f"{file}: must hold an object of translations by English text")
        for key in sorted(entries):
            if key:  # the empty key holds the file's own description
                yield _row(key, entries[key], f"{file.name}:{key[:60]!r}", seen)


def normalised(text: str) -> str:
    """The words of an English text in lower case: what makes two interface texts the same."""
    return " ".join(_WORD.findall(text.lower()))


def _row(key: str, translations: object, origin: str, seen: set[str]) -> Draft | Dropped:
    english = key.rpartition(_CONTEXT)[2]
    if not isinstance(translations, list) or not all(isinstance(text, str) for text in translations):
        return Dropped("malformed", origin, english, "the translation is no list of texts", malformed=True)
    chosen = next((text for text in translations if text.strip()), "")
    if _PLACEHOLDER.search(english) or _PLACEHOLDER.search(chosen):
        return Dropped("placeholder", origin, english)
    if _SHORTCUT.search(english):
        return Dropped("shortcut", origin, english)
    name = normalised(english)
    if len(name.split()) < MIN_WORDS:
        return Dropped("under_three_words", origin, english)
    if not chosen or normalised(chosen) == name:
        return Dropped("not_translated", origin, english)
    if name in seen:
        return Dropped("repeated_text", origin, english)
    seen.add(name)
    return Draft(english, (chosen,), f"interface:{name}", origin)
