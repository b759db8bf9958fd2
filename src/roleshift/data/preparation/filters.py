"""Length limits and exact duplicates."""

from collections.abc import Callable
from dataclasses import replace

from roleshift.data.preparation.rows import Identity, Rejection, Row, TokenCounter, reject
from roleshift.params import PrepareParams


def within_length(
    rows: list[Row], params: PrepareParams, count_tokens: TokenCounter
) -> tuple[list[Row], list[Rejection]]:
    """Rows whose input fits; of the references those that fit, and at least one must."""
    texts = list(dict.fromkeys(text for row in rows for text in (row.input, *row.references)))
    tokens = dict(zip(texts, count_tokens(texts), strict=True))
    kept: list[Row] = []
    rejected: list[Rejection] = []
    for row in rows:
        fitting = tuple(text for text in row.references if tokens[text] <= params.max_reference_tokens)
        if tokens[row.input] > params.max_input_tokens:
            rejected.append(reject(row, "input_too_long", f"{tokens[row.input]} tokens"))
        elif not fitting:
            rejected.append(reject(row, "reference_too_long", f"{min(tokens[text] for text in row.references)} tokens"))
        else:
            kept.append(
                replace(row, references=fitting, input_tokens=tokens[row.input], reference_tokens=tokens[fitting[0]])
            )
    return kept, rejected


def without_duplicates(rows: list[Row], priority: Callable[[Row], int]) -> tuple[list[Row], list[Rejection]]:
    """One row per `identity`: the one of lowest `priority`, the first among equals."""
    best: dict[Identity, Row] = {}
    for row in sorted(rows, key=priority):
        best.setdefault(row.identity, row)
    kept: list[Row] = []
    rejected: list[Rejection] = []
    for row in rows:
        first = best[row.identity]
        if first is row:
            kept.append(row)
        else:
            reason = "exact_duplicate" if first.references == row.references else "repeated_input"
            rejected.append(reject(row, reason, f"of {first.corpus} {first.origin}"))
    return kept, rejected
