"""Every text stands in both languages, and every key that a page asks for is there."""

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


@pytest.mark.parametrize("page", sorted((DASHBOARDS / "views").glob("*.py")), ids=lambda path: path.stem)
def test_each_key_that_a_page_names_is_in_its_catalogue(page: Path) -> None:
    known = yaml.safe_load((DASHBOARDS / f"texts/{page.stem}.yaml").read_text(encoding="utf-8"))
    source = page.read_text(encoding="utf-8")
    asked = set(re.findall(r'\bt\(\s*"([^"]+)"', source))
    assert asked
    assert asked <= set(known)
