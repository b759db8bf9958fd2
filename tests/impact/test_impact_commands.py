"""The commands on a project that holds nothing but params.yaml, dvc.yaml and imported evidence."""

import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from roleshift.cli import app
from roleshift.errors import RoleShiftError
from roleshift.impact.catalogue import load_roles

REPOSITORY = Path(__file__).parents[2]
MAPPING = """
origin: hosted model X
tasks:
  news-labels: {capability: classify, domain: news, language: en, metric: accuracy, threshold: 1, threshold_reason: r}
  news-answers: {capability: answer, domain: news, language: en, metric: exact_match, threshold: 1, threshold_reason: r}
  news-extracts: {capability: extract, domain: news, language: en, metric: entity_f1, threshold: 1, threshold_reason: r}
  news-digests: {capability: summarize, domain: news, language: en, metric: rouge_l, threshold: 1, threshold_reason: r}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    for model, failing in (("good", 1), ("bad", 40)):
        rows = [
            {"task": task, "id": i, "score": int(i >= failing)}
            for task in ("news-labels", "news-answers", "news-extracts", "news-digests")
            for i in range(120)
        ]
        (tmp_path / f"{model}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert "480 items" in run("evidence", "import", f"{model}.jsonl", "--mapping", "mapping.yaml", "--out", model)
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_show_says_what_binds_each_task_and_what_would_flip_it(project: Path) -> None:
    shown = run("impact", "show", "记者", "--version", "good")
    assert "Check names, figures and quotations against sources" in shown
    assert "what would change it" in shown
    assert "no total over the economy" in shown
    found = json.loads(run("impact", "show", "journalist", "--version", "good", "--json"))
    background = next(task for task in found["tasks"] if task["task_id"] == "journalist-background")
    assert background["decision"] in ("augment", "automate")
    assert {share["measure"] for share in found["shares"]} >= {"automate", "augment", "not_assessed"}


def test_diff_names_the_changed_decisions_and_top_lists_roles(project: Path) -> None:
    assert "Gather documents and facts on a story" in run("impact", "diff", "bad", "good")
    assert "no certified decision changes" in run("impact", "diff", "good", "good")
    assert re.search(
        r"Classify +news reports; imported: hosted model X +66.7% +99.2% +the same items",
        run("impact", "diff", "bad", "good"),
    )
    assert len(run("impact", "top", "-n", "3", "--version", "good").strip().splitlines()) == 6


def test_diff_and_top_speak_chinese_too_and_name_the_assumption_set(project: Path) -> None:
    changed = run("impact", "diff", "bad", "good", "--language", "zh")
    assert "围绕选题搜集文件与事实" in changed
    assert "good减去bad；假设集 default" in changed
    ranked = run("impact", "top", "-n", "40", "--by", "augment", "--version", "good", "--language", "zh")
    assert "机器先做、人复核" in ranked.splitlines()[0]
    assert "记者" in ranked
    for text in (changed, ranked):
        assert "外部导入：hosted model X" in text
        assert not {"job", "role", "task", "augment", "human", "items", "paired", "imported"} & set(
            re.findall(r"[a-z]+", text)
        )
    wrong = CliRunner().invoke(app, ["impact", "diff", "bad", "good", "--language", "fr"])
    assert "--language must be en or zh (found 'fr')" in str(wrong.exception)


def test_a_user_s_assumptions_are_named_and_change_the_decision(project: Path) -> None:
    (project / "strict.yaml").write_text("costs: {medium: {c_rev: 0.99}}\n")
    shown = run("impact", "show", "journalist", "--version", "good", "--assumptions", "strict.yaml")
    assert "assumption set strict" in shown
    assert "costs.medium.c_rev" in run("impact", "assumptions", "strict.yaml")
    run("impact", "assumptions", "--out", "copy.yaml")
    assert "costs.medium.c_rev" in run("impact", "assumptions", "strict.yaml", "copy.yaml")


def test_career_orders_moves_by_the_tolerance_asked_for(project: Path) -> None:
    low, high = (run("career", "translator", "--tolerance", t, "--version", "good", "-n", "5") for t in ("low", "high"))
    assert low != high
    assert "imported: hosted model X" in low.splitlines()[0]
    chinese = run("career", "翻译", "--version", "good", "--language", "zh", "-n", "3")
    assert "从以下岗位转出：翻译" in chinese
    assert "such as" not in chinese


def test_the_catalogue_is_in_order_and_own_roles_are_checked(project: Path) -> None:
    assert "in order" in run("catalog", "check")
    (project / "own.yaml").write_text(
        "domains: {}\nroles: [{id: a, name: {en: A, zh: 甲}, tasks: [{id: t, description: {en: T, zh: 事},"
        " activities: [9.Z], weight: 1, consequence: grave}]}]\n"
    )
    result = CliRunner().invoke(app, ["catalog", "check", "--roles", "own.yaml"])
    assert result.exit_code == 1
    assert "unknown activity '9.Z'" in result.output
    assert "unknown consequence class 'grave'" in result.output


def test_wages_are_stored_in_a_form_that_is_read_again(project: Path) -> None:
    (project / "oews.csv").write_text(
        "OCC_CODE,O_GROUP,TOT_EMP,A_MEAN\n00-0000,total,1000,50\n27-3023,detailed,200,#\n27-3041,detailed,*,60000\n"
    )
    assert "cover 20.0% of all employment" in run("wages", "import", "oews.csv")
    params = (project / "params.yaml").read_text().replace("wages: null", "wages: data/wages.csv")
    (project / "params.yaml").write_text(params)
    found = json.loads(run("impact", "show", "journalist", "--version", "good", "--json"))
    assert found["role_id"] == "journalist"
    assert {row["weighting"] for row in found["totals"]} == {"employment"}
    shown = run("impact", "show", "记者", "--version", "good", "--language", "zh")
    assert "按就业人数：200 人" in shown
    assert "27-3023,detailed,200,#" in (project / "data/wages.csv").read_text()


class Outline(HTMLParser):
    """Unclosed tags and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "line"):
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_is_one_whole_file_in_either_language(project: Path, language: str) -> None:
    run("impact", "report", "--all", "--version", "good", "--language", language, "-o", "all.html")
    text = (project / "all.html").read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(text)
    assert outline.open == []
    assert all(address.startswith("#") for address in outline.addresses)
    assert {"en": "Journalist", "zh": "记者"}[language] in text
    assert {"en": "imported: hosted model X", "zh": "外部导入：hosted model X"}[language] in text
    assert "rouge" not in text.lower()


def test_a_report_needs_a_role_or_all(project: Path) -> None:
    result = CliRunner().invoke(app, ["impact", "report", "--version", "good"])
    assert isinstance(result.exception, RoleShiftError)


def commands_of(text: str) -> list[list[str]]:
    """The `roleshift` commands in a document's shell blocks, without their comments."""
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("roleshift ")]


def test_the_company_example_works_as_written(project: Path) -> None:
    shutil.copytree(REPOSITORY / "examples/company", project / "examples/company")
    readme = (REPOSITORY / "examples/company/README.md").read_text(encoding="utf-8")
    settings = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)[0])
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    params["impact"] |= settings["impact"] | {"draws": 100}
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    said = {}
    for command in commands_of(readme):
        version = ["--version", "good"] if command[:2] == ["impact", "show"] else []
        said[" ".join(command)] = run(*command, *version)
    assert len(said) == 5
    assert all("in order" in text for command, text in said.items() if command.startswith("catalog check"))
    shown = said["impact show claims adjuster"]
    assert "Inspect damage on the spot" in shown
    assert "assumption set insurer" in shown
    assert "120 people" in shown
    params["impact"]["roles"] = "examples/company/roles.csv"
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    assert "按订单安排路线" in run("impact", "show", "调度员", "--version", "good", "--language", "zh")


def test_the_documented_import_of_harness_samples_works_as_written(project: Path) -> None:
    text = (REPOSITORY / "docs/impact.md").read_text(encoding="utf-8")
    mapping = next(block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("origin"))
    (project / "mapping.yaml").write_text(mapping, encoding="utf-8")
    samples = [
        {
            "doc_id": i, "doc": {"question": "q"}, "target": "A", "arguments": {}, "resps": [["A"]],
            "filtered_resps": ["A"], "filter": "none", "metrics": ["acc"], "doc_hash": f"d{i}", "prompt_hash": f"p{i}",
            "target_hash": f"t{i}", "acc": float(i % 10 > 0),
        }
        for i in range(50)
    ]  # fmt: skip
    file, results = project / "samples_arc_easy_2026-01-02T03-04-05.jsonl", project / "results.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in samples))
    plain = [{"task": "arc_easy", "id": f"q{i}", "acc": float(i % 10 > 0), "group": f"g{i}"} for i in range(50)]
    results.write_text("".join(json.dumps(row) + "\n" for row in plain))
    run("evidence", "import", file.name, "--mapping", "mapping.yaml", "--out", "harness/")
    (documented,) = [line for line in commands_of(text) if line[:2] == ["evidence", "import"] and "--out" in line]
    run(*documented)
    for folder in ("harness/", "hosted/"):
        shown = json.loads(run("impact", "show", "journalist", "--version", folder, "--json"))
        assert shown["version"] == folder
        page = run("impact", "show", "journalist", "--version", folder)
        assert re.search(r"Answer and reason +teaching materials and pupils' work +50 +90.0%", page)
        assert "imported: lm-evaluation-harness, model X" in page


def test_a_defect_in_a_company_s_table_names_line_and_column(tmp_path: Path) -> None:
    head, first, second = (REPOSITORY / "examples/company/roles.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "good.csv").write_text("\n".join([head, first, second]))
    entries = load_roles(tmp_path / "good.csv")
    assert [task.weight for task in entries[0].tasks] == pytest.approx([20 / 35, 15 / 35])
    assert entries[0].employment == 35
    for broken, message in (
        ([head.replace("weight", "hours"), first], "line 1: the column 'weight' is missing"),
        ([head, first, second.replace(",15,", ",many,")], "line 3: weight is 'many'"),
        ([head, second], "line 2: role_en is empty"),
        ([head, first + ",x"], "line 2: has another number of fields"),
    ):
        (tmp_path / "bad.csv").write_text("\n".join(broken))
        with pytest.raises(RoleShiftError, match=message):
            load_roles(tmp_path / "bad.csv")
