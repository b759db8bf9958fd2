import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from roleshift.files import hash_tree
from roleshift.training.checkpoints import load_checkpoint, save_checkpoint

SCRIPT = Path(__file__).with_name("killed_run.py")


def run(base: Path, work: Path, adapter: Path, when: str) -> int:
    command = [sys.executable, str(SCRIPT), str(base), str(work), str(adapter), when]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_a_run_killed_at_several_moments_ends_with_the_same_bytes(tiny_llama, tmp_path):
    assert run(tiny_llama, tmp_path / "straight", tmp_path / "one", "never") == 0
    work, adapter = tmp_path / "killed", tmp_path / "two"
    assert run(tiny_llama, work, adapter, "report:3") == -signal.SIGKILL
    assert run(tiny_llama, work, adapter, "write:2") == -signal.SIGKILL
    assert not adapter.exists()
    assert run(tiny_llama, work, adapter, "never") == 0
    assert hash_tree(adapter) == hash_tree(tmp_path / "one")


def test_checkpoints_keep_the_newest_two_and_leave_no_part(tmp_path):
    (tmp_path / ".step-00000001.pt.killed.tmp").write_bytes(b"part of one")
    for step in (2, 4, 10):
        save_checkpoint(tmp_path, step, {"step": step})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000004.pt", "step-00000010.pt"]
    assert load_checkpoint(tmp_path) == {"step": 10}


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", "half", "zero"])
def test_an_unreadable_checkpoint_is_skipped_with_a_warning(tmp_path, damage):
    for step in (1, 2):
        save_checkpoint(tmp_path, step, {"step": step, "weights": [torch.arange(1000.0)]})
    newest = tmp_path / "step-00000002.pt"
    whole = newest.read_bytes()
    newest.write_bytes({"half": whole[: len(whole) // 2], "zero": bytes(len(whole))}.get(damage, damage))
    with pytest.warns(UserWarning, match=r"step-00000002\.pt: unreadable checkpoint skipped"):
        state = load_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 1


def test_a_checkpoint_that_would_run_code_is_not_loaded(tmp_path):
    save_checkpoint(tmp_path, 1, {"step": 1})
    torch.save({"step": 2, "harm": Path}, tmp_path / "step-00000002.pt")
    with pytest.warns(UserWarning, match="unreadable"):
        assert load_checkpoint(tmp_path) == {"step": 1}


def test_no_checkpoint_is_a_fresh_start(tmp_path):
    assert load_checkpoint(tmp_path / "nothing") is None
