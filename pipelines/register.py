"""Register: the base and the tuned model as versions in MLflow, with all that was measured. Run: dvc repro register."""

import os

from roleshift.feedback.store import stored_events
from roleshift.files import read_json, write_json
from roleshift.registry.card import ensure_card
from roleshift.registry.deciding import decide
from roleshift.registry.manifest import read_made
from roleshift.registry.registering import register, summary
from roleshift.registry.results import result_table
from roleshift.registry.tracking import tracking_of
from roleshift.stage import Stage, run_stage


def run(stage: Stage) -> None:
    """Register what is not in the tracking store yet, and print what stands there."""
    params = stage.params
    name = params.registry.model_name
    experiment = stage.project.experiment_name
    made = read_made(stage.root, params.base.source)
    tracking = tracking_of(stage.project, params)
    registered = register(
        tracking,
        stage.root,
        name,
        made,
        experiment=experiment,
        move_aliases=experiment is None or os.environ.get("ROLESHIFT_MOVE_ALIASES") == "1",
    )
    write_json(stage.out / "metrics/register.json", summary(name, made))
    for change in registered.changes or ("nothing to register: everything is in the tracking store",):
        print(change)
    for version in (registered.base, registered.tuned):
        aliases = "".join(f" @{alias}" for alias in version.aliases)
        print(f"{name} version {version.number}{aliases}: {version.kind}, {version.variant}, model {version.model_id}")
    verdict = decide(tracking, params, registered, votes=stored_events(stage.project, "vote"), move=experiment is None)
    if verdict is not None:
        print(f"gate of version {verdict.version}: {verdict.summary}")
        for rule in verdict.rules:
            print(f"  {rule.state:14}  {rule.name}: {rule.figure}")
    for version in (registered.base, registered.tuned):
        if ensure_card(tracking, params, version):
            print(f"model card of version {version.number}: roleshift card {version.number}")
    print(f"pipeline run {registered.pipeline_run}, training run {registered.training_run}")
    print(f"\n{result_table(read_json(stage.root / 'metrics/evaluate.json'))}")
    print("\ndashboard: make dashboard\nMLflow:    make mlflow")


if __name__ == "__main__":
    run_stage("register", run)
