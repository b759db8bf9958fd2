"""`roleshift serve` under load, beside `mlflow models serve` on the same version and the same load.

64 clients ask greedy questions of mixed lengths as fast as they are answered. In the middle the
served alias moves from the fp32 export to the variant that `select` chose. Checked: no status but
200 and 429, and every answer equal to what the same artifact gives offline. The versions are
registered in a store of this script's own; the project's is left alone. Where a server of llama.cpp
is installed (`llama-server`, or the one of llama-cpp-python with its extra `server`, which answers one
request at a time) and the base model is a GGUF file, it gets the same load with that file: the same
network, untuned, so its answers are not compared.

Run in a project with a finished run: python -P benchmarks/serving.py [SECONDS, default 60]
"""

import asyncio
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import polars as pl

from roleshift.dashboard import free_port
from roleshift.files import hash_tree, list_files, read_json, sha256_file
from roleshift.generation import GenerationConfig, Request, open_backend
from roleshift.project import Project
from roleshift.prompts import render_prompt
from roleshift.registry.manifest import Candidate, content_id_of
from roleshift.registry.registering import ensure_version
from roleshift.registry.tracking import Tracking, open_tracking
from roleshift.registry.versions import STATE

CLIENTS = 64
LENGTHS = (4, 16, 48)
PROMPTS = 24
ROWS = 8
"""What llama-server decodes together; ours is `serving.rows` of params.yaml."""
BIN = Path(sys.executable).parent


@dataclass
class Load:
    """What the clients saw: seconds and tokens of each answer, by status and version."""

    seconds: list[float]
    tokens: int
    statuses: Counter[int]
    versions: Counter[str]
    wrong: int
    wall: float

    def line(self, name: str) -> str:
        """One line of the result."""
        ordered = sorted(self.seconds) or [0.0]
        p50, p95, p99 = (ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.95, 0.99))
        return (
            f"{name}: {len(self.seconds)} answers, {self.tokens / self.wall:.0f} tokens/s, latency p50 {p50:.2f} s, "
            f"p95 {p95:.2f} s, p99 {p99:.2f} s; statuses {dict(self.statuses)}; versions {dict(self.versions)}; "
            f"answers that differ from offline: {self.wrong}"
        )


def registered(tracking: Tracking, model: Path, alias: str) -> int:
    """Register an exported variant as a version and point the alias to it."""
    files = {
        f"{model.name}/{p.relative_to(model)}": {"sha256": sha256_file(p), "bytes": p.stat().st_size}
        for p in list_files(model)
    }
    model_id = hash_tree(model)[:16]
    content = content_id_of(model_id, hash_tree(model))
    manifest = {"model": model.name, "files": files, "content_id": content}
    variant = read_json(model / "manifest.json")["variant"]
    run = tracking.client.create_run(tracking.experiment_id)
    candidate = Candidate("tuned", model_id, variant, {model.name: model}, content, manifest)
    version, _ = ensure_version(tracking, "roleshift", candidate, run.info.run_id, None)
    tracking.client.set_model_version_tag("roleshift", str(version.number), STATE, "complete")
    tracking.client.set_registered_model_alias("roleshift", alias, str(version.number))
    return version.number


def offline(model: Path, texts: list[str]) -> dict[tuple[str, int], tuple[str, int]]:
    """Each text's greedy answer (and its tokens) at each length, asked alone."""
    backend = open_backend(model)
    found = {}
    for tokens in LENGTHS:
        for text in texts:
            prompt = render_prompt(backend.tokenizer, [{"role": "user", "content": text}])
            answer = backend.generate([Request("x", prompt)], GenerationConfig(max_new_tokens=tokens))[0]
            found[text, tokens] = (answer.output, answer.output_tokens)
    backend.close()
    return found


async def wait_until_up(url: str) -> None:
    """Wait for a 200."""
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)
    raise SystemExit(f"{url} did not come up")


def asking(kind: str, text: str, tokens: int) -> dict[str, Any]:
    """The request's body: of OpenAI's interface, or of MLflow's."""
    if kind == "mlflow":
        return {"inputs": [text], "params": {"max_new_tokens": tokens}}
    messages = [{"role": "user", "content": text}]
    return {"model": "roleshift", "messages": messages, "max_tokens": tokens, "temperature": 0}


async def load(url: str, seconds: float, expected: dict[str, Any], texts: list[str], kind: str = "openai") -> Load:
    """`CLIENTS` callers for so many seconds.

    `expected` holds the offline answers by version ("" where the server names none); without any,
    answers are not compared and tokens are those that the server counts.
    """
    seen = Load([], 0, Counter(), Counter(), 0, 0.0)
    started = time.perf_counter()

    async def client(number: int, session: aiohttp.ClientSession) -> None:
        draw = random.Random(number)
        while time.perf_counter() - started < seconds:
            text, tokens = draw.choice(texts), draw.choice(LENGTHS)
            before = time.perf_counter()
            async with session.post(url, json=asking(kind, text, tokens)) as answer:
                raw = await answer.text()
            seen.statuses[answer.status] += 1
            if answer.status != 200:
                await asyncio.sleep(0.05)
                continue
            seen.seconds.append(time.perf_counter() - before)
            version, found = answer.headers.get("x-roleshift-version", ""), json.loads(raw)
            seen.versions[version] += 1
            if expected:
                said = found["predictions"][0] if kind == "mlflow" else found["choices"][0]["message"]["content"]
                right, count = expected[version][text, tokens]
                seen.tokens += count
                seen.wrong += said != right
            else:
                seen.tokens += found["usage"]["completion_tokens"]

    connector = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(300)) as session:
        await asyncio.gather(*(client(i, session) for i in range(CLIENTS)))
    seen.wall = time.perf_counter() - started
    return seen


@asynccontextmanager
async def serving(command: list[str], ready: str, home: Path, environment: dict[str, str]) -> AsyncIterator[str]:
    """A server's process on a free port (PORT in the command), from ready to ended; gives its address."""
    port = free_port()
    given = [str(port) if word == "PORT" else word for word in command]
    server = subprocess.Popen(
        given, cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        await wait_until_up(f"http://127.0.0.1:{port}{ready}")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(150)


def llama_server(gguf: Path) -> list[str] | None:
    """The command of the server of llama.cpp that is installed; None without one."""
    binary = shutil.which("llama-server")
    if binary:
        return [binary, "--model", str(gguf), "--port", "PORT", "--parallel", str(ROWS), "--ctx-size", str(ROWS * 1536)]
    if all(find_spec(name) for name in ("llama_cpp", "sse_starlette", "starlette_context")):
        return [sys.executable, "-m", "llama_cpp.server", "--model", str(gguf), "--port", "PORT", "--n_ctx", "1536",
                "--n_threads", str(os.cpu_count())]  # fmt: skip
    return None


async def main() -> None:
    """Both servers, one after the other, under the same load."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    project = Project.discover()
    chosen = read_json(project.root / "metrics/selection.json")["shipped"]
    fp32, shipped = (project.root / f"models/onnx/{name}" for name in ("onnx-fp32", chosen))
    inputs = pl.read_parquet(project.root / "data/examples/validation.parquet")["input"].to_list()
    texts = sorted(inputs, key=len)[:: max(1, len(inputs) // PROMPTS)][:PROMPTS]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copy(project.root / name, home / name)
        uri = f"sqlite:///{home}/mlflow.db"
        tracking = open_tracking(uri, home, "roleshift")
        tracking.client.create_registered_model("roleshift")
        first = registered(tracking, fp32, "champion")
        second = registered(tracking, shipped, "challenger")
        answers = {f"roleshift/{first}": offline(fp32, texts), f"roleshift/{second}": offline(shipped, texts)}
        answers[""] = answers[f"roleshift/{second}"]
        environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
        chat = "/v1/chat/completions"
        command = [str(BIN / "roleshift"), "serve", "--port", "PORT"]
        async with serving(command, "/ready", home, environment) as url:
            running = asyncio.create_task(load(url + chat, seconds, answers, texts))
            await asyncio.sleep(seconds / 2)
            tracking.client.set_registered_model_alias("roleshift", "champion", str(second))
            ours = await running
            print(ours.line(f"roleshift serve, the alias moves from fp32 to {chosen} in the middle"), flush=True)
            alone = await load(url + chat, seconds / 2, answers, texts)
            print(alone.line(f"roleshift serve, {chosen}"), flush=True)
        command = [str(BIN / "mlflow"), "models", "serve", "-m", "models:/roleshift@challenger", "--env-manager",
                   "local", "--port", "PORT"]  # fmt: skip
        async with serving(command, "/ping", home, environment) as url:
            theirs = await load(f"{url}/invocations", seconds / 2, answers, texts, "mlflow")
            print(theirs.line(f"mlflow models serve, {chosen}"), flush=True)
        gguf = next((project.root / "data/raw").rglob("*.gguf"), None)
        llama = llama_server(gguf) if gguf else None
        if llama and gguf:
            async with serving(llama, "/v1/models", home, environment) as url:
                print((await load(url + chat, seconds / 2, {}, texts)).line(f"llama.cpp, {gguf.name}"), flush=True)
        else:
            print("llama.cpp: not measured, no server of it is installed or the base model is no GGUF file")
    compare(ours, alone, theirs, {f"roleshift/{first}", f"roleshift/{second}"})


def compare(ours: Load, alone: Load, theirs: Load, versions: set[str]) -> None:
    """Print the ratios; exit 1 where a request of ours failed or the alias was not followed."""
    if alone.seconds and theirs.seconds:
        faster = alone.tokens / alone.wall / (theirs.tokens / theirs.wall)
        shorter = statistics.median(theirs.seconds) / statistics.median(alone.seconds)
        print(
            f"beside mlflow models serve: {faster:.1f} times the tokens/s, median latency {shorter:.1f} times shorter"
        )
    else:
        print("no ratio: a server answered nothing in the time; this machine is busy or too slow for the load")
    if set(ours.statuses) - {200, 429} or not versions <= set(ours.versions) or ours.wrong + alone.wrong:
        sys.exit("a request failed or was answered wrongly, or the alias was not followed")


if __name__ == "__main__":
    asyncio.run(main())
