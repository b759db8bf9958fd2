"""Checks of the machine and the project, each ok or what to do."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from roleshift.data.sources.fetching import used_sources
from roleshift.errors import RoleShiftError
from roleshift.params import Params, PypiSource, load_params
from roleshift.project import Project

NEEDED_DISK_GB = 8.0
NEEDED_MEMORY_GB = 8.0
PACKAGES = (
    "mlflow",
    "torch",
    "transformers",
    "peft",
    "dvc",
    "evaluate",
    "streamlit",
    "polars",
    "sacrebleu",
    "rouge-score",
)


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    status: Literal["ok", "warn", "fail"]
    text: str


def diagnose(project: Project) -> list[Finding]:
    """Every check, in the order in which a user would mend."""
    findings = [python_version(), *packages(), *runtimes(), torch_build(), disk(project), memory(), compiler()]
    findings += [accelerator(), tracking_store(project)]
    try:
        params = load_params(project.root / "params.yaml")
    except RoleShiftError as error:
        findings.append(Finding("params", "fail", str(error)))
    else:
        findings.append(Finding("params", "ok", "params.yaml is valid"))
        findings += sources(project, params)
    return [*findings, git_state(project), dvc_state(project)]


def python_version() -> Finding:
    """Python 3.11 or newer."""
    ok = sys.version_info >= (3, 11)
    text = f"{platform.python_version()} ({sys.executable})"
    return Finding("python", "ok" if ok else "fail", text if ok else f"{text}; use Python 3.11 or newer")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def packages() -> Iterator[Finding]:
    """The packages that every run needs."""
    for package in PACKAGES:
        version = _version(package)
        yield Finding(package, "ok" if version else "fail", version or "not installed; run `make setup`")


def runtimes() -> Iterator[Finding]:
    """Exactly one ONNX Runtime, with the model builder that goes with it."""
    for pair in (("onnxruntime", "onnxruntime-gpu"), ("onnxruntime-genai", "onnxruntime-genai-cuda")):
        found = {package: version for package in pair if (version := _version(package))}
        text = ", ".join(f"{package} {version}" for package, version in found.items())
        if len(found) > 1:
            yield Finding(pair[0], "fail", f"{text} exclude each other; remove .venv and run `make setup`")
        elif not found:
            yield Finding(pair[0], "fail", "not installed; run `make setup`")
        else:
            yield Finding(pair[0], "ok", text)


def torch_build() -> Finding:
    """Whether torch is a CPU or a CUDA build."""
    try:
        import torch
    except ImportError as error:
        return Finding("torch build", "fail", f"{error}; run `make setup`")
    build = f"CUDA {torch.version.cuda} build" if torch.version.cuda else "CPU build"
    return Finding("torch build", "ok", f"{torch.__version__}, {build}")


def disk(project: Project) -> Finding:
    """Room for models, caches and the DVC cache."""
    free = shutil.disk_usage(project.home).free / 1e9
    ok = free >= NEEDED_DISK_GB
    text = f"{free:.0f} GB free"
    return Finding(
        "disk", "ok" if ok else "warn", text if ok else f"{text}; a default run needs {NEEDED_DISK_GB:.0f} GB"
    )


def memory() -> Finding:
    """Memory of the machine."""
    import psutil

    total = psutil.virtual_memory().total / 1e9
    ok = total >= NEEDED_MEMORY_GB
    text = f"{total:.0f} GB"
    return Finding(
        "memory", "ok" if ok else "warn", text if ok else f"{text}; a default run needs {NEEDED_MEMORY_GB:.0f} GB"
    )


def compiler() -> Finding:
    """A C compiler makes training faster."""
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    return Finding(
        "C compiler", "ok" if found else "warn", found or "none; training runs uncompiled, at about 0.8 of the speed"
    )


def accelerator() -> Finding:
    """What ONNX Runtime can run on."""
    try:
        import onnxruntime
        import torch
    except ImportError as error:
        return Finding("accelerator", "fail", f"{error}; run `make setup`")
    providers = onnxruntime.get_available_providers()
    if torch.cuda.is_available():
        return Finding(
            "accelerator", "ok", f"{torch.cuda.get_device_name()}; execution providers: {', '.join(providers)}"
        )
    return Finding(
        "accelerator", "ok", f"none, the CPU works; execution providers in the build: {', '.join(providers)}"
    )


def tracking_store(project: Project) -> Finding:
    """Whether the MLflow tracking store answers."""
    uri = project.tracking_uri
    try:
        from mlflow import MlflowClient

        from roleshift.databases import redacted, sqlite_path
        from roleshift.registry.tracking import reporting
    except ImportError as error:
        return Finding("tracking store", "fail", f"{error}; run `make setup`")
    database = sqlite_path(uri)
    if database is not None and not database.exists():
        return Finding("tracking store", "ok", f"{redacted(uri)} (made by the first run)")
    try:
        with reporting(uri):
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except (RoleShiftError, ImportError) as error:
        return Finding("tracking store", "fail", f"{error}; check MLFLOW_TRACKING_URI")
    return Finding("tracking store", "ok", redacted(uri))


def sources(project: Project, params: Params) -> Iterator[Finding]:
    """Each source: cached, there, or reachable."""
    for name, source in used_sources(params).items():
        if source.kind == "pypi":
            yield _pypi_source(project, name, source)
        elif source.kind in ("file", "feedback"):
            path = project.source_path(source.path)
            yield Finding(
                f"source {name}",
                "ok" if path.exists() else "fail",
                f"{path}" + ("" if path.exists() else ": no such file"),
            )
        elif source.kind in ("hub", "dataset"):
            fetched = (project.root / "data/raw" / name).exists()
            yield Finding(f"source {name}", "ok", "fetched" if fetched else "fetched from the hub by the first run")
        else:
            yield Finding(f"source {name}", "ok", "made on this machine")


def _pypi_source(project: Project, name: str, source: PypiSource) -> Finding:
    if (project.downloads / source.sha256).exists():
        return Finding(f"source {name}", "ok", f"{source.requirement} is cached")
    package = source.requirement.split("==")[0]
    command = [sys.executable, "-m", "pip", "index", "versions", package]
    try:
        reachable = subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        reachable = False
    if reachable:
        return Finding(f"source {name}", "ok", f"{source.requirement} is reachable")
    return Finding(
        f"source {name}", "fail", f"{source.requirement} is neither cached nor reachable; check pip's index settings"
    )


def _output_of(command: list[str], project: Project) -> str | None:
    try:
        result = subprocess.run(command, cwd=project.root, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def git_state(project: Project) -> Finding:
    """Commit and uncommitted changes; a version's manifest records both."""
    commit = _output_of(["git", "rev-parse", "--short", "HEAD"], project)
    if commit is None:
        return Finding("git", "warn", "no commit here; versions will be registered without one")
    changed = _output_of(["git", "status", "--porcelain"], project)
    text = f"at {commit}" + (", with uncommitted changes" if changed else "")
    return Finding("git", "ok", text)


def dvc_state(project: Project) -> Finding:
    """Whether the outputs are those of the current inputs."""
    state = _output_of([sys.executable, "-m", "dvc", "status", "--json"], project)
    if state is None:
        return Finding("dvc", "fail", "`dvc status` fails; run it to see why")
    stale = json.loads(state)
    changed = sorted(set(stale) - {"fetch", "register"})
    return Finding("dvc", "ok", "up to date" if not changed else f"`make repro` will run: {', '.join(changed)}")
