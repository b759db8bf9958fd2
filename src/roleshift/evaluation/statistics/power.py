"""What a test set can show: the smallest detectable difference, and how many items another needs."""

from math import ceil
from statistics import NormalDist

POWER = 0.8


def detectable_difference(deviation: float, confidence: float = 0.95, power: float = POWER) -> float:
    """The true difference that a two-sided test would find with probability `power`.

    `deviation` is the standard deviation of the difference of the corpus values (its bootstrap
    standard deviation): (z_(1-alpha/2) + z_power) times it, the usual normal approximation.
    """
    return _factor(confidence, power) * deviation


def needed_groups(
    deviation: float, groups: int, difference: float, confidence: float = 0.95, power: float = POWER
) -> int | None:
    """How many groups would show a true difference of this size; None where it is 0.

    The deviation shrinks with the square root of the number of groups. For non-inferiority give the
    distance between the observed difference and minus the margin.
    """
    if difference == 0:
        return None
    return max(1, ceil(groups * (_factor(confidence, power) * deviation / abs(difference)) ** 2))


def _factor(confidence: float, power: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf(1 - (1 - confidence) / 2) + normal.inv_cdf(power)
