"""Work that shrinks: a scenario, never a forecast. No dates, no probability that a job disappears."""

import polars as pl

from roleshift.impact.assumptions import Elasticities
from roleshift.impact.capability import Floats
from roleshift.impact.roles import Analysis, interval


def labour_change(saved: Floats, elasticities: Elasticities) -> Floats:
    """Relative change of labour demand to first order: (|eta| kappa phi - 1) s.

    `saved` is s, the share of the role's labour saved, any shape. Above |eta| kappa phi = 1 the
    cheaper product is demanded so much more that work grows.
    """
    factor = elasticities.demand.value * elasticities.cost_share.value * elasticities.pass_through.value - 1
    return factor * saved


def shrinking_table(analysis: Analysis) -> pl.DataFrame:
    """Per role the change of labour demand: at the certified decisions, and expected with a 90% interval.

    The labour saved is the human time freed. What is not assessed saves nothing here, so the
    share of a role that is not assessed belongs beside the figure.
    """
    elasticities = analysis.assumptions.elasticities
    draws = labour_change(analysis.expected.roles["time_freed"], elasticities)
    low, high = interval(draws)
    return pl.DataFrame(
        {
            "role_id": analysis.work.roles["role_id"],
            "certified": labour_change(analysis.certified["time_freed"], elasticities),
            "expected": draws.mean(axis=-1),
            "low": low,
            "high": high,
            "not_assessed": analysis.certified["not_assessed"],
        }
    )
