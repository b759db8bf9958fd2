"""Evidence: metrics, floors, statistics, reports, comparisons. No torch, no mlflow, no streamlit."""

from roleshift.evaluation.scoring import score_items

__all__ = ["score_items"]
