"""The people of the team, and the blocks of docs/team.md that set it up."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from servers import password, store_keys

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = "roleshift-questions"


@dataclass(frozen=True)
class Team:
    """Where the servers are."""

    database: str
    store: str
    server: str

    def environment(self, name: str, checkout: Path) -> dict[str, str]:
        """What a member exports, in a checkout's own code."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "AWS_", "PG", "ROLESHIFT_"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        return kept | store_keys(self.store) | {
            "PATH": path, "PYTHONPATH": str(checkout / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
            "MLFLOW_TRACKING_URI": self.server, "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password(name),
            "ROLESHIFT_AUDIT_URI": f"postgresql://{name}@{self.database}/roleshift", "PGPASSWORD": password(name),
        }  # fmt: skip


def blocks(language: str) -> list[str]:
    """The fenced blocks of docs/team.md in a language."""
    text = (REPOSITORY / "docs/team.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def statements(block: str) -> list[str]:
    return [part.strip() for part in block.split(";") if part.strip()]


def as_administrator(team: Team, block: str) -> None:
    """Run a block of Python of docs/team.md."""
    environment = team.environment("admin", REPOSITORY) | {
        "MODEL": MODEL, "PASSWORD_OF_ANN": password("ann"), "PASSWORD_OF_BOB": password("bob"),
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", block], env=environment, check=True)
