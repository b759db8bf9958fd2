"""A person's moves as lines for a terminal, with the reason for each."""

import polars as pl

from roleshift.impact.onet import Archive
from roleshift.impact.setting import Setting
from roleshift.impact.text import percent, table
from roleshift.impact.transitions import Landscape
from roleshift.impact.work import Activities

SHOWN = 3  # of the gaps


def moves_page(
    landscape: Landscape, setting: Setting, found: pl.DataFrame, origin: str, version: str, language: str
) -> str:
    """The moves, best first: fit, similarity, what is missing, pay and education, exposure of the destination."""
    titles = {row["role_id"]: row[f"title_{language}"] or row["title_en"] for row in setting.work.roles.to_dicts()}
    features = landscape.profiles.features + (landscape.fallback.profiles.features if landscape.fallback else ())
    names = feature_names(features, setting.archive, setting.work.activities, language)
    rows = [
        [
            titles[row["role_id"]],
            percent(row["tolerance_fit"]),
            "-" if row["similarity"] is None else f"{row['similarity']:+.2f}",
            percent(row["pay_change"], signed=True),
            f"{percent(row['exposure'])} [{percent(row['exposure_low'])}, {percent(row['exposure_high'])}]",
            "; ".join(names[name] for name in row["missing"][:SHOWN]) or "-",
        ]
        for row in found.to_dicts()
    ]
    head = ["move to", "error fits", "similar", "pay", "time freed there [90%]", "to learn"]
    given = landscape.analysis.assumptions
    return (
        f"from {titles[origin]}; {version}; assumptions {given.name} {given.hash}\n\n{table(head, rows)}\n\n"
        "error fits: how well the tasks' tolerance of error fits what you are comfortable answering for; "
        "similar: from -1 to 1, over skills and work activities"
    )


def feature_names(
    features: tuple[str, ...], archive: Archive | None, activities: Activities, language: str
) -> dict[str, str]:
    """A name for each feature: the archive's element names, else the labels of the activities that belong to it."""
    names: dict[str, str] = {}
    if archive and "Content Model Reference" in archive.tables:
        names = dict(archive.tables["Content Model Reference"].select("Element ID", "Element Name").iter_rows())
    for feature in features:
        if feature not in names:
            members = [i for i, activity in enumerate(activities.ids) if activity.startswith(f"{feature}.")]
            example = {"en": "such as: {}", "zh": "例如：{}"}[language]
            names[feature] = example.format(activities.labels[language][members[0]]) if members else feature
    return names
