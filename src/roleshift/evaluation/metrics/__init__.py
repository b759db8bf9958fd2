"""Metrics in the shape that sacreBLEU made standard: statistics per item, score, signature.

`corpus` turns summed statistics into scores with numpy alone; the other modules make statistics
from strings and are subclasses of `evaluate.Metric`. `import evaluate` loads transformers and
torch (about four seconds), so what only compares stored scores imports `corpus` and nothing else.
"""
