"""From an example to the messages that a model reads: one instruction per task, nothing hidden."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.tasks import FIELD_TYPES, TaskDefinition

PLAIN_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
"""For tokenizers that bring no chat template."""


@dataclass(frozen=True)
class Shot:
    """A worked example that stands in a prompt."""

    input: str
    slices: Mapping[str, str]
    answer: str


def instruction(task: TaskDefinition, slices: Mapping[str, str]) -> str:
    """The task's instruction with its slices filled in, its labels or fields spelled out."""
    try:
        text = task.instruction.format_map(dict(slices))
    except (KeyError, ValueError, IndexError) as error:
        names = ", ".join(slices) or "none"
        raise RoleShiftError(
            f"tasks.{task.id}.instruction: {error!s} does not name a slice of its examples ({names})"
        ) from None
    if task.kind == "classify":
        text += f" Answer with one of: {', '.join(task.labels)}."
    if task.kind == "extract":
        text += f" Answer with a JSON object with the keys: {_fields(task)}."
    return text


def _fields(task: TaskDefinition) -> str:
    if set(task.field_types) == {"texts"}:
        return f"{', '.join(task.fields)}; each a list of strings"
    return ", ".join(f"{name} ({FIELD_TYPES[kind]})" for name, kind in task.typed_fields.items())


def user_message(task: TaskDefinition, text: str, slices: Mapping[str, str]) -> str:
    """Instruction, a blank line, the input."""
    return f"{instruction(task, slices)}\n\n{text}"


def chat_messages(
    task: TaskDefinition, text: str, slices: Mapping[str, str], shots: Sequence[Shot] = ()
) -> list[dict[str, str]]:
    """The messages of one prompt; each shot is a user turn and an assistant turn before it."""
    messages = []
    for shot in shots:
        messages.append({"role": "user", "content": user_message(task, shot.input, shot.slices)})
        messages.append({"role": "assistant", "content": shot.answer})
    messages.append({"role": "user", "content": user_message(task, text, slices)})
    return messages


def render_prompt(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """The prompt as text, ending where the answer begins, by the tokenizer's own chat template."""
    template = None if tokenizer.chat_template else PLAIN_CHAT_TEMPLATE
    rendered: str = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, chat_template=template
    )
    return rendered
