"""O*NET's occupations and tasks as the engine's tables: weights, activities, consequence classes."""

import polars as pl

from roleshift.errors import RoleShiftError
from roleshift.impact.assumptions import CLASSES, Assumptions
from roleshift.impact.onet import CODE, TASK, Archive, numbers, task_activities
from roleshift.impact.work import ROLES, TASKS, Activities, Work

CONSEQUENCE_OF_ERROR = "4.C.3.a.1"  # work context: how serious a mistake would be, 1 to 5
EXACTNESS = "4.C.3.b.4"  # work context: importance of being exact or accurate, 1 to 5
# From which mean rating on a class begins. O*NET's anchors: 1 not serious at all, 3 serious, 5
# extremely serious; exactness alone says less of harm, so it never reaches `critical`.
FROM_CONSEQUENCE = {"critical": 4.5, "high": 3.5, "medium": 2.5}
FROM_EXACTNESS = {"high": 4.5, "medium": 3.5}


def occupation_work(archive: Archive, activities: Activities, assumptions: Assumptions) -> Work:
    """Every occupation that has tasks, with its tasks in the archive's order.

    Weights: importance from Task Ratings where rated, else core : supplemental of the assumption
    set, in an occupation either all from ratings or none. Consequence: the occupation's rating in
    Work Context, else its exactness there, else the gravest default of the task's activities, else
    medium. The text of O*NET's tasks names no domain, so all evidence counts as transferred.
    """
    statements = archive.tables["Task Statements"].drop_nulls([CODE, TASK, "Task"])
    occupations = archive.tables["Occupation Data"].drop_nulls([CODE, "Title"])
    orphans = statements.join(occupations, on=CODE, how="anti")
    statements = statements.join(orphans, on=[CODE, TASK], how="anti")
    if statements.is_empty():
        raise RoleShiftError("the archive has no task of a known occupation")
    links = task_activities(archive).filter(pl.col("IWA ID").is_in(list(activities.ids)))
    grouped = links.group_by(CODE, TASK, maintain_order=True).agg(pl.col("IWA ID").alias("activities"))
    tasks = statements.join(grouped, on=[CODE, TASK], how="left", maintain_order="left").with_columns(
        pl.col("activities").fill_null([])
    )
    tasks = _with_weight(tasks, archive, assumptions)
    tasks = _with_consequence(tasks, archive, activities)
    frame = tasks.select(
        task_id=pl.concat_str(CODE, TASK, separator="/"),
        role_id=CODE,
        title_en="Task",
        title_zh=pl.lit(None, dtype=pl.String),
        activities="activities",
        weight="weight",
        domains=pl.lit([], dtype=pl.List(pl.String)),
        consequence="consequence",
    )
    roles = occupations.select(
        role_id=CODE,
        title_en="Title",
        title_zh=pl.lit(None, dtype=pl.String),
        soc=pl.col(CODE).str.slice(0, 7),
        employment=pl.lit(None, dtype=pl.Float64),
        mean_wage=pl.lit(None, dtype=pl.Float64),
    )
    return Work.of(roles.select(ROLES.names()), frame.select(TASKS.names()), activities, f"O*NET {archive.release}")


def _with_weight(tasks: pl.DataFrame, archive: Archive, assumptions: Assumptions) -> pl.DataFrame:
    core = pl.col("Task Type").fill_null("").str.to_lowercase() != "supplemental"
    by_type = pl.when(core).then(assumptions.weights.core).otherwise(assumptions.weights.supplemental)
    if "Task Ratings" not in archive.tables:
        return tasks.with_columns(by_type.alias("weight"))
    ratings = numbers(archive.tables["Task Ratings"], "Data Value", "Task Ratings").filter(pl.col("Scale ID") == "IM")
    importance = ratings.group_by(CODE, TASK).agg(pl.col("Data Value").mean().alias("importance"))
    rated = tasks.join(importance, on=[CODE, TASK], how="left", maintain_order="left")
    whole = (pl.col("importance").fill_null(0.0) > 0).all().over(CODE)
    return rated.with_columns(pl.when(whole).then("importance").otherwise(by_type).alias("weight"))


def _with_consequence(tasks: pl.DataFrame, archive: Archive, activities: Activities) -> pl.DataFrame:
    order = {name: i for i, name in enumerate(CLASSES)}
    default = dict(zip(activities.ids, activities.consequence, strict=True))
    gravest = [max((default[a] for a in row), key=order.__getitem__, default="medium") for row in tasks["activities"]]
    tasks = tasks.with_columns(pl.Series("consequence", gravest, dtype=pl.String))
    if "Work Context" not in archive.tables:
        return tasks
    context = numbers(archive.tables["Work Context"], "Data Value", "Work Context").filter(pl.col("Scale ID") == "CX")
    for element, starts in ((EXACTNESS, FROM_EXACTNESS), (CONSEQUENCE_OF_ERROR, FROM_CONSEQUENCE)):
        rating = (
            context.filter(pl.col("Element ID") == element)
            .group_by(CODE)
            .agg(pl.col("Data Value").mean().alias("rating"))
        )
        joined = tasks.join(rating, on=CODE, how="left", maintain_order="left")
        chosen = pl.lit("low")
        for name, start in reversed(starts.items()):
            chosen = pl.when(pl.col("rating") >= start).then(pl.lit(name)).otherwise(chosen)
        known = pl.col("rating").is_not_null()
        tasks = joined.with_columns(pl.when(known).then(chosen).otherwise("consequence").alias("consequence")).drop(
            "rating"
        )
    return tasks
