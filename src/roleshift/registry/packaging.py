"""A candidate as an MLflow model: code, artifacts, signature, pinned requirements."""

import importlib.metadata
import logging
import shutil
import tempfile
from modulefinder import ModuleFinder
from pathlib import Path

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

import roleshift
from roleshift.files import list_files, sha256_file
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
PYFUNC = "serving/pyfunc.py"
"""The model from code, below the package."""
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
    """Upload the candidate as an MLflow model into the logged model, which becomes READY.

    Done again into the same logged model it overwrites: what a killed upload left is completed.
    This is `mlflow.pyfunc.log_model` without its trial prediction, which would load the model, and without
    its two further copies: the artifacts go from where they lie to the store.
    """
    with tempfile.TemporaryDirectory(prefix="roleshift-register-") as temporary:
        folder = Path(temporary) / "model"
        _write_model(folder, candidate, logged, Path(temporary))
        client.log_model_artifacts(logged.model_id, str(folder))
    for name, path in candidate.folders.items():
        client.log_model_artifacts(logged.model_id, str(path), f"artifacts/{name}")
    client.finalize_logged_model(logged.model_id, "READY")


def _write_model(folder: Path, candidate: Candidate, logged: LoggedModel, temporary: Path) -> None:
    """Everything of the MLflow model but the candidate's own folders, with a manifest that hashes the code too."""
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)
    package = Path(roleshift.__file__).parent
    for source in serving_code(package):
        target = temporary / "roleshift" / source.relative_to(package)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    manifest = temporary / "manifest.json"
    model = Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        run_id=logged.source_run_id,
    )
    write_manifest(manifest, candidate.manifest)
    mlflow.pyfunc.save_model(
        str(folder),
        mlflow_model=model,
        python_model=str(package / PYFUNC),
        artifacts={"manifest": str(manifest)},
        code_paths=[str(temporary / "roleshift")],
        signature=signature(),
        input_example=EXAMPLE,
        pip_requirements=requirements(candidate.variant),
        model_config={"threads": 0, "provider": "auto", "batch_size": 10},
    )
    for bytecode in list(folder.rglob("__pycache__")):
        shutil.rmtree(bytecode)
    code = [folder / Path(PYFUNC).name, *list_files(folder / "code")]
    hashes = {path.relative_to(folder).as_posix(): sha256_file(path) for path in code}
    write_manifest(folder / "artifacts/manifest.json", candidate.manifest | {"code": hashes})
    model.model_size_bytes = sum(entry["bytes"] for entry in candidate.files.values())
    model.save(str(folder / "MLmodel"))


def serving_code(package: Path) -> list[Path]:
    """The modules of this package that a registered version imports, those inside functions included.

    The whole package would be more than ten times as many files, each a request of its own to a remote
    store, for code that a version never runs.
    """
    with tempfile.TemporaryDirectory() as place:  # nothing else is found there: other packages are requirements
        link = Path(place) / package.name
        link.symlink_to(package)
        finder = ModuleFinder(path=[place])
        finder.import_hook(f"{package.name}.{PYFUNC.removesuffix('.py').replace('/', '.')}")
        found = [vars(module)["__file__"] for module in finder.modules.values()]
        return sorted(package / Path(path).relative_to(link) for path in found if path)
