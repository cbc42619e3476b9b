"""The core of deploying models to NVIDIA Triton Inference Server: ports, laws and the service."""
