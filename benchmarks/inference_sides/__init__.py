"""The sides of benchmarks/inference.py that are not the product's own backends."""
