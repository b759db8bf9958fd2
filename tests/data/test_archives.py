import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from roleshift.data.sources.archives import extract_members
from roleshift.errors import RoleShiftError


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tar_of(path: Path, *entries: tarfile.TarInfo, data: bytes = b"text") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for entry in entries:
            if entry.isreg():
                entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data) if entry.isreg() else None)
    return path


def test_members_that_match_are_flattened_to_their_file_names(tmp_path: Path) -> None:
    archive = zip_of(
        tmp_path / "a.whl", {"pkg/data/b.jsonl": b"b", "pkg/data/a.jsonl": b"a", "pkg/data/deep/c.jsonl": b"c"}
    )
    out = tmp_path / "out"
    out.mkdir()
    assert [p.name for p in extract_members(archive, ("pkg/data/*.jsonl",), out)] == ["a.jsonl", "b.jsonl"]
    assert (out / "a.jsonl").read_bytes() == b"a"
    assert sorted(p.name for p in out.iterdir()) == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "pkg/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_an_archive_with_a_member_that_points_outside_is_refused(tmp_path: Path, name: str) -> None:
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    for archive in (
        zip_of(tmp_path / "a.zip", {name: b"x", "pkg/a.txt": b"a"}),
        tar_of(tmp_path / "a.tar.gz", tarfile.TarInfo(name), tarfile.TarInfo("pkg/a.txt")),
    ):
        with pytest.raises(RoleShiftError, match="points outside"):
            extract_members(archive, ("pkg/a.txt",), out)
    assert not list(out.iterdir())
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_of_a_tar_are_not_followed(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("pkg/a.txt")
    link.type = kind
    link.linkname = "/etc/passwd"
    archive = tar_of(tmp_path / "a.tar.gz", link)
    with pytest.raises(RoleShiftError, match=r"pkg/a\.txt is a link"):
        extract_members(archive, ("pkg/*.txt",), tmp_path)


def test_a_symbolic_link_inside_a_zip_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    info = zipfile.ZipInfo("pkg/a.txt")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(RoleShiftError, match="is a link"):
        extract_members(path, ("pkg/a.txt",), tmp_path)


def test_oversized_members_are_refused(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"pkg/a.txt": b"0" * 5000})
    with pytest.raises(RoleShiftError, match="5000 bytes, more than 1000"):
        extract_members(archive, ("pkg/a.txt",), tmp_path, max_bytes=1000)


def test_a_member_that_unpacks_to_more_than_it_declares_is_refused(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"pkg/a.txt": b"0" * 5000})
    raw = bytearray(archive.read_bytes())
    central = raw.rindex(b"PK\x01\x02")
    raw[central + 24 : central + 28] = (10).to_bytes(4, "little")  # the declared size
    archive.write_bytes(bytes(raw))
    with pytest.raises(RoleShiftError, match="a.zip"):
        extract_members(archive, ("pkg/a.txt",), tmp_path)


def test_truncated_archives_are_refused(tmp_path: Path) -> None:
    whole_zip = zip_of(tmp_path / "w.zip", {"pkg/a.txt": b"text" * 1000}).read_bytes()
    whole_tar = tar_of(tmp_path / "w.tar.gz", tarfile.TarInfo("pkg/a.txt"), data=bytes(range(256)) * 400).read_bytes()
    for name, data in (("z.zip", whole_zip[:-30]), ("t.tar.gz", whole_tar[: len(whole_tar) // 2])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RoleShiftError, match="cannot be read as an archive"):
            extract_members(tmp_path / name, ("pkg/a.txt",), tmp_path)


def test_a_pattern_without_a_match_and_two_members_of_one_name_are_named(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"x/a.txt": b"1", "y/a.txt": b"2"})
    with pytest.raises(RoleShiftError, match=r"no member matches 'z/\*\.txt'"):
        extract_members(archive, ("z/*.txt",), tmp_path)
    with pytest.raises(RoleShiftError, match=r"x/a\.txt and y/a\.txt have one file name"):
        extract_members(archive, ("*/a.txt",), tmp_path)
