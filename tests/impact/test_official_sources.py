import zipfile
from pathlib import Path

import polars as pl
import pytest
from impact_builders import activities, role
from polars.testing import assert_frame_equal

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import default_assumptions
from roleshift.impact.occupations import occupation_work
from roleshift.impact.onet import cover, import_archive, load_import, read_archive
from roleshift.impact.wages import read_wages, with_wages
from roleshift.impact.work import ROLES

MATRIX = activities({"4.A.1.a.1.I01": (1, {"answer": 1}, 0.0), "4.A.3.a.1.I01": (0, {}, 0.0)}, consequence="high")
KNOWN = frozenset(MATRIX.ids)
CODE = "O*NET-SOC Code"


def table(*rows: str) -> str:
    return "\r\n".join(row.replace("|", "\t") for row in rows) + "\r\n"


PLAIN = {
    "Occupation Data": table(
        f"{CODE}|Title|Description",
        "11-1011.00|Chiefs|Lead.",
        "11-1011.03|Green chiefs|Lead.",
        "99-9999.00|Empty|None.",
    ),
    "Task Statements": table(
        f"{CODE}|Task ID|Task|Task Type",
        "11-1011.00|1|Read.|Core",
        "11-1011.00|2|Lift.|Supplemental",
        "11-1011.03|3|Think.|Core",
    ),
    "Tasks to DWAs": table(
        f"{CODE}|Task ID|DWA ID",
        "11-1011.00|1|4.A.1.a.1.I01.D01",
        "11-1011.00|2|4.A.3.a.1.I01.D09",
        "11-1011.00|77|4.A.1.a.1.I01.D01",
        "11-1011.03|3|4.A.9.z.9.I99.D01",
    ),
}
RATED = PLAIN | {
    # the columns in another order than elsewhere
    "Task Ratings": table(
        f"Scale ID|{CODE}|Data Value|Task ID",
        "IM|11-1011.00|4.5|1",
        "IM|11-1011.00|1.5|2",
        "FT|11-1011.00|9|1",
        "IM|11-1011.03|n/a|3",
    ),
    "Work Context": table(
        f"{CODE}|Element ID|Scale ID|Data Value",
        "11-1011.00|4.C.3.a.1|CX|4.7",
        "11-1011.00|4.C.3.b.4|CX|1.0",
        "11-1011.03|4.C.3.b.4|CX|4.9",
    ),
    "DWA Reference": table(
        "Element ID|IWA ID|DWA ID|DWA Title",
        "4.A.1.a.1|4.A.1.a.1.I01|4.A.1.a.1.I01.D01|Read",
        "4.A.3.a.1|4.A.3.a.1.I01|4.A.3.a.1.I01.D09|Lift",
    ),
}


def archive(path: Path, tables: dict[str, str | bytes], folder: str = "db_29_3_text/") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, text in tables.items():
            out.writestr(name if name.endswith("!") else f"{folder}{name}.txt", text)
    return path


def test_an_archive_becomes_parquet_with_a_coverage_report(tmp_path):
    path = archive(tmp_path / "a.zip", PLAIN)
    coverage = import_archive(path, tmp_path / "onet", KNOWN)
    assert (coverage.release, coverage.occupations, coverage.tasks) == ("29.3", 3, 3)
    assert (coverage.tasks_without_activity, coverage.occupations_without_tasks) == (1, 1)
    assert "core 2, supplemental 1" in coverage.absent["Task Ratings"]
    assert coverage.unmatched == {
        "tasks of activities": ["11-1011.00/77"],
        "intermediate activities": ["4.A.9.z.9.I99"],
    }
    assert "O*NET 29.3 Database" in coverage.as_json()["attribution"]
    again, direct = load_import(tmp_path / "onet"), read_archive(path)
    assert again.release == "29.3"
    for name in PLAIN:
        assert_frame_equal(again.tables[name], direct.tables[name])


def test_absent_tables_fall_back_to_stated_defaults(tmp_path):
    jobs = occupation_work(read_archive(archive(tmp_path / "a.zip", PLAIN)), MATRIX, default_assumptions())
    assert jobs.roles["soc"].to_list() == ["11-1011", "11-1011", "99-9999"]
    assert jobs.tasks["weight"].to_list() == pytest.approx([2 / 3, 1 / 3, 1])
    assert jobs.tasks["consequence"].to_list() == ["high", "high", "medium"]
    assert jobs.tasks["activities"].to_list() == [["4.A.1.a.1.I01"], ["4.A.3.a.1.I01"], []]


def test_ratings_and_work_context_are_used_where_they_are(tmp_path):
    found = read_archive(archive(tmp_path / "a.zip", RATED))
    jobs = occupation_work(found, MATRIX, default_assumptions())
    assert jobs.tasks["weight"].to_list() == pytest.approx([0.75, 0.25, 1])
    assert jobs.tasks["consequence"].to_list() == ["critical", "critical", "high"]
    report = cover(found, KNOWN)
    assert not {"Task Ratings", "Work Context", "DWA Reference"} & report.absent.keys()
    assert report.unmatched["detailed activities"] == ["4.A.9.z.9.I99.D01"]


def test_latin_1_text_is_read(tmp_path):
    tables = PLAIN | {"Occupation Data": PLAIN["Occupation Data"].replace("Chiefs", "Ch\u00e9fs").encode("latin-1")}
    assert read_archive(archive(tmp_path / "a.zip", tables)).tables["Occupation Data"]["Title"][0] == "Ch\u00e9fs"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"../evil!": "x"}, "points outside"),
        ({"/etc/evil!": "x"}, "points outside"),
        ({"C:\\evil!": "x"}, "points outside"),
        ({"Task Statements": PLAIN["Task Statements"] + "0" * 3_000_000}, "packed more than"),
        ({"Task Statements": "a\tb\n"}, "column 'O\\*NET-SOC Code' is missing"),
        ({"Task Statements": PLAIN["Task Statements"] + "11-1011.00\t4\n"}, "line 5 has 2 fields"),
        ({"Task Statements": PLAIN["Task Statements"] + "\0\t\t\t\n"}, "NUL"),
    ],
)
def test_hostile_and_broken_archives_are_refused_in_one_line(tmp_path, change, message):
    path = archive(tmp_path / "a.zip", PLAIN | change)
    with pytest.raises(RoleShiftError, match=message) as error:
        import_archive(path, tmp_path / "onet", KNOWN)
    assert "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK no zip")
    for path, message in ((tmp_path / "a.zip", "not a readable zip"), (tmp_path / "b.zip", "no such file")):
        with pytest.raises(RoleShiftError, match=message):
            read_archive(path)
    with pytest.raises(RoleShiftError, match="no table 'Tasks to DWAs'"):
        read_archive(archive(tmp_path / "c.zip", {k: v for k, v in PLAIN.items() if k != "Tasks to DWAs"}))
    cut = archive(tmp_path / "d.zip", PLAIN).read_bytes()
    (tmp_path / "d.zip").write_bytes(cut[: len(cut) // 2])
    with pytest.raises(RoleShiftError, match="not a readable zip"):
        read_archive(tmp_path / "d.zip")


def test_a_value_that_is_no_number_is_named_by_its_line(tmp_path):
    tables = RATED | {"Task Ratings": RATED["Task Ratings"].replace("4.5", "many")}
    found = read_archive(archive(tmp_path / "a.zip", tables))
    with pytest.raises(RoleShiftError, match="Task Ratings: line 2: 'Data Value' is 'many'"):
        occupation_work(found, MATRIX, default_assumptions())


WAGES = """AREA_TYPE,I_GROUP,OCC_CODE,OCC_TITLE,O_GROUP,TOT_EMP,A_MEAN,A_MEDIAN
1,cross-industry,00-0000,All,total,"154,000",60000,50000
1,cross-industry,11-0000,Managers,major,"10,000",100000,90000
1,cross-industry,11-1011,Chiefs,detailed,"2,000",#,#
1,cross-industry,41-2011,Cashiers,detailed,"3,000",30000,29000
1,cross-industry,27-2011,Actors,detailed,**,*,*
2,cross-industry,41-2011,Cashiers,detailed,5,1,1
"""


def xlsx(path: Path, rows: list[list[str]]) -> Path:
    """A minimal workbook with inline strings, written by hand."""

    def one(value: str) -> str:
        plain = value.replace(",", "")
        return f"<c><v>{plain}</v></c>" if plain.isdigit() else f'<c t="inlineStr"><is><t>{value}</t></is></c>'

    body = "".join("<row>" + "".join(map(one, row)) + "</row>" for row in rows)
    main, rels = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://schemas.openxmlformats.org/"
    office = f"{rels}officeDocument/2006/relationships"
    sheet_type = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{rels}package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{sheet_type}.sheet.main+xml"/>'
        f'<Override PartName="/xl/sheet1.xml" ContentType="{sheet_type}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{rels}package/2006/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        f'<sheet name="n" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{rels}package/2006/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="sheet1.xml"/></Relationships>',
        "xl/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w") as out:
        for name, text in parts.items():
            out.writestr(name, text)
    return path


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_wages_are_read_and_markers_are_unknown_never_zero(tmp_path, kind):
    import csv
    import io

    path = tmp_path / f"national.{kind}"
    if kind == "csv":
        path.write_text(WAGES)
    else:
        xlsx(path, list(csv.reader(io.StringIO(WAGES))))
    wages = read_wages(path)
    assert wages.whole == 154_000
    assert wages.table.rows() == [
        ("11-1011", 2000.0, None, None, True),
        ("27-2011", None, None, None, False),
        ("41-2011", 3000.0, 30_000.0, 29_000.0, False),
    ]


def test_roles_take_employment_by_soc_and_say_what_did_not_match(tmp_path):
    path = tmp_path / "national.csv"
    path.write_text(WAGES)
    roles = pl.DataFrame(
        [role("a", soc="41-2011"), role("b", soc="99-9999"), role("c"), role("d", soc="11-1011", employment=7.0)],
        schema=ROLES,
    )
    filled, coverage = with_wages(roles, read_wages(path))
    assert filled["employment"].to_list() == [3000.0, None, None, 7.0]
    assert filled["mean_wage"].to_list() == [30_000.0, None, None, None]
    assert coverage.unmatched_roles == ("b", "c")
    assert coverage.unmatched_codes == ("27-2011",)
    assert coverage.employment_share == pytest.approx(5000 / 154_000)


def test_roles_of_one_code_share_its_employment_and_own_head_counts_stay_whole(tmp_path):
    path = tmp_path / "national.csv"
    path.write_text(WAGES)
    roles = [role("a", soc="41-2011"), role("b", soc="41-2011"), role("own", soc="41-2011", employment=7.0)]
    filled, _ = with_wages(pl.DataFrame(roles, schema=ROLES), read_wages(path))
    assert filled["employment"].to_list() == [1500.0, 1500.0, 7.0]
    assert filled["mean_wage"].to_list() == [30_000.0] * 3


def test_an_occupation_that_is_published_only_in_its_group_takes_the_group_s_row(tmp_path):
    path = tmp_path / "national.csv"
    path.write_text(
        WAGES + "1,cross-industry,13-1020,Buyers,broad,900,70000,65000\n"
        "1,cross-industry,13-1020,Buyers,detailed,900,70000,65000\n"
        "1,cross-industry,13-1023,Agents,detailed,100,80000,75000\n"
        "1,cross-industry,37-3000,Grounds,detailed,600,40000,39000\n"
        "1,cross-industry,21-1018,Counselors,detailed,500,55000,50000\n"
    )
    names = {"farm": "13-1021", "retail": "13-1022", "agent": "13-1023", "trees": "37-3013", "counselor": "21-1011"}
    roles = pl.DataFrame([role(name, soc=code) for name, code in names.items()], schema=ROLES)
    filled, coverage = with_wages(roles, read_wages(path))
    assert filled["employment"].to_list() == [450.0, 450.0, 100.0, 600.0, None]  # two share one row's people
    assert filled["mean_wage"].to_list() == [70_000.0, 70_000.0, 80_000.0, 40_000.0, None]
    assert coverage.joint == (("farm", "13-1020"), ("retail", "13-1020"), ("trees", "37-3000"))
    assert (coverage.matched, coverage.unmatched_roles) == (4, ("counselor",))  # 21-1018 joins what no digit tells
    assert "21-1018" in coverage.unmatched_codes
    assert coverage.employment_share == pytest.approx(1600 / 154_000)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("O_GROUP", "GROUP", "column 'O_GROUP' is missing"),
        ('"3,000"', "many", "row 5: TOT_EMP is 'many'"),
        ("27-2011", "41-2011", "row 6: the occupation '41-2011' stands twice"),
        ("detailed", "minor", "no detailed occupation"),
    ],
)
def test_faulty_wage_files_are_named_by_row(tmp_path, old, new, message):
    path = tmp_path / "n.csv"
    path.write_text(WAGES.replace(old, new))
    with pytest.raises(RoleShiftError, match=message):
        read_wages(path)
    (tmp_path / "n.xlsx").write_bytes(b"none")
    with pytest.raises(RoleShiftError, match="not a readable workbook"):
        read_wages(tmp_path / "n.xlsx")
