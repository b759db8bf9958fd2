"""The clients that people use, against the real server over a socket."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest
from server_checks import Start, client, offline

REPOSITORY = Path(__file__).parents[2]
LLM = str(Path(sys.executable).parent / "llm")
MESSAGES: Any = [{"role": "user", "content": "hello there"}]


def test_the_official_client_chats_streams_completes_and_lists(start: Start, first_model: Path) -> None:
    running = start()
    opened = client(running)
    expected = offline(first_model, ["hello there"], 8)[0]
    whole = opened.chat.completions.create(model="roleshift", messages=MESSAGES, max_tokens=8)
    assert whole.choices[0].message.content == expected
    assert whole.model == "roleshift/1"
    assert whole.usage is not None and whole.usage.completion_tokens == 8
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + 8
    assert whole.choices[0].finish_reason == "length"
    stream = opened.chat.completions.create(
        model="roleshift@challenger", messages=MESSAGES, max_tokens=8, stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == expected
    assert chunks[-1].usage == whole.usage
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    one = opened.completions.create(model="roleshift/1", prompt="a text", max_tokens=3).choices[0].text
    assert one == opened.completions.create(model="roleshift/1", prompt=["a text"], max_tokens=3).choices[0].text != ""
    assert [entry.id for entry in opened.models.list()] == ["roleshift", "roleshift/1", "roleshift@challenger"]
    assert opened.models.retrieve("roleshift/1").id == "roleshift/1"


def test_the_official_client_raises_the_error_that_fits(start: Start) -> None:
    opened = client(start(key="secret"), "secret")
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'") as missing:
        opened.chat.completions.create(model="gpt", messages=MESSAGES)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError, match="max_tokens is 65; this server allows 64"):
        opened.chat.completions.create(model="roleshift", messages=MESSAGES, max_tokens=65)
    with pytest.raises(openai.BadRequestError) as long:
        opened.chat.completions.create(model="roleshift", messages=[{"role": "user", "content": "word " * 400}])
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.AuthenticationError, match="API key is missing or wrong"):
        opened.with_options(api_key="other").models.list()


def test_the_llm_tool_streams_and_counts(start: Start, first_model: Path, tmp_path: Path) -> None:
    running = start()
    home = tmp_path / "llm"
    home.mkdir()
    (home / "extra-openai-models.yaml").write_text(
        f"- model_id: mine\n  model_name: roleshift\n  api_base: {running.url}/v1\n"
    )
    expected = offline(first_model, ["hello there"], 8)[0]

    def ask(*options: str) -> "subprocess.CompletedProcess[str]":
        command = [LLM, "-m", "mine", "-o", "max_tokens", "8", "-u", "--key", "none", *options, "hello there"]
        environment = os.environ | {"LLM_USER_PATH": str(home)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    usage = running.chat("hello there", max_tokens=8).json()["usage"]
    for options in ((), ("--no-stream",)):
        answered = ask(*options)
        assert answered.returncode == 0, answered.stderr
        assert answered.stdout.rstrip("\n") == expected.rstrip("\n")
        assert f"{usage['prompt_tokens']} input, 8 output" in answered.stderr
    refused = ask("-o", "temperature", "-1")
    assert refused.returncode != 0
    assert "temperature" in refused.stderr


def test_the_documented_client_works_as_written(start: Start) -> None:
    running = start(max_prompt_tokens=512)
    text = (REPOSITORY / "docs/serving.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found: dict[str, Any] = {}
    exec(script.replace("http://127.0.0.1:8000", running.url), found)
    assert found["answer"].choices[0].finish_reason in ("stop", "length")
