"""The exported report: what stands in it is what the library computes, in words, in both languages."""

import re

import polars as pl
import pytest
from impact_builders import cells, share

from roleshift.impact.assumptions import Assumptions, parse_assumptions
from roleshift.impact.catalogue_views import shrinking_role
from roleshift.impact.charts import COLOURS, hours_bar, interval_bar, stacked_bar
from roleshift.impact.report import report_html
from roleshift.impact.roles import analyse
from roleshift.impact.setting import Setting
from roleshift.impact.text import about, percent
from roleshift.impact.words import Language, Words
from roleshift.impact.work import Work

EVIDENCE = cells(
    share("classify", 59, 60), share("summarize", 50, 60), share("extract", 195, 200), share("answer", 180, 200)
)


def told(setting: Setting, roles: list[str], language: Language = "en", given: Assumptions | None = None) -> str:
    analysis = analyse(setting.work, EVIDENCE, given or setting.assumptions)
    return report_html(analysis, setting, roles, "version 7 (onnx-int8)", language)


def staffed(setting: Setting) -> Setting:
    known = pl.col("role_id").is_in(["journalist", "nurse"])
    roles = setting.work.roles.with_columns(
        employment=pl.when(known).then(1000.0), mean_wage=pl.when(known).then(50_000.0)
    )
    return Setting(Work(roles, setting.work.tasks, setting.work.activities), setting.assumptions, None, setting.sources)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_part_names_version_and_assumption_set(setting: Setting, language: Language) -> None:
    page, words = told(staffed(setting), ["journalist"], language), Words(language)
    parts = ("how_to_read", "tasks", "moves", "shrinks", "totals", "appears", "evidence", "assumptions", "sources")
    assert all(words(key) in page for key in parts)
    figures = re.findall(r'<p class="src">(.*?)</p>', page)
    assert len(figures) >= len(parts)
    assert {line.count(setting.assumptions.hash) for line in figures} == {1}
    assert all(("version 7" if language == "en" else "版本 7") in line for line in figures)
    assert not re.search(r"(?i:rouge|bleu|chrf|p_vt)|\bnan\b|NaN|None|\{\w+\}", page.split("</style>")[1])


def test_chinese_sentences_have_no_blank_between_characters(setting: Setting) -> None:
    text = re.sub(r"<[^>]+>", "|", told(staffed(setting), ["journalist"], "zh"))
    assert not re.findall(r"[\u4e00-\u9fff，。；：] [\u4e00-\u9fff]", text)


def test_the_figures_are_those_of_the_library(setting: Setting) -> None:
    page = told(setting, ["journalist"])
    analysis = analyse(setting.work, EVIDENCE, setting.assumptions)
    place = setting.work.roles["role_id"].to_list().index("journalist")
    for measure in ("augment", "human", "not_assessed"):
        assert percent(float(analysis.certified[measure][place])) in page
    scenario = shrinking_role(analysis, "journalist")
    assert f"by {percent(scenario['expected'] / 100, signed=True)} as expected" in page
    assert "0.5, labour of this kind at 60.0% of the unit cost, and 70.0%" in page


def test_assumed_levels_are_named_hatched_and_apart_and_absent_without_any(setting: Setting) -> None:
    plain = told(setting, ["journalist"])
    assert "url(#hatch)" not in plain.replace('id="hatch"', "")
    given = parse_assumptions({"name": "bold", "what_if": {"draft": 0.95}, "draws": 100}, "test")
    supposed = told(setting, ["journalist"], given=given)
    assert "url(#hatch)" in supposed
    assert "Supposing Draft = 95.0%" in supposed
    before, after = (re.search(r'<div class="brief">.*?</div>', page, re.DOTALL)[0] for page in (plain, supposed))  # type: ignore[index]
    assert before == after


def test_totals_stand_only_where_somebody_is_counted_and_say_what_they_cover(setting: Setting) -> None:
    assert Words("en")("totals") not in told(setting, ["journalist"])
    page = told(staffed(setting), ["journalist", "nurse"])
    assert "2,000 people" in page
    assert "100,000,000 a year" in page
    unknown = setting.work.roles.height - 2
    assert f"{unknown} of {setting.work.roles.height} jobs" in page


def test_a_role_without_head_counts_has_unknown_review_hours_not_none(setting: Setting) -> None:
    page = told(setting, ["journalist"])
    assert page.count("<div>unknown</div>") >= 2
    assert "0 full-time" not in page


def test_charts_tell_their_figures_to_who_cannot_see_them() -> None:
    shares = {"automate": 0.25, "augment": 0.25, "human": 0.5, "not_assessed": 0.0}
    bar = stacked_bar(shares, dict.fromkeys(COLOURS, "part"), "a job")
    assert 'aria-label="a job: part 25.0%, part 25.0%, part 50.0%, part 0.0%"' in bar
    widths = [float(width) for width in re.findall(r'<rect x="[\d.]+%" y="0" width="([\d.]+)%"', bar)]
    assert sum(widths) == pytest.approx(100)
    drawn = interval_bar({"certified": 0.1, "expected": 0.3, "low": 0.2, "high": 0.6}, "time")
    assert 'x="20.000%"' in drawn
    assert 'width="40.000%"' in drawn
    assert 'aria-label="time: 30.0% [20.0%, 60.0%]"' in drawn
    assert 'width="50.000%"' in hours_bar({"review": 5.0}, {"review": "r", **dict.fromkeys(
        ("curation", "evaluation", "integration"), "x")}, 10.0, "job")  # fmt: skip


@pytest.mark.parametrize(("value", "shown"), [(782_337_799.0, "782,000,000"), (3.94, "3.94"), (0.0, "0")])
def test_hours_are_told_to_three_digits(value: float, shown: str) -> None:
    assert about(value) == shown
