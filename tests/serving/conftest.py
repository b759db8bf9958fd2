"""A server over tiny registered models, on a port of its own."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
import uvicorn
from evaluation_samples import make_examples
from peft import LoraConfig, get_peft_model
from served_models import Running, add_version
from server_checks import wait_for

from roleshift.export.variants import export_variants
from roleshift.params import ExportParams, merge_params, parse_params, read_yaml
from roleshift.project import Project
from roleshift.registry.tracking import tracking_of
from roleshift.serving.app import make_app
from roleshift.serving.server import Server
from roleshift.tasks import catalogue_tasks
from roleshift.training.base import load_model

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Callable[..., Path]:
    """A tiny Llama's ONNX export, another one for each seed; `onnx-fp32` or a variant that is given."""

    def export(seed: int, **variant: Any) -> Path:
        folder = tmp_path_factory.mktemp(f"onnx-{seed}")
        torch.manual_seed(seed)
        config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        get_peft_model(load_model(tiny_llama, torch.float32), config).save_pretrained(folder / "adapter")
        tasks = {"headline-encyclopedia": catalogue_tasks()["headline-encyclopedia"]}
        export_variants(
            base_folder=tiny_llama, adapter_folder=folder / "adapter", model_id=f"{seed:016x}",
            params=ExportParams.model_validate(
                {
                    "variants": {"onnx-fp32": {"precision": "fp32"}, **({"onnx-other": variant} if variant else {})},
                    "parity_tolerance": 1.0,
                    "parity_prompts": 1,
                }
            ),
            seed=seed,
            validation=make_examples(tasks, 2, "validation"), tasks=tasks, work=folder / "work", out=folder / "out",
        )  # fmt: skip
        return folder / "out" / ("onnx-other" if variant else "onnx-fp32")

    return export


@pytest.fixture(scope="session")
def first_model(exported: Callable[[int], Path]) -> Path:
    return exported(1)


@pytest.fixture(scope="session")
def two_graphs(exported: Callable[..., Path]) -> Path:
    """A variant whose prompts pass another graph than its answers."""
    return exported(3, precision="int8", prefill="dynamic", rotate=True, smooth=0.5)


@pytest.fixture(scope="session")
def second_model(exported: Callable[[int], Path]) -> Path:
    return exported(2)


@pytest.fixture
def start(tmp_path: Path, first_model: Path) -> Iterator[Callable[..., Running]]:
    """Start a server with `serving` settings over the default's; @challenger is the first model."""
    with starting(tmp_path) as run:
        yield lambda **given: run(**{"model": first_model} | given)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, first_model: Path) -> Iterator[Running]:
    """One server for tests that leave it as it is; it captures everything."""
    with starting(tmp_path_factory.mktemp("shared")) as run:
        yield run(model=first_model, capture={"share": 1.0})


@contextmanager
def starting(folder: Path) -> Iterator[Callable[..., Running]]:
    """Start servers in a project of their own, and stop them at the end."""
    started: list[Running] = []

    def run(*, model: Path, key: str | None = None, receive_seconds: float = 30.0, **serving: Any) -> Running:
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copy(REPOSITORY / name, folder / name)
        small = {"max_new_tokens": 64, "max_prompt_tokens": 256, "rows": 4, "poll_seconds": 0.2}
        over = {"serving": {**small, **serving}, "generation": {"threads": 1}}
        params = parse_params(merge_params(read_yaml(folder / "params.yaml"), over), "params.yaml")
        project = Project(folder, folder)
        tracking = tracking_of(project, params)
        add_version(tracking, model, "challenger", "onnx-fp32")
        server = Server(project, params, lambda: tracking_of(project, params))
        config = uvicorn.Config(
            make_app(server, key=key, receive_seconds=receive_seconds), host="127.0.0.1", port=0, log_level="warning"
        )
        listening = uvicorn.Server(config)
        thread = threading.Thread(target=listening.run, daemon=True)
        thread.start()
        wait_for(lambda: listening.started)
        port = listening.servers[0].sockets[0].getsockname()[1]

        def stop() -> None:
            listening.should_exit = True
            thread.join(60)
            assert not thread.is_alive()

        found = Running(f"http://127.0.0.1:{port}", server, tracking, project, stop)
        started.append(found)
        wait_for(lambda: requests.get(f"{found.url}/ready", timeout=10).status_code == 200)
        return found

    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "ROLESHIFT_FEEDBACK_URI"):
            patch.delenv(name, raising=False)
        yield run
        for running in started:
            running.stop()
