"""Every text stands in both languages, and every key that a page asks for is there."""

import ast
import re
import string
from pathlib import Path

import pytest
import yaml

DASHBOARDS = Path(__file__).resolve().parent.parent.parent / "dashboards"
CATALOGUES = sorted((DASHBOARDS / "texts").glob("*.yaml"))


def placeholders(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_each_key_has_a_text_in_both_languages_with_the_same_placeholders(path: Path) -> None:
    for key, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        assert isinstance(key, str), key
        assert set(entry) == {"en", "zh"}, key
        assert all(isinstance(text, str) and text.strip() for text in entry.values()), key
        assert placeholders(entry["en"]) == placeholders(entry["zh"]), key
        assert re.search(r"[\u4e00-\u9fff]", entry["zh"]), f"{key} is not translated"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_bold_ends_at_a_space_or_a_sign(path: Path) -> None:
    """Between a bracket and a letter two asterisks end nothing in Markdown; a Chinese sign is a letter."""
    for key, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        assert not re.search(r"}\*\*\w|\w\*\*{", " ".join(entry.values())), key


@pytest.mark.parametrize("page", sorted((DASHBOARDS / "views").glob("*.py")), ids=lambda path: path.stem)
def test_each_key_that_a_page_names_is_in_its_catalogue(page: Path) -> None:
    known = yaml.safe_load((DASHBOARDS / f"texts/{page.stem}.yaml").read_text(encoding="utf-8"))
    source = page.read_text(encoding="utf-8")
    asked = set(re.findall(r'\bt\(\s*"([^"]+)"', source))
    assert asked
    assert asked <= set(known)


SAID = {
    "button", "caption", "checkbox", "download_button", "error", "expander", "form_submit_button", "header", "info",
    "link_button", "markdown", "metric", "multiselect", "number_input", "pills", "popover", "progress",
    "radio", "segmented_control", "selectbox", "slider", "subheader", "success", "text_area", "text_input", "title",
    "toggle", "warning", "write",
}  # fmt: skip
"""Methods of Streamlit whose first argument a reader sees."""
MARKUP = re.compile(r":[a-z-]+(?=\[)|:material/\w+:|^RoleShift$|^Language / 语言$")
"""What is no word of a language, and the two that stand in both."""
SOURCES = sorted(path for part in ("views", "components") for path in (DASHBOARDS / part).glob("*.py"))


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("page", SOURCES, ids=lambda path: path.stem)
def test_each_family_of_keys_that_a_page_puts_together_has_members(page: Path) -> None:
    """`t(f"kind_{name}")` finds only keys that begin so."""
    source = page.read_text(encoding="utf-8")
    catalogues = set(re.findall(r'texts\("([^"]+)"\)', source)) - {""}
    known: set[str] = set()
    for name in catalogues:
        known |= set(yaml.safe_load((DASHBOARDS / f"texts/{name}.yaml").read_text(encoding="utf-8")))
    for prefix in re.findall(r'\bt\(\s*f"([a-z_-]+)\{', source):
        assert [key for key in known if key.startswith(prefix)], prefix


@pytest.mark.parametrize("page", SOURCES, ids=lambda path: path.stem)
def test_no_page_says_anything_that_is_in_no_catalogue(page: Path) -> None:
    said = [
        call.args[0]
        for call in calls(page)
        if isinstance(call.func, ast.Attribute) and call.func.attr in SAID and call.args
    ]
    for argument in said:
        parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
        texts = [MARKUP.sub("", str(part.value)) for part in parts if isinstance(part, ast.Constant)]
        assert not [text for text in texts if re.search(r"[A-Za-z]{3}", text)], ast.unparse(argument)
