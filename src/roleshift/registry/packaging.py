"""A candidate as an MLflow model: code, artifacts, signature, pinned requirements."""

import importlib.metadata
import logging
import shutil
import tempfile
from pathlib import Path

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

import roleshift
from roleshift.registry.manifest import Candidate, write_manifest

CODE = (
    "mlflow",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "transformers",
    "tokenizers",
    "jinja2",
    "tqdm",
    "safetensors",
)
"""What the package's own code needs to load and serve a model."""
ONNX = ("onnxruntime-gpu", "onnxruntime")
"""One of them: they exclude each other."""
TORCH = ("torch", "gguf", "accelerate")
EXAMPLE = ["In one sentence: what is a registry for?"]


def requirements(variant: str) -> list[str]:
    """Pinned requirements; torch is not among them when ONNX Runtime serves the variant."""
    found = [_pin(name) for name in CODE]
    if variant.startswith("onnx"):
        found += [next((pin for name in ONNX if (pin := _pin(name))), None)]
    else:
        found += [_pin(name) for name in TORCH]
    return [pin for pin in found if pin]


def _pin(name: str) -> str | None:
    try:
        return f"{name}=={importlib.metadata.version(name).partition('+')[0]}"
    except importlib.metadata.PackageNotFoundError:
        return None


def signature() -> ModelSignature:
    """Answers and generation parameters; the input is left open.

    MLflow's schemas cannot say "a string, messages or a data frame", and enforcing one of them
    would refuse the others.
    """
    from roleshift.serving.pyfunc import GENERATION

    types = {int: DataType.long, float: DataType.double}
    return ModelSignature(
        outputs=Schema([ColSpec(DataType.string)]),
        params=ParamSchema(
            [
                ParamSpec(name, DataType.string, default, shape=(-1,))
                if isinstance(default, list)
                else ParamSpec(name, types[type(default)], default)
                for name, default in GENERATION.items()
            ]
        ),
    )


def upload(client: MlflowClient, candidate: Candidate, logged: LoggedModel) -> None:
    """Write the candidate's MLflow model and upload it into the logged model, which becomes READY.

    Done again into the same logged model it overwrites: what a killed upload left is completed.
    This is `mlflow.pyfunc.log_model` without its trial prediction, which would load the model.
    """
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)
    package = Path(roleshift.__file__).parent
    with tempfile.TemporaryDirectory(prefix="roleshift-register-") as temporary:
        code = Path(temporary) / "roleshift"
        shutil.copytree(package, code, ignore=shutil.ignore_patterns("__pycache__"))
        manifest = Path(temporary) / "manifest.json"
        write_manifest(manifest, candidate.manifest)
        folder = Path(temporary) / "model"
        mlflow.pyfunc.save_model(
            str(folder),
            mlflow_model=Model(
                artifact_path=logged.artifact_location,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
                run_id=logged.source_run_id,
            ),
            python_model=str(package / "serving" / "pyfunc.py"),
            artifacts={"manifest": str(manifest)} | {name: str(path) for name, path in candidate.folders.items()},
            code_paths=[str(code)],
            signature=signature(),
            input_example=EXAMPLE,
            pip_requirements=requirements(candidate.variant),
            model_config={"threads": 0, "provider": "auto", "batch_size": 10},
        )
        for bytecode in list(folder.rglob("__pycache__")):
            shutil.rmtree(bytecode)
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
