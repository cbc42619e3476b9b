"""The command ``triton-publish``: a directory in Triton's layout to MLflow's model registry."""
