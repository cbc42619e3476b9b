"""Deploys models that MLflow tracks to NVIDIA Triton Inference Server."""
