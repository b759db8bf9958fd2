"""One generation interface over torch and ONNX Runtime."""
