"""The server over real sockets: clients, limits, the registry's changes, and what is kept."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from served_models import Running, add_version
from server_checks import Start, client, metric, offline, slow_down, wait_for

from roleshift.errors import RoleShiftError
from roleshift.files import read_json, sha256_file, write_json
from roleshift.registry.tracking import Tracking
from roleshift.serving import versions as versions_module
from roleshift.serving.app import _Stream
from roleshift.serving.metering import Meter


def test_two_graphs_answer_together_as_alone(start: Start, two_graphs: Path) -> None:
    running = start(model=two_graphs)
    texts = ["hello there", "the thing", "hello " * 20, "a b c"]
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda text: running.chat(text, max_tokens=12).json(), texts))
    assert [reply["choices"][0]["message"]["content"] for reply in replies] == offline(two_graphs, texts, 12)


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


def connected(running: Running, receive_buffer: int | None = None) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    opened = socket.socket()
    if receive_buffer is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    opened.settimeout(30)
    opened.connect((host, int(port)))
    return opened


def request_head(path: str, length: int) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {length}", "", "")
    return "\r\n".join(lines).encode()


def newest(running: Running, name: str) -> Path:
    """A file of the version that was registered last, in the registry's own storage."""
    found = (running.project.root / "mlartifacts").rglob(name)
    return max(found, key=lambda path: path.stat().st_mtime)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_until_it_is_mended(
    start: Start, second_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions_module, "RETRY_FIRST", 1.0)
    running = start()
    with running.server.versions._refreshing:  # it is damaged before the server sees it
        add_version(running.tracking, second_model, "champion", "onnx-fp32")
        weights = newest(running, "onnx-fp32/model.onnx.data")
        flip(weights)
    wait_for(lambda: running.server.versions.alert is not None)
    ready = requests.get(f"{running.url}/ready", timeout=10).json()
    assert "differs from the registered content" in ready["alert"]
    assert ready["versions"] == ["roleshift/1"]
    assert running.chat().status_code == 200
    alert = running.project.work / "alerts/serving.json"
    assert "differs from the registered content" in read_json(alert)["alert"]
    assert metric(running, "alert") == 1
    flip(weights)
    wait_for(lambda: running.chat(max_tokens=1).headers["x-roleshift-version"] == "roleshift/2")
    wait_for(lambda: not alert.exists())
    assert metric(running, "alert") == 0


def test_a_manifest_that_was_altered_with_its_file_is_noticed(start: Start, second_model: Path) -> None:
    running = start()
    with running.server.versions._refreshing:
        add_version(running.tracking, second_model, "champion", "onnx-fp32")
        weights = newest(running, "onnx-fp32/model.onnx.data")
        flip(weights)
        manifest = weights.parents[1] / "manifest.json"
        content = read_json(manifest)
        content["files"]["onnx-fp32/model.onnx.data"]["sha256"] = sha256_file(weights)
        write_json(manifest, content)
    wait_for(lambda: running.server.versions.alert is not None)
    assert "its manifest differs from the registered content" in str(running.server.versions.alert)
    assert running.chat().headers["x-roleshift-version"] == "roleshift/1"


def test_an_alert_of_an_earlier_server_goes_when_all_is_well(start: Start, tmp_path: Path) -> None:
    stale = tmp_path / ".work/alerts/serving.json"
    write_json(stale, {"alert": "of last week"})
    running = start()
    wait_for(lambda: not stale.exists())
    assert running.server.versions.alert is None


def test_an_alias_that_is_taken_away_changes_nothing_but_raises_an_alert(start: Start) -> None:
    running = start()
    running.tracking.client.delete_registered_model_alias("roleshift", "challenger")
    wait_for(lambda: running.server.versions.alert is not None)
    assert "roleshift/1 goes on serving" in str(running.server.versions.alert)
    assert running.chat().status_code == 200


def test_a_registry_that_is_away_changes_nothing_for_callers(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()

    def away() -> Tracking:
        raise RoleShiftError("tracking store http://registry: connection refused")

    versions = running.server.versions
    with versions._refreshing:
        monkeypatch.setattr(versions, "_open", away)
        monkeypatch.setattr(versions, "_tracking", None)
    wait_for(lambda: versions.alert is not None)
    assert running.chat().status_code == 200
    monkeypatch.setattr(versions, "_open", lambda: running.tracking)
    wait_for(lambda: running.server.versions.alert is None)


def test_a_share_goes_to_the_canary(start: Start, second_model: Path) -> None:
    running = start(canary=0.5)
    first = add_version(running.tracking, second_model, "challenger", "onnx-fp32")
    running.tracking.client.set_registered_model_alias("roleshift", "champion", "1")
    wait_for(lambda: len(running.server.versions.all) == 2)
    seen = {running.chat(max_tokens=1).headers["x-roleshift-version"] for _ in range(40)}
    assert seen == {"roleshift/1", f"roleshift/{first.number}"}


@pytest.mark.parametrize("stream", [True, False])
def test_who_hangs_up_stops_the_decoding(start: Start, stream: bool) -> None:
    running = start(rows=1, max_new_tokens=1000)
    slow_down(running)
    body = json.dumps({"model": "roleshift", "prompt": "a", "max_tokens": 1000, "stream": stream}).encode()
    with connected(running) as caller:
        caller.sendall(request_head("/v1/completions", len(body)) + body)
        wait_for(lambda: metric(running, "queue_running") == 1)
        if stream:
            assert b"200 OK" in caller.recv(1000)
    wait_for(lambda: metric(running, "queue_running") == 0, 20)
    assert metric(running, "errors_total", reason="cancelled") == 1
    assert 0 < metric(running, "output_tokens_total", version="roleshift/1") < 900


def test_who_hangs_up_in_the_queue_leaves_it(start: Start) -> None:
    running = start(rows=1, queue=1, max_new_tokens=1000)
    slow_down(running)
    body = json.dumps({"model": "roleshift", "prompt": "a", "max_tokens": 1000}).encode()
    with connected(running) as first:
        first.sendall(request_head("/v1/completions", len(body)) + body)
        wait_for(lambda: metric(running, "queue_running") == 1)
        with connected(running) as second:
            second.sendall(request_head("/v1/completions", len(body)) + body)
            wait_for(lambda: metric(running, "queue_waiting") == 1)
            assert running.chat().status_code == 429
        wait_for(lambda: metric(running, "errors_total", reason="cancelled") == 1)
        with ThreadPoolExecutor(1) as pool:
            third = pool.submit(running.chat)
            wait_for(lambda: metric(running, "queue_waiting") == 1)
            first.close()
            assert third.result().status_code == 200


def test_what_runs_is_finished_when_the_server_stops(start: Start) -> None:
    running = start(max_new_tokens=1000)
    slow_down(running)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(running.chat, f"text {i}", max_tokens=100) for i in range(3)]
        wait_for(lambda: sum(each.batcher.running for each in running.server.versions.all) > 0)
        running.stop()
        assert [each.result().status_code for each in asked] == [200, 200, 200]


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_takes_too_long_is_a_504(start: Start, stream: bool) -> None:
    running = start(timeout_seconds=1e-9)
    assert running.chat(max_tokens=60, stream=stream).status_code == 504
    assert metric(running, "errors_total", reason="timeout") == 1


def test_a_stream_that_takes_too_long_ends_with_the_error(start: Start) -> None:
    running = start(max_new_tokens=1000)
    slow_down(running)
    body = {"model": "roleshift", "prompt": "a", "max_tokens": 1000, "stream": True}
    answer = requests.post(f"{running.url}/v1/completions", json=body, stream=True, timeout=60)
    lines = answer.iter_lines(decode_unicode=True)
    assert (answer.status_code, next(lines).startswith("data: ")) == (200, True)
    for job in list(running.server.versions.all[0].batcher._running.values()):
        job.deadline = 0  # long past
    *_, last = [line for line in lines if line]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "timeout"


def test_the_metrics_count_what_was_answered(start: Start) -> None:
    running = start()
    usage = [running.chat(text, max_tokens=5).json()["usage"] for text in ("one", "two words")]
    assert metric(running, "requests_total", path="/v1/chat/completions", status="200") == 2
    assert metric(running, "prompt_tokens_total", version="roleshift/1") == sum(u["prompt_tokens"] for u in usage)
    assert metric(running, "output_tokens_total", version="roleshift/1") == sum(u["completion_tokens"] for u in usage)
    assert metric(running, "request_seconds_count") == metric(running, "first_token_seconds_count") == 2
    assert metric(running, "served_version", version="roleshift/1") == 1
    assert metric(running, "errors_total") == 0


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "a\u0007b"}]}, 400, "U+0007"),
        ({"messages": [{"role": "user", "content": "a\ud800b"}]}, 400, "U+D800"),
        ({"messages": [{"role": "user", "content": "word " * 400}]}, 400, "more than the 256"),
        ({"max_tokens": "six"}, 400, "max_tokens"),
        ({"max_tokens": 65}, 400, "allows 64"),
        ({"temperature": -1}, 400, "temperature"),
        ({"n": 2}, 400, "n:"),
        ({"stop": [""]}, 400, "stop"),
        ({"task": "fly"}, 404, "no task 'fly'"),
        ({"model": "other"}, 404, "no model 'other'"),
        ({"model": None}, 400, "model"),
        ({"user": "\ud800"}, 400, "user"),
        ({"slices": {"\ud800": "x"}}, 400, "slices"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format"),
        ({"logprobs": True}, 400, "logprobs"),
        ({"logit_bias": {"5": 1}}, 400, "logit_bias"),
        ({"tools": [{"type": "function"}]}, 400, "tools"),
        ({"task": "summarize-papers"}, 400, "aspect"),
    ],
)
def test_bad_input_gets_the_right_status_and_a_clear_word(
    shared_server: Running, body: dict[str, Any], status: int, said: str
) -> None:
    answer = shared_server.chat(**body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"3", b'{"model": "roleshift"}'])
def test_a_body_that_is_no_json_object_or_is_not_declared_as_one_is_named(shared_server: Running, body: bytes) -> None:
    kind = "text/plain" if body.startswith(b"{") else "application/json"
    answer = requests.post(
        f"{shared_server.url}/v1/chat/completions", data=body, headers={"content-type": kind}, timeout=10
    )
    assert (answer.status_code, "must be a JSON object" in answer.json()["error"]["message"]) == (400, True)


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
    with connected(running) as slow:
        slow.sendall(request_head("/v1/chat/completions", 100) + b"{")
        assert running.chat().status_code == 200
        assert b"408" in slow.recv(1000)


def test_a_client_that_stops_reading_holds_nobody_up(start: Start) -> None:
    running = start(rows=2, max_new_tokens=400)
    slow_down(running)
    body = json.dumps({"model": "roleshift", "prompt": "a", "max_tokens": 400, "stream": True}).encode()
    with connected(running, receive_buffer=1024) as silent:
        silent.sendall(request_head("/v1/completions", len(body)) + body)
        wait_for(lambda: running.server.versions.all[0].batcher.running == 1)
        assert running.chat().status_code == 200
        wait_for(lambda: running.server.versions.all[0].batcher.running == 0, 120)  # its row is free, read or not


@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_a_caller_who_never_reads_is_given_up(version: str) -> None:
    """An answer whose first bytes are never taken, by both ways in which Starlette watches for a disconnect."""
    released: list[object] = []
    meter = Meter()
    fake: Any = SimpleNamespace(settings=SimpleNamespace(timeout_seconds=0.05), meter=meter, release=released.append)

    async def events() -> AsyncIterator[str]:
        yield "data: a\n\n"

    async def never(*_: object) -> Any:
        await asyncio.Event().wait()

    stream = _Stream(events(), fake, "running", {})  # type: ignore[arg-type]
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": version}}
    asyncio.run(asyncio.wait_for(stream(scope, never, never), 30))
    assert released == ["running"]
    assert meter.errors.labels("unread")._value.get() == 1


def test_a_key_is_asked_for_where_one_is_set(start: Start) -> None:
    running = start(key="secret")
    assert running.chat().status_code == 401
    messages: Any = [{"role": "user", "content": "x"}]
    assert client(running, "secret").chat.completions.create(model="roleshift", messages=messages, max_tokens=1)
    assert requests.get(f"{running.url}/health", timeout=10).status_code == 200


def test_fuzzed_against_its_own_document_it_never_fails(shared_server: Running, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{shared_server.url}/openapi.json", "--checks",
        "not_a_server_error", "--max-examples", "40", "--seed", "17", "--generation-deterministic",
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert shared_server.chat().status_code == 200


def test_the_registered_base_is_served_by_torch_too(start: Start, tiny_llama: Path) -> None:
    running = start(model=tiny_llama)
    answers = [running.chat(f"text {i}") for i in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200], answers[0].text
    assert json.loads(running.chat().text)["model"] == "roleshift/1"
