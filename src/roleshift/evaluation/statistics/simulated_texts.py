"""Answers and references as arrays of words, and their ROUGE: a test set of texts at the price of arithmetic.

An array of texts has shape (n, most words); a word is its rank in the vocabulary, the rest of a row
is PADDING.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int32]
Floats = NDArray[np.float64]
PADDING = -1
VOCABULARY = 500
_MOST = 20
_OPENING = 3
_BLOCK = 5_000
"""Texts that are compared at a time, so that what is compared stays in the processor's cache."""


def draw_texts(generator: np.random.Generator, items: int) -> tuple[Words, Words]:
    """References of 4 to 20 words, the common ones often, and answers that got some of them.

    An answer keeps each word with a probability that varies from item to item, puts another in its
    place otherwise, begins with up to 3 words of its own and breaks off anywhere.
    """
    kept = generator.random((items, _MOST)) < generator.beta(0.8, 1.2, size=items)[:, None]
    reference = _draw_words(generator, (items, _MOST))
    body = np.where(kept, reference, _draw_words(generator, (items, _MOST)))
    ends = np.arange(_MOST) >= generator.integers(4, _MOST + 1, size=items)[:, None]
    reference[ends], body[ends] = PADDING, PADDING
    # An opening of 0 to 3 words in front of the body, then the text is cut.
    answer = np.concatenate([_draw_words(generator, (items, _OPENING)), body], axis=1)
    places = np.arange(answer.shape[1]) + generator.integers(0, _OPENING + 1, size=items)[:, None]
    answer = np.take_along_axis(np.pad(answer, ((0, 0), (0, _OPENING)), constant_values=PADDING), places, axis=1)
    answer[np.arange(answer.shape[1]) >= generator.integers(1, answer.shape[1] + 1, size=items)[:, None]] = PADDING
    return reference, answer


def _draw_words(generator: np.random.Generator, shape: tuple[int, int]) -> Words:
    """Word ranks by Zipf's law: rank r with a weight of 1 / r."""
    limits = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    return np.asarray(np.searchsorted(limits, generator.random(shape) * limits[-1]), dtype=np.int32)


def rouge_l_f1(reference: Words, answer: Words) -> Floats:
    """ROUGE-L F1 (Lin, 2004) of each pair of texts, shape (n,)."""
    return _f1(_by_block(_longest_common_subsequence, reference, answer), _lengths(reference), _lengths(answer))


def rouge_n_f1(reference: Words, answer: Words, order: int) -> Floats:
    """ROUGE-N F1 (Lin, 2004) of each pair of texts, shape (n,)."""
    wanted, found = _ngrams(reference, order), _ngrams(answer, order)
    return _f1(_by_block(_common_grams, wanted, found), _lengths(wanted), _lengths(found))


def _by_block(count: Callable[[Words, Words], Words], wanted: Words, found: Words) -> Words:
    starts = range(0, len(wanted), _BLOCK)
    return np.concatenate([count(wanted[start : start + _BLOCK], found[start : start + _BLOCK]) for start in starts])


def _longest_common_subsequence(reference: Words, answer: Words) -> Words:
    longest = np.zeros((answer.shape[1] + 1, len(answer)), dtype=np.int8)
    words = np.ascontiguousarray(answer.T)
    for word in reference.T:
        # A row of the usual table: the largest of the cell above, the diagonal plus a match, the cell to the left.
        match = (words == word) & (word != PADDING)
        np.maximum.accumulate(np.maximum(longest[1:], longest[:-1] + match), axis=0, out=longest[1:])
    return np.asarray(longest[-1], dtype=np.int32)


def _common_grams(wanted: Words, found: Words) -> Words:
    """Each gram counts as often as it stands in both."""
    hits = np.zeros(len(found), dtype=np.int32)
    for i, gram in enumerate(found.T):
        occurrence = (found[:, : i + 1] == gram[:, None]).sum(axis=1, dtype=np.int8)
        there = (wanted == gram[:, None]).sum(axis=1, dtype=np.int8)
        hits += (occurrence <= there) & (gram != PADDING)
    return hits


def _ngrams(texts: Words, order: int) -> Words:
    """One number for each n-gram; PADDING where a text has ended."""
    columns = texts.shape[1] - order + 1
    grams = np.zeros((len(texts), columns), dtype=np.int32)
    for i in range(order):
        grams = grams * VOCABULARY + texts[:, i : i + columns]
    grams[texts[:, order - 1 :] == PADDING] = PADDING
    return grams


def _lengths(texts: Words) -> Words:
    return np.asarray((texts != PADDING).sum(axis=1, dtype=np.int32))


def _f1(hits: Words, wanted: Words, found: Words) -> Floats:
    total = wanted + found
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), 0.0)
