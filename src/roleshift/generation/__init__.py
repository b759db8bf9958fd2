"""Generation: one interface, two backends (torch, ONNX Runtime), and a store that loses no answer."""

from roleshift.generation.interface import Backend
from roleshift.generation.opening import artifact_id_of, open_backend, variant_of
from roleshift.generation.requests import Answer, GenerationConfig, Request

__all__ = ["Answer", "Backend", "GenerationConfig", "Request", "artifact_id_of", "open_backend", "variant_of"]
