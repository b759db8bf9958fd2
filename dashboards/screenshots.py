"""Photograph the dashboard: make screenshots.

Every page on this checkout's run, wide and narrow, in both languages, goes to screenshots/ (not in git). Those that
README.md shows go to docs/screenshots/, in fewer colours so that they stay small: of the committed default run, as a
fresh clone shows it, so that they agree with the README's figures.
"""

import shutil
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from roleshift.dashboard import SETTLED, serving
from roleshift.errors import RoleShiftError
from roleshift.project import Project
from roleshift.publishing import copy_published

APP = Path(__file__).resolve().parent / "app.py"
PAGES = ("overview", "compare", "registry", "review", "playground", "impact", "careers")
WIDTHS = {"wide": 1400, "narrow": 400}
HEIGHT = 1600
COLOURS = 128
WAIT_MS = 300_000


@dataclass(frozen=True)
class Shot:
    """A picture of README.md: its file, the page with its query, and the window."""

    name: str
    link: str
    width: int
    height: int
    dark: bool = False


README = (
    Shot("overview", "?lang=en", 1280, 1000),
    Shot("compare", "compare?lang=en", 1280, 1000),
    Shot("role-impact", "impact?lang=en", 1280, 1000),
    Shot("role-impact-zh-narrow", "impact?lang=zh", 400, 1000, dark=True),
)


def photograph(browser: Any, address: str, shot: Shot, target: Path, *, small: bool) -> None:
    """Write one picture, once everything is drawn."""
    scheme = "dark" if shot.dark else "light"
    page = browser.new_page(viewport={"width": shot.width, "height": shot.height}, color_scheme=scheme)
    page.goto(f"{address}/{shot.link}")
    page.locator("[data-testid=stMain] h1").first.wait_for(timeout=WAIT_MS)
    page.wait_for_function(SETTLED, timeout=WAIT_MS)
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    if small:
        picture = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.save(target, optimize=True)
    page.close()
    print(f"{target}: {target.stat().st_size // 1024} kB")


def main() -> None:
    """Serve the committed run and the project around the current folder, and photograph both."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("make screenshots needs Chromium: `apt install chromium`")
    project = Project.discover()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as fresh:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        copy_published(project, Path(fresh))
        with serving(APP, Path(fresh)) as (address, _):
            for shot in README:
                photograph(browser, address, shot, project.home / f"docs/screenshots/{shot.name}.png", small=True)
        with serving(APP, project.root) as (address, _):
            for name in PAGES:
                for language in ("en", "zh"):
                    for label, width in WIDTHS.items():
                        link = f"{'' if name == 'overview' else name}?lang={language}"
                        shot = Shot(f"{name}-{language}-{label}", link, width, HEIGHT)
                        photograph(browser, address, shot, project.root / f"screenshots/{shot.name}.png", small=False)
        browser.close()


if __name__ == "__main__":
    try:
        main()
    except RoleShiftError as error:
        raise SystemExit(str(error)) from None
