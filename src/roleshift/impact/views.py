"""Tables that a reader of one analysis asks for first, by role, in one language."""

import polars as pl

from roleshift.impact.decision import DECISIONS
from roleshift.impact.demands import demands
from roleshift.impact.roles import MEASURES, Analysis
from roleshift.impact.words import Language, Words

SHARES = ("automate", "augment", "human", "not_assessed")
"""The shares that make up a role; together they are 1."""
PERCENT = 100


def titled(language: Language) -> pl.Expr:
    """The title in the language, else the English one, of a frame with `title_en` and `title_zh`."""
    return pl.coalesce(f"title_{language}", "title_en")


def worded(tasks: pl.DataFrame, language: Language) -> pl.DataFrame:
    """Tasks with `decision` and `flip_to` in words, and `why`: what binds the decision, in a sentence."""
    words = Words(language)
    decisions = {key: words.texts[key][language] for key in DECISIONS}
    reasons = [words.why(row) for row in tasks.select("binding", "binding_capability").iter_rows(named=True)]
    return tasks.with_columns(pl.col("decision", "flip_to").replace(decisions), why=pl.Series(reasons, dtype=pl.String))


def composition(analysis: Analysis, role: str) -> pl.DataFrame:
    """The role's shares in per cent: share, certified, expected, low, high (90%)."""
    return analysis.role_table.filter(pl.col("role_id") == role, pl.col("measure").is_in(SHARES)).select(
        share="measure",
        certified=pl.col("certified") * PERCENT,
        expected=pl.col("expected") * PERCENT,
        low=pl.col("low") * PERCENT,
        high=pl.col("high") * PERCENT,
    )


def closest_to_flipping(
    analysis: Analysis, language: Language, *, role: str | None = None, most: int = 10
) -> pl.DataFrame:
    """Tasks whose decision would change with the smallest rise of the observed success rate.

    Per cent: `observed` now, `needed` for the decision `flip_to`, `missing` between them; 0 where
    only items are missing, of which `items_to_certify` would do. `transferred` marks evidence from
    another kind of text. Tasks that no rate would change are left out.
    """
    tasks = analysis.task_table.filter(pl.col("flip_to").is_not_null(), pl.col("success_observed").is_not_null())
    if role is not None:
        tasks = tasks.filter(pl.col("role_id") == role)
    roles = analysis.work.roles.select("role_id", role=titled(language))
    return (
        worded(tasks, language)
        .join(roles, on="role_id")
        .with_columns(
            task=titled(language),
            missing=((pl.col("flip_at") - pl.col("success_observed")) * PERCENT).clip(0.0),
        )
        .sort("missing", pl.col("weight") * -1, "task_id")
        .head(most)
        .select(
            "role", "task", "decision", "flip_to", pl.col("success_observed").alias("observed") * PERCENT,
            pl.col("flip_at").alias("needed") * PERCENT, "missing", "items_to_certify", "why",
            "transferred",
        )
    )  # fmt: skip


def closest_role(analysis: Analysis) -> str | None:
    """The role whose task is closest to another decision; None where no task was measured."""
    tasks = analysis.task_table.filter(pl.col("flip_to").is_not_null(), pl.col("success_observed").is_not_null())
    missing = (pl.col("flip_at") - pl.col("success_observed")).clip(0.0)
    found = tasks.sort(missing, pl.col("weight") * -1, "task_id")["role_id"]
    return str(found[0]) if found.len() else None


def tasks_of_role(analysis: Analysis, role: str, language: Language) -> pl.DataFrame:
    """The role's tasks, heaviest first; rates in per cent, null where nobody measured."""
    tasks = analysis.task_table.filter(pl.col("role_id") == role).sort("weight", descending=True)
    rates = ("weight", "success_lower", "success_observed", "tolerance", "flip_at")
    return worded(tasks, language).select(
        titled(language).alias("task"),
        "decision",
        *(pl.col(name) * PERCENT for name in rates),
        "why",
        "flip_to",
        "items_to_certify",
        "transferred",
    )


def ranked_roles(analysis: Analysis, measure: str, language: Language) -> pl.DataFrame:
    """Every role (id and title) by one measure in per cent, certified first, then expected with its 90% interval."""
    roles = analysis.work.roles
    shares = analysis.role_table.filter(pl.col("measure") == measure).join(roles, on="role_id")
    return shares.sort("certified", "expected", "role_id", descending=[True, True, False]).select(
        "role_id",
        titled(language).alias("role"),
        *(pl.col(name) * PERCENT for name in ("certified", "expected", "low", "high")),
    )


def evidence_table(analysis: Analysis, language: Language) -> pl.DataFrame:
    """What was measured: a row per capability and domain, rates in per cent."""
    words = Words(language)
    return pl.DataFrame(
        [
            {
                "capability": words.capabilities[cell.capability],
                "domain": words.domains.get(cell.domain, cell.domain),
                "items": cell.items,
                "observed": cell.observed * PERCENT,
                "lower": cell.lower * PERCENT,
                "grade": words.plain(cell.grade),
                "origin": ", ".join(words.origin(name) for name in cell.origins),
            }
            for cell in (analysis.cells[key] for key in sorted(analysis.cells))
        ]
    )


def assumed_shares(analysis: Analysis, role: str) -> pl.DataFrame:
    """What the role's shares would be under the set's what-if levels, in per cent; empty without any.

    The 90% interval is that of the measured capabilities alone: an assumed level has none.
    """
    table = analysis.role_table.filter(pl.col("role_id") == role, pl.col("measure").is_in([*SHARES, "time_freed"]))
    if not analysis.assumed:
        table = table.clear().with_columns(assumed=0.0, assumed_low=0.0, assumed_high=0.0)
    names = {"value": "assumed", "low": "assumed_low", "high": "assumed_high"}
    return table.select(share="measure", **{key: pl.col(name) * PERCENT for key, name in names.items()})


def demand_map(analysis: Analysis, language: Language) -> pl.DataFrame:
    """`demands` with names in the language, in per cent; the shares of time are `time_needed` and so on."""
    roles = analysis.work.roles.select("role_id", role=titled(language))
    named = demands(analysis).join(roles, on="role_id", maintain_order="left")
    return named.select(
        "role",
        pl.col("capability").replace_strict(Words(language).capabilities),
        *((pl.col(name) * PERCENT).alias(f"time_{name}") for name in ("needed", "measured", "transferred")),
        *(pl.col(name) * PERCENT for name in ("lower", "observed")),
    )


def side_by_side(analysis: Analysis, roles: tuple[str, str], language: Language) -> pl.DataFrame:
    """Both roles' shares and time freed in per cent: measure, role, certified, value (expected), low, high (90%)."""
    names = analysis.work.roles.select("role_id", role=titled(language))
    shown = [name for name in MEASURES if name in (*SHARES, "time_freed")]
    table = analysis.role_table.filter(pl.col("measure").is_in(shown))
    parts = [table.filter(pl.col("role_id") == role) for role in roles]
    return (
        pl.concat(parts)
        .join(names, on="role_id", maintain_order="left")
        .select(
            "measure",
            "role",
            pl.col("certified") * PERCENT,
            value=pl.col("expected") * PERCENT,
            low=pl.col("low") * PERCENT,
            high=pl.col("high") * PERCENT,
        )
    )
