"""The server over real sockets: clients, limits, the registry's changes, and what is kept."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from served_models import Running, add_version

from roleshift.errors import RoleShiftError
from roleshift.feedback.store import FeedbackStore
from roleshift.generation import GenerationConfig, Request, open_backend
from roleshift.prompts import render_prompt
from roleshift.registry.tracking import Tracking

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
    engine = running.server.versions.all[0].batcher.backend._engine
    decode = engine.decode

    def slowly(*given: Any) -> Any:
        time.sleep(0.01)
        return decode(*given)

    engine.decode = slowly


def test_the_official_client_chats_streams_completes_and_lists(start: Start, first_model: Path) -> None:
    running = start()
    opened = client(running)
    expected = offline(first_model, ["hello there"], 8)[0]
    messages: Any = [{"role": "user", "content": "hello there"}]
    whole = opened.chat.completions.create(model="roleshift", messages=messages, max_tokens=8)
    assert whole.choices[0].message.content == expected
    assert whole.model == "roleshift/1"
    assert whole.usage is not None and whole.usage.completion_tokens == 8
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + 8
    assert whole.choices[0].finish_reason == "length"
    stream = opened.chat.completions.create(
        model="roleshift@challenger", messages=messages, max_tokens=8, stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == expected
    assert chunks[-1].usage == whole.usage
    assert opened.completions.create(model="roleshift/1", prompt="a text", max_tokens=3).choices[0].text
    assert [entry.id for entry in opened.models.list()] == ["roleshift", "roleshift/1", "roleshift@challenger"]
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
        opened.chat.completions.create(model="gpt", messages=messages)


def test_many_at_once_answer_as_each_alone(start: Start, first_model: Path) -> None:
    running = start()
    texts = [f"tell me about {i} " * (1 + i % 4) for i in range(24)]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda text: running.chat(text, max_tokens=12).json(), texts))
    assert [answer["choices"][0]["message"]["content"] for answer in answers] == offline(first_model, texts, 12)


def test_a_full_queue_answers_429_and_the_rest_is_answered(start: Start) -> None:
    running = start(queue=2, rows=1)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: running.chat(f"text {i}", max_tokens=60), range(16)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert "wait already" in refused.json()["error"]["message"]
    assert running.chat().status_code == 200


def test_a_moved_alias_is_followed_without_a_failed_request(
    start: Start, first_model: Path, second_model: Path
) -> None:
    running = start()
    statuses: list[tuple[int, str]] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            answer = running.chat("hello", max_tokens=20)
            statuses.append((answer.status_code, answer.headers.get("x-roleshift-version", "")))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    wait_for(lambda: len(statuses) > 10)
    add_version(running.tracking, second_model, "champion", "onnx-fp32")
    wait_for(lambda: (200, "roleshift/2") in statuses)
    ended.set()
    for asker in askers:
        asker.join()
    assert {status for status, _ in statuses} == {200}
    assert {version for _, version in statuses} == {"roleshift/1", "roleshift/2"}
    told = running.chat("hello", max_tokens=9).json()["choices"][0]["message"]["content"]
    assert told == offline(second_model, ["hello"], 9)[0] != offline(first_model, ["hello"], 9)[0]


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_and_raises_an_alert(
    start: Start, second_model: Path
) -> None:
    running = start()
    add_version(running.tracking, second_model, "champion", "onnx-fp32")
    weights = sorted(
        (running.project.root / "mlartifacts").rglob("onnx-fp32/model.onnx.data"), key=lambda p: p.stat().st_mtime
    )
    content = bytearray(weights[-1].read_bytes())
    content[-1] ^= 1
    weights[-1].write_bytes(bytes(content))
    wait_for(lambda: running.server.versions.alert is not None)
    ready = requests.get(f"{running.url}/ready", timeout=10).json()
    assert "differs from the registered content" in ready["alert"]
    assert ready["versions"] == ["roleshift/1"]
    assert running.chat().status_code == 200
    assert (running.project.work / "alerts/serving.json").is_file()
    assert "roleshift_alert 1.0" in requests.get(f"{running.url}/metrics", timeout=10).text


def test_a_registry_that_is_away_changes_nothing_for_callers(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()

    def away() -> Tracking:
        raise RoleShiftError("tracking store http://registry: connection refused")

    monkeypatch.setattr(running.server.versions, "_tracking", away)
    wait_for(lambda: running.server.versions.alert is not None)
    assert running.chat().status_code == 200
    monkeypatch.undo()
    wait_for(lambda: running.server.versions.alert is None)


def test_a_share_goes_to_the_canary(start: Start, second_model: Path) -> None:
    running = start(canary=0.5)
    first = add_version(running.tracking, second_model, "challenger", "onnx-fp32")
    running.tracking.client.set_registered_model_alias("roleshift", "champion", "1")
    wait_for(lambda: len(running.server.versions.all) == 2)
    seen = {running.chat(max_tokens=1).headers["x-roleshift-version"] for _ in range(40)}
    assert seen == {"roleshift/1", f"roleshift/{first.number}"}


def test_who_hangs_up_frees_the_row(start: Start) -> None:
    running = start(rows=1, max_new_tokens=1000, max_prompt_tokens=128)
    slow_down(running)
    answer = requests.post(
        f"{running.url}/v1/completions", timeout=60, stream=True,
        json={"model": "roleshift", "prompt": "a", "max_tokens": 1000, "stream": True},
    )  # fmt: skip
    next(answer.iter_lines())
    batcher = running.server.versions.all[0].batcher
    assert batcher.running == 1
    answer.close()
    wait_for(lambda: batcher.running == 0, 10)


def test_what_runs_is_finished_when_the_server_stops(start: Start) -> None:
    running = start(max_new_tokens=1000)
    slow_down(running)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(running.chat, f"text {i}", max_tokens=100) for i in range(3)]
        wait_for(lambda: sum(each.batcher.running for each in running.server.versions.all) > 0)
        running.stop()
        assert [each.result().status_code for each in asked] == [200, 200, 200]


def test_an_answer_that_takes_too_long_is_a_504(start: Start) -> None:
    running = start(timeout_seconds=0.001)
    assert running.chat(max_tokens=60).status_code == 504


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "a\u0007b"}]}, 400, "U+0007"),
        ({"messages": [{"role": "user", "content": "a\ud800b"}]}, 400, "U+D800"),
        ({"messages": [{"role": "user", "content": "word " * 400}]}, 400, "more than the 192"),
        ({"max_tokens": "six"}, 400, "max_tokens"),
        ({"max_tokens": 65}, 400, "allows 64"),
        ({"temperature": -1}, 400, "temperature"),
        ({"n": 2}, 400, "n:"),
        ({"stop": [""]}, 400, "stop"),
        ({"task": "fly"}, 404, "no task 'fly'"),
        ({"model": "other"}, 404, "no model 'other'"),
        ({"model": None}, 400, "model"),
    ],
)
def test_bad_input_gets_the_right_status_and_a_clear_word(
    shared_server: Running, body: dict[str, Any], status: int, said: str
) -> None:
    answer = shared_server.chat(**body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]


def test_a_task_is_asked_as_in_training(shared_server: Running) -> None:
    answer = shared_server.chat("Ada wrote programs.", task="headline-encyclopedia", max_tokens=5)
    plain = shared_server.chat("Ada wrote programs.", max_tokens=5)
    assert answer.status_code == plain.status_code == 200
    assert answer.json()["usage"]["prompt_tokens"] > plain.json()["usage"]["prompt_tokens"]


def test_broken_json_and_a_large_body_are_refused(start: Start) -> None:
    running = start(max_body_bytes=2000)
    broken = requests.post(
        f"{running.url}/v1/chat/completions", data="{", headers={"content-type": "application/json"}, timeout=10
    )
    assert (broken.status_code, "not JSON" in broken.text) == (400, True)
    assert running.chat("x" * 3000).status_code == 413

    def chunks() -> Any:
        for _ in range(30):
            yield b"x" * 100

    assert requests.post(f"{running.url}/v1/chat/completions", data=chunks(), timeout=10).status_code == 413


def test_a_slow_sender_is_refused_and_holds_nobody_up(start: Start) -> None:
    running = start(receive_seconds=0.5)
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        slow.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert running.chat().status_code == 200
        assert b"408" in slow.recv(1000)


def test_a_client_that_stops_reading_holds_nobody_up(start: Start) -> None:
    running = start(rows=1, max_new_tokens=1000)
    slow_down(running)
    host, port = running.url.removeprefix("http://").split(":")
    body = json.dumps({"model": "roleshift", "prompt": "a", "max_tokens": 1000, "stream": True}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        silent.connect((host, int(port)))
        silent.sendall(f"{head}\r\n\r\n".encode() + body)
        wait_for(lambda: running.server.versions.all[0].batcher.running == 1)
        assert running.chat().status_code == 200


def test_a_key_is_asked_for_where_one_is_set(start: Start) -> None:
    running = start(key="secret")
    assert running.chat().status_code == 401
    messages: Any = [{"role": "user", "content": "x"}]
    assert client(running, "secret").chat.completions.create(model="roleshift", messages=messages, max_tokens=1)
    assert requests.get(f"{running.url}/health", timeout=10).status_code == 200


def test_nothing_is_captured_unless_switched_on(start: Start) -> None:
    running = start()
    assert running.chat().status_code == 200
    with FeedbackStore.of(running.project) as store:
        assert store.events() == []


def test_captured_texts_are_redacted_and_feedback_finds_them(start: Start) -> None:
    running = start(capture={"share": 1.0, "retention_days": 30, "redact": ["ACME-[0-9]+"]})
    answer = running.chat(
        "Write to ann@example.org or +49 170 1234567 about ACME-42, key sk-abcdefghijklmnop1234",
        task="headline-encyclopedia", user="u1",
    ).json()  # fmt: skip
    with FeedbackStore.of(running.project) as store:
        (event,) = store.events("capture")
        text = store.texts([event.text_id])[str(event.text_id)]
        assert text.input == "Write to [e-mail] or [phone] about [redacted], key [key]"
        assert (event.about.capability, event.drawn_by, event.user_id) == ("headline", "random", "u1")
        assert event.about.request_id == answer["id"]
    given = running.post(
        "/v1/feedback", id=answer["id"], verdict="reject", correction="Better.", reason="off", user="u1"
    )
    assert given.json() == {"id": answer["id"], "stored": ["judgement", "correction"]}
    with FeedbackStore.of(running.project) as store:
        (correction,) = store.events("correction")
        texts = store.texts([correction.text_id])[str(correction.text_id)]
        assert (texts.correction, texts.input) == ("Better.", text.input)
        assert store.forget("u1") == 3
        assert [event.kind for event in store.events()] == ["capture", "judgement", "correction"]


def test_feedback_on_nothing_is_refused(shared_server: Running) -> None:
    assert shared_server.post("/v1/feedback", id="chatcmpl-unknown", verdict="accept").status_code == 404
    assert shared_server.post("/v1/feedback", id="x").status_code == 400
    assert shared_server.post("/v1/feedback", id="x", verdict="maybe").status_code == 400


def test_fuzzed_against_its_own_document_it_never_fails(shared_server: Running, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{shared_server.url}/openapi.json", "--checks",
        "not_a_server_error", "--max-examples", "40", "--seed", "17", "--generation-deterministic",
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert shared_server.chat().status_code == 200


@pytest.fixture
def shared_server(start: Start) -> Running:
    return start()


def test_the_registered_base_is_served_by_torch_too(start: Start, tiny_llama: Path) -> None:
    running = start(model=tiny_llama)
    answers = [running.chat(f"text {i}") for i in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200], answers[0].text
    assert json.loads(running.chat().text)["model"] == "roleshift/1"
