"""From p-values and intervals to statements."""

from collections.abc import Sequence

from roleshift.evaluation.statistics.paired import PairedResult


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for their number (Holm, 1979), in the order given; None stays None.

    What has no p-value makes no statement, and so does not count as a test.
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, index) in enumerate(known):
        running = max(running, min(1.0, (len(known) - rank) * p))
        corrected[index] = running
    return corrected


def non_inferior(result: PairedResult, margin: float) -> bool | None:
    """Whether a is not worse than b by `margin` or more: its interval lies above -margin.

    With the two-sided interval at level 1 - 2 alpha this is the one-sided test at alpha. None where
    there is no interval.
    """
    if margin < 0:
        raise ValueError(f"a margin is at least 0, not {margin}")
    return None if result.low is None else result.low > -margin
