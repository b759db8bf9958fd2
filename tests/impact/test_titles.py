import polars as pl
import pytest
from impact_builders import activities, role, task, work

from roleshift.errors import RoleShiftError
from roleshift.impact.catalogue import bundled_roles, bundled_work
from roleshift.impact.onet import CODE, Archive
from roleshift.impact.titles import Titles


@pytest.fixture(scope="module")
def titles() -> Titles:
    return Titles.of(bundled_work(), bundled_roles())


@pytest.mark.parametrize("wanted", ["journalist", "Journalist", "记者", "新闻记者", "REPORTER", "27-3023", "jurnalist"])
def test_ids_titles_aliases_codes_and_slips_of_the_pen_resolve(titles: Titles, wanted: str) -> None:
    assert titles.resolve(wanted) == "journalist"


def test_a_title_that_means_several_roles_lists_them_instead_of_guessing(titles: Titles) -> None:
    with pytest.raises(RoleShiftError, match=r"no role 'editor'.*news-editor.*video-editor"):
        titles.resolve("editor")
    with pytest.raises(RoleShiftError, match=r"no role 'xqzv'"):
        titles.resolve("xqzv")


def test_names_that_two_roles_share_are_ambiguous_and_alternate_titles_resolve() -> None:
    matrix = activities({"4.A.1.I01": (1, {"answer": 1}, 0.0)})
    made = work(
        matrix,
        [task("1", "11-1.00", ["4.A.1.I01"]), task("2", "11-2.00", ["4.A.1.I01"])],
        [role("11-1.00", title_en="Smith"), role("11-2.00", title_en="Founder")],
    )
    table = pl.DataFrame({CODE: ["11-1.00", "11-2.00", "11-1.00"], "Alternate Title": ["Forger", "Forger", "Farrier"]})
    titles = Titles.of(made, archive=Archive({"Alternate Titles": table}, "30.2", "0"))
    assert titles.resolve("farrier") == "11-1.00"
    with pytest.raises(RoleShiftError, match=r"several roles: 11-1.00 - Smith, 11-2.00 - Founder"):
        titles.resolve("forger")
