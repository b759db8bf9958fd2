"""Export: merge the adapter, build ONNX variants, check them against torch, choose the one that ships."""

from roleshift.export.merging import merge_adapter, model_id_of

__all__ = ["merge_adapter", "model_id_of"]
