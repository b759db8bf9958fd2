"""Encoded examples for the tiny models."""

from pathlib import Path

from roleshift.training.base import load_tokenizer
from roleshift.training.encoding import EncodedExample, encode


def make_examples(folder: Path, count: int) -> list[EncodedExample]:
    """Questions of different lengths, each with an answer that follows from it."""
    tokenizer = load_tokenizer(folder)
    letters = [1 + 7 * i % 11 for i in range(count)]
    return [
        encode(f"example-{i}", f"Count the letters: {'ab' * n}", f"{2 * n} letters", tokenizer)
        for i, n in enumerate(letters)
    ]
