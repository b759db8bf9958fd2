"""Plain text files of one class each, an example a line."""

from collections.abc import Iterator
from pathlib import Path

from roleshift.data.preparation.drafts import Draft, Dropped
from roleshift.data.preparation.duplicates import normalised_text
from roleshift.errors import RoleShiftError
from roleshift.files import sha256_text
from roleshift.params import Corpus
from roleshift.tasks import TaskDefinition


def read_labelled_lines(folder: Path, corpus: Corpus, task: TaskDefinition) -> Iterator[Draft | Dropped]:
    """Each line of `labels` (file -> label) is an example of that label; blank lines do not count.

    A text that stands in files of two labels has no true one: each of its lines is left out and counted.
    """
    texts: dict[str, list[str]] = {}
    for name, label in corpus.labels.items():
        if label not in task.labels:
            raise RoleShiftError(
                f"corpora.labels.{name}: {label!r} is no label of {task.id} ({', '.join(task.labels) or 'it has none'})"
            )
        texts[name] = read_lines(folder / name)
    holders: dict[str, set[str]] = {}
    for name, lines in texts.items():
        for line in lines:
            holders.setdefault(normalised_text(line), set()).add(corpus.labels[name])
    for name, lines in texts.items():
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            origin, key = f"{name}:{number}", normalised_text(line)
            if len(holders[key]) > 1:
                yield Dropped("several_labels", origin, line[:200], f"stands under {', '.join(sorted(holders[key]))}")
            else:
                yield Draft(line, (corpus.labels[name],), f"text:{sha256_text(key)[:16]}", origin)


def read_lines(file: Path) -> list[str]:
    """The lines of a UTF-8 text file; a missing file or another encoding is named."""
    try:
        return file.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise RoleShiftError(f"{file}: no such file in the source; correct the corpus or `members`") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RoleShiftError(f"{file}:{line}: not UTF-8; convert the file") from None
