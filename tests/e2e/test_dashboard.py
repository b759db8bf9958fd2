"""The dashboard in a real browser on the smoke run: pages, languages, widths, accessibility, and what people do."""

from pathlib import Path

import pytest
import yaml
from served import REPOSITORY, serving, settle

from roleshift.feedback.events import About, Answered, Texts
from roleshift.feedback.store import FeedbackStore, new_event

pytestmark = pytest.mark.e2e
PAGES = ("overview", "compare", "registry", "review", "playground", "impact", "careers")
WIDTHS = (1600, 400)


def words(name: str, key: str, language: str) -> str:
    return yaml.safe_load((REPOSITORY / f"dashboards/texts/{name}.yaml").read_text(encoding="utf-8"))[key][language]


def title(name: str, language: str) -> str:
    return words(name, "title", language)


def link(address: str, name: str, **query: str) -> str:
    return f"{address}/{'' if name == 'overview' else name}?" + "&".join(f"{k}={v}" for k, v in query.items())


def opened(browser, address: str, name: str, language: str = "en", width: int = 1400, **query: str):
    page = browser.new_page(viewport={"width": width, "height": 1600})
    page.set_default_timeout(180_000)
    page.goto(link(address, name, lang=language, **query))
    page.get_by_role("heading", level=1, name=title(name, language)).wait_for()
    settle(page)
    return page


def healthy(page) -> None:
    assert page.get_by_test_id("stException").count() == 0
    errors = page.get_by_test_id("stAlertContentError")
    assert errors.count() == 0, errors.first.inner_text()
    assert "Traceback" not in page.inner_text("body")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", PAGES)
def test_each_page_opens_by_its_link_in_both_languages_and_fits_wide_and_narrow(
    smoke_address: str, browser, name: str, language: str
) -> None:
    page = opened(browser, smoke_address, name, language)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1600})
        settle(page)
        healthy(page)
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{overflow} px too wide at {width} px"
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_its_own_server_and_nobody_else(smoke_address: str, browser, name: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link(smoke_address, name, lang="en"))
    page.get_by_role("heading", level=1, name=title(name, "en")).wait_for(timeout=180_000)
    settle(page)
    assert len(asked) > 20  # Streamlit's scripts alone
    assert not [url for url in asked if not url.startswith((smoke_address, "data:", "blob:"))]
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_each_page_opens_in_a_clone_that_has_run_nothing(address: str, browser, name: str) -> None:
    page = opened(browser, address, name)
    healthy(page)
    if name not in ("review", "playground", "registry"):
        assert page.get_by_text("committed default run").count()
    else:
        assert page.get_by_text("make repro").count()
    page.close()


# What Streamlit itself draws and no page can change, one by one.
OF_STREAMLIT = [
    ["[data-testid=stSidebarNavItems]"],  # `list`, `listitem`: headings of sections stand between the list's entries
    ["[data-testid=stVegaLiteChart] svg"],  # `svg-img-alt`: Vega names no mark; the chart as a whole has its text
    ["[data-testid=stBaseButton-primary]"],  # `color-contrast`: always white on the primary colour, in the dark too
    ["[data-testid=stBaseButton-primaryFormSubmit]"],  # the same
    ["[data-testid=stMultiSelect] [aria-label='Selected values']"],  # the same
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_has_a_serious_accessibility_finding(smoke_address: str, browser, name: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": 1400, "height": 1600}, color_scheme=scheme)
    page.set_default_timeout(180_000)
    page.goto(link(smoke_address, name, lang="en"))
    page.get_by_role("heading", level=1, name=title(name, "en")).wait_for()
    settle(page)
    options = {"resultTypes": ["violations"]}
    found = Axe().run(page, context={"exclude": OF_STREAMLIT}, options=options).response["violations"]
    serious = [
        f"{rule['id']} ({rule['impact']}): {node['html'][:200]} {' '.join(node['target'])}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    assert not serious, "\n".join(serious)
    page.close()


def test_a_link_carries_a_comparison_and_a_figure_is_followed_to_its_items(smoke_address: str, browser) -> None:
    from playwright.sync_api import expect

    chosen = "version 1|version 2"
    page = opened(browser, smoke_address, "compare", systems=chosen.replace(" ", "%20").replace("|", "%7C"))
    expect(page.get_by_text("Differences from Version 1")).to_be_visible()
    page.get_by_role("slider", name="Margin").first.press("ArrowRight")
    page.wait_for_url("**margin=2.5*")
    page.goto(page.url)
    expect(page.get_by_role("slider", name="Margin").first).to_have_value("2.5", timeout=60_000)
    page.get_by_test_id("stButtonGroup").get_by_text("Items", exact=True).click()
    expect(page.get_by_text("Choose a row to read both answers")).to_be_visible()
    settle(page)
    expect(page.get_by_test_id("stMain").get_by_test_id("stText").nth(3)).to_be_visible(timeout=30_000)
    expect(page.get_by_text("What it should say")).to_be_visible()  # input and reference beside both answers
    assert "view=items" in page.url
    healthy(page)
    page.close()


@pytest.mark.parametrize(
    ("name", "query", "label"),
    [
        ("impact", {"role": "translator", "version": "2", "view": "jobs"}, "ranked_by"),
        ("careers", {"role": "translator", "version": "2"}, "other_role"),
        ("compare", {"view": "items", "capability": "summarize"}, "which"),
    ],
)
def test_what_was_chosen_outlives_a_change_of_the_language(
    smoke_address: str, browser, name: str, query: dict[str, str], label: str
) -> None:
    page = opened(browser, smoke_address, name, **query)
    page.get_by_test_id("stSidebar").get_by_text("中文", exact=True).click()
    page.get_by_role("heading", level=1, name=title(name, "zh")).wait_for()
    settle(page)
    shown = [box.input_value() for box in page.get_by_role("combobox").all()]
    box = page.get_by_role("combobox", name=words(name, label, "zh")).first
    box.press("ArrowDown")  # a choice after the change: the browser sends what it shows in every box
    box.press("Enter")
    settle(page)
    healthy(page)
    again = [box.input_value() for box in page.get_by_role("combobox").all()]
    assert sum(one != other for one, other in zip(shown, again, strict=True)) == 1, (shown, again)
    for key, value in query.items():
        assert f"{key}={value}" in page.url
    page.close()


def test_the_chosen_language_is_remembered_by_the_browser(smoke_address: str, browser) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(link(smoke_address, "careers"))
    page.get_by_role("heading", level=1, name=title("careers", "en")).wait_for()
    page.get_by_test_id("stSidebar").get_by_text("中文", exact=True).click()
    page.get_by_role("heading", level=1, name=title("careers", "zh")).wait_for()
    settle(page)
    page.close()
    page = context.new_page()
    page.goto(link(smoke_address, "impact"))
    page.get_by_role("heading", level=1, name=title("impact", "zh")).wait_for()
    healthy(page)
    context.close()


def test_hostile_text_stays_text_in_the_browser(smoke: Path, stores: dict[str, str], tmp_path, browser) -> None:
    from playwright.sync_api import expect

    hostile = "<img src=x onerror='window.hacked=1'> [x](javascript:alert(1)) **bold** =1+1 :red[x]"
    mine = stores | {"ROLESHIFT_FEEDBACK_URI": f"sqlite:///{tmp_path}/feedback.db"}
    answered = Answered(1, "m", "onnx-fp32", "")
    about = About("captured", None, "r1", None, None, None)
    event = new_event(
        "capture", about=about, answered=answered, outcome="captured", drawn_by="random",
        texts=Texts(input=hostile, output=hostile),
    )  # fmt: skip
    with FeedbackStore(mine["ROLESHIFT_FEEDBACK_URI"]) as store:
        store.add(event)
    with serving(smoke, **mine) as found:
        page = opened(browser, found, "review")
        page.get_by_test_id("stButtonGroup").get_by_text("requests from use", exact=True).click()
        settle(page)
        expect(page.get_by_test_id("stMain").get_by_text(hostile).first).to_be_visible()
        assert page.evaluate("window.hacked") is None
        assert not page.get_by_test_id("stMain").locator("img, a[href^=javascript]").count()
        healthy(page)
        page.close()


def test_a_table_offers_no_export_but_its_own(smoke_address: str, browser) -> None:
    page = opened(browser, smoke_address, "careers")
    page.get_by_test_id("stDataFrame").first.hover()
    assert not page.get_by_role("button", name="Download as CSV").count()
    assert page.get_by_role("button", name="Download CSV").count()
    page.close()


def test_a_slider_of_the_assumptions_changes_what_it_takes(smoke_address: str, browser) -> None:
    from playwright.sync_api import expect

    page = opened(browser, smoke_address, "impact")
    page.get_by_text("Assumptions", exact=True).click()
    said = page.get_by_text("In force:").first
    expect(said).to_contain_text("default")
    page.get_by_role("slider", name="Loss from one wrong result").first.press("ArrowRight")
    expect(said).to_contain_text("changed", timeout=30_000)
    healthy(page)
    page.close()


def test_votes_of_two_people_are_kept_over_a_restart(smoke: Path, stores: dict[str, str], browser) -> None:
    from playwright.sync_api import expect

    for who, before in (("ann", 0), ("bob", 0), ("ann", 2)):
        with serving(smoke, **stores, MLFLOW_TRACKING_USERNAME=who) as found:  # each time a server started anew
            page = opened(browser, found, "review")
            expect(page.get_by_text(f"{before} of 20 items judged by you")).to_be_visible()
            if before == 0:
                for number, key in ((1, "1"), (2, "4")):
                    settle(page)
                    page.get_by_test_id("stMain").click(position={"x": 200, "y": 5})  # beside the sidebar's handle
                    page.keyboard.press(key)
                    expect(page.get_by_text(f"{number} of 20 items judged by you")).to_be_visible()
                    expect(page.get_by_text("Your last vote: left was version")).to_be_visible()
            else:
                expect(page.get_by_text("reviewers: 2")).to_be_visible()
            healthy(page)
            page.close()


def submit(page, label: str, reason: str, *waived: str) -> None:
    page.get_by_label("Reason, which is recorded").fill(reason)
    for rule in waived:
        page.get_by_role("combobox", name="Accept these failures").click()
        page.get_by_role("option", name=rule).click()
        page.keyboard.press("Escape")
    page.get_by_text("I have looked at the gate").click()
    page.get_by_role("button", name=label).click()


def test_promote_waive_and_roll_back_with_a_record(smoke_address: str, browser) -> None:
    from playwright.sync_api import expect

    page = opened(browser, smoke_address, "registry", version="1")
    submit(page, "Promote version 1", "a start")
    expect(page.get_by_text("does not pass the gate")).to_be_visible()  # nothing to compare with, nothing measured
    page.close()
    page = opened(browser, smoke_address, "registry", version="1")
    submit(page, "Promote version 1", "a start", "something was compared or measured")
    expect(page.get_by_text("Promoted and recorded")).to_be_visible()
    page.close()
    page = opened(browser, smoke_address, "registry", version="2")
    submit(page, "Promote version 2", "please")
    expect(page.get_by_text("does not pass the gate")).to_be_visible()
    page.close()
    page = opened(browser, smoke_address, "registry", version="2")
    failed = ("not worse on any capability", "better on some capability", "enough items", "leaks")
    submit(page, "Promote version 2", "a trial of the process", *failed)
    expect(page.get_by_text("Promoted and recorded")).to_be_visible()
    expect(page.get_by_text("Champion now: version 2")).to_be_visible()
    submit(page, "Roll back", "enough tried")
    expect(page.get_by_text("Rolled back and recorded")).to_be_visible()
    expect(page.get_by_text("Champion now: version 1")).to_be_visible()
    healthy(page)
    page.close()


def test_a_version_answers_in_the_playground_and_the_answer_goes_to_review(smoke_address: str, browser) -> None:
    from playwright.sync_api import expect

    page = opened(browser, smoke_address, "playground")
    page.get_by_role("button", name="Fill in an example").click()
    expect(page.get_by_role("textbox", name="Text", exact=True)).not_to_have_value("")
    settle(page)
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.get_by_text("tokens/s in all")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Send to review").click()
    expect(page.get_by_text("waits on the page Review")).to_be_visible()
    expect(page.get_by_text("tokens/s in all")).to_be_visible()
    healthy(page)
    page.close()
