"""A person's moves, with the reason for each: as a table, and as lines for a terminal."""

import polars as pl

from roleshift.impact.catalogue import bundled_elements
from roleshift.impact.onet import Archive
from roleshift.impact.setting import Setting
from roleshift.impact.text import named_set, table
from roleshift.impact.transitions import Comfort, Landscape, moves
from roleshift.impact.views import PERCENT, titled
from roleshift.impact.words import Language, Words

SHOWN = 3  # of the gaps


def moves_table(
    landscape: Landscape, setting: Setting, origin: str, comfort: Comfort, language: Language, most: int = 15
) -> pl.DataFrame:
    """Moves from a role, best first; similarity from -1 to 1, education in levels, the rest in per cent."""
    found = moves(landscape, origin, comfort, most=most)
    features = landscape.profiles.features + (landscape.fallback.profiles.features if landscape.fallback else ())
    names = feature_names(features, setting.archive, language)
    roles = setting.work.roles.select("role_id", role=titled(language))
    unknown = setting.work.roles.select(
        "role_id", not_assessed=pl.Series(landscape.analysis.certified["not_assessed"] * PERCENT)
    )
    named = found.join(roles, on="role_id", maintain_order="left").join(unknown, on="role_id", maintain_order="left")
    return named.select(
        "role",
        pl.col("tolerance_fit") * PERCENT,
        "similarity",
        pl.col("pay_change") * PERCENT,
        "education_change",
        pl.col("exposure") * PERCENT,
        pl.col("exposure_low") * PERCENT,
        pl.col("exposure_high") * PERCENT,
        "not_assessed",
        pl.col("missing")
        .list.head(SHOWN)
        .list.eval(pl.element().replace_strict(names, default=None))
        .list.join("; ")
        .alias("to_learn"),
    )


def moves_page(
    landscape: Landscape, setting: Setting, origin: str, comfort: Comfort, version: str, language: Language, most: int
) -> str:
    """The moves as lines for a terminal."""
    words = Words(language)
    named = setting.work.roles.filter(pl.col("role_id") == origin).select(titled(language)).item()
    rows = [
        [
            row["role"],
            _number(row["tolerance_fit"], ".1f", "%"),
            _number(row["similarity"], "+.2f"),
            _number(row["pay_change"], "+.1f", "%"),
            _number(row["education_change"], "+.1f"),
            f"{row['exposure']:.1f}% [{row['exposure_low']:.1f}%, {row['exposure_high']:.1f}%]",
            f"{row['not_assessed']:.1f}%",
            row["to_learn"] or "-",
        ]
        for row in moves_table(landscape, setting, origin, comfort, language, most).to_dicts()
    ]
    head = ("move_to", "fits", "similar", "pay", "schooling", "freed_there", "not_assessed", "to_learn")
    source = named_set(landscape.analysis, version, words)
    return (
        f"{words.plain('moves_from', role=named)}; {source}\n{words.plain(f'comfort_{comfort}')}\n\n"
        f"{table([words.plain(name) for name in head], rows)}\n\n{words.plain('moves_note')}"
    )


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{form}}{unit}"


def feature_names(features: tuple[str, ...], archive: Archive | None, language: str) -> dict[str, str]:
    """A name for each feature: in English the archive's official one, else the bundled one, else its id."""
    names = {feature: feature for feature in features}
    names |= {name: getattr(texts, language) for name, texts in bundled_elements().items()}
    if archive and language == "en" and "Content Model Reference" in archive.tables:
        official = archive.tables["Content Model Reference"].select("Element ID", "Element Name").drop_nulls()
        names |= dict(official.iter_rows())
    return names
