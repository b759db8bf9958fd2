from feedback_samples import store, vote

__all__ = ["store", "vote"]
