"""How fast the dashboard paints and answers with 200 versions and 100,000 evidence rows, in Chromium.

Run: python -P benchmarks/dashboard.py

Takes the smoke profile's run (made if it is not there), repeats its evidence under new ids to 100,000 rows and
registers further versions of its model until there are 200. A page is opened to warm the server, then in three
browsers that never saw the dashboard (they load Streamlit's scripts first) and twice more in each, which is what the
limit is held against. The first useful paint is when the answer stands that a reader comes for, in a frame that the
browser has drawn, by its own clock from the start of the navigation; the last column is when everything is drawn,
charts and tables too. An interaction is measured from the key that moves a slider or takes an
entry of an opened list until the page is drawn again. Prints a table and the server's memory. Beside the pages stands a
Streamlit app of one word: what the browser takes for Streamlit itself on this machine.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import yaml

from roleshift.contracts import ITEMS, SCORES, read_table, write_table
from roleshift.dashboard import SETTLED, serving
from roleshift.registry.moving import relocate

REPOSITORY = Path(__file__).resolve().parent.parent
SMOKE = REPOSITORY / "runs/smoke"
VERSIONS, ROWS, BROWSERS, RETURNS, CHOICES = 200, 100_000, 3, 2, 7
PAINT_SECONDS, ANSWER_SECONDS, MEMORY_GB = 2.0, 0.5, 1.0
ANSWER = "[class*=st-key-answer]"
MAIN = {  # what makes a page useful
    "": ANSWER,  # champion, challenger, baseline
    "compare": ANSWER,  # what is better and worse, in words
    "registry": ANSWER,  # what the gate says
    "review": "[data-testid=stText]",
    "playground": "[data-testid=stForm]",
    "impact": ANSWER,  # what is closest to changing
    "careers": ANSWER,  # where one could move
}
NOTE_PAINT = """window.useful = null; const look = () => {
  const found = document.querySelector('%s');
  if (!found?.textContent.trim() || !found.checkVisibility()) return requestAnimationFrame(look);
  const drawn = new MessageChannel();
  drawn.port1.onmessage = () => { window.useful = performance.now(); };
  drawn.port2.postMessage(null); // a task after this frame
}; requestAnimationFrame(look);"""
COUNT_RUNS = """() => { window.runs = 0; new MutationObserver(records => {
  window.runs += records.filter(record => record.oldValue === 'running').length;
}).observe(document.querySelector('[data-testid=stApp]'),
           {attributeFilter: ['data-test-script-state'], attributeOldValue: true}); }"""


def make_project(folder: Path) -> None:
    """The smoke run with 100,000 rows of evidence, in a project of its own beside no store."""
    for name in ("dvc.yaml", "dvc.lock", "metrics", "plots", "data/examples", "data/report.json", "data/tasks.json"):
        source, target = SMOKE / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    shutil.copytree(REPOSITORY / ".streamlit", folder / ".streamlit")
    params = yaml.safe_load((SMOKE / "params.yaml").read_text(encoding="utf-8"))
    params["evaluation"]["resamples"], params["impact"]["draws"] = 1000, 1000
    (folder / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    parts = ("baseline", "candidate")
    tables = {part: {name: read_table(SMOKE / f"evidence/{part}/{name}.parquet", contract)
                     for name, contract in (("items", ITEMS), ("scores", SCORES))} for part in parts}  # fmt: skip
    times = -(-ROWS // sum(frame["scores"].height for frame in tables.values()))
    for part, frames in tables.items():
        for name, contract in (("items", ITEMS), ("scores", SCORES)):
            repeated = pl.concat(_renamed(frames[name], number) for number in range(times))
            write_table(folder / f"evidence/{part}/{name}.parquet", repeated, contract)


def _renamed(frame: pl.DataFrame, number: int) -> pl.DataFrame:
    names = [name for name in ("example_id", "group_id") if name in frame.columns]
    return frame.with_columns(pl.col(name) + f"-{number}" for name in names)


def make_store(folder: Path) -> str:
    """The smoke run's registry with versions added until there are 200; its address."""
    from mlflow import MlflowClient

    shutil.copy(SMOKE / "mlflow.db", folder / "mlflow.db")
    shutil.copytree(SMOKE / "mlartifacts", folder / "mlartifacts")
    uri = f"sqlite:///{folder}/mlflow.db"
    relocate(uri)
    client = MlflowClient(uri)
    name = yaml.safe_load((SMOKE / "params.yaml").read_text(encoding="utf-8"))["registry"]["model_name"]
    made = sorted(client.search_model_versions(f"name = '{name}'"), key=lambda version: int(version.version))
    for number in range(len(made) + 1, VERSIONS + 1):
        like = made[number % len(made)]  # in turn, so that two neighbours differ and can be judged side by side
        tags = dict(like.tags) | {"roleshift.content_id": f"{number:016x}"}
        client.create_model_version(name, like.source, like.run_id, tags=tags)
    return uri


def paint(browser: Any, address: str, name: str, main: str) -> tuple[float, list[float], list[float]]:
    """Seconds until a page's main content stands in a new browser, then in the same one, and until all is drawn."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.add_init_script(NOTE_PAINT % main)
    (new, _), *again = [_opened(context, f"{address}/{name}?lang=en") for _ in range(1 + RETURNS)]
    context.close()
    return new, [useful for useful, _ in again], [drawn for _, drawn in again]


def _opened(context: Any, address: str) -> tuple[float, float]:
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function("window.useful", timeout=180_000)
    page.wait_for_function(SETTLED, timeout=180_000)
    drawn = time.perf_counter() - start - 0.5  # SETTLED waits as long for what may still come
    useful = page.evaluate("window.useful") / 1000
    page.close()
    return useful, drawn


def paints(browser: Any, address: str, name: str, main: str) -> tuple[float, float, float, float]:
    """A page's first visit of all, and the middle of the others: in a new browser, in one that knows it, all drawn."""
    first, *_ = paint(browser, address, name, main)
    new, again, drawn = zip(*(paint(browser, address, name, main) for _ in range(BROWSERS)), strict=True)
    return first, statistics.median(new), statistics.median(chain(*again)), statistics.median(chain(*drawn))


Press = Callable[[Any], Callable[[], None]]
"""Makes a page ready for a choice, and returns what makes the choice."""


def answer(browser: Any, address: str, name: str, press: Press, prepare: Callable[[Any], None]) -> float:
    """The middle of several times from a choice until the page is drawn again."""
    page = browser.new_page(viewport={"width": 1400, "height": 1400})
    page.goto(f"{address}/{name}")
    page.locator("[data-testid=stMain] h1").first.wait_for(timeout=180_000)
    page.wait_for_function(SETTLED, timeout=180_000)
    prepare(page)
    page.wait_for_function(SETTLED, timeout=180_000)
    page.evaluate(COUNT_RUNS)
    taken = []
    for _ in range(CHOICES + 1):  # the first one warms what it needs
        before = page.evaluate("window.runs")
        choose = press(page)
        start = time.perf_counter()
        choose()
        page.wait_for_function(f"window.runs > {before}", polling=10, timeout=60_000)
        taken.append(time.perf_counter() - start)
        page.wait_for_timeout(400)
    page.close()
    return statistics.median(taken[1:])


def right(label: str) -> Press:
    """One step of a slider to the right."""
    return lambda page: partial(page.get_by_role("slider", name=label).first.press, "ArrowRight")


def next_option(label: str) -> Press:
    """The next entry of a choice, and back again: some have two only."""
    ways = cycle(("ArrowDown", "ArrowUp"))

    def press(page: Any) -> Callable[[], None]:
        box = page.get_by_role("combobox", name=label).first
        box.press(next(ways))  # opens it at the neighbour of what is chosen
        page.get_by_role("option").first.wait_for()
        return partial(box.press, "Enter")

    return press


def main() -> None:
    """Make the project, start the server and Chromium, measure and print."""
    from playwright.sync_api import sync_playwright

    if not (SMOKE / "metrics/register.json").is_file():
        roleshift = Path(sys.executable).parent / "roleshift"
        subprocess.run(
            [roleshift, "run", "--params", "profiles/smoke.yaml", "--name", "smoke"], cwd=REPOSITORY, check=True
        )
    with tempfile.TemporaryDirectory() as held, sync_playwright() as playwright:
        folder = Path(held)
        make_project(folder)
        uri = make_store(folder)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        bare = folder / "bare.py"
        bare.write_text('import streamlit as st\nst.write("one")\n', encoding="utf-8")
        with serving(bare, folder) as (address, _):
            _, new, again, _ = paints(browser, address, "", "[data-testid=stMarkdown]")
        print(f"an app of one word: drawn in {new:.2f} s, {again:.2f} s in a browser that knows Streamlit")
        stores = {"MLFLOW_TRACKING_URI": uri, "ROLESHIFT_FEEDBACK_URI": f"sqlite:///{folder}/feedback.db"}
        with serving(REPOSITORY / "dashboards/app.py", folder, environment=stores) as (address, server):
            process = psutil.Process(server)
            print(f"{VERSIONS} versions, {ROWS} evidence rows; seconds, the limit in brackets")
            print(f"{'page':12} {'first visit':>12} {'empty browser':>14} {'first useful paint':>24} {'all drawn':>10}")
            for name, main_content in MAIN.items():
                first, new, again, drawn = paints(browser, address, name, main_content)
                row = f"{name or 'overview':12} {first:12.2f} {new:14.2f} {again:18.2f} [{PAINT_SECONDS}] {drawn:10.2f}"
                print(row, flush=True)
            print(f"{'interaction':46} {'until drawn':>12}")
            nothing = lambda page: None  # noqa: E731
            for said, name, press, prepare in (
                ("compare: margin slider", "compare", right("Margin"), nothing),
                ("compare: items of another capability", "compare?view=items", next_option("capability"), nothing),
                ("registry: another version", "registry?view=history", next_option("Version"), nothing),
                ("review: another capability", "review", next_option("Capability"), nothing),
                ("impact: another job", "impact", next_option("Job"), nothing),
                ("impact: loss slider", "impact", right("Loss from one wrong"),
                 lambda page: page.get_by_text("Assumptions", exact=True).click()),
            ):  # fmt: skip
                print(
                    f"{said:46} {answer(browser, address, name, press, prepare):12.2f} [{ANSWER_SECONDS}]", flush=True
                )
            memory = process.memory_info().rss + sum(child.memory_info().rss for child in process.children(True))
            print(f"memory of the server: {memory / 1e9:.2f} GB [{MEMORY_GB}]")
        browser.close()


if __name__ == "__main__":
    main()
