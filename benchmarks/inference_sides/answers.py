"""From the tokens that a side gives to the answer that the product would have."""

from typing import Any

from roleshift.generation import Answer, Request


def finished(tokenizer: Any, request: Request, prompt: list[int], tokens: list[int], stop: set[int]) -> Answer:
    """An answer from its tokens; what stands behind the stop token is padding."""
    end = next((i for i, token in enumerate(tokens) if token in stop), len(tokens))
    text = tokenizer.decode(tokens[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    reason = "stop" if end < len(tokens) else "length"
    return Answer(request.request_id, text, len(prompt), end, reason, 0.0, 0.0, 1)
