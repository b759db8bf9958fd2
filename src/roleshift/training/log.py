"""Where a training run reports to while it runs."""

from collections.abc import Mapping
from typing import Protocol


class TrainingLog(Protocol):
    """A tracking run. It must never stop the training: a failure is a warning."""

    def start(self, params: Mapping[str, str | int | float | bool]) -> None:
        """Open the run, or continue the one of the same inputs."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Report figures of one optimiser step."""

    def finish(self, status: str) -> None:
        """Close the run: FINISHED, FAILED or KILLED."""


class NoLog:
    """For runs that nobody tracks."""

    def start(self, params: Mapping[str, str | int | float | bool]) -> None:
        """Do nothing."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Do nothing."""

    def finish(self, status: str) -> None:
        """Do nothing."""
