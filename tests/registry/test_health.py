"""What is wrong in the registry is found: a moved alias, lost evidence, an altered file."""

from pathlib import Path

from made_project import make_project

from roleshift.registry.health import alias_alerts, evidence_alerts, hash_alerts
from roleshift.registry.manifest import read_made
from roleshift.registry.recent import recent_runs
from roleshift.registry.registering import register
from roleshift.registry.tracking import open_tracking
from roleshift.registry.versions import list_versions


def test_each_fault_gives_an_alert_that_names_the_version(tmp_path: Path) -> None:
    make_project(tmp_path)
    tracking = open_tracking(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, "roleshift")
    register(tracking, tmp_path, "roleshift", read_made(tmp_path, "smollm2"), experiment=None, move_aliases=True)
    versions = list_versions(tracking, "roleshift")
    assert not alias_alerts(tracking, "roleshift")
    assert not evidence_alerts(tracking, versions)
    assert not hash_alerts(tracking, versions)
    runs = recent_runs(tracking, "roleshift")
    assert runs.filter(what="pipeline")["versions"].to_list() == ["1, 2"]
    assert runs.filter(what="pipeline")["seconds"].to_list() == [10.0]  # two for each of five stages
    assert set(runs["state"]) == {"finished"}

    tracking.client.set_registered_model_alias("roleshift", "champion", "2")  # past the audit log
    assert [alert.kind for alert in alias_alerts(tracking, "roleshift")] == ["alias"]

    altered = sorted(tmp_path.glob("mlartifacts/models/*/artifacts/artifacts/adapter/*"))[0]
    altered.write_bytes(altered.read_bytes() + b" ")
    found = hash_alerts(tracking, versions)
    assert [alert.kind for alert in found] == ["hash"]
    assert "version 2" in found[0].text

    for path in tmp_path.glob("mlartifacts/*/artifacts/evidence/candidate/scores.parquet"):
        path.unlink()
    found = evidence_alerts(tracking, versions)
    assert [alert.kind for alert in found] == ["evidence"]
    assert "scores.parquet" in found[0].text
