"""Python functions and the first sentence of their docstrings, from a JSONL of modules."""

import ast
import inspect
import json
import re
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path

from roleshift.data.preparation.drafts import Draft, Dropped
from roleshift.errors import RoleShiftError
from roleshift.params import Corpus
from roleshift.tasks import TaskDefinition

MIN_WORDS = 3
_SENTENCE_END = re.compile(r"(?<=[a-z0-9)\]'\"`][.!?])\s+(?=[A-Z`'\"(])")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_docstrings(folder: Path, corpus: Corpus, task: TaskDefinition) -> Iterator[Draft | Dropped]:
    """Function without its docstring -> first docstring sentence.

    Methods of one class are one group, since they resemble each other; a function of a module is a
    group of its own, because whole modules would be too few and too uneven to split. Left out:
    tests, private functions of one statement, functions that are nothing but a docstring.
    """
    files = [folder / corpus.file] if corpus.file else sorted(folder.glob("*.jsonl"))
    if not files:
        raise RoleShiftError(f"{folder}: no *.jsonl of modules (path, text)")
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    module = json.loads(line)
                    path, text = str(module["path"]), str(module["text"])
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # invalid escapes in other people's modules
                        tree = ast.parse(text)
                except (json.JSONDecodeError, KeyError, TypeError, SyntaxError, ValueError) as error:
                    yield Dropped("malformed", f"{file.name}:{number}", line[:200], str(error), malformed=True)
                    continue
                if not _is_test(path):
                    yield from _functions(tree, text.splitlines(), path)


def _is_test(path: str) -> bool:
    parts = path.lower().removesuffix(".py").split("/")
    return any(part in ("test", "tests") or part.startswith("test_") or part.endswith("_test") for part in parts)


def _functions(tree: ast.Module, lines: list[str], path: str) -> Iterator[Draft | Dropped]:
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    pending: list[tuple[ast.AST, tuple[str, ...]]] = [(tree, ())]
    while pending:
        node, names = pending.pop()
        for child in ast.iter_child_nodes(node):
            inner = (*names, child.name) if isinstance(child, Function | ast.ClassDef) else names
            pending.append((child, inner))
            if isinstance(child, Function) and ast.get_docstring(child) is not None:
                yield _row(child, lines, f"python:{module}.{inner[0]}", f"{path}:{child.lineno}")


def _row(function: Function, lines: list[str], group: str, origin: str) -> Draft | Dropped:
    body = function.body[1:]
    sentence = first_sentence(ast.get_docstring(function) or "")
    if function.name.startswith("test"):
        return Dropped("test", origin, function.name)
    if all(_says_nothing(statement) for statement in body):
        return Dropped("nothing_but_a_docstring", origin, function.name)
    if (
        function.name.startswith("_")
        and len(body) == 1
        and not isinstance(body[0], ast.With | ast.For | ast.While | ast.Try)
    ):
        return Dropped("private_one_liner", origin, function.name)
    if len(sentence.split()) < MIN_WORDS:
        return Dropped("docstring_under_three_words", origin, sentence)
    code = without_docstring(function, lines)
    if code is None:
        return Dropped("docstring_shares_a_line", origin, function.name)
    return Draft(code, (sentence,), group, origin)


def _says_nothing(statement: ast.stmt) -> bool:
    is_ellipsis = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_ellipsis or isinstance(statement, ast.Pass)


def first_sentence(docstring: str) -> str:
    """The first sentence of a docstring's first paragraph, on one line."""
    paragraph = inspect.cleandoc(docstring).split("\n\n", 1)[0]
    return _SENTENCE_END.split(" ".join(paragraph.split()), maxsplit=1)[0]


def without_docstring(function: Function, lines: list[str]) -> str | None:
    """The function's source, decorators included, its docstring's lines taken out, unindented.

    None where the docstring shares a line with other code.
    """
    docstring = function.body[0]
    end = docstring.end_lineno or docstring.lineno
    shares_start = lines[docstring.lineno - 1][: docstring.col_offset].strip()
    if shares_start or function.body[1].lineno <= end or docstring.lineno <= function.lineno:
        return None
    start = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    while not lines[end].strip():  # the blank lines that set the docstring off
        end += 1
    kept = lines[start - 1 : docstring.lineno - 1] + lines[end : function.end_lineno]
    return textwrap.dedent("\n".join(kept)).strip("\n")
