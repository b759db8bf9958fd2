"""Two clones share a registry and a cache: Ann runs the pipeline, Bob takes it over and promotes."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from members import MODEL, Team, as_administrator, blocks
from servers import SECRET, objects, rows_with

from roleshift.params import merge_params
from test_pipeline import TINY, make_checkout

pytestmark = pytest.mark.team

SMALLEST = {
    "sources": {"questions": {"path": "examples/questions/questions.jsonl"}},
    "prepare": {"sizes": {"train": 6, "validation": 2, "test": 4, "review": 2}},
    "train": {"epochs": 1},
    "generation": {"max_new_tokens": 4},
    "registry": {"approvers": ["bob"]},
}


@dataclass(frozen=True)
class Member:
    """A person at a clone of the project."""

    team: Team
    name: str
    checkout: Path

    def run(self, *command: str, fails: bool = False) -> str:
        """What a command prints; it must succeed, or with `fails` exit 1."""
        result = subprocess.run(
            command, cwd=self.checkout, env=self.team.environment(self.name, self.checkout), capture_output=True,
            text=True,
        )  # fmt: skip
        output = result.stdout + result.stderr
        assert result.returncode == int(fails), output[-4000:]
        assert SECRET not in output
        return output

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def git(self, *arguments: str) -> str:
        return self.run("git", "-c", f"user.name={self.name}", "-c", f"user.email={self.name}@example.org", *arguments)

    def roleshift(self, *arguments: str, fails: bool = False) -> str:
        return self.run("roleshift", *arguments, fails=fails)


@pytest.fixture(scope="module")
def ann(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Member:
    """Ann, after her run and her push; the administrator has given Bob his rights."""
    folder = tmp_path_factory.mktemp("team")
    (folder / "ann").mkdir()
    member = Member(team, "ann", make_checkout(folder / "ann", merge_params(TINY, SMALLEST)))
    subprocess.run(["git", "init", "-q", "--bare", str(folder / "origin.git")], check=True)
    member.dvc("remote", "add", "--default", "team", "s3://roleshift/dvc")
    member.dvc("repro")
    member.dvc("push")
    member.git("add", "-A")
    member.git("commit", "-qm", "A run")
    member.git("push", "-q", str(folder / "origin.git"), "HEAD:refs/heads/main")
    as_administrator(team, blocks("python")[1])
    return member


@pytest.fixture(scope="module")
def bob(ann: Member) -> Member:
    """Bob, in a fresh clone with the cache pulled."""
    folder = ann.checkout.parent
    subprocess.run(["git", "clone", "-q", "-b", "main", str(folder / "origin.git"), str(folder / "bob")], check=True)
    member = Member(ann.team, "bob", folder / "bob")
    member.dvc("pull")
    return member


def test_the_other_clone_has_every_file_and_nothing_to_register(ann: Member, bob: Member) -> None:
    outputs = [Path("models/onnx/onnx-fp32/model.onnx"), Path("evidence/candidate/items.parquet")]
    assert [(bob.checkout / path).read_bytes() == (ann.checkout / path).read_bytes() for path in outputs] == [True] * 2
    assert "nothing to register" in bob.dvc("repro", "--single-item", "register")


def test_bob_verifies_promotes_and_is_on_record_while_ann_may_only_look(ann: Member, bob: Member) -> None:
    assert "as registered" in bob.roleshift("lineage", "challenger", "--verify")
    gate = subprocess.run(
        ["roleshift", "gate", "challenger", "--json"], cwd=bob.checkout,
        env=bob.team.environment("bob", bob.checkout), capture_output=True, text=True,
    )  # fmt: skip
    failed = [rule["name"] for rule in json.loads(gate.stdout)["rules"] if rule["state"] == "fail"]
    assert gate.returncode == bool(failed)
    waived = [word for name in failed for word in ("--waive", name)]
    refused = ann.roleshift("promote", "challenger", *waived, "--reason", "mine", fails=True)
    assert "ann may not change the champion; registry.approvers names bob" in refused
    assert "no change yet" in ann.roleshift("history")
    promoted = bob.roleshift("promote", "challenger", *waived, "--reason", "a model of random weights")
    assert "version 2 is champion (was none)" in promoted
    entries = json.loads(ann.roleshift("history", "--json"))["entries"]
    assert [(entry["who"], entry["kind"]) for entry in entries][-1] == ("bob", "promote")
    assert entries[-1]["version_to"] == 2


def test_a_name_counts_only_with_its_password(bob: Member) -> None:
    environment = bob.team.environment("ann", bob.checkout) | {"MLFLOW_TRACKING_USERNAME": "bob"}
    command = ["roleshift", "promote", "1", "--reason", "not Bob"]
    result = subprocess.run(command, cwd=bob.checkout, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert SECRET not in result.stdout + result.stderr
    assert bob.team.server in result.stderr


def test_no_secret_is_in_git_in_the_store_or_in_the_databases(ann: Member, bob: Member) -> None:
    assert "up to date: the audit log in postgresql://***@" in ann.roleshift("migrate")
    for member in (ann, bob):
        tracked = member.git("ls-files").split()
        assert not [name for name in tracked if SECRET in (member.checkout / name).read_text(errors="ignore")]
    for database in ("mlflow", "roleshift"):
        tables = rows_with(ann.team.database, database, SECRET)
        assert sum(rows for rows, _ in tables.values())
        assert not [table for table, (_, leaked) in tables.items() if leaked]
    stored = objects(ann.team.store)
    assert len(stored) > 50
    assert not [name for name, content in stored.items() if SECRET.encode() in content]
    params = yaml.safe_load((ann.checkout / "params.yaml").read_text())
    assert params["registry"]["model_name"] == MODEL
    assert SECRET not in json.dumps(params)
