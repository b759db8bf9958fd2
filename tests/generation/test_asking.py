"""Asking a split: the store loses no answer and generates none twice."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from roleshift.errors import RoleShiftError
from roleshift.generation import Answer, Backend, GenerationConfig, artifact_id_of
from roleshift.generation.answers import AnswerStore
from roleshift.generation.asking import ask, draw_shots, label_likelihoods
from roleshift.generation.torch_backend import TorchBackend
from roleshift.tasks import TaskDefinition

CONFIG = GenerationConfig(4)


class Counting:
    """A backend that counts what it is asked, and stays open for the next test."""

    def __init__(self, inner: TorchBackend) -> None:
        self.inner, self.asked = inner, 0
        self.artifact_id, self.variant = inner.artifact_id, inner.variant
        self.provider, self.tokenizer = inner.provider, inner.tokenizer

    def generate(self, requests: Sequence[Any], config: GenerationConfig, on_answer: Any = None) -> list[Answer]:
        self.asked += len(requests)
        return self.inner.generate(requests, config, on_answer)

    def stream(self, request: Any, config: GenerationConfig) -> Any:
        return self.inner.stream(request, config)

    def continuation_logprobs(self, prompt: str, continuations: list[str]) -> list[float]:
        self.asked += 1
        return self.inner.continuation_logprobs(prompt, continuations)

    def close(self) -> None:
        pass


def no_backend() -> Backend:
    raise AssertionError("a model was opened though nothing is missing")


def arguments(backend: Any, folder: Path, store: AnswerStore) -> dict[str, Any]:
    return {
        "split": "test",
        "variant": backend.variant,
        "model_id": "model",
        "artifact_id": backend.artifact_id,
        "open_backend": lambda: backend,
        "store": store,
        "tokenizer_folder": folder,
    }


def test_stored_answers_are_not_generated_again(
    backend: TorchBackend, tiny_llama: Path, examples: pl.DataFrame, tasks: dict[str, TaskDefinition], tmp_path: Path
) -> None:
    counting = Counting(backend)
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        given = arguments(counting, tiny_llama, store)
        part, _ = ask(examples.head(5), tasks, config=CONFIG, **given)
        items, timings = ask(examples, tasks, config=CONFIG, **given)
        assert counting.asked == examples.height
        assert items["example_id"].to_list() == examples["example_id"].to_list()
        assert items.head(5).equals(part)
        again = ask(examples, tasks, config=CONFIG, **{**given, "open_backend": no_backend})
    assert again[0].equals(items)
    assert again[1].equals(timings)


def test_other_settings_are_other_answers(
    backend: TorchBackend, tiny_llama: Path, examples: pl.DataFrame, tasks: dict[str, TaskDefinition], tmp_path: Path
) -> None:
    counting = Counting(backend)
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        given = arguments(counting, tiny_llama, store)
        ask(examples.head(2), tasks, config=CONFIG, **given)
        ask(examples.head(2), tasks, config=GenerationConfig(5), **given)
    assert counting.asked == 4


def test_answers_decoded_in_other_company_are_not_taken_for_one_another_where_that_is_the_question(
    backend: TorchBackend, tiny_llama: Path, examples: pl.DataFrame, tasks: dict[str, TaskDefinition], tmp_path: Path
) -> None:
    counting = Counting(backend)
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        given = arguments(counting, tiny_llama, store)
        hashes = []
        for together in (None, 1, 8, 8):
            items, _ = ask(examples.head(2), tasks, config=CONFIG, decoded_together=together, **given)
            hashes.append(items["settings_hash"][0])
    assert counting.asked == 6  # the second time at 8 from the store
    assert len(set(hashes)) == 3
    assert hashes[0] == CONFIG.settings_hash


def test_another_model_than_asked_for_is_refused(
    backend: TorchBackend, tiny_llama: Path, examples: pl.DataFrame, tasks: dict[str, TaskDefinition], tmp_path: Path
) -> None:
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        given = arguments(Counting(backend), tiny_llama, store) | {"artifact_id": "other"}
        with pytest.raises(RoleShiftError, match="is not the one asked for"):
            ask(examples, tasks, config=CONFIG, **given)


def test_shots_stand_in_the_prompt_and_follow_the_seed(
    backend: TorchBackend, tiny_llama: Path, examples: pl.DataFrame, tasks: dict[str, TaskDefinition], tmp_path: Path
) -> None:
    shuffled = examples.sample(fraction=1.0, shuffle=True, seed=1)
    drawn = draw_shots("headline-encyclopedia", examples, 2, seed=3)
    assert drawn == draw_shots("headline-encyclopedia", shuffled, 2, seed=3)
    assert all(shot.answer.startswith("thing") for shot in drawn)
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        given = arguments(Counting(backend), tiny_llama, store)
        plain, _ = ask(examples, tasks, config=CONFIG, **given)
        shown, _ = ask(examples, tasks, config=CONFIG, shots=2, shot_examples=shuffled, **given)
    assert (shown["prompt_tokens"] > plain["prompt_tokens"]).all()
    with pytest.raises(RoleShiftError, match=r"evaluation\.shots is 9"):
        draw_shots("headline-encyclopedia", examples, 9, seed=3)


def test_likelihood_picks_the_likeliest_label_of_classify_tasks(
    backend: TorchBackend, tiny_llama: Path, examples: pl.DataFrame, tasks: dict[str, TaskDefinition], tmp_path: Path
) -> None:
    counting = Counting(backend)
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        given = arguments(counting, tiny_llama, store) | {"seed": 1}
        items, timings = label_likelihoods(examples, tasks, **given)
        again, _ = label_likelihoods(examples, tasks, **{**given, "open_backend": no_backend})
    assert again.equals(items)
    assert items.height == timings.height == counting.asked == 6
    assert set(items["variant"]) == {"torch-fp32-likelihood"}
    assert set(items["output"]) <= set(tasks["classify-encyclopedia"].labels)


def test_killed_generation_goes_on_where_it_was(
    tiny_llama: Path, examples: pl.DataFrame, tasks: dict[str, TaskDefinition], backend: TorchBackend, tmp_path: Path
) -> None:
    database = tmp_path / "answers.sqlite"
    examples.write_parquet(tmp_path / "examples.parquet")
    script = textwrap.dedent(
        f"""
        import time, torch, polars as pl
        from pathlib import Path
        from roleshift.generation import GenerationConfig, artifact_id_of
        from roleshift.generation.answers import AnswerStore
        from roleshift.generation.asking import ask
        from roleshift.generation.torch_backend import TorchBackend
        from roleshift.tasks import catalogue_tasks
        folder = Path({str(tiny_llama)!r})

        class Slow(TorchBackend):
            def generate(self, requests, config, on_answer=None):
                def slowly(answer):
                    on_answer(answer)
                    time.sleep(0.3)
                return super().generate(requests, config, slowly)

        opened = Slow(folder, variant="torch-fp32", artifact_id=artifact_id_of(folder), dtype=torch.float32,
                      device="cpu", threads=1, batch_size=1)
        ask(pl.read_parquet({str(tmp_path / "examples.parquet")!r}), catalogue_tasks(), split="test",
            variant="torch-fp32", model_id="model", artifact_id=opened.artifact_id, open_backend=lambda: opened,
            config=GenerationConfig(4), store=AnswerStore(Path({str(database)!r})), tokenizer_folder=folder)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
    kept = 0
    for _ in range(600):
        time.sleep(0.1)
        if database.is_file():
            with AnswerStore(database) as store:
                kept = store._connection.execute("SELECT count(*) FROM answers").fetchone()[0]
        if kept >= 3:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    counting = Counting(backend)
    with AnswerStore(database) as store:
        kept = store._connection.execute("SELECT count(*) FROM answers").fetchone()[0]
        assert 3 <= kept < examples.height
        items, _ = ask(examples, tasks, config=CONFIG, **arguments(counting, tiny_llama, store))
    assert counting.asked == examples.height - kept
    with AnswerStore(tmp_path / "straight.sqlite") as store:
        straight, _ = ask(examples, tasks, config=CONFIG, **arguments(counting, tiny_llama, store))
    assert items.equals(straight)
    assert artifact_id_of(tiny_llama) == items["artifact_id"][0]


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_text("this is not a database, but long enough to be read as one" * 20)
    with pytest.raises(RoleShiftError, match=r"answers\.sqlite: not a readable store"):
        AnswerStore(path)
