"""What a comparison may name: a version, an alias, a run's folder or an evidence folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from roleshift.evaluation.comparison import Side, load_evidence
from roleshift.params import Params
from roleshift.project import Project

if TYPE_CHECKING:
    from roleshift.registry.tracking import Tracking
    from roleshift.registry.versions import Version


def side_of(project: Project, params: Params, word: str, downloads: Path) -> Side:
    """The evidence that `word` names: `PATH`, `PATH:VARIANT`, a version's number, alias or id.

    A version's evidence is brought from the tracking store to `downloads`; it is the variant that
    the version serves.
    """
    path, _, variant = word.partition(":")
    if Path(path).exists():
        return load_evidence(Path(path), variant or None)
    from roleshift.registry.tracking import tracking_of
    from roleshift.registry.versions import resolve

    tracking = tracking_of(project, params)
    return version_side(tracking, resolve(tracking, params.registry.model_name, word), downloads)


def version_side(tracking: "Tracking", version: "Version", downloads: Path) -> Side:
    """The test evidence of a registered version, as the variant that it serves, brought to `downloads`."""
    from roleshift.registry.versions import download_evidence

    evidence = download_evidence(tracking, version, downloads / str(version.number))
    side = load_evidence(evidence / ("baseline" if version.kind == "base" else "candidate"), version.variant)
    return Side(f"version {version.number} ({version.variant})", side.items, side.scores)
