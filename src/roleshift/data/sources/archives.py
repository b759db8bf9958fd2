"""Members of wheels and source archives, read without installing or running anything."""

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from roleshift.errors import RoleShiftError

MAX_MEMBER_BYTES = 8 * 2**30
_CHUNK = 2**20


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    is_link: bool
    entry: zipfile.ZipInfo | tarfile.TarInfo


def extract_members(
    archive: Path, patterns: tuple[str, ...], folder: Path, *, max_bytes: int = MAX_MEMBER_BYTES
) -> list[Path]:
    """Write the members that match to `folder` under their file names; return the paths, sorted.

    A pattern is a path inside the archive with `*` and `?` inside its parts. Refused with one line:
    an archive that is cut short, any member whose path leaves the archive, a selected link, a
    selected member above `max_bytes`, two selected members of one file name, a pattern that
    matches nothing.
    """
    try:
        with _opened(archive) as (members, reader):
            for member in members:
                _refuse_outside(archive, member.name)
            return [
                _write(archive, member, reader, folder, max_bytes) for member in _select(archive, members, patterns)
            ]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise RoleShiftError(f"{archive.name}: cannot be read as an archive ({error}); fetch it again") from None


class _Reader:
    def __init__(self, archive: zipfile.ZipFile | tarfile.TarFile) -> None:
        self.archive = archive

    def open(self, member: _Member) -> IO[bytes]:
        if isinstance(self.archive, zipfile.ZipFile):
            assert isinstance(member.entry, zipfile.ZipInfo)
            return self.archive.open(member.entry)
        assert isinstance(member.entry, tarfile.TarInfo)
        stream = self.archive.extractfile(member.entry)
        if stream is None:
            raise ValueError(f"{member.name} is no regular file")
        return stream


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[_Member], _Reader]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            # The upper half of the external attributes is the Unix mode; 0o12 is a symbolic link.
            members = [
                _Member(i.filename, i.file_size, i.external_attr >> 28 == 0o12, i)
                for i in archive.infolist()
                if not i.is_dir()
            ]
            yield members, _Reader(archive)
    else:
        with tarfile.open(path) as archive:
            yield [_Member(i.name, i.size, not i.isreg(), i) for i in archive if not i.isdir()], _Reader(archive)


def _refuse_outside(archive: Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise RoleShiftError(f"{archive.name}: the member {name!r} points outside the archive; do not use this file")


def _select(archive: Path, members: list[_Member], patterns: tuple[str, ...]) -> list[_Member]:
    chosen: dict[str, _Member] = {}
    for pattern in patterns:
        matching = [member for member in members if _matches(member.name, pattern)]
        if not matching:
            raise RoleShiftError(f"{archive.name}: no member matches {pattern!r}; correct `members` of this source")
        for member in matching:
            name = PurePosixPath(member.name).name
            other = chosen.setdefault(name, member)
            if other.name != member.name:
                raise RoleShiftError(
                    f"{archive.name}: the members {other.name} and {member.name} have one file name; narrow `members`"
                )
    return [chosen[name] for name in sorted(chosen)]


def _matches(name: str, pattern: str) -> bool:
    parts, wanted = PurePosixPath(name).parts, PurePosixPath(pattern).parts
    return len(parts) == len(wanted) and all(fnmatchcase(part, want) for part, want in zip(parts, wanted, strict=True))


def _write(archive: Path, member: _Member, reader: _Reader, folder: Path, max_bytes: int) -> Path:
    if member.is_link:
        raise RoleShiftError(f"{archive.name}: the member {member.name} is a link, which is not followed")
    if member.size > max_bytes:
        raise RoleShiftError(f"{archive.name}: the member {member.name} has {member.size} bytes, more than {max_bytes}")
    target = folder / PurePosixPath(member.name).name
    written = 0
    with reader.open(member) as source, target.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > max_bytes:
                raise RoleShiftError(f"{archive.name}: the member {member.name} unpacks to more than {max_bytes} bytes")
            sink.write(chunk)
    if written != member.size:
        raise RoleShiftError(f"{archive.name}: the member {member.name} is cut short; fetch it again")
    return target
