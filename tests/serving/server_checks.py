"""What the tests of the server share."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import requests
from prometheus_client.parser import text_string_to_metric_families
from served_models import Running

from roleshift.generation import GenerationConfig, Request, open_backend
from roleshift.prompts import render_prompt

Start = Callable[..., Running]


def client(running: Running, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=key, max_retries=0)


def offline(model: Path, texts: list[str], tokens: int) -> list[str]:
    backend = open_backend(model, threads=1)
    config = GenerationConfig(max_new_tokens=tokens)
    found = [
        backend.generate([Request("x", render_prompt(backend.tokenizer, [{"role": "user", "content": text}]))], config)
        for text in texts
    ]
    backend.close()
    return [answers[0].output for answers in found]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def slow_down(running: Running) -> None:
    """Ten milliseconds for every token, so that a test can look while an answer is made."""
    engine = running.server.versions.all[0].batcher.backend._engine  # type: ignore[attr-defined]
    decode = engine.decode

    def slowly(*given: Any) -> Any:
        time.sleep(0.01)
        return decode(*given)

    engine.decode = slowly


def metric(running: Running, name: str, **labels: str) -> float:
    """A figure as Prometheus reads it; 0 where it is not there."""
    text = requests.get(f"{running.url}/metrics", timeout=10).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(s.value for s in samples if s.name == f"roleshift_{name}" and labels.items() <= s.labels.items())
