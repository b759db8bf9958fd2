"""Where people can move: how alike two roles are, what is missing, and whose tolerance for error fits.

Similarity is the centred percentile-rank cosine: each feature is ranked over all roles, ranks are
centred at 0, and two roles are compared by the cosine of their ranks. So a feature that every role
needs tells nothing, and one that few need tells much.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import polars as pl
from scipy.stats import rankdata

from roleshift.errors import RoleShiftError
from roleshift.impact.capability import Floats
from roleshift.impact.onet import CODE, Archive, numbers
from roleshift.impact.roles import Analysis, interval
from roleshift.impact.work import Work

Comfort = Literal["low", "medium", "high"]
COMFORTS: tuple[Comfort, ...] = get_args(Comfort)
MISSING_FROM = 0.25  # a feature is missing where the destination ranks this much higher, of 1
IMPORTANCE = "IM"


@dataclass(frozen=True)
class Profiles:
    """`values` [roles, features], NaN in a whole row where a role's profile is unknown."""

    role_ids: tuple[str, ...]
    features: tuple[str, ...]
    values: Floats


def activity_profiles(work: Work) -> Profiles:
    """Weights over generalized work activities, from the roles' tasks; a task's weight is shared by its activities."""
    exploded = (
        work.tasks.select("role_id", "activities", part=pl.col("weight") / pl.col("activities").list.len())
        .explode("activities", empty_as_null=True)
        .drop_nulls("activities")
        .with_columns(feature=pl.col("activities").str.replace(r"\.I\d+$", ""))
    )
    return _profiles(tuple(work.roles["role_id"]), exploded.select("role_id", "feature", value="part"))


def importance_profiles(work: Work, archive: Archive) -> Profiles | None:
    """Importance of skills and generalized work activities per occupation; None where the archive has neither.

    An element that the archive does not rate for every rated occupation is left out, so that no
    gap is read as 0.
    """
    frames = [
        numbers(archive.tables[name], "Data Value", name)
        .filter(pl.col("Scale ID") == IMPORTANCE)
        .select(role_id=CODE, feature="Element ID", value="Data Value")
        for name in ("Skills", "Work Activities")
        if name in archive.tables
    ]
    if not frames:
        return None
    rated = pl.concat(frames).drop_nulls().filter(pl.col("role_id").is_in(work.roles["role_id"].to_list()))
    whole = rated["role_id"].n_unique()
    counts = rated.group_by("feature").agg(pl.col("role_id").n_unique().alias("count"))
    full = counts.filter(pl.col("count") == whole)["feature"].to_list()
    return _profiles(tuple(work.roles["role_id"]), rated.filter(pl.col("feature").is_in(full)))


def _profiles(role_ids: tuple[str, ...], long: pl.DataFrame) -> Profiles:
    features = tuple(sorted(long["feature"].unique()))
    rows, columns = ({name: i for i, name in enumerate(names)} for names in (role_ids, features))
    values = np.zeros((len(role_ids), len(features)))
    known = np.zeros(len(role_ids), dtype=bool)
    for role, feature, value in long.select("role_id", "feature", "value").iter_rows():
        values[rows[role], columns[feature]] += value
        known[rows[role]] = True
    values[~known] = np.nan
    return Profiles(role_ids, features, values)


def centred_ranks(values: Floats) -> Floats:
    """Percentile ranks per feature over the known rows, centred: [-1/2, 1/2], ties at their mean; NaN stays."""
    known = ~np.isnan(values).any(axis=1)
    ranks = np.full(values.shape, np.nan)
    count = int(known.sum())
    if count:
        ranks[known] = (rankdata(values[known], axis=0) - 0.5) / count - 0.5
    return ranks


def similarity(ranks: Floats) -> Floats:
    """Cosine [roles, roles] of centred ranks; NaN where a profile is unknown or says nothing."""
    norms = np.linalg.norm(ranks, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = ranks / np.where(norms > 0, norms, np.nan)[:, None]
        return np.asarray(np.clip(unit @ unit.T, -1, 1))


def tolerance_fit(analysis: Analysis, comfort: Comfort) -> Floats:
    """How well each role's tasks fit a person's comfort with error [roles], in [0, 1]; NaN without tasks.

    Tasks are ranked by their error tolerance eps over all tasks, weighted; a task fits by one
    minus the distance of its rank from 0 (comfort low: exact work, which stays with people
    longer), 1/2 (medium) or 1 (high: where a model helps soonest).
    """
    if comfort not in COMFORTS:
        raise RoleShiftError(f"comfort with error must be one of {', '.join(COMFORTS)} (found {comfort!r})")
    eps = analysis.rule.costs.tolerance
    weight = np.asarray(analysis.units.shares.sum(axis=0)).ravel()
    distinct, index = np.unique(eps, return_inverse=True)
    mass = np.bincount(index, weights=weight)
    middle = np.cumsum(mass) - mass / 2
    span = middle[-1] - middle[0] if len(distinct) > 1 else 0.0
    rank = (middle - middle[0]) / span if span > 0 else np.full(len(distinct), 0.5)
    fits = 1 - np.abs(rank[index] - COMFORTS.index(comfort) / 2)
    total = analysis.units.shares.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 0, (analysis.units.shares @ fits) / total, np.nan))


@dataclass(frozen=True)
class Landscape:
    """What moves are read from, computed once: centred `ranks`, and `near`, their cosine [roles, roles]."""

    analysis: Analysis
    profiles: Profiles
    ranks: Floats
    near: Floats
    education: Mapping[str, float]
    fallback: "Landscape | None" = None

    @classmethod
    def of(
        cls,
        analysis: Analysis,
        profiles: Profiles,
        education: Mapping[str, float] | None = None,
        fallback: "Landscape | None" = None,
    ) -> "Landscape":
        """The landscape of an analysis; `education` is a level per role, unknown where absent.

        `fallback` is the landscape for moves from a role whose profile is unknown here.
        """
        if list(profiles.role_ids) != analysis.work.roles["role_id"].to_list():
            raise RoleShiftError("the profiles are those of other roles than the analysis")
        ranks = centred_ranks(profiles.values)
        return cls(analysis, profiles, ranks, similarity(ranks), education or {}, fallback)


MOVES: dict[str, pl.DataType | type[pl.DataType]] = {
    "role_id": pl.String,
    "similarity": pl.Float64,
    "tolerance_fit": pl.Float64,
    "score": pl.Float64,
    "missing": pl.List(pl.String),
    "pay_change": pl.Float64,
    "education_change": pl.Float64,
    "exposure": pl.Float64,
    "exposure_low": pl.Float64,
    "exposure_high": pl.Float64,
}


def moves(landscape: Landscape, origin: str, comfort: Comfort, most: int | None = None) -> pl.DataFrame:
    """Every other role as a move from `origin`, best first (the `most` best); columns as in MOVES.

    Order: tolerance fit times (1 + similarity) / 2; unknown similarity last. `missing` are features
    that the destination ranks much higher; `pay_change` is the ratio of mean wages less 1 and
    `education_change` a difference of levels, null where either is unknown; `exposure` is the
    destination's expected time freed under this version with its 90% interval.
    """
    ids, profiles = list(landscape.profiles.role_ids), landscape.profiles
    if origin not in ids:
        raise RoleShiftError(f"no role {origin!r}")
    row = ids.index(origin)
    if landscape.fallback and np.isnan(landscape.ranks[row]).any():
        return moves(landscape.fallback, origin, comfort, most)
    near, fit = landscape.near[row], tolerance_fit(landscape.analysis, comfort)
    score = fit * (1 + near) / 2
    order = sorted((i for i in range(len(ids)) if i != row), key=lambda i: (np.isnan(score[i]), -score[i], ids[i]))
    chosen = order[:most]
    wages = landscape.analysis.work.roles["mean_wage"].to_list()
    freed = landscape.analysis.expected.roles["time_freed"][chosen]
    low, high = interval(freed)
    levels = landscape.education
    rows = []
    for place, i in enumerate(chosen):
        gaps = landscape.ranks[i] - landscape.ranks[row]
        missing = [profiles.features[j] for j in np.argsort(-gaps, kind="stable") if gaps[j] > MISSING_FROM]
        pay = wages[i] / wages[row] - 1 if wages[i] and wages[row] else None
        school = levels[ids[i]] - levels[origin] if ids[i] in levels and origin in levels else None
        measured = (float(freed[place].mean()), float(low[place]), float(high[place]))
        rows.append((ids[i], near[i], fit[i], score[i], missing, pay, school, *measured))
    frame = pl.DataFrame(rows, schema=MOVES, orient="row")
    return frame.with_columns(pl.col("similarity", "tolerance_fit", "score").fill_nan(None))


def education_levels(archive: Archive) -> dict[str, float]:
    """Mean required level of education per occupation, on O*NET's scale of 1 to 12; empty where the table is absent."""
    name = "Education, Training, and Experience"
    if name not in archive.tables:
        return {}
    table = archive.tables[name].filter((pl.col("Element ID") == "2.D.1") & (pl.col("Scale ID") == "RL"))
    table = numbers(numbers(table, "Data Value", name), "Category", name).drop_nulls(["Data Value", "Category"])
    weighted = (pl.col("Category") * pl.col("Data Value")).sum() / pl.col("Data Value").sum()
    means = table.group_by(CODE, maintain_order=True).agg(weighted.alias("level"))
    return {code: level for code, level in means.iter_rows() if level is not None and np.isfinite(level)}
