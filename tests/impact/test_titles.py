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


@pytest.mark.parametrize(
    ("wanted", "role"),
    [
        ("Software engineer", "software-developer"), ("developer", "software-developer"), ("trucker", "truck-driver"),
        ("customer service", "customer-service-agent"), ("Registered Nurses", "nurse"), ("chef", "cook"),
        ("data scientist", "data-analyst"), ("HR", "hr-specialist"), ("janitor", "cleaner"), ("caregiver", "carer"),
        ("front end developer", "software-developer"), ("judge\u2019s clerk", "judges-clerk"),
        ("客服", "customer-service-agent"), ("程序员", "programmer"), ("会计", "accountant"), ("编辑", "news-editor"),
        ("护工", "carer"), ("保洁", "cleaner"), ("文案", "copywriter"), ("电商运营", "recommender-ecommerce-operator"),
        ("ＡＩ 产品经理", "generative-ai-product-manager"), ("算法工程师", "generative-ai-algorithm-engineer"),
        ("前端工程师", "software-developer"), ("放射科医生", "radiologic-reporting-physician"),
    ],
)  # fmt: skip
def test_what_people_call_a_job_resolves(titles: Titles, wanted: str, role: str) -> None:
    assert titles.resolve(wanted) == role


@pytest.mark.parametrize(
    ("wanted", "listed", "noise"),
    [
        ("老师", ["school-teacher", "preschool-teacher", "university-lecturer"], "social-worker"),
        ("医生", ["general-practitioner", "radiologic-reporting-physician"], "nurse"),
        ("doctor", ["general-practitioner", "radiologic-reporting-physician"], "accountant"),
        ("designer", ["graphic-designer", "instructional-designer"], "insurance-claims-adjuster"),
        ("司机", ["truck-driver"], "cook"),
        ("judge", ["judges-clerk"], "nurse"),
    ],
)
def test_a_broad_word_lists_the_roles_that_share_it_and_no_noise(
    titles: Titles, wanted: str, listed: list[str], noise: str
) -> None:
    with pytest.raises(RoleShiftError) as raised:
        titles.resolve(wanted)
    assert all(f"{role} - " in str(raised.value) for role in listed)
    assert f"{noise} - " not in str(raised.value)


def test_a_bundled_role_s_names_find_the_occupation_of_its_code() -> None:
    made = work(
        activities({"4.A.1.I01": (1, {"answer": 1}, 0.0)}),
        [task(code, code, ["4.A.1.I01"]) for code in ("29-1141.00", "29-1141.01")],
        [role(code, title_en=code, soc="29-1141") for code in ("29-1141.00", "29-1141.01")],
    )
    assert Titles.of(made, bundled_roles()).resolve("护士") == "29-1141.00"


def test_an_id_is_never_ambiguous() -> None:
    made = work(
        activities({"4.A.1.I01": (1, {"answer": 1}, 0.0)}),
        [task("1", "claims-handler", ["4.A.1.I01"]), task("2", "adjuster", ["4.A.1.I01"])],
        [role("claims-handler", title_en="Own"), role("adjuster", title_en="Claims handler")],
    )
    assert Titles.of(made).resolve("claims-handler") == "claims-handler"
    with pytest.raises(RoleShiftError, match="several roles"):
        Titles.of(made).resolve("Claims handler")


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
