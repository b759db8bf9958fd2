"""Roles by capability: how much of a role's time needs a capability, and what was measured of it."""

import numpy as np
import polars as pl

from roleshift.impact.capability import CAPABILITIES
from roleshift.impact.matching import NOTHING
from roleshift.impact.roles import Analysis


def demands(analysis: Analysis) -> pl.DataFrame:
    """One row per role and capability that it needs, in the order of the roles and the capabilities.

    Shares of the role's time, in [0, 1]: `needed` by tasks that the gate leaves open, `measured` the
    part of it with evidence, `transferred` the part of that with evidence from other kinds of text
    alone. `lower` and `observed` are the mean success rates of the evidence taken, weighted by
    time; null where nothing is measured.
    """
    units, matched = analysis.units, analysis.matched
    needs = (units.required > 0) & units.gate[:, None]
    known = needs & (matched.level != NOTHING)
    needed = units.shares @ needs.astype(float)
    measured = units.shares @ known.astype(float)
    columns = {
        "needed": needed,
        "measured": measured,
        "transferred": units.shares @ (known & matched.transferred).astype(float),
    }
    for name, rates in (("lower", matched.lower), ("observed", matched.observed)):
        at = np.where(known, np.append(rates, 0.0)[matched.level], 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[name] = np.where(measured > 0, (units.shares @ at) / measured, np.nan)
    roles, capabilities = np.nonzero(needed > 0)
    return pl.DataFrame(
        {
            "role_id": analysis.work.roles["role_id"][roles],
            "capability": [CAPABILITIES[i] for i in capabilities],
            **{name: values[roles, capabilities] for name, values in columns.items()},
        }
    ).with_columns(pl.col("lower", "observed").fill_nan(None))
