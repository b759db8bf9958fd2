"""Other params beside the default run: working copies in `runs/NAME/`.

A run has its own params, lock, outputs and tracking store; it shares the DVC cache, the downloads
and the generated answers. The default run's files are never touched.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from roleshift.errors import RoleShiftError
from roleshift.files import list_files, write_text
from roleshift.params import merge_params, parse_params, read_yaml
from roleshift.project import RUN_MARKER, Project

COPIED = ("dvc.yaml", "pipelines", "src")
LOOKS = ".streamlit/config.toml"
"""The dashboard's, which Streamlit reads in the folder that it is started in."""


def prepare_run(project: Project, params_file: Path, name: str) -> Path:
    """Lay `params_file` over params.yaml and bring `runs/NAME/` up to date; returns its folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise RoleShiftError(f"--name {name!r}: use letters, digits, dots, underscores and hyphens")
    merged = merge_params(read_yaml(project.home / "params.yaml"), read_yaml(params_file))
    parse_params(merged, str(params_file))
    folder = project.home / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RUN_MARKER, "../..\n")
    text = yaml.safe_dump(merged, sort_keys=False, allow_unicode=True)
    if not (folder / "params.yaml").exists() or (folder / "params.yaml").read_text(encoding="utf-8") != text:
        write_text(folder / "params.yaml", text)
    for entry in (*COPIED, *((LOOKS,) if (project.home / LOOKS).is_file() else ())):
        _mirror(project.home / entry, folder / entry)
    _write_dvc_settings(folder)
    return folder


def reproduce(folder: Path, arguments: tuple[str, ...] = ()) -> int:
    """`dvc repro` in a run's folder, on the copied code; returns the exit code."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = str(folder / "src")
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    return subprocess.run([sys.executable, "-m", "dvc", "repro", *arguments], cwd=folder, env=environment).returncode


def _write_dvc_settings(folder: Path) -> None:
    (folder / ".dvc").mkdir(exist_ok=True)
    settings = "[core]\n    no_scm = true\n    analytics = false\n[cache]\n    dir = ../../../.dvc/cache\n"
    write_text(folder / ".dvc" / "config", settings)
    write_text(folder / ".dvcignore", ".work\n__pycache__\nmlartifacts\n")


def _mirror(source: Path, target: Path) -> None:
    """Make `target` equal to `source`, writing only what differs."""
    pairs = (
        [(source, target)] if source.is_file() else [(p, target / p.relative_to(source)) for p in list_files(source)]
    )
    wanted = {b for _, b in pairs}
    for a, b in pairs:
        if not b.is_file() or a.read_bytes() != b.read_bytes():
            b.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(a, b)
    if target.is_dir():
        for path in list_files(target):
            if path not in wanted:
                path.unlink()
