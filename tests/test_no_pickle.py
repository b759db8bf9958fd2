"""No line of the project loads a pickle, in which anything can be hidden that runs on loading."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FOLDERS = ("src", "pipelines", "dashboards", "benchmarks")
PICKLING = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
LOADING = {"load", "loads", "Unpickler", "open"}


def pickles(source: str) -> list[str]:
    """The calls and imports of a source text by which a pickle could be loaded, with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLING:
            found += [(node.lineno, alias.name) for alias in node.names if alias.name in LOADING | {"*"}]
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            found += [(node.lineno, alias.name) for alias in node.names if alias.name == "load"]
        if isinstance(node, ast.Attribute):
            of = ast.unparse(node.value).split(".")[0]
            if (of in PICKLING and node.attr in LOADING) or node.attr == "read_pickle":
                found.append((node.lineno, ast.unparse(node)))
        if isinstance(node, ast.Call):
            named = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if ast.unparse(node.func) in ("torch.load", "torch.jit.load") and named.get("weights_only") != "True":
                found.append((node.lineno, ast.unparse(node.func)))
            if named.get("allow_pickle", "False") != "False" or named.get("weights_only", "True") != "True":
                found.append((node.lineno, ast.unparse(node)))
    return [f"line {line}: {text}" for line, text in found]


def test_no_line_of_the_project_loads_a_pickle() -> None:
    files = [path for folder in FOLDERS for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    assert len(files) > 100
    assert {str(path): lines for path in files if (lines := pickles(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle\npickle.load(stream)", "import pickle\npickle.Unpickler(stream)",
        "import joblib\njoblib.load(p)",
        "from pickle import loads", "from cloudpickle import load as read", "frame = pd.read_pickle(path)",
        "torch.load(path)", "torch.load(path, weights_only=False)", "from torch import load",
        "numpy.load(path, allow_pickle=True)", "load(path, weights_only=kind)",
    ],
)  # fmt: skip
def test_each_way_to_load_one_is_found(line: str) -> None:
    assert pickles(line)


@pytest.mark.parametrize(
    "line", ["torch.load(p, weights_only=True)", "numpy.load(p)", "except pickle.UnpicklingError: 1"]
)
def test_what_loads_none_passes(line: str) -> None:
    assert not pickles(f"try: 0\n{line}" if line.startswith("except") else line)
