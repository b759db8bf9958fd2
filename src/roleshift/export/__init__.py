"""From an adapter to the ONNX variant that ships."""
