"""One form for every text: canonical Unicode, no control characters, plain white space.

NFC, not NFKC: the compatibility form turns full-width punctuation and parentheses, which are the
correct ones in Chinese, into ASCII, and ² into 2.
"""

import re
import unicodedata

from roleshift.tasks import TaskDefinition

CODE_CAPABILITIES = frozenset({"document_code", "write_code"})
_JOINERS = {"\u200c", "\u200d"}  # spelling in Persian and Indic scripts, and in emoji
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")


def clean_text(text: str, *, is_code: bool = False) -> str:
    """The cleaned text; code keeps its indentation and its inner spaces."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.replace("\n", "").replace("\t", "").isprintable():  # most texts need no look at each character
        text = "".join(character for character in text if not _is_control(character))
    if is_code:
        text = "\n".join(line.rstrip() for line in text.split("\n"))
        return _BLANK_LINES.sub("\n\n", text).strip("\n")
    lines = [_SPACES.sub(" ", line).strip() for line in text.split("\n")]
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def clean_reference(text: str, task: TaskDefinition) -> str:
    """A cleaned reference; only an answer that is code keeps its lines."""
    if task.capability == "write_code":
        return clean_text(text, is_code=True)
    return clean_text(text)


def _is_control(character: str) -> bool:
    """Control, format, surrogate and private-use characters; tab, newline and joiners stay."""
    if character in "\n\t" or character in _JOINERS:
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
