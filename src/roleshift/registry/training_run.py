"""The training run in MLflow: found again by the hash of its inputs, written in batches.

Nothing here stops a training: where the store fails, a warning says so once and the figures stay
in metrics/finetune.json and plots/finetune, from which `register` can make the run anew.
"""

import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from mlflow.entities import Metric, Param

from roleshift.databases import store_lock
from roleshift.errors import RoleShiftError
from roleshift.registry.tracking import open_tracking, reporting

STAGE_TAG = "roleshift.stage"
INPUT_HASH_TAG = "roleshift.input_hash"

FLUSH_SECONDS = 10.0
BATCH_METRICS = 1000
"""What one call of MLflow's log_batch takes."""


class MlflowTrainingLog:
    """A `roleshift.training.log.TrainingLog` that writes to the tracking store at `uri`."""

    def __init__(self, uri: str, home: Path, experiment: str, input_hash: str) -> None:
        self.uri = uri
        self.input_hash = input_hash
        self.run_id = ""
        self.home = home
        self.experiment = experiment
        self._pending: list[tuple[str, float, int, int]] = []
        self._logged_until = 0
        self._flushed = time.monotonic()
        self._working = True

    def start(self, params: Mapping[str, str | int | float | bool]) -> None:
        """Open the run, or continue the one of the same inputs."""
        self._try(lambda: self._start(params))

    def _start(self, params: Mapping[str, str | int | float | bool]) -> None:
        tracking = open_tracking(self.uri, self.home, self.experiment)
        self.client = tracking.client
        with store_lock(self.uri, "runs.lock"):
            found = self.client.search_runs(
                [tracking.experiment_id],
                f"tags.`{STAGE_TAG}` = 'finetune' and tags.`{INPUT_HASH_TAG}` = '{self.input_hash}'",
                max_results=1,
            )
            if found:
                self.run_id = found[0].info.run_id
                history = self.client.get_metric_history(self.run_id, "train_loss")
                self._logged_until = max((point.step for point in history), default=0)
                self.client.update_run(self.run_id, status="RUNNING")
                return
            tags = {STAGE_TAG: "finetune", INPUT_HASH_TAG: self.input_hash}
            run = self.client.create_run(tracking.experiment_id, tags=tags, run_name=f"finetune-{self.input_hash[:8]}")
            self.run_id = run.info.run_id
        self.client.log_batch(self.run_id, params=[Param(key, str(value)) for key, value in params.items()])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Report figures of one step; a step that a killed run has reported already is not repeated."""
        if step <= self._logged_until or not self._working:
            return
        now = int(time.time() * 1000)
        self._pending += [(name, value, now, step) for name, value in values.items()]
        if time.monotonic() - self._flushed >= FLUSH_SECONDS or len(self._pending) >= BATCH_METRICS // 2:
            self._try(self._flush)

    def _flush(self) -> None:
        if self._pending:
            self.client.log_batch(self.run_id, metrics=[Metric(*entry) for entry in self._pending])
        self._pending = []
        self._flushed = time.monotonic()

    def finish(self, status: str) -> None:
        """Write what is pending and close the run."""

        def close() -> None:
            self._flush()
            self.client.set_terminated(self.run_id, status=status)

        self._try(close)

    def _try(self, action: Callable[[], None]) -> None:
        if not self._working:
            return
        try:
            with reporting(self.uri):
                action()
        except RoleShiftError as error:
            self._working = False
            self._pending = []
            warnings.warn(f"training goes on untracked: {error}", stacklevel=3)
