"""A project's saved assumption sets: one YAML file each, to be shared and passed to `--assumptions`."""

import re
from pathlib import Path

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import Assumptions, load_assumptions, save_assumptions

FOLDER = Path("assumptions")
NAME = re.compile(r"[\w-]{1,60}")


def saved_sets(root: Path) -> list[str]:
    """The names of the sets below `root`, in order."""
    return sorted(path.stem for path in (root / FOLDER).glob("*.yaml"))


def read_set(root: Path, name: str) -> Assumptions:
    """A saved set; it bears the name of its file."""
    return load_assumptions(_place(root, name)).model_copy(update={"name": name})


def save_set(root: Path, name: str, given: Assumptions) -> Path:
    """Save a set under a new name. A name that other values have already is refused: nothing is overwritten."""
    path = _place(root, name)
    if path.is_file():
        if load_assumptions(path).values() == given.values():
            return path
        raise RoleShiftError(f"{FOLDER / path.name} holds other values; choose another name, or delete the file first")
    save_assumptions(path, given.model_copy(update={"name": name}))
    return path


def _place(root: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise RoleShiftError(f"{name!r} is no name for a set; use up to 60 letters, digits, - and _")
    return root / FOLDER / f"{name}.yaml"
