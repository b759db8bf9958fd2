import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from killed import count_writes, promote_in_process, register_in_process
from made_project import make_project

from roleshift.files import read_json
from roleshift.registry.figures import figures, numbers
from roleshift.registry.gate import Rule, Verdict
from roleshift.registry.manifest import read_made
from roleshift.registry.promotion import promote, standing
from roleshift.registry.registering import register
from roleshift.registry.tracking import Tracking, open_tracking
from roleshift.registry.versions import list_versions, resolve

POINTS = [
    ("log_batch", 3, "after"),
    ("create_logged_model", 1, "after"),
    ("log_model_artifacts", 3, "within"),  # the tuned model's code and manifest
    ("log_model_artifacts", 4, "within"),  # its weights
    ("create_model_version", 2, "before"),
    ("create_model_version", 2, "after"),
    ("set_registered_model_alias", 2, "before"),
]


def complete(tracking: Tracking) -> tuple[object, ...]:
    """What stands in the store, without numbers that chance gives."""
    client = tracking.client
    runs = client.search_runs([tracking.experiment_id])
    models = client.search_logged_models([tracking.experiment_id])
    history = {name: len(client.get_metric_history(run.info.run_id, name)) for run in runs for name in run.data.metrics}
    return (
        [(v.number, v.kind, v.model_id, v.complete, v.aliases) for v in list_versions(tracking, "roleshift")],
        sorted(run.data.tags.get("roleshift.kind", "finetune") for run in runs),
        Counter(run.info.status for run in runs),
        sorted((str(m.status), m.name) for m in models),
        history,
    )


def kill_and_run_again(folder: Path, migrated: Path, die_at: tuple[str, int, str]) -> None:
    root = make_project(folder / "project")
    shutil.copy(migrated, folder / "mlflow.db")
    uri = f"sqlite:///{folder}/mlflow.db"
    assert register_in_process(root, uri, die_at) == -signal.SIGKILL
    tracking = open_tracking(uri, folder, "roleshift")
    before = list_versions(tracking, "roleshift")
    for version in before:
        assert not version.aliases or version.complete
        assert tracking.client.get_logged_model(version.logged_model).status == "READY"
    made = read_made(root, "smollm2")
    register(tracking, root, "roleshift", made, experiment=None, move_aliases=True)
    assert complete(tracking) == expected(root)
    assert register(tracking, root, "roleshift", made, experiment=None, move_aliases=True).changes == ()


def expected(root: Path) -> tuple[object, ...]:
    """Each figure once, the learning curve's two steps, two versions, two runs, two models."""
    trained = numbers(read_json(root / "metrics/finetune.json"), "finetune")
    return (
        [(1, "base", "base0000base0000", True, ("baseline",)), (2, "tuned", "tuned-model-id", True, ("challenger",))],
        ["finetune", "pipeline"],
        Counter({"FINISHED": 2}),
        [("READY", "base"), ("READY", "tuned")],
        dict.fromkeys([*figures(root), *trained], 1) | {"train_loss": 2, "train_learning_rate": 2},
    )


@pytest.mark.parametrize("die_at", POINTS, ids=lambda point: "-".join(map(str, point)))
def test_registering_killed_and_run_again_is_complete_without_duplicates(tmp_path, migrated, die_at):
    kill_and_run_again(tmp_path, migrated, die_at)


@pytest.mark.parametrize("write", ["append", "set_registered_model_tag", "set_registered_model_alias"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_promoting_killed_and_run_again_is_complete_with_one_entry(tmp_path, migrated, write, moment):
    root = make_project(tmp_path / "project")
    shutil.copy(migrated, tmp_path / "mlflow.db")
    tracking = open_tracking(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, "roleshift")
    register(tracking, root, "roleshift", read_made(root, "smollm2"), experiment=None, move_aliases=True)
    assert promote_in_process(tracking.uri, 2, (write, 1, moment)) == -signal.SIGKILL
    left = standing(tracking, "roleshift")
    assert left.alias in (None, 2)
    assert left.alias is None or left.audited == 2  # no champion without its entry
    version = resolve(tracking, "roleshift", "2")
    verdict = Verdict(2, None, (Rule("better", "pass", "by test"),))
    promote(tracking, version, verdict, expected=left.alias, who="ann", reason="for the test")
    now = standing(tracking, "roleshift")
    assert (now.alias, now.audited, now.drift) == (2, 2, None)
    assert [(entry.kind, entry.version_to) for entry in now.entries] == [("promote", 2)]


@pytest.mark.slow
def test_registering_killed_around_every_write_is_completed(tmp_path, migrated):
    root = make_project(tmp_path / "whole" / "project")
    shutil.copy(migrated, tmp_path / "whole" / "mlflow.db")
    writes = count_writes(root, f"sqlite:///{tmp_path}/whole/mlflow.db")
    assert len(writes) > 30
    points = [(*writes[0], "before"), *((*write, "after") for write in writes)]  # before one is after the one before it
    for die_at in points:
        folder = tmp_path / "-".join(map(str, die_at))
        kill_and_run_again(folder, migrated, die_at)
        shutil.rmtree(folder)
