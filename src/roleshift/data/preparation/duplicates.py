"""Near-duplicates: inputs whose 3-grams overlap, found by MinHash LSH and confirmed exactly.

A 3-gram is three words in a row; a character of a script written without spaces counts as a word.
The LSH index only proposes, from half the threshold on: at 128 permutations it then misses less than
one in a hundred of the pairs at a threshold of 0.5, one in ten million at 0.8. The exact Jaccard
similarity of the two sets of 3-grams decides.
"""

import re
from dataclasses import dataclass

from datasketch import MinHash, MinHashLSH
from datasketch.hashfunc import sha1_hash32

_TOKEN = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_]+"
)
_PERMUTATIONS = 128
_PROPOSE_FROM = 0.5  # of the threshold


def normalised_text(text: str) -> str:
    """What makes two inputs equal: their words in lower case, without punctuation and white space."""
    return " ".join(_TOKEN.findall(text.lower()))


def shingles(text: str) -> frozenset[str]:
    """The 3-grams of a text; a shorter text is one shingle, one without words is itself."""
    tokens = _TOKEN.findall(text.lower())
    if len(tokens) < 3:
        return frozenset({" ".join(tokens) or text.strip()})
    return frozenset(" ".join(tokens[i : i + 3]) for i in range(len(tokens) - 2))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """|a ∩ b| / |a ∪ b|."""
    return len(a & b) / len(a | b)


@dataclass(frozen=True)
class _Entry:
    name: str
    grams: frozenset[str]


class NearDuplicateIndex:
    """Texts that were accepted, and which of them a new text nearly repeats."""

    def __init__(self, similarity: float) -> None:
        self.similarity = similarity
        self._lsh = MinHashLSH(threshold=_PROPOSE_FROM * similarity, num_perm=_PERMUTATIONS)
        self._template = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=sha1_hash32)
        self._entries: list[_Entry] = []

    def find(self, text: str) -> list[str]:
        """Names of the texts that this one nearly repeats, in the order they were added."""
        grams = shingles(text)
        proposed = sorted(int(key) for key in self._lsh.query(self._signature(grams)))
        return [entry.name for i in proposed if jaccard(grams, (entry := self._entries[i]).grams) >= self.similarity]

    def add(self, name: str, text: str) -> None:
        """Add a text under a name; names may repeat."""
        grams = shingles(text)
        self._lsh.insert(str(len(self._entries)), self._signature(grams))
        self._entries.append(_Entry(name, grams))

    def _signature(self, grams: frozenset[str]) -> MinHash:
        signature = self._template.copy()
        signature.update_batch([gram.encode("utf-8", "surrogatepass") for gram in sorted(grams)])
        return signature
