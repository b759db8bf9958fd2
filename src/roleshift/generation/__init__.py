"""Generation: one interface, two backends (torch, ONNX Runtime), and a store that loses no answer."""

from roleshift.generation.interface import Answer, Backend, GenerationConfig, Request
from roleshift.generation.opening import artifact_id_of, open_backend, variant_of

__all__ = ["Answer", "Backend", "GenerationConfig", "Request", "artifact_id_of", "open_backend", "variant_of"]
