"""Employment and wages from the workbook of BLS's Occupational Employment and Wage Statistics.

`*` and `**` mark estimates that are not released, `#` a wage above the survey's top: all three are
unknown here, never 0. Only detailed occupations are read; the sum over all is kept as the whole.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.errors import RoleShiftError
from roleshift.files import write_text

UNKNOWN = {"*", "**", "#", "", "~"}
COLUMNS = {
    "OCC_CODE": ("OCC_CODE",),
    "LEVEL": ("O_GROUP", "OCC_GROUP", "OCC GROUP"),
    "TOT_EMP": ("TOT_EMP",),
    "A_MEAN": ("A_MEAN",),
}
TOTAL = "00-0000"


@dataclass(frozen=True)
class Wages:
    """`table`: soc, employment, mean_wage (a year), median_wage, top_coded; `whole` is all employment or None."""

    table: pl.DataFrame
    whole: float | None


@dataclass(frozen=True)
class WageCoverage:
    """Which roles found their SOC code, which did not, and the share of all employment that is covered.

    `joint` are the matched roles, with the code, whose occupation is published only together with others.
    """

    matched: int
    unmatched_roles: tuple[str, ...]
    unmatched_codes: tuple[str, ...]
    employment_share: float | None
    joint: tuple[tuple[str, str], ...]


def read_wages(path: Path) -> Wages:
    """Read an xlsx or csv file of national estimates; a defect is an error that names row and column."""
    rows = _rows(path)
    if not rows:
        raise RoleShiftError(f"{path}: holds no row")
    header = [str(name).strip().upper() for name in rows[0]]
    index = {}
    for name, choices in COLUMNS.items():
        found = [choice for choice in choices if choice in header]
        if not found:
            raise RoleShiftError(f"{path}: the column {choices[0]!r} is missing; give the national OEWS file")
        index[name] = header.index(found[0])
    index["A_MEDIAN"] = header.index("A_MEDIAN") if "A_MEDIAN" in header else -1
    area = header.index("AREA_TYPE") if "AREA_TYPE" in header else -1
    industry = header.index("I_GROUP") if "I_GROUP" in header else -1
    records: dict[str, tuple[Any, ...]] = {}
    whole: float | None = None
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise RoleShiftError(f"{path}: row {number} has {len(row)} fields, the header has {len(header)}")
        if (area >= 0 and _text(row[area]) != "1") or (industry >= 0 and _text(row[industry]) != "cross-industry"):
            continue
        code, level = _text(row[index["OCC_CODE"]]), _text(row[index["LEVEL"]]).lower()
        people = _number(row[index["TOT_EMP"]], path, number, "TOT_EMP")
        if code == TOTAL:
            whole = people
        if level != "detailed":
            continue
        if code in records:
            raise RoleShiftError(
                f"{path}: row {number}: the occupation {code!r} stands twice; give the national file of one year"
            )
        mean = _number(row[index["A_MEAN"]], path, number, "A_MEAN")
        median = _number(row[index["A_MEDIAN"]], path, number, "A_MEDIAN") if index["A_MEDIAN"] >= 0 else None
        records[code] = (code, people, mean, median, _text(row[index["A_MEAN"]]) == "#")
    if not records:
        raise RoleShiftError(f"{path}: holds no detailed occupation of the nation as a whole")
    schema = {
        "soc": pl.String,
        "employment": pl.Float64,
        "mean_wage": pl.Float64,
        "median_wage": pl.Float64,
        "top_coded": pl.Boolean,
    }
    return Wages(pl.DataFrame([records[code] for code in sorted(records)], schema=schema, orient="row"), whole)


def _rows(path: Path) -> list[list[Any]]:
    if not path.is_file():
        raise RoleShiftError(f"{path}: no such file")
    if path.suffix.lower() == ".csv":
        content = path.read_bytes()
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        return [row for row in csv.reader(io.StringIO(text)) if row]
    if path.suffix.lower() not in (".xlsx", ".xls", ".xlsb"):
        raise RoleShiftError(f"{path}: must be an xlsx or csv file")
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(str(path))
        return [list(row) for row in workbook.get_sheet_by_index(0).to_python()]
    except (CalamineError, OSError, IndexError) as error:
        raise RoleShiftError(f"{path}: not a readable workbook ({error})") from None


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _number(value: Any, path: Path, row: int, column: str) -> float | None:
    text = _text(value)
    if text in UNKNOWN:
        return None
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e12:
        raise RoleShiftError(f"{path}: row {row}: {column} is {text!r}, not a number")
    return number


def save_wages(path: Path, wages: Wages) -> None:
    """Write what was read in the national file's own columns, so that `read_wages` reads it again."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["OCC_CODE", "O_GROUP", "TOT_EMP", "A_MEAN", "A_MEDIAN"])
    writer.writerow([TOTAL, "total", _marked(wages.whole, False), "*", "*"])
    for row in wages.table.to_dicts():
        mean = _marked(row["mean_wage"], row["top_coded"])
        writer.writerow(
            [row["soc"], "detailed", _marked(row["employment"], False), mean, _marked(row["median_wage"], False)]
        )
    write_text(path, out.getvalue())


def _marked(value: float | None, top_coded: bool) -> str:
    if value is None:
        return "#" if top_coded else "*"
    return f"{value:.15g}"


def with_wages(roles: pl.DataFrame, wages: Wages) -> tuple[pl.DataFrame, WageCoverage]:
    """Roles with employment and mean wage by SOC code, where the role has no figure of its own.

    A code's employment is shared out equally among the roles that take it, so that nobody counts twice.
    An occupation without a row of its own is in the row of its group, where the survey publishes one as
    detailed: a code that ends in 0 is a group's. What other made-up codes join, the file does not say.
    """
    published = wages.table["soc"].to_list()
    soc = pl.col("soc")
    candidates = [soc, soc.str.slice(0, 6) + "0", soc.str.slice(0, 4) + "000"]
    code = pl.coalesce([pl.when(each.is_in(published)).then(each) for each in candidates])
    known = wages.table.select(code="soc", found_employment="employment", found_wage="mean_wage")
    coded = roles.with_columns(code=code)
    joined = coded.join(known, on="code", how="left", maintain_order="left")
    filled = joined.with_columns(
        pl.coalesce("employment", pl.col("found_employment") / pl.col("employment").is_null().sum().over("code")).alias(
            "employment"
        ),
        pl.coalesce("mean_wage", "found_wage").alias("mean_wage"),
    ).select(roles.columns)
    matched = coded.filter(pl.col("code").is_not_null())
    codes = matched["code"].unique().to_list()
    people = wages.table.filter(soc.is_in(codes))["employment"].sum()
    return filled, WageCoverage(
        matched.height,
        tuple(coded.filter(pl.col("code").is_null())["role_id"]),
        tuple(each for each in published if each not in codes),
        float(people) / wages.whole if wages.whole else None,
        tuple(matched.filter(soc != pl.col("code")).select("role_id", "code").iter_rows()),
    )
