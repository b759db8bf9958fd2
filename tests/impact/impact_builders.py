"""Small catalogues and evidence for the tests of the impact engine."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import polars as pl

from roleshift.contracts import ITEMS, SCORES
from roleshift.impact.capability import CAPABILITIES, Cell, CellKey, Grade
from roleshift.impact.work import ROLES, TASKS, Activities, Work


def activities(rows: dict[str, tuple[int, dict[str, int], float]], consequence: str = "low") -> Activities:
    """Activities from id -> (gate, requirement levels, jitter)."""
    levels = np.zeros((len(rows), len(CAPABILITIES)), dtype=np.int8)
    for i, (_, needs, _) in enumerate(rows.values()):
        for capability, level in needs.items():
            levels[i, CAPABILITIES.index(capability)] = level
    return Activities(
        tuple(rows),
        np.array([gate == 1 for gate, _, _ in rows.values()], dtype=bool),
        levels,
        np.array([jitter for _, _, jitter in rows.values()], dtype=float),
        tuple(consequence for _ in rows),
        {"en": tuple(rows), "zh": tuple(rows)},
        {"en": tuple(rows), "zh": tuple(rows)},
    )


def role(role_id: str, **fields: object) -> dict[str, object]:
    return dict.fromkeys(ROLES) | {"role_id": role_id, "title_en": role_id} | fields


def task(task_id: str, role_id: str, ids: Sequence[str], **fields: object) -> dict[str, object]:
    plain = {"title_en": task_id, "title_zh": None, "weight": 1.0, "domains": ["news"], "consequence": "low"}
    return plain | {"task_id": task_id, "role_id": role_id, "activities": list(ids)} | fields


def work(matrix: Activities, tasks: list[dict[str, object]], roles: list[dict[str, object]] | None = None) -> Work:
    names = dict.fromkeys(str(t["role_id"]) for t in tasks)
    rows = roles if roles is not None else [role(name) for name in names]
    return Work.of(pl.DataFrame(rows, schema=ROLES), pl.DataFrame(tasks, schema=TASKS), matrix, "test")


def cell(
    capability: str,
    passed: Sequence[bool] | np.ndarray,
    *,
    domain: str = "news",
    grade: Grade = "verifiable",
    name: str = "a",
    first: int = 0,
    design_effect: float = 1.0,
) -> Cell:
    """Evidence; `name` tells systems apart, `first` shifts the item ids so that items are others."""
    flags = np.asarray(passed, dtype=bool)
    ids = tuple(f"{i:06}" for i in range(first, first + len(flags)))
    content = sha256(f"{capability}|{domain}|{name}|{first}|{flags.tobytes()!r}".encode()).hexdigest()
    return Cell(capability, domain, ("t",), ids, flags, grade, design_effect, content, ("measured",))


def share(capability: str, passes: int, items: int, **fields: object) -> Cell:
    return cell(capability, np.arange(items) < passes, **fields)  # type: ignore[arg-type]


def cells(*members: Cell) -> dict[CellKey, Cell]:
    return {member.key: member for member in members}


def tables(rows: list[dict[str, object]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """ITEMS and SCORES from rows with at least example_id, task_definition, capability, domain, metric, score."""
    plain: dict[str, object] = {
        "model_id": "m", "variant": "onnx-int8", "shots": 0, "perturbation": "none", "language": "en", "slices": [],
        "split": "test", "artifact_id": "a", "prompt_hash": "p", "settings_hash": "s", "references_hash": "r",
        "output": "o", "prompt_tokens": 1, "output_tokens": 1, "finish_reason": "stop", "origin": "measured",
        "statistics": [], "signature": "sig",
    }  # fmt: skip
    full = [plain | {"group_id": row["example_id"]} | row for row in rows]
    items = pl.DataFrame([{k: r[k] for k in ITEMS.schema} for r in full], schema=ITEMS.schema)
    scores = pl.DataFrame([{k: r[k] for k in SCORES.schema} for r in full], schema=SCORES.schema)
    return items, scores
