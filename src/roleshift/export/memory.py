"""Peak memory of a variant: a process of its own loads it and answers some prompts.

    python -m roleshift.export.memory FOLDER PROMPTS.json

A process of its own because one process's peak is that of everything it ever held. It prints the
bytes; all of the process counts, so that the figure is what a server needs.
"""

import json
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roleshift.errors import RoleShiftError
from roleshift.files import read_json, write_json


def measure_peak_memory(folder: Path, prompts: Sequence[str], *, max_new_tokens: int, opening: dict[str, Any]) -> int:
    """The largest resident size, in bytes, of a process that loads `folder` and answers the prompts greedily.

    `opening` holds `open_backend`'s keyword arguments.
    """
    with tempfile.TemporaryDirectory(prefix="roleshift-memory-") as temporary:
        path = Path(temporary) / "prompts.json"
        write_json(path, {"prompts": list(prompts), "max_new_tokens": max_new_tokens, "opening": opening})
        done = subprocess.run(
            [sys.executable, "-P", "-m", "roleshift.export.memory", str(folder), str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    lines = done.stderr.strip().splitlines()
    if done.returncode != 0:
        raise RoleShiftError(f"{folder}: its memory cannot be measured ({lines[-1] if lines else done.returncode})")
    return int(done.stdout.strip().splitlines()[-1])


def resident_peak() -> int:
    """The largest resident size of this process, in bytes."""
    try:
        # Linux's getrusage counts what the parent held before this program was started.
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(folder: str, path: str) -> None:
    """Answer the prompts of the file and print the peak."""
    from roleshift.generation import GenerationConfig, Request, open_backend

    work = read_json(Path(path))
    backend = open_backend(Path(folder), **work["opening"])
    requests = [Request(str(number), prompt) for number, prompt in enumerate(work["prompts"])]
    backend.generate(requests, GenerationConfig(work["max_new_tokens"]))
    print(json.dumps(resident_peak()))


if __name__ == "__main__":
    main(*sys.argv[1:])
