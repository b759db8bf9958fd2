"""params.yaml, typed: an unknown key, a wrong type or an impossible combination is named.

Each module holds the sections of one subject; the file's comments say what a knob does, the fields
say what is allowed. `load_params` reads and checks the whole file.
"""

from roleshift.params.data import Columns, Corpus, PrepareParams, Sizes, SplitShares
from roleshift.params.evaluation import EvaluationParams, GenerationParams, SemanticParams
from roleshift.params.export import ExportParams, SelectParams, VariantParams
from roleshift.params.file import Params
from roleshift.params.impact import ImpactParams
from roleshift.params.loading import load_params, merge_params, parse_params, read_yaml
from roleshift.params.registry import GateParams, RegistryParams
from roleshift.params.serving import CaptureParams, ReviewShares, ServingParams
from roleshift.params.sources import (
    BaseModelParams,
    DatasetSource,
    FeedbackSource,
    FileSource,
    HubSource,
    PypiSource,
    RandomModelSource,
    Source,
    StdlibSource,
)
from roleshift.params.training import TrainParams

__all__ = [
    "BaseModelParams",
    "CaptureParams",
    "Columns",
    "Corpus",
    "DatasetSource",
    "EvaluationParams",
    "ExportParams",
    "FeedbackSource",
    "FileSource",
    "GateParams",
    "GenerationParams",
    "HubSource",
    "ImpactParams",
    "Params",
    "PrepareParams",
    "PypiSource",
    "RandomModelSource",
    "RegistryParams",
    "ReviewShares",
    "SelectParams",
    "SemanticParams",
    "ServingParams",
    "Sizes",
    "Source",
    "SplitShares",
    "StdlibSource",
    "TrainParams",
    "VariantParams",
    "load_params",
    "merge_params",
    "parse_params",
    "read_yaml",
]
