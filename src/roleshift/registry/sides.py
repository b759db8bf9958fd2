"""What a comparison may name: a version, an alias, a run's folder or an evidence folder."""

from pathlib import Path

from roleshift.evaluation.comparison import Side, load_evidence
from roleshift.params import Params
from roleshift.project import Project


def side_of(project: Project, params: Params, word: str, downloads: Path) -> Side:
    """The evidence that `word` names: `PATH`, `PATH:VARIANT`, a version's number, alias or id.

    A version's evidence is brought from the tracking store to `downloads`; it is the variant that
    the version serves.
    """
    path, _, variant = word.partition(":")
    if Path(path).exists():
        return load_evidence(Path(path), variant or None)
    from roleshift.registry.tracking import open_tracking
    from roleshift.registry.versions import download_evidence, resolve

    home = project.root if project.is_run else project.home
    tracking = open_tracking(project.tracking_uri, home, params.registry.experiment)
    version = resolve(tracking, params.registry.model_name, word)
    evidence = download_evidence(tracking, version, downloads / str(version.number))
    side = load_evidence(evidence / ("baseline" if version.kind == "base" else "candidate"), version.variant)
    return Side(f"version {version.number} ({version.variant})", side.items, side.scores)
