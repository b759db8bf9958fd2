import base64
import csv
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from roleshift.params import Params, merge_params, parse_params

WheelMaker = Callable[..., Path]


@pytest.fixture
def make_wheel() -> WheelMaker:
    """A real wheel that pip accepts, with the given members."""

    def make(folder: Path, members: dict[str, bytes], name: str = "corpus_demo", version: str = "1.0") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        info = f"{name}-{version}.dist-info"
        files = {
            **members,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: demo\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = io.StringIO()
        writer = csv.writer(record)
        for path, data in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            writer.writerow([path, f"sha256={digest}", len(data)])
        writer.writerow([f"{info}/RECORD", "", ""])
        files[f"{info}/RECORD"] = record.getvalue().encode()
        wheel = folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, data in files.items():
                archive.writestr(path, data)
        return wheel

    return make


@pytest.fixture
def make_sdist() -> WheelMaker:
    """A source archive whose build script writes a file if anything runs it."""

    def make(folder: Path, members: dict[str, bytes], trap: Path, name: str = "corpus-demo") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{name}-1.0.tar.gz"
        setup = f"open({str(trap)!r}, 'w').write('built')\nfrom setuptools import setup; setup()\n".encode()
        with tarfile.open(archive, "w:gz") as tar:
            for path, data in {"setup.py": setup, **members}.items():
                info = tarfile.TarInfo(f"{name}-1.0/{path}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return archive

    return make


@pytest.fixture
def only_local_index(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Point pip at one local folder, away from every configuration of this machine."""

    def point(folder: Path) -> None:
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
        monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        monkeypatch.delenv("PIP_INDEX_URL", raising=False)
        monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
        monkeypatch.delenv("ROLESHIFT_OFFLINE", raising=False)

    return point


@pytest.fixture
def make_params() -> Callable[..., Params]:
    """The default params with other sources, corpora, tasks or sections; nothing is chosen on so few items."""
    default = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))

    def make(**over: object) -> Params:
        return parse_params(merge_params(default, {"select": {"ship": "onnx-fp32"}, **over}), "params.yaml")

    return make
