"""Base models and LoRA fine-tuning."""
