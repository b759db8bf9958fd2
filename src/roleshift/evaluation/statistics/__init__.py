"""Intervals and tests over cached sufficient statistics, with numpy alone.

A corpus is an array of shape (n, k): k sufficient statistics for each of n items. Items of one
group are resampled together. A corpus score is any function from sums of shape (..., k) to values
of shape (...), see `roleshift.evaluation.metrics.corpus`.
"""

from roleshift.evaluation.statistics.correction import holm
from roleshift.evaluation.statistics.intervals import Interval, bootstrap_interval, clopper_pearson
from roleshift.evaluation.statistics.paired import (
    PairedResult,
    approximate_randomisation,
    paired_bootstrap,
)
from roleshift.evaluation.statistics.power import (
    detectable_difference,
    groups_to_certify,
    needed_groups,
    smallest_margin,
)
from roleshift.evaluation.statistics.resampling import MINIMUM_GROUPS, VERIFIED_GROUPS

__all__ = [
    "MINIMUM_GROUPS",
    "VERIFIED_GROUPS",
    "Interval",
    "PairedResult",
    "approximate_randomisation",
    "bootstrap_interval",
    "clopper_pearson",
    "detectable_difference",
    "groups_to_certify",
    "holm",
    "needed_groups",
    "paired_bootstrap",
    "smallest_margin",
]
