"""The official O*NET text archive: read safely, checked, stored as Parquet, with a coverage report.

An archive is somebody else's file: sizes and compression ratios are limited, member paths are never
written to disk, text must be UTF-8 or Latin-1, columns are found by name in any order, and a row
with another number of fields than its header is an error that names its line. Only the tables
named here are read.

Every export that rests on it must carry ATTRIBUTION.
"""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from roleshift.errors import RoleShiftError
from roleshift.files import read_json, replacing, sha256_file, write_json
from roleshift.impact.words import Words

ATTRIBUTION = (
    "This product includes information from the O*NET {release} Database by the U.S. Department of Labor, "
    "Employment and Training Administration (USDOL/ETA). Used under the CC BY 4.0 license. O*NET is a trademark "
    "of USDOL/ETA. RoleShift has modified all or some of this information. USDOL/ETA has not approved, endorsed, "
    "or tested these modifications."
)
CODE, TASK = "O*NET-SOC Code", "Task ID"
SCORED = (CODE, "Element ID", "Scale ID", "Data Value")
TABLES: dict[str, tuple[str, ...]] = {
    "Occupation Data": (CODE, "Title", "Description"),
    "Task Statements": (CODE, TASK, "Task", "Task Type"),
    "Tasks to DWAs": (CODE, TASK, "DWA ID"),
    "DWA Reference": ("Element ID", "IWA ID", "DWA ID", "DWA Title"),
    "IWA Reference": ("Element ID", "IWA ID", "IWA Title"),
    "Content Model Reference": ("Element ID", "Element Name"),
    "Task Ratings": (CODE, TASK, "Scale ID", "Data Value"),
    "Work Context": SCORED,
    "Skills": SCORED,
    "Work Activities": SCORED,
    "Education, Training, and Experience": (CODE, "Element ID", "Scale ID", "Category", "Data Value"),
    "Job Zones": (CODE, "Job Zone"),
    "Alternate Titles": (CODE, "Alternate Title"),
    "Sample of Reported Titles": (CODE, "Reported Job Title"),
}
NEEDED = ("Occupation Data", "Task Statements", "Tasks to DWAs")
MEMBER_BYTES = 500 * 2**20  # of one table, unpacked; the largest official one has about 80 MB
TOTAL_BYTES = 2 * 2**30  # of all tables read
RATIO = 200  # unpacked over packed; official tables reach about 30
CHECKED_FROM = 2**20  # smaller members may have any ratio


@dataclass(frozen=True)
class Archive:
    """The tables of an archive as text columns, by official name, and its release ("30.2" or "unknown")."""

    tables: dict[str, pl.DataFrame]
    release: str
    sha256: str


@dataclass
class Coverage:
    """What an archive holds: counts, tables absent with the fallback used, and codes without a match."""

    release: str
    sha256: str
    occupations: int
    tasks: int
    tasks_without_activity: int
    occupations_without_tasks: int
    absent: dict[str, str] = field(default_factory=dict)
    unmatched: dict[str, list[str]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The report, with the attribution that every export needs; at most 50 codes of a kind are listed."""
        return {
            **{k: getattr(self, k) for k in self.__dataclass_fields__ if k != "unmatched"},
            "unmatched": {k: {"count": len(v), "first": v[:50]} for k, v in self.unmatched.items()},
            "attribution": ATTRIBUTION.format(release=self.release),
        }


def read_archive(path: Path) -> Archive:
    """Read the known tables of an archive; everything wrong with it is a one-line error."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            absent = [name for name in NEEDED if name not in members]
            if absent:
                raise RoleShiftError(
                    f"{path}: has no table {absent[0]!r}; download the text archive (db_NN_N_text.zip) of O*NET"
                )
            tables = {}
            for name, member in members.items():
                tables[name] = parse_table(_unpack(archive, member, path), TABLES[name], f"{path}: {member.filename}")
    except FileNotFoundError:
        raise RoleShiftError(f"{path}: no such file") from None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise RoleShiftError(f"{path}: not a readable zip archive ({error})") from None
    return Archive(tables, _release([m.filename for m in members.values()], path), sha256_file(path))


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for member in archive.infolist():
        name = member.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or (parts and parts[0].endswith(":")):
            raise RoleShiftError(f"{path}: member {name!r} points outside the archive; this is no official file")
        table = parts[-1].removesuffix(".txt") if parts and parts[-1].endswith(".txt") else ""
        if table not in TABLES or "__MACOSX" in parts:
            continue
        if table in found:
            raise RoleShiftError(f"{path}: holds the table {table!r} twice")
        if member.flag_bits & 0x1:
            raise RoleShiftError(f"{path}: member {name!r} is encrypted")
        total += member.file_size
        if member.file_size > MEMBER_BYTES or total > TOTAL_BYTES:
            raise RoleShiftError(
                f"{path}: member {name!r} would unpack to {member.file_size:,} bytes; the limit is passed"
            )
        if member.file_size > CHECKED_FROM and member.file_size > RATIO * max(member.compress_size, 1):
            raise RoleShiftError(f"{path}: member {name!r} is packed more than {RATIO} times; this is no official file")
        found[table] = member
    return {name: found[name] for name in TABLES if name in found}


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> str:
    """A member's text. The declared size is not believed: one byte more ends the reading."""
    with archive.open(member) as stream:
        content = stream.read(member.file_size + 1)
    if len(content) > member.file_size:
        raise RoleShiftError(f"{path}: member {member.filename!r} is larger than it says")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if "\0" in text:
        raise RoleShiftError(f"{path}: member {member.filename!r} is not text (it holds NUL characters)")
    return text


def parse_table(text: str, columns: tuple[str, ...], where: str) -> pl.DataFrame:
    """A tab-separated table, all of its columns as text; `columns` must be there, in any order."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    header = [name.strip() for name in lines[0].split("\t")]
    for name in columns:
        if name not in header:
            raise RoleShiftError(f"{where}: the column {name!r} is missing")
    if len(set(header)) != len(header):
        raise RoleShiftError(f"{where}: a column stands twice")
    rows = [line.split("\t") for line in lines[1:]]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise RoleShiftError(f"{where}: line {number} has {len(row)} fields, the header has {len(header)}")
    data: list[tuple[str, ...]] = list(zip(*rows, strict=True)) if rows else [() for _ in header]
    frame = pl.DataFrame({name: list(map(str.strip, values)) for name, values in zip(header, data, strict=True)})
    return frame.cast(pl.String).with_columns(pl.when(pl.all() != "").then(pl.all()).name.keep())


def numbers(frame: pl.DataFrame, column: str, where: str) -> pl.DataFrame:
    """The frame with `column` as a number; a text that is none is an error with its line; n/a is unknown."""
    plain = frame.with_columns(
        pl.when(~pl.col(column).str.to_lowercase().is_in(["n/a", "na"])).then(column).alias(column)
    )
    out = plain.with_columns(pl.col(column).cast(pl.Float64, strict=False))
    bad = (out[column].is_null() & plain[column].is_not_null()) | ~out[column].fill_null(0.0).is_finite()
    if bad.any():
        row = bad.arg_max() or 0
        raise RoleShiftError(f"{where}: line {row + 2}: {column!r} is {frame[column][row]!r}, not a number")
    return out


def _release(names: list[str], path: Path) -> str:
    for text in (*(PurePosixPath(name).parts[0] for name in names), path.name):
        parts = text.removesuffix(".zip").split("_")
        if len(parts) >= 3 and parts[0] == "db" and parts[1].isdigit() and parts[2].isdigit():
            return f"{parts[1]}.{parts[2]}"
    return "unknown"


def import_archive(path: Path, out: Path, known_activities: frozenset[str]) -> Coverage:
    """Read an archive, write its tables to the folder `out` as Parquet with coverage.json, and report.

    `known_activities` are the ids of the activity matrix; a task's activity outside it counts as
    unmatched. The folder appears as a whole or not at all.
    """
    archive = read_archive(path)
    coverage = cover(archive, known_activities)
    with replacing(out) as folder:
        folder.mkdir()
        for name, table in archive.tables.items():
            table.write_parquet(folder / f"{name}.parquet", compression="zstd")
        write_json(folder / "coverage.json", coverage.as_json())
    return coverage


def load_import(folder: Path) -> Archive:
    """An imported archive from its folder."""
    tables = {
        name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES if (folder / f"{name}.parquet").is_file()
    }
    missing = [name for name in NEEDED if name not in tables]
    if missing:
        raise RoleShiftError(f"{folder}: holds no imported O*NET archive; run `roleshift onet import PATH`")
    report = read_json(folder / "coverage.json")
    return Archive(tables, report["release"], report["sha256"])


def task_activities(archive: Archive) -> pl.DataFrame:
    """Code, task and intermediate work activity, one row each; detailed activities without a match are left out."""
    links = archive.tables["Tasks to DWAs"].select(CODE, TASK, "DWA ID")
    if "DWA Reference" in archive.tables:
        reference = (
            archive.tables["DWA Reference"]
            .select("DWA ID", "IWA ID")
            .unique("DWA ID", keep="first", maintain_order=True)
        )
        links = links.join(reference, on="DWA ID", how="left", maintain_order="left")
    else:
        links = links.with_columns(pl.col("DWA ID").str.replace(r"\.D\d+$", "").alias("IWA ID"))
    return links.drop_nulls("IWA ID").select(CODE, TASK, "IWA ID").unique(maintain_order=True)


def cover(archive: Archive, known_activities: frozenset[str]) -> Coverage:
    """The coverage report of an archive."""
    words = Words("en")
    occupations, tasks = archive.tables["Occupation Data"], archive.tables["Task Statements"]
    links = archive.tables["Tasks to DWAs"]
    activities = task_activities(archive)
    matched = activities.filter(pl.col("IWA ID").is_in(list(known_activities)))
    bare = tasks.join(matched, on=[CODE, TASK], how="anti")
    codes = set(occupations[CODE])
    unmatched = {
        "occupations of tasks": set(tasks[CODE].drop_nulls()) - codes,
        "tasks of activities": set(
            links.join(tasks, on=[CODE, TASK], how="anti").select(pl.concat_str(CODE, TASK, separator="/"))[CODE]
        ),
        "intermediate activities": set(activities["IWA ID"]) - known_activities,
    }
    if "DWA Reference" in archive.tables:
        unmatched["detailed activities"] = set(links["DWA ID"].drop_nulls()) - set(
            archive.tables["DWA Reference"]["DWA ID"]
        )
    for name in ("Skills", "Task Ratings", "Work Context"):
        if name in archive.tables:
            unmatched[f"occupations of {name}"] = set(archive.tables[name][CODE].drop_nulls()) - codes
    return Coverage(
        archive.release,
        archive.sha256,
        occupations.height,
        tasks.height,
        bare.height,
        occupations.join(tasks, on=CODE, how="anti").height,
        {name: words.plain(f"fallback {name}") for name in TABLES if name not in (*NEEDED, *archive.tables)},
        {name: sorted(values) for name, values in unmatched.items() if values},
    )
