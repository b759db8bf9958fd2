"""The dashboard in a real browser, in a folder that holds the committed default run alone.

With ROLESHIFT_SCREENSHOTS=FOLDER each page is photographed there, wide and narrow (`make screenshots`).
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.e2e
REPOSITORY = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(path.stem for path in (REPOSITORY / "dashboards/views").glob("*.py"))
WIDTHS = {"wide": 1400, "narrow": 400}
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("clone")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, folder / name)
    for name in ("docs/default-run", ".streamlit"):
        shutil.copytree(REPOSITORY / name, folder / name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    command = [sys.executable, "-m", "streamlit", "run", str(REPOSITORY / "dashboards/app.py"), *options]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    server = subprocess.Popen(command, cwd=folder, env=environment)
    try:
        for _ in range(120):
            try:
                urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except (URLError, OSError):
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or "chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield started
        started.close()


SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const done = app?.dataset.testScriptState === 'notRunning' && !document.querySelector('[data-testid=stSkeleton]');
  window.settledSince = done ? (window.settledSince ?? Date.now()) : undefined;
  return done && Date.now() - window.settledSince > 1000;
}"""


def settle(page) -> None:
    """Wait until the script has ended and every element has been drawn for a second."""
    page.wait_for_function(SETTLED, timeout=120_000)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", PAGES)
def test_each_page_opens_by_its_link_in_both_languages(address: str, browser, name: str, language: str) -> None:
    import yaml

    title = yaml.safe_load((REPOSITORY / f"dashboards/texts/{name}.yaml").read_text(encoding="utf-8"))["title"]
    for label, width in WIDTHS.items():
        page = browser.new_page(viewport={"width": width, "height": 2600})
        page.goto(f"{address}/{name if name != 'overview' else ''}?lang={language}")
        page.get_by_role("heading", level=1, name=title[language]).wait_for(timeout=60_000)
        settle(page)
        assert page.get_by_test_id("stException").count() == 0
        assert page.get_by_test_id("stAlertContentError").count() == 0
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{overflow} px too wide at {width} px"
        if folder := os.environ.get("ROLESHIFT_SCREENSHOTS"):
            page.screenshot(path=str(Path(folder) / f"{name}-{language}-{label}.png"))
        page.close()


def test_a_figure_is_followed_to_its_items(address: str, browser) -> None:
    from playwright.sync_api import expect

    page = browser.new_page(viewport={"width": 1400, "height": 1200})
    page.goto(f"{address}/compare?systems=torch-bf16%7Connx-int8")
    page.get_by_role("heading", name="Items that differ most").wait_for(timeout=60_000)
    settle(page)
    item = page.get_by_test_id("stExpander").last
    item.locator("summary").click()
    for name in ("onnx-int8", "torch-bf16"):
        expect(item.get_by_text(name, exact=True)).to_be_visible(timeout=20_000)
    left_out = item.get_by_text("This text is not in the committed copy.")
    expect(item.get_by_test_id("stCode").or_(left_out)).to_have_count(2, timeout=20_000)
