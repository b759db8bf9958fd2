"""Fixtures of the tests of the evaluation."""

import pytest
from evaluation_samples import make_task

from roleshift.tasks import TaskDefinition


@pytest.fixture(scope="session")
def tasks() -> dict[str, TaskDefinition]:
    made = [
        make_task("summarize-tests", "summarize"),
        make_task("translate-tests", "translate", language="zh", metric="chrf"),
        make_task(
            "classify-tests", "classify", kind="classify", labels=("Arts", "History", "People"), metric="accuracy",
            threshold=1.0,
        ),
        make_task("entities-tests", "extract", kind="extract", fields=("persons", "places"), metric="entity_f1"),
    ]  # fmt: skip
    return {task.id: task for task in made}
