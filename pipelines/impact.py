"""Say what the shipped variant means for job roles: capability, task, role, moves, new work. Run: dvc repro impact."""

from roleshift.contracts import write_table
from roleshift.evaluation.evidence import load_tables
from roleshift.feedback.acceptance import with_acceptance
from roleshift.feedback.events import Answered
from roleshift.feedback.judged import read_judgements
from roleshift.files import read_json, sha256_file, write_json
from roleshift.impact.capability import measured_cells
from roleshift.impact.catalogue import bundled_emerging
from roleshift.impact.roles import analyse
from roleshift.impact.setting import open_setting
from roleshift.impact.tables import impact_summary, impact_tables
from roleshift.stage import Stage, run_stage


def impact(stage: Stage) -> None:
    """Analyse the candidate's own evidence under the params' assumptions."""
    params = stage.params
    variant = read_json(stage.root / "metrics/selection.json")["shipped"]
    items, scores = load_tables([stage.root / "evidence/candidate"])
    cells = measured_cells(items, scores, params.task_definitions(), variant=variant)
    model_id = next(item for item in items["model_id"].unique().sort())
    setting = open_setting(params.impact, params.seed, stage.project.source_path)
    sources = setting.sources
    if params.impact.judgements:
        path = stage.project.source_path(params.impact.judgements)
        cells = with_acceptance(
            cells, stage.root / "evidence/candidate", read_judgements(path),
            Answered(None, model_id, variant, ""), params.task_definitions(),
            resamples=params.impact.draws, seed=params.seed,
        )  # fmt: skip
        sources |= {"judgements": {"sha256": sha256_file(path)}}
    analysis = analyse(setting.work, cells, setting.assumptions.measured_only())
    entries = bundled_emerging()
    for name, (frame, contract) in impact_tables(setting.landscape(analysis), entries, model_id, variant).items():
        write_table(stage.out / f"impact/{name}.parquet", frame, contract)
    write_json(stage.out / "metrics/impact.json", impact_summary(analysis, entries, model_id, variant, sources))


if __name__ == "__main__":
    run_stage("impact", impact)
