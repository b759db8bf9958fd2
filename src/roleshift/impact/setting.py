"""The work that a version is held against: bundled or O*NET roles, a company's own, employment and pay."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from roleshift.impact.assumptions import Assumptions, default_assumptions, load_assumptions
from roleshift.impact.catalogue import RoleEntry, bundled_activities, bundled_roles, load_roles, work_of
from roleshift.impact.occupations import occupation_work
from roleshift.impact.onet import Archive, cover, load_import, read_archive
from roleshift.impact.roles import Analysis
from roleshift.impact.transitions import Landscape, activity_profiles, education_levels, importance_profiles
from roleshift.impact.wages import read_wages, with_wages
from roleshift.impact.work import Work
from roleshift.params import ImpactParams


@dataclass(frozen=True)
class Setting:
    """Roles with their tasks, the assumption set, the O*NET archive if any, and where everything came from."""

    work: Work
    assumptions: Assumptions
    archive: Archive | None
    sources: dict[str, Any]
    own: tuple[RoleEntry, ...] = ()

    def landscape(self, analysis: Analysis) -> Landscape:
        """Profiles for moves: rated importance where the archive has it, else the tasks' activities.

        Occupations that the archive does not rate (skills of an earlier release) move by their activities too.
        """
        education = education_levels(self.archive) if self.archive else {}
        by_tasks = Landscape.of(analysis, activity_profiles(self.work), education)
        rated = importance_profiles(self.work, self.archive) if self.archive else None
        return Landscape.of(analysis, rated, education, by_tasks) if rated else by_tasks


def open_setting(
    params: ImpactParams, seed: int, place: Callable[[str], Path], assumptions: Path | None = None
) -> Setting:
    """Read what `params` names, `place` turning its paths into files; `assumptions` goes before the params' own."""
    path = assumptions or (place(params.assumptions) if params.assumptions else None)
    given = load_assumptions(path) if path else default_assumptions()
    given = given.model_copy(update={"draws": params.draws, "seed": seed})
    activities = bundled_activities()
    sources: dict[str, Any] = {"roles": "bundled catalogue"}
    archive = None
    if params.onet:
        archive = open_archive(place(params.onet))
        work = occupation_work(archive, activities, given)
        coverage = cover(archive, frozenset(activities.ids)).as_json()
        sources = {"roles": f"O*NET {archive.release}", "onet": coverage, "attribution": coverage["attribution"]}
    else:
        work = work_of(bundled_roles(), activities, "catalog/roles.yaml")
    entries = load_roles(place(params.roles)) if params.roles else []
    if params.roles:
        own = work_of(entries, activities, params.roles)
        work = together(work, own, params.roles)
        sources["own_roles"] = own.roles.height
    if params.wages:
        roles, wages = with_wages(work.roles, read_wages(place(params.wages)))
        work = Work(roles, work.tasks, work.activities)
        sources["wages"] = {
            "matched_roles": wages.matched,
            "unmatched_roles": len(wages.unmatched_roles),
            "employment_share": wages.employment_share,
            "joint_codes": len(wages.joint),
        }
    return Setting(work, given, archive, sources, tuple(entries))


def open_archive(path: Path) -> Archive:
    """An archive from its zip file or from the folder of its import."""
    return load_import(path) if path.is_dir() else read_archive(path)


def together(first: Work, own: Work, where: str) -> Work:
    """Two sources of roles as one; a role of the second takes the place of one with the same id."""
    kept_roles = first.roles.filter(~pl.col("role_id").is_in(own.roles["role_id"].to_list()))
    kept_tasks = first.tasks.filter(pl.col("role_id").is_in(kept_roles["role_id"].to_list()))
    return Work.of(pl.concat([kept_roles, own.roles]), pl.concat([kept_tasks, own.tasks]), first.activities, where)
