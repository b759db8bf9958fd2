"""Texts whose likelihood after a prompt is asked, as token ids."""

from typing import Any

from roleshift.errors import RoleShiftError


def encode_continuations(
    tokenizer: Any, prompt: str, continuations: list[str], context: int
) -> tuple[list[int], list[list[int]]]:
    """Token ids of the prompt and of each continuation; errors name what is empty or too long."""
    if not continuations:
        raise RoleShiftError("no continuations were given; name at least one")
    ids: list[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if not ids:
        raise RoleShiftError("the prompt is empty; give it some text")
    tails: list[list[int]] = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in continuations]
    for text, tail in zip(continuations, tails, strict=True):
        if not tail:
            raise RoleShiftError(f"the continuation {text!r} is empty; give it some text")
        if len(ids) + len(tail) - 1 > context:
            raise RoleShiftError(
                f"prompt and continuation have {len(ids) + len(tail)} tokens, the model's context window {context}; "
                "shorten the prompt"
            )
    return ids, tails
