import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roleshift.data.sources.store import DownloadStore

KEY = {"kind": "demo"}


def test_what_was_fetched_is_recalled_until_a_file_of_it_changes(tmp_path: Path) -> None:
    store = DownloadStore(tmp_path / "store")
    source = tmp_path / "a.txt"
    source.write_text("text")
    fetched = store.remember(KEY, [store.add(source, "a.txt")], "1.0")
    assert store.recall(KEY) == fetched
    assert store.recall({"kind": "other"}) is None
    fetched.files[0].path.write_text("tampered")
    assert store.recall(KEY) is None
    again = store.add(source, "a.txt")
    assert again.path.read_text() == "text"
    assert store.recall(KEY) == fetched


def test_a_local_file_is_copied_so_that_a_later_edit_of_it_changes_nothing_stored(tmp_path: Path) -> None:
    store = DownloadStore(tmp_path / "store")
    source = tmp_path / "a.txt"
    source.write_text("text")
    stored = store.add(source, "a.txt")
    with source.open("r+") as stream:  # in place: same inode
        stream.write("edit")
    assert stored.path.read_text() == "text"


@pytest.mark.parametrize("moment", ["copy", "rename", "index"])
def test_killed_in_the_middle_nothing_partial_is_accepted(tmp_path: Path, moment: str) -> None:
    source = tmp_path / "a.txt"
    source.write_text("text" * 1000)
    script = f"""
import os, shutil, signal
from pathlib import Path
import roleshift.data.sources.store as store_module
import roleshift.files as files
def die(*arguments, **named): os.kill(os.getpid(), signal.SIGKILL)
def half(a, b):
    Path(b).write_text("half"); die()
if {moment!r} == "copy": shutil.copyfile = half
if {moment!r} == "rename": os.replace = die
if {moment!r} == "index": store_module.write_json = die
store = store_module.DownloadStore(Path({str(tmp_path / "store")!r}))
with store.scratch():
    store.remember({KEY!r}, [store.add(Path({str(source)!r}), "a.txt")], "1")
"""
    result = subprocess.run([sys.executable, "-c", script], check=False, env=dict(os.environ))
    assert result.returncode == -signal.SIGKILL
    store = DownloadStore(tmp_path / "store")
    assert store.recall(KEY) is None
    store.remove_partial()
    assert not list((tmp_path / "store").glob("partial-*"))
    store.remember(KEY, [store.add(source, "a.txt")], "1")
    recalled = store.recall(KEY)
    assert recalled is not None
    assert recalled.files[0].path.read_text() == "text" * 1000


def test_a_damaged_index_entry_counts_as_absent(tmp_path: Path) -> None:
    store = DownloadStore(tmp_path / "store")
    source = tmp_path / "a.txt"
    source.write_text("text")
    store.remember(KEY, [store.add(source, "a.txt")], "1")
    (entry,) = (tmp_path / "store" / "index").iterdir()
    entry.write_text("{")
    assert store.recall(KEY) is None
