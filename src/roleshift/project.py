"""Where things are: the project that a command runs in, and the main checkout that owns it.

A stage runs in the main checkout, in `runs/NAME/` (a copy with its own lock and outputs), or in
the temporary copy of a `dvc exp run --temp`. Downloads, generated answers and the user's relative
source paths belong to the main checkout in all three cases.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from roleshift.errors import RoleShiftError

RUN_MARKER = ".roleshift-run"


@dataclass(frozen=True)
class Project:
    """`root` holds dvc.yaml, params.yaml and the outputs; `home` is the main checkout."""

    root: Path
    home: Path

    @classmethod
    def discover(cls, start: Path | None = None) -> "Project":
        """The project around `start` (default: the current folder)."""
        start = (start or Path.cwd()).resolve()
        for root in (start, *start.parents):
            if (root / "dvc.yaml").is_file() and (root / "params.yaml").is_file():
                return cls(root, _home_of(root))
        raise RoleShiftError(f"{start}: not inside a RoleShift project (no dvc.yaml and params.yaml here or above)")

    @property
    def is_run(self) -> bool:
        """Whether this is a working copy below `runs/`."""
        return (self.root / RUN_MARKER).is_file()

    @property
    def work(self) -> Path:
        """Where stages keep what is unfinished; ignored by git and DVC."""
        return (self.root if self.is_run else self.home) / ".work"

    @property
    def downloads(self) -> Path:
        """Downloaded files by sha256, shared by all runs."""
        return self.home / ".work" / "downloads"

    @property
    def generations(self) -> Path:
        """The SQLite file of generated answers, shared by all runs."""
        return self.home / ".work" / "generations.sqlite"

    @property
    def converted(self) -> Path:
        """Base models converted for fast loading, by content hash, shared by all runs."""
        return self.home / ".work" / "converted"

    @property
    def tracking_uri(self) -> str:
        """`MLFLOW_TRACKING_URI`, else SQLite beside the project (a run has its own)."""
        default = (self.root if self.is_run else self.home) / "mlflow.db"
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{default}"

    @property
    def experiment_name(self) -> str | None:
        """The name of the DVC experiment that runs this stage, if one does."""
        return os.environ.get("DVC_EXP_NAME") or None

    def source_path(self, path: str) -> Path:
        """A user's source path; a relative one starts at the main checkout."""
        return (self.home / Path(path).expanduser()).resolve()


def _home_of(root: Path) -> Path:
    marker = root / RUN_MARKER
    if marker.is_file():
        return (root / marker.read_text(encoding="utf-8").strip()).resolve()
    parts = root.parts
    for i in range(len(parts) - 2):
        if parts[i : i + 3] == (".dvc", "tmp", "exps"):
            # Below it DVC puts one or two folders of its own, then the project as it lies in the checkout.
            for below in range(i + 4, len(parts) + 1):
                home = Path(*parts[:i], *parts[below:])
                if (home / "dvc.yaml").is_file():
                    return _home_of(home)
    return root
