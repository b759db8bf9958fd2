"""What a test set can show: the smallest detectable difference, and how many items another needs."""

from math import ceil, floor, log
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


def smallest_margin(groups: int, confidence: float = 0.95) -> float:
    """The smallest margin of a mean score in [0, 1] that this many groups can certify, however they come out.

    Had not one of the groups lost anything, up to a share p of all groups might still lose up to 1,
    where (1 - p)^groups = 1 - confidence: the exact one-sided bound for no event in `groups` trials
    (Clopper and Pearson, 1934; about 3/groups at 95%, the rule of three). With k capabilities of equal
    size the mean over capabilities has the same bound: by the inequality of arithmetic and geometric
    means the shares (1 - p_c) that are likeliest to hide a loss are all equal. A bootstrap does not
    know this: where no pair differs, its interval is the point 0.
    """
    if groups < 1:
        return 1.0
    share: float = 1 - (1 - confidence) ** (1 / groups)
    return share


def groups_to_certify(margin: float, confidence: float = 0.95) -> int:
    """The fewest groups whose `smallest_margin` is below `margin` (between 0 and 1)."""
    return floor(log(1 - confidence) / log(1 - margin)) + 1


def _factor(confidence: float, power: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf(1 - (1 - confidence) / 2) + normal.inv_cdf(power)
